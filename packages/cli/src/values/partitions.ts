/** Numbers of partitions as people write them: `3,5-9`. */
import { InvalidArgumentError } from 'commander';

const PARTITIONS_MAX = 65_536;
const PART = /^(\d{1,5})(?:-(\d{1,5}))?$/;

/** @throws InvalidArgumentError */
export function parsePartitions(text: string): readonly number[] | 'all' {
  if (text.trim() === 'all') return 'all';
  const partitions = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = PART.exec(part.trim()) ?? [];
    if (first === undefined || Number(last) < Number(first) || Number(last) >= PARTITIONS_MAX) {
      throw new InvalidArgumentError("partitions such as 3,5-9 are expected, or 'all'.");
    }
    for (let partition = Number(first); partition <= Number(last); partition++) partitions.add(partition);
  }
  return [...partitions].sort((a, b) => a - b);
}

/** [3, 5, 6, 7] as `3, 5-7`. @param partitions  ascending */
export function partitionsText(partitions: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const partition of partitions) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === partition - 1) run[1] = partition;
    else runs.push([partition, partition]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}
