/**
 * A partition comes to a member, changes its role there, and leaves.
 *
 *   open(primary) ------------------------------> demote --> ...   close, at any time
 *   open(backup) --commit or drop the tail--> promote --> ...
 *
 * partition-roles P1  A demotion changes no record that was sealed: what was undecided is the tail, under its sequences and
 *                     versions. What was not sealed has never been.
 */
import { assert, type Epoch, type PartitionId, type Sequence } from '@ashlar/core';
import type { WriteBatch } from './batch/write-batch.ts';
import { assertCount } from './edge-asserts.ts';
import { PartitionLog } from './log/partition-log.ts';
import type { RecordFrame } from './log/record-frame.ts';
import { Partition, type PartitionRole } from './partition.ts';
import { ReplicaTail } from './replica-tail.ts';
import type { StoreCore } from './store-core.ts';
import type { PageHeader } from './transfer/page-codec.ts';
import { PartitionInstall } from './transfer/partition-install.ts';

/** How a partition is opened. */
export interface PartitionOptions {
  /** Default: primary. */
  readonly role?: PartitionRole;
  /** Incarnation of the log that is handed on, so that tokens stay good; default: a new one. */
  readonly incarnation?: number;
  /** The last sequence that the partition's state includes already. Default: 0. */
  readonly lastSequence?: Sequence;
}

/** As MemberStore.openPartition(). */
export function openPartition(core: StoreCore, id: PartitionId, epoch: Epoch, options: PartitionOptions): void {
  assertCount(epoch, 0);
  const open = core.partitions[id];
  if (open !== undefined) {
    assert(options.role === undefined || options.role === open.role, 'a role changes by promotion, or by closing');
    assert(epoch >= open.epoch, 'an epoch only grows');
    if (epoch > open.epoch && open.role === 'primary') open.primarySince = core.clock.now();
    open.log.epoch = epoch;
    return;
  }
  assertCount(id, 0);
  assert(id < core.partitions.length, 'partitions are numbered below their count');
  const { role = 'primary', incarnation, lastSequence = 0 } = options;
  assertCount(lastSequence, 0);
  const partition = new Partition(
    id,
    new PartitionLog(core.logHost, incarnation ?? core.clock.tick(), epoch, lastSequence),
  );
  if (role === 'backup') {
    core.takeReplicaLanes();
    partition.tail = new ReplicaTail(core, partition);
  } else partition.primarySince = core.clock.now();
  core.partitions[id] = partition;
}

/** The first page of a copy of a partition that is not here: it comes to be, as a backup's in the making. */
export function beginInstall(core: StoreCore, page: PageHeader): Partition {
  const { partition: id, sequence, epoch, incarnation } = page;
  assert(id < core.partitions.length, 'partitions are numbered below their count');
  core.takeReplicaLanes();
  const partition = new Partition(id as PartitionId, new PartitionLog(core.logHost, incarnation, epoch, sequence));
  partition.tail = new ReplicaTail(core, partition);
  partition.install = new PartitionInstall(core, partition);
  core.partitions[id] = partition;
  return partition;
}

/** As MemberStore.promotePartition(). */
export function promotePartition(core: StoreCore, id: PartitionId, epoch: Epoch): void {
  const tail = tailOf(core, id);
  const partition = core.partitions[id]!;
  const { log } = partition;
  assert(tail.length === 0, 'a tail is committed or dropped before the partition is promoted');
  assert(epoch >= log.epoch, 'an epoch only grows');
  if (log.committedSequence >= log.firstSequence) {
    assert(log.versionOf(log.committedSequence) <= core.clock.now(), 'partition-log L1: versions rise with sequences');
    assert(epoch >= log.epochOf(log.committedSequence), 'epochs rise with sequences');
  }
  // What was sent before this log began may have been done in a history that is lost.
  if (epoch === log.incarnation && log.nextSequence === 1) log.droppedVersion = core.clock.now();
  log.epoch = epoch;
  partition.tail = undefined;
  partition.idleFloor = core.clock.now();
  partition.primarySince = partition.idleFloor;
}

/**
 * As StoreReplicas.demotePartition().
 *
 * @param undecided  what is sealed and undecided, as frames in order
 */
export function demotePartition(core: StoreCore, id: PartitionId, undecided: readonly RecordFrame[]): void {
  const partition = core.partitions[id];
  assert(partition?.role === 'primary', 'a primary is demoted');
  core.takeReplicaLanes();
  endTransfers(core, partition);
  const { log } = partition;
  const { leftSequence } = log;
  // Its own consumers go; whoever reads for them at the next primary wants what they wanted.
  log.holdFrom(log.heldFrom);
  log.abandon();
  for (let { last } = partition.staged; last !== undefined; last = partition.staged.last) last.excise(partition);
  partition.tail = new ReplicaTail(core, partition);
  partition.primarySince = Infinity;
  // What was undone is what the tail takes: its memory first.
  core.collect();
  for (const frame of undecided) partition.tail.apply(frame);
  log.noteLeft(Math.min(leftSequence, log.nextSequence - 1));
}

/** As MemberStore.dropUndecided(). */
export function dropUndecided(core: StoreCore, id: PartitionId, first: WriteBatch): void {
  const staged = core.partitions[id]?.staged;
  assert(staged !== undefined, 'what is undecided is dropped in a partition that is here');
  for (let isFirst = false; !isFirst; ) {
    const { last } = staged;
    assert(last !== undefined, 'the batch is undecided in the partition');
    isFirst = last === first;
    last.excise(core.partitions[id]!);
  }
}

/** As MemberStore.closePartition(). */
export function closePartition(core: StoreCore, id: PartitionId): void {
  const partition = core.partitions[id];
  if (partition === undefined) return;
  endTransfers(core, partition);
  // What commits have left in its tables: they go.
  core.collect();
  partition.install?.abandon();
  partition.log.abandon();
  partition.tail?.dropTail();
  for (let last = partition.staged.last; last !== undefined; last = partition.staged.last) last.excise(partition);
  while (core.patchQueue.length > 0) core.reclaim(4096);
  for (const map of core.maps.values()) core.dropTable(map, id);
  partition.log.destroy();
  core.partitions[id] = undefined;
}

/** Whoever reads it for another member begins anew elsewhere. */
function endTransfers(core: StoreCore, partition: Partition): void {
  for (const transfer of core.transfers) if (transfer.partition === partition) transfer.close();
}

/** What a backup holds beyond its commit index. */
export function tailOf(core: StoreCore, id: PartitionId): ReplicaTail {
  const { tail, install } = core.partitions[id] ?? {};
  assert(tail !== undefined && install === undefined, 'the member is a backup of the partition');
  return tail;
}
