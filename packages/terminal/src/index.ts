/** terminal: rendering, results, files of rows: what the command line, benches and examples share. */
export { ColumnTypes } from './files/column-types.ts';
export {
  EXPORT_FORMATS,
  type ExportFormat,
  formatOf,
  hasTypes,
  holdsValues,
  openRowFile,
} from './files/export-file.ts';
export { isExported, keyOfRow, valueOfRow } from './files/exported-rows.ts';
export { type LoadOptions, type LoadResult, loadRows } from './files/load.ts';
export { openRows } from './files/open.ts';
export type { Document, RowSource } from './files/rows.ts';
export { fileSink, type Sink, streamSink } from './files/sink.ts';
export { linesOf } from './files/text-lines.ts';
export { nearest, requireMap, unknownName } from './nearest.ts';
export { printable } from './render/cells.ts';
export { type Bar, renderBarChart } from './render/chart.ts';
export { errorJson, plainError, renderError } from './render/error.ts';
export {
  formatBytes,
  formatCount,
  formatDuration,
  formatQuantity,
  formatRate,
  formatShare,
  toPlain,
} from './render/format.ts';
export { type LiveBlock, startLiveBlock } from './render/live.ts';
export { type ProgressOptions, startProgress } from './render/progress.ts';
export { type Colours, makeColours, makeScreen, type Screen, type TextStream, writeAll } from './render/screen.ts';
export { layOutTable, renderTable, renderTableFooter, type TableData } from './render/table.ts';
export { parseResultMode, RESULT_MODES, type ResultMode } from './results/result-mode.ts';
export { makeResultWriter } from './results/result-writer.ts';
export { sqlName } from './values/sql-name.ts';
export { exactJson, keyJson, keyText, parseKey, parseValue, valueText } from './values/text-form.ts';
