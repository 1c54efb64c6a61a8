/**
 * One member as a child process: `ashlar start` from the source, on free ports, with little memory.
 *
 * member-process P1  The child watches the pipe at its stdin (`--exit-with-parent`), so it never outlives the tests.
 * member-process P2  Nothing waits without a bound: a start that says nothing within READY_TIMEOUT_MS rejects with what the
 *                    child wrote.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../packages/cli/src/main.ts', import.meta.url));
const READY_TIMEOUT_MS = 20_000;
/** Time for a command that is expected to end by itself. */
const COMMAND_TIMEOUT_MS = 20_000;
const LOG_TAIL_LINES = 200;

/** How a child process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From the start of the wait to the exit. */
  readonly elapsedMs: number;
}

/** Starts the command line with `args`; its streams are pipes. */
export function spawnCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', MAIN];
  const { NODE_OPTIONS: _unwanted, ...inherited } = process.env;
  return spawn(process.execPath, [...node, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...inherited, NO_COLOR: '1', ...env },
  });
}

/** Runs the command line to its end; a run that does not end is killed (member-process P2). @param input  what its stdin holds */
export async function runCliProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string,
): Promise<Ending & { readonly stdout: string; readonly stderr: string }> {
  const child = spawnCli(args, env);
  const told = { stdout: '', stderr: '' };
  child.stdout!.on('data', (text: Buffer) => (told.stdout += text));
  child.stderr!.on('data', (text: Buffer) => (told.stderr += text));
  if (input !== undefined) child.stdin!.end(input);
  const killing = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS);
  const ending = await endingOf(child);
  clearTimeout(killing);
  return { ...ending, ...told };
}

/** Resolves when the child has exited and its streams are read. */
export async function endingOf(child: ChildProcess): Promise<Ending> {
  const startMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once('close', () => resolve());
  await promise;
  return { code: child.exitCode, signal: child.signalCode, elapsedMs: performance.now() - startMs };
}

export class MemberProcess {
  readonly name: string;
  readonly pid: number;
  readonly address: string;
  readonly httpAddress: string;
  readonly child: ChildProcess;
  readonly #log: readonly string[];
  readonly #ending: Promise<Ending>;

  private constructor(child: ChildProcess, ready: ReadyLine, log: readonly string[], ending: Promise<Ending>) {
    this.child = child;
    this.name = ready.name;
    this.pid = ready.pid;
    this.address = ready.address;
    this.httpAddress = ready.httpAddress;
    this.#log = log;
    this.#ending = ending;
  }

  /** Starts `ashlar start` with `flags` and waits for its ready line. Rejects with what it wrote when it fails. */
  static async start(flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<MemberProcess> {
    const child = spawnCli(['start', '--ready-json', '--exit-with-parent', ...flags], env);
    const log: string[] = [];
    keepTail(child.stderr!, log);
    const ending = endingOf(child);
    const ready = Promise.withResolvers<ReadyLine>();
    const fail = (why: string) => ready.reject(new Error(`the member ${why}:\n${log.join('\n')}`));
    const timer = setTimeout(() => fail(`was not ready after ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS);
    child.once('close', (code, signal) => fail(`ended with ${code ?? signal}`));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const told = parseLine(line);
      if (told?.event === 'listening') ready.resolve(told);
      else log.push(line);
    });
    try {
      return new MemberProcess(child, await ready.promise, log, ending);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The last lines the member logged. */
  get log(): readonly string[] {
    return this.#log;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Sends `signal` and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<Ending> {
    const startMs = performance.now();
    this.child.kill(signal);
    const { code, signal: by } = await this.#ending;
    return { code, signal: by, elapsedMs: performance.now() - startMs };
  }

  /** Body and status of a page of the HTTP door. */
  async page(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://${this.httpAddress}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** The sum of a metric over those of its label sets that hold all of `labels`; undefined when there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const lines = (await this.page('/metrics')).text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => wanted.every((pair) => line.includes(pair)));
    if (lines.length === 0) return undefined;
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }
}

interface ReadyLine {
  readonly event: 'listening';
  readonly pid: number;
  readonly name: string;
  readonly address: string;
  readonly httpAddress: string;
}

function parseLine(line: string): ReadyLine | undefined {
  try {
    return JSON.parse(line) as ReadyLine;
  } catch {
    return undefined;
  }
}

function keepTail(stream: NodeJS.ReadableStream, lines: string[]): void {
  createInterface({ input: stream }).on('line', (line) => {
    lines.push(line);
    if (lines.length > LOG_TAIL_LINES) lines.shift();
  });
}
