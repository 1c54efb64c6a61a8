/**
 * `npm start`: two members on loopback, three million flights, SQL, a job, live fraud detection; then it serves on.
 *
 *   members -> load -> select -> compute -> fraud -> what to try next -> serve until Ctrl-C (or leave, with --once)
 *
 * main W1  Whatever happens, no member outlives the show (members.ts).
 * main W2  Ctrl-C ends it within a second, at any moment: exit code 0 once it serves, 130 before.
 * main W3  With --json, the show writes one line to stdout, at its end; text for people goes to stderr.
 */

import { connect } from '@ashlar/client';
import { formatBytes, makeScreen, renderError, type Screen } from '@ashlar/terminal';
import { compute } from './compute.ts';
import { fraud } from './fraud.ts';
import { readMemories } from './health.ts';
import { load } from './load.ts';
import { Members } from './members.ts';
import { parseShowOptions, SHOW_HELP, type ShowOptions } from './options.ts';
import { checkMachine } from './preflight.ts';
import { figuresJson, type ShowFigures, tellEnd } from './report.ts';
import { select } from './select.ts';
import { headline, type Stage } from './stage.ts';

const MEMBER_COUNT = 2;
const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;

const members = new Members();
const stop = new AbortController();
let serving = false;

const screen = makeScreen(process.argv.includes('--json') ? process.stderr : process.stdout, process.env);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
// A terminal or a pipe that is gone must not keep the members from being stopped.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => void leave(EXIT_FAILED));

try {
  const options = parseShowOptions(process.argv.slice(2));
  if (options.help) {
    await writeOut(SHOW_HELP);
    await leave(0);
  }
  const figures = await perform(options, screen);
  if (options.json) await writeOut(`${figuresJson(figures)}\n`);
  if (!options.once) {
    serving = true;
    screen.line(screen.colours.dim('\n  Serving until Ctrl-C.'));
    await members.failure;
  }
  await leave(0);
} catch (error) {
  if (!stop.signal.aborted) {
    screen.line(renderError(error, screen.colours));
    await leave(EXIT_FAILED);
  }
}

/** The acts, in order. A member that ends breaks them off. */
async function perform(options: ShowOptions, on: Screen): Promise<ShowFigures> {
  const startedMs = performance.now();
  headline(
    on,
    'ashlar',
    `${MEMBER_COUNT} members on this machine, ${formatBytes(options.memoryBytes)} of grid memory each`,
  );
  await checkMachine(options, MEMBER_COUNT);
  const infos = await members.start(options, MEMBER_COUNT);
  for (const { name, address } of infos) on.line(`  ${on.colours.bold(name)} listens on ${address}`);
  const grid = await connect({ seeds: infos.map((info) => info.address) });
  const stage: Stage = { options, screen: on, grid, signal: stop.signal };
  const acts = async (): Promise<ShowFigures> => ({
    load: await load(stage),
    select: await select(stage),
    compute: await compute(stage),
    fraud: await fraud(stage),
    members: await readMemories(infos, stop.signal),
    seconds: (performance.now() - startedMs) / 1000,
  });
  try {
    const figures = await Promise.race([acts(), members.failure]);
    tellEnd(on, options, figures.members);
    return figures;
  } finally {
    await grid.close();
  }
}

function onSignal(): void {
  if (stop.signal.aborted) {
    members.kill();
    process.exit(EXIT_INTERRUPTED);
  }
  if (screen.isTerminal) screen.line(); // below the ^C that the terminal shows
  void leave(serving ? 0 : EXIT_INTERRUPTED);
}

/** Stops everything and ends the process. */
async function leave(code: number): Promise<void> {
  stop.abort();
  await members.stop();
  process.exit(code);
}

function writeOut(text: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.stdout.write(text, () => resolve());
  return promise;
}
