/** cli: the command line. */
export type { Figure as BenchFigure } from './bench/report.ts';
export type { CliIo, ConnectRequest, MemberRequest, RunningMember } from './io.ts';
export { MEMBER_NODE_FLAGS } from './member-flags.ts';
export { runCli } from './program.ts';
export { CLI_VERSION } from './version.ts';
