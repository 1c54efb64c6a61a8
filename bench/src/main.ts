/** `npm run bench -- NAME [--json]`: prints the set-up, then the figures of one bench. */
import { benchEvents } from './events/bench.ts';
import { benchKv } from './kv/bench.ts';
import { benchMembers } from './members/bench.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { benchProcess } from './process/bench.ts';
import { benchReplication } from './replication/bench.ts';
import { makeReporter, type Reporter, setUp } from './report.ts';
import { benchScan } from './scan/bench.ts';
import { benchSql } from './sql/bench.ts';
import { benchStart } from './start.ts';

const BENCHES: Readonly<Record<string, (reporter: Reporter, options: BenchOptions) => Promise<void>>> = {
  events: benchEvents,
  kv: benchKv,
  members: benchMembers,
  process: benchProcess,
  replication: benchReplication,
  scan: benchScan,
  sql: benchSql,
  start: benchStart,
};
const USAGE = `usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json] [--rounds N] [--case NAME]... [--subject NAME]... [--live-heap (events)]`;

function fail(code: number, message: string): never {
  (code === 0 ? process.stdout : process.stderr).write(`${message}\n`);
  process.exit(code);
}

const [name = '', ...flags] = process.argv.slice(2);
if ([name, ...flags].some((flag) => flag === '--help' || flag === '-h')) fail(0, USAGE);
const run = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (run === undefined) fail(2, USAGE);
let options: BenchOptions;
try {
  options = parseOptions(flags);
  if (options.liveHeap && run !== benchEvents) throw new Error('--live-heap: only events measures it');
} catch (error) {
  fail(2, `${(error as Error).message}\n${USAGE}`);
}
const reporter = makeReporter(options.json);
reporter.note(setUp());
try {
  await run(reporter, options);
} catch (error) {
  fail(1, `bench ${name} failed: ${error instanceof Error ? error.message : error}`);
}
