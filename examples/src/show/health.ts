/** The memory of each member, by its own metrics. */
import type { MemberInfo } from './members.ts';

export interface MemberMemory {
  readonly name: string;
  readonly address: string;
  readonly httpAddress: string;
  /** V8 heap in use, and resident memory of the process. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

const HEAP = /^(?:ashlar_heap_bytes|nodejs_heap_size_used_bytes)(?:\{[^}]*\})? (\S+)/m;
const RSS = /^(?:ashlar_rss_bytes|process_resident_memory_bytes)(?:\{[^}]*\})? (\S+)/m;

export function readMemories(members: readonly MemberInfo[], signal: AbortSignal): Promise<MemberMemory[]> {
  return Promise.all(members.map((member) => readMemory(member, signal)));
}

async function readMemory({ name, address, httpAddress }: MemberInfo, signal: AbortSignal): Promise<MemberMemory> {
  const response = await fetch(`http://${httpAddress}/metrics`, { signal });
  const text = await response.text();
  return { name, address, httpAddress, heapBytes: gauge(text, HEAP), rssBytes: gauge(text, RSS) };
}

/** NaN when the member does not report it. */
export function gauge(metrics: string, pattern: RegExp): number {
  return Number(pattern.exec(metrics)?.[1] ?? Number.NaN);
}
