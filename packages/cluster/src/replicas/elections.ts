/** Which partitions got another primary between two tables, and why: for metrics and logs. Pure. */
import { type Epoch, type MemberId, memberOfReplica, type PartitionReplicas, type ReplicaId } from '@ashlar/core';
import type { TableState } from '../table-state.ts';

/**
 * `created`: the partition was handed out. `died`: nobody had heard of its primary. `left`: it was stopped in order. `retried`: who had
 * been named did not take over in time, or died. `recovered`: it was lost, and an operator let it begin anew.
 */
export type ElectionCause = 'created' | 'died' | 'left' | 'retried' | 'recovered';

export interface Election {
  readonly partition: number;
  readonly epoch: Epoch;
  /** Undefined: nobody. */
  readonly from: MemberId | undefined;
  readonly to: MemberId | undefined;
  readonly cause: ElectionCause;
}

/** @param before  undefined: nothing was known */
export function electionsOf(before: TableState | undefined, after: TableState): Election[] {
  if (before === after || after.owners.length === 0) return [];
  return after.epochs.flatMap((epoch, partition) => {
    if (epoch === (before?.epochs[partition] ?? 0)) return [];
    const [from, to] = [primaryIn(before, partition), primaryIn(after, partition)];
    return [{ partition, epoch, from, to, cause: causeOf(before, after, partition) }];
  });
}

function primaryIn(table: TableState | undefined, partition: number): MemberId | undefined {
  const row = table?.replicas?.partitions[partition];
  if (row !== undefined) return row.primary === undefined ? undefined : memberOfReplica(row.primary);
  const index = table?.owners[partition]?.[0];
  return index === undefined ? undefined : table!.members[index]!.id;
}

function causeOf(before: TableState | undefined, after: TableState, partition: number): ElectionCause {
  if ((before?.epochs[partition] ?? 0) === 0) return 'created';
  const [was, is] = [before?.replicas?.partitions[partition], after.replicas?.partitions[partition]];
  // Without copies nobody takes over: an epoch changes when a lost partition begins anew.
  if (was === undefined || is === undefined) return 'recovered';
  return causeOfRows(was, is, (replica) => isAlive(after, replica));
}

function isAlive({ replicas }: TableState, replica: ReplicaId | undefined): boolean {
  return replicas?.members.some((one) => one.replica === replica && one.isAlive) ?? false;
}

/** Who lives has given it away, also where the table that said so was passed over for the one behind it. */
function causeOfRows(
  was: PartitionReplicas,
  is: PartitionReplicas,
  lives: (replica: ReplicaId | undefined) => boolean,
): ElectionCause {
  if (was.phase === 'unassigned') return 'created';
  if (was.phase === 'lost') return 'recovered';
  if (is.renounced?.epoch === was.epoch) return 'left';
  if (was.phase === 'promoting') return 'retried';
  return lives(was.primary) ? 'left' : 'died';
}
