/** `npm run bench -- NAME [--json]`: prints the set-up, then the figures of one bench. */
import { makeReporter, type Reporter, setUp } from './report.ts';
import { benchStart } from './start.ts';

const BENCHES: Readonly<Record<string, (reporter: Reporter) => Promise<void>>> = { start: benchStart };

const [name = '', ...flags] = process.argv.slice(2);
const run = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
const unknownFlag = flags.find((flag) => flag !== '--json');
if (run === undefined || unknownFlag !== undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json]\n`);
  process.exit(2);
}
const reporter = makeReporter(flags.includes('--json'));
reporter.note(setUp());
await run(reporter);
