/** How the grid's partitions are, as its table tells: in numbers for metrics, in words for people. Pure. */
import type { TableState } from '@ashlar/cluster';

export interface PartitionStates {
  /** Served, with every copy that is wanted. */
  readonly whole: number;
  /** Served with fewer copies than are wanted. */
  readonly degraded: number;
  /** Of those, with too few to take writes. */
  readonly readOnly: number;
  /** Nobody serves them at this moment: a primary is taking over. */
  readonly promoting: number;
  /** Every copy is gone. */
  readonly lost: number;
}

export function partitionStates({ owners, lost, replicas, backups, minInSync }: TableState): PartitionStates {
  if (replicas === undefined) {
    return { whole: owners.length - lost.length, degraded: 0, readOnly: 0, promoting: 0, lost: lost.length };
  }
  const states = { whole: 0, degraded: 0, readOnly: 0, promoting: 0, lost: lost.length };
  for (const { phase, inSync } of replicas.partitions) {
    if (phase === 'promoting') states.promoting++;
    if (phase !== 'serving') continue;
    if (inSync.length > backups) states.whole++;
    else states.degraded++;
    if (inSync.length < minInSync) states.readOnly++;
  }
  return states;
}

/** What an operator should know of the copies; none: every partition has all of them. */
export function noticesOf(table: TableState): string[] {
  const { degraded, readOnly, promoting, lost } = partitionStates(table);
  const of = `of ${table.owners.length} partitions`;
  return [
    ...(lost > 0 ? [`${lost} ${of} are lost: see ashlar recover`] : []),
    ...(readOnly > 0 ? [`${readOnly} ${of} take no writes: fewer than ${table.minInSync} copies are in sync`] : []),
    ...(promoting > 0 ? [`${promoting} ${of} wait for a primary`] : []),
    ...(degraded > 0 ? [`${degraded} ${of} have fewer copies in sync than ${table.backups + 1}`] : []),
  ];
}
