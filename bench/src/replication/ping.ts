/** The pair of processes of `ping`, on the core of the members. */
import { fileURLToPath } from 'node:url';
import { type Running, SERVER_CORE } from '../kv/harness.ts';
import { LineProcess } from '../line-process.ts';
import type { Meet } from './ping-process.ts';

const PROCESS = fileURLToPath(new URL('ping-process.ts', import.meta.url));

/** The one that asks is taken for the client. */
export async function startPing(): Promise<Running> {
  const asker = await LineProcess.start('ping', PROCESS, ['asker#1', 'other#1'], SERVER_CORE);
  const other = await LineProcess.start('ping', PROCESS, ['other#1', 'asker#1'], SERVER_CORE);
  await asker.ask(other.told as Meet);
  await other.ask(asker.told as Meet);
  const { process } = other;
  return { servers: [{ process, pid: process.pid!, stop: () => other.stop() }], clients: [asker] };
}
