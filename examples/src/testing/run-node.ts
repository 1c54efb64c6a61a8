/** Runs our programs as a user does: a process of its own, from source. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param file  relative to examples/src */
export function spawnSource(file: string, args: readonly string[]): ChildProcess {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const flags = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning'];
  return spawn(process.execPath, [...flags, path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
}

/** Runs to the end, or kills after `timeoutMs`. */
export async function runSource(file: string, args: readonly string[], timeoutMs: number): Promise<Ended> {
  const child = spawnSource(file, args);
  const texts = { stdout: '', stderr: '' };
  child.stdout!.on('data', (chunk: Buffer) => {
    texts.stdout += chunk.toString();
  });
  child.stderr!.on('data', (chunk: Buffer) => {
    texts.stderr += chunk.toString();
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, ...texts };
}
