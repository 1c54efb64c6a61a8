/** What a member's core does over all of its partitions: one message a turn, credit, and nothing for who is idle. */
import { emptyReplicaTable, stepReplicas } from '@ashlar/cluster';
import {
  type MemberId,
  type ReplicaChange,
  type ReplicaTable,
  replicaIdOf,
  type Sequence,
  type Version,
} from '@ashlar/core';
import {
  type Acknowledge,
  type Append,
  DEFAULT_OPTIONS,
  DEFAULT_TIMINGS,
  type Effect,
  type LogRun,
  MemberCore,
  type ReplicationOptions,
} from '../src/index.ts';

const [A, B] = ['a', 'b'].map((name) => replicaIdOf(name as MemberId, '1')) as [never, never];
const PARTITIONS = 64;
const RECORD_BYTES = 100;

const NO_REFUSALS: Acknowledge['refusals'] = { partition: [], epoch: [], reason: [] };

/** A primary of all partitions whose backup is played by the test. */
class Primary {
  readonly core: MemberCore;
  /** Last sequence by partition. */
  readonly last = new Array<number>(PARTITIONS).fill(0);
  nowMs = 1000;
  asked = 0;
  table: ReplicaTable;

  constructor(options: Partial<ReplicationOptions> = {}) {
    const all = { ...DEFAULT_OPTIONS, timings: DEFAULT_TIMINGS, ...options, self: A, partitionCount: PARTITIONS };
    this.core = new MemberCore(all, {
      isFull: false,
      begin: () => undefined,
      finish: () => 'payload',
      add: (partition, from, bytesMax): LogRun | undefined => {
        this.asked++;
        const count = Math.max(1, Math.min(this.last[partition]! - from + 1, Math.floor(bytesMax / RECORD_BYTES)));
        const recordEpoch = this.core.epochOf(partition) as never;
        return { recordEpoch, count, bytes: count * RECORD_BYTES };
      },
      terms: () => {
        this.asked++;
        return { trimFloor: 1 as Sequence, heldFrom: Number.POSITIVE_INFINITY };
      },
    });
    this.table = emptyReplicaTable(PARTITIONS);
    this.#step((one) => ({ kind: 'register', replica: [A, B][one]!, replaces: undefined }), 2);
    const placed = { primary: A, inSync: [A, B], wanted: ['a', 'b'] as MemberId[] };
    this.#step((partition) => ({ kind: 'create', ...this.#reference(partition), ...placed }));
    this.#told();
    // The backup says that it holds the empty log, and the set stands.
    const copies = this.table.partitions.map(({ epoch }, partition) => {
      return { partition, epoch, copy: 1, held: 0 as Sequence, lineage: [] };
    });
    this.core.onMessage({ from: B, to: A, message: { kind: 'fenced', copies } }, this.now);
    this.turns();
    this.#step((partition) => ({ kind: 'complete', ...this.#reference(partition), by: A, inSync: [A, B] }));
    this.#told();
    this.tick(200);
  }

  get now() {
    return { ms: this.nowMs, version: (this.nowMs * 1000) as Version };
  }

  #step(change: (index: number) => ReplicaChange, count = PARTITIONS): void {
    const changes = Array.from({ length: count }, (_, index) => change(index));
    const { table, refused } = stepReplicas(this.table, changes);
    expect(refused).toEqual([]);
    this.table = table;
  }

  #reference(partition: number) {
    const { epoch, revision } = this.table.partitions[partition]!;
    return { partition, epoch, revision };
  }

  #told(): void {
    this.core.onTable(this.table, this.now);
    this.turns();
  }

  /** Appends of turns until there are none. */
  turns(): Append[] {
    const all: Effect[] = [];
    for (let effects = this.core.turn(this.now); effects.length > 0; effects = this.core.turn(this.now))
      all.push(...effects);
    return all.flatMap((effect) =>
      effect.kind === 'send' && effect.message.kind === 'append' ? [effect.message] : [],
    );
  }

  /** Time passes; the backup answers every append. */
  tick(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += 10;
      this.core.tick(this.now);
      for (const append of this.turns()) this.answer(append);
    }
  }

  seal(partition: number, count = 1): void {
    this.last[partition]! += count;
    this.core.sealed(partition, this.last[partition] as Sequence);
  }

  /** The backup has taken an append. */
  answer({ batches, lease }: Append, freeBytes = DEFAULT_OPTIONS.windowBytes, refusals = NO_REFUSALS): void {
    const { partition, epoch, firstSequence, count } = batches;
    const held = partition.map((_, at) => (firstSequence[at]! + count[at]! - 1) as Sequence);
    this.core.onMessage(
      {
        ...{ from: B, to: A },
        message: {
          kind: 'acknowledge',
          held: { partition, epoch, copy: partition.map(() => 1), held, hasGap: partition.map(() => false) },
          refusals,
          freeBytes,
          lease: lease && { number: lease.number, tableVersion: this.table.version },
        },
      },
      this.now,
    );
  }
}

