/** One bare member as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));

export interface MemberProcess {
  readonly address: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** @param settings  by dotted path, as `ashlar start --set` takes them */
export async function startMember(settings: Readonly<Record<string, string | number>> = {}): Promise<MemberProcess> {
  const all = { 'grpc.port': 0, 'http.port': 0, 'log.level': 'warn', ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', MAIN];
  const child = spawn(process.execPath, [...node, 'start', '--ready-json', '--exit-with-parent', ...flags], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue;
    const told = JSON.parse(line) as { event: string; address: string; message?: string };
    if (told.event !== 'listening') throw new Error(told.message ?? 'the member did not start');
    return { address: told.address, child, stop: () => stop(child) };
  }
  throw new Error('the member ended before it was ready');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
