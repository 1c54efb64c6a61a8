/**
 * Processes of a bench: each may be pinned to a core, writes a line of JSON when it is ready, and is ended by its pid.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** One thread of V8's beside the main thread, where both share a core: as `ashlar` starts members there (`cli/src/member-flags.ts`). */
const ONE_CORE_FLAGS = ['--v8-pool-size=1'];
const NODE_FLAGS = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning'];

/** As `scripts/ashlar.mjs` starts members. */
const COMPILED = { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  stop(): Promise<void>;
}

/** @param core  the only core its threads may run on; undefined: any */
export function spawnPinned(command: string, args: readonly string[], core: number | undefined): ChildProcess {
  const [program, all] = core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
  return spawn(program, all, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...COMPILED, ...process.env } });
}

/** One of our programs, from source. @param flags  more of Node's */
export function spawnNode(
  file: string,
  args: readonly string[],
  core: number | undefined,
  flags: readonly string[] = [],
): ChildProcess {
  const pinned = core === undefined ? [] : ONE_CORE_FLAGS;
  return spawnPinned(process.execPath, [...NODE_FLAGS, ...flags, ...pinned, file, ...args], core);
}

/** The first line of JSON that the child prints. @throws when it ends before */
export async function firstLine<T>(child: ChildProcess, name: string): Promise<T> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('{')) return JSON.parse(line) as T;
  }
  throw new Error(`${name} ended before it was ready`);
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
