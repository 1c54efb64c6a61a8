/** cli: the command line, and what it shares with the examples: rendering, readers of files, loading. */
export type { Figure as BenchFigure } from './bench/report.ts';
export { type LoadOptions, type LoadResult, loadRows } from './files/load.ts';
export { openRows } from './files/open.ts';
export type { Document, RowBatch, RowSource } from './files/rows.ts';
export type { CliIo, ConnectRequest, MemberRequest, RunningMember } from './io.ts';
export { MEMBER_NODE_FLAGS } from './member-flags.ts';
export { runCli } from './program.ts';
export { type Bar, renderBarChart } from './render/chart.ts';
export { errorJson, renderError } from './render/error.ts';
export {
  formatBytes,
  formatCount,
  formatDuration,
  formatQuantity,
  formatRate,
  formatShare,
  formatValue,
  toPlain,
} from './render/format.ts';
export { type LiveBlock, startLiveBlock } from './render/live.ts';
export { type Progress, type ProgressOptions, startProgress } from './render/progress.ts';
export { type Colours, makeScreen, type Screen, type TextStream } from './render/screen.ts';
export { renderTable, renderTableFooter, type TableData, type TableOptions } from './render/table.ts';
export { CLI_VERSION } from './version.ts';
