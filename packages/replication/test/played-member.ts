/** One member's core with the rest of the grid played by a test: its table, and what others say. */
import { emptyReplicaTable, stepReplicas } from '@ashlar/cluster';
import {
  type Epoch,
  type MemberId,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  replicaIdOf,
  type Sequence,
  type Version,
} from '@ashlar/core';
import {
  type Append,
  DEFAULT_OPTIONS,
  DEFAULT_TIMINGS,
  type Effect,
  type LogReader,
  MemberCore,
  type Message,
} from '../src/index.ts';

export const [A, B, C] = ['a', 'b', 'c'].map((name) => replicaIdOf(name as MemberId, '1')) as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
];
export const PARTITIONS = 3;
export const RECORD_BYTES = 100;

export const ONE_BY_ONE: LogReader = {
  isFull: false,
  begin: () => undefined,
  add: () => ({ recordEpoch: 4 as Epoch, count: 1, bytes: RECORD_BYTES }),
  finish: () => 'payload',
  terms: () => ({ trimFloor: 1 as Sequence, heldFrom: Number.POSITIVE_INFINITY }),
};

/** The core of `a`; the rest of the grid is played by the test. */
export class Member {
  readonly self = A;
  readonly core: MemberCore;
  nowMs = 1000;
  table: ReplicaTable = emptyReplicaTable(PARTITIONS);

  constructor(primary: ReplicaId, log: LogReader = ONE_BY_ONE) {
    const options = { ...DEFAULT_OPTIONS, timings: DEFAULT_TIMINGS, self: A, partitionCount: PARTITIONS };
    this.core = new MemberCore(options, log);
    const all = [A, B, C];
    this.step(all.map((replica) => ({ kind: 'register', replica, replaces: undefined })));
    const placed = { primary, inSync: all, wanted: ['a', 'b', 'c'] as MemberId[] };
    this.step(this.rows((row) => ({ kind: 'create', ...row, ...placed })));
  }

  get now() {
    return { ms: this.nowMs, version: (this.nowMs * 1000) as Version };
  }

  rows(change: (row: { partition: number; epoch: Epoch; revision: number }) => ReplicaChange): ReplicaChange[] {
    return this.table.partitions.map(({ epoch, revision }, partition) => change({ partition, epoch, revision }));
  }

  /** A change of the table, and the news of it. */
  step(changes: readonly ReplicaChange[]): Effect[] {
    const { table, refused } = stepReplicas(this.table, changes);
    expect(refused).toEqual([]);
    this.table = table;
    this.core.onTable(table, this.now);
    return this.turns();
  }

  hears(from: ReplicaId, message: Message): Effect[] {
    this.core.onMessage({ from, to: A, message }, this.now);
    return this.turns();
  }

  /** Everything that is applied, is applied. */
  turns(): Effect[] {
    const all: Effect[] = [];
    for (let effects = this.core.turn(this.now); effects.length > 0; effects = this.core.turn(this.now)) {
      all.push(...effects);
      for (const effect of effects) {
        if (effect.kind !== 'apply') continue;
        for (const [row, partition] of effect.partition.entries())
          this.core.applied(partition, (effect.firstSequence[row]! + effect.count[row]! - 1) as Sequence);
      }
    }
    return all;
  }

  tick(ms: number): Effect[] {
    const all: Effect[] = [];
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += 10;
      this.core.tick(this.now);
      all.push(...this.turns());
    }
    return all;
  }

  get epoch(): Epoch {
    return this.table.partitions[0]!.epoch;
  }
}

/** A backup of `b` in all partitions, each with the record 1. */
export function backup(): Member {
  const member = new Member(B);
  const { epoch } = member;
  const all = [0, 1, 2];
  member.hears(B, { kind: 'fence', partition: all, epoch: all.map(() => epoch), isFresh: all.map(() => true) });
  member.step(member.rows((row) => ({ kind: 'complete', ...row, by: B, inSync: [A, B, C] })));
  member.hears(B, append(epoch, [epoch, epoch, epoch], 1));
  return member;
}

export function append(epoch: Epoch, recordEpoch: readonly Epoch[], sequence: number): Append {
  const partition = recordEpoch.map((_, at) => at);
  const same = <T>(value: T): T[] => partition.map(() => value);
  return {
    kind: 'append',
    batches: {
      ...{ partition, epoch: same(epoch), recordEpoch: [...recordEpoch], firstSequence: same(sequence as Sequence) },
      ...{ count: same(1), payload: 'payload' },
    },
    marks: { partition: [], epoch: [], commit: [], trimFloor: [], heldFrom: [] },
    lease: { number: 7, ceiling: 5_000_000 as Version },
  };
}
