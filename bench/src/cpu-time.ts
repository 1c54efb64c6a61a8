/** Processor time that a process has used, all threads, user and system, in milliseconds. Linux: from /proc. */
import { readFileSync } from 'node:fs';

/** USER_HZ, which every Linux on x64 and arm64 has. */
const TICKS_PER_S = 100;
const USER_FIELD = 11;

export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[USER_FIELD]) + Number(fields[USER_FIELD + 1])) * 1000) / TICKS_PER_S;
}