function bytesOf(appends: readonly Append[]): number {
  return appends.reduce(
    (sum, { batches }) => sum + batches.count.reduce((one, other) => one + other, 0) * RECORD_BYTES,
    0,
  );
}

describe('a member with many partitions', () => {
  it('serves them under one lease of its one backup', () => {
    const primary = new Primary();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      expect(primary.core.mayWrite(partition, primary.nowMs)).toBe('yes');
      expect(primary.core.ceilingOf(partition, primary.nowMs)).toBeGreaterThan(primary.now.version);
    }
  });

  it('counts as endings what may take back a yes: no acknowledgement, but a refusal, a tick, a gap', () => {
    const primary = new Primary();
    const { core } = primary;
    const isEndedBy = (run: () => void): boolean => {
      const before = core.endings;
      run();
      return core.endings > before;
    };
    primary.seal(1);
    const [append] = primary.turns();
    expect(isEndedBy(() => primary.answer(append!))).toBe(false);
    const refusal = { partition: [1], epoch: [core.epochOf(1) as never], reason: ['staleEpoch' as const] };
    expect(isEndedBy(() => primary.answer(append!, undefined, refusal))).toBe(true);
    expect(core.mayRead(1, primary.nowMs)).toBe('notPrimary');
    expect(isEndedBy(() => core.tick(primary.now))).toBe(true);
    expect(isEndedBy(() => core.onClockGap(primary.now))).toBe(true);
    expect(core.mayRead(2, primary.nowMs)).toBe('noLease');
  });

  it('sends all that was sealed in a turn as one append, and commits it with one answer', () => {
    const primary = new Primary();
    for (let partition = 0; partition < PARTITIONS; partition++) primary.seal(partition, 3);
    const appends = primary.turns();
    expect(appends).toHaveLength(1);
    expect(appends[0]!.batches.partition).toHaveLength(PARTITIONS);
    expect(new Set(appends[0]!.batches.count)).toEqual(new Set([3]));
    primary.answer(appends[0]!);
    const effects = primary.core.turn(primary.now);
    const commits = effects.flatMap((effect) => (effect.kind === 'commit' ? [effect] : []));
    expect(commits.map(({ partition }) => partition.length)).toEqual([PARTITIONS]);
  });

  it('tells how far everything is: what it leads, and what its backup lacks', () => {
    const primary = new Primary();
    primary.seal(3, 5);
    const [append] = primary.turns();
    const { leading, backups, installing, peers } = primary.core.figures();
    expect({ backups, installing }).toEqual({ backups: 0, installing: 0 });
    expect(leading).toHaveLength(PARTITIONS);
    expect(leading.filter(({ undecided }) => undecided > 0)).toEqual([{ partition: 3, inSync: 2, undecided: 5 }]);
    const inSync = { replica: B, inSync: PARTITIONS, catchingUp: 0 };
    expect(peers).toEqual([{ ...inSync, lagRecords: 5, unacknowledgedBytes: 5 * RECORD_BYTES }]);
    primary.answer(append!);
    expect(primary.core.figures().peers).toEqual([{ ...inSync, lagRecords: 0, unacknowledgedBytes: 0 }]);
  });

  it('lets commit indexes ride on the next append', () => {
    const primary = new Primary();
    primary.seal(3);
    primary.answer(primary.turns()[0]!);
    expect(primary.turns()).toEqual([]);
    primary.seal(4);
    const [append] = primary.turns();
    expect(append!.batches.partition).toEqual([4]);
    expect(append!.marks).toMatchObject({ partition: [3], commit: [1] });
  });

  it('has no more under way than the backup can take, and goes on with every partition in turn', () => {
    const primary = new Primary({ windowBytes: 1000, appendBytes: 400 });
    for (const partition of [0, 1, 2]) primary.seal(partition, 20);
    const first = primary.turns();
    expect(bytesOf(first)).toBe(1000);
    for (const { batches } of first) expect(bytesOf([{ batches } as Append])).toBeLessThanOrEqual(400);
    expect(new Set(first.flatMap(({ batches }) => batches.partition))).toEqual(new Set([0, 1, 2]));
    expect(primary.turns()).toEqual([]);
    let sent = bytesOf(first);
    for (let waiting = first; waiting.length > 0; ) {
      for (const append of waiting) primary.answer(append);
      waiting = primary.turns();
      sent += bytesOf(waiting);
    }
    expect(sent).toBe(60 * RECORD_BYTES);
  });

  it('sends nothing to a backup that has no memory, and refuses nobody else for it', () => {
    const primary = new Primary();
    primary.seal(0);
    primary.answer(primary.turns()[0]!, 0);
    primary.turns();
    primary.seal(1);
    expect(bytesOf(primary.turns())).toBe(0);
    expect(primary.core.freeBytesOf(1)).toBe(0);
  });

  it('looks at no partition in which nothing is outstanding', () => {
    const primary = new Primary();
    primary.seal(5);
    primary.answer(primary.turns()[0]!);
    primary.tick(500);
    primary.asked = 0;
    primary.tick(2000);
    expect(primary.asked).toBe(0);
  });
});
