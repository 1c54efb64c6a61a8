/** One bare member as a process of its own. */
import { fileURLToPath } from 'node:url';
import { MEMBER_NODE_FLAGS } from '@ashlar/cli';
import { type Child, firstLine, spawnNode, stopChild } from './child-process.ts';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));

export interface MemberProcess extends Child {
  readonly address: string;
  /** Address of the HTTP door, where /metrics is. */
  readonly httpAddress: string;
}

interface Told {
  readonly event: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly message?: string;
}

/**
 * @param settings  by dotted path, as `ashlar start --set` takes them
 * @param core      the only core its threads may run on; undefined: any
 * @param more      flags of Node's beside a member's own
 */
export async function startMember(
  settings: Readonly<Record<string, string | number>> = {},
  core?: number,
  more: readonly string[] = [],
): Promise<MemberProcess> {
  const all = { 'grpc.port': 0, 'http.port': 0, 'log.level': 'warn', ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const child = spawnNode(MAIN, ['start', '--ready-json', '--exit-with-parent', ...flags], core, [
    ...MEMBER_NODE_FLAGS,
    ...more,
  ]);
  const told = await firstLine<Told>(child, 'the member');
  if (told.event !== 'listening') throw new Error(told.message ?? 'the member did not start');
  const { address, httpAddress } = told;
  return { address, httpAddress, process: child, pid: child.pid!, stop: () => stopChild(child) };
}
