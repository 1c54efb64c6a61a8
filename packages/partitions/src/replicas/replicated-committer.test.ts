/** Batches commit when every replica in sync holds them, in log order, and go on without partitions that are lost. */
import {
  type Epoch,
  HybridClock,
  type MapId,
  type PartitionId,
  type ReplicaId,
  type Sequence,
  seededRandom,
} from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore, type WriteBatch } from '@ashlar/storage';
import { ReplicatedCommitter } from './replicated-committer.ts';

const MAP = 1 as MapId;
const PARTITIONS = 4;

/** A store whose partitions are served, and the commit indexes that the test raises. */
class Bench {
  readonly store: MemberStore;
  readonly committer: ReplicatedCommitter;
  /** By partition: the last sequence that was told as sealed. */
  readonly sealed: number[] = new Array(PARTITIONS).fill(0);
  /** By partition: whom its commits wait for. */
  readonly followers: (readonly ReplicaId[])[] = new Array(PARTITIONS).fill([]);

  constructor() {
    const clock = new HybridClock();
    this.store = MemberStore.create({
      ...{ maxBytes: 16 << 20, partitionCount: PARTITIONS, maxWorkers: 0, hashSeed: 1, clock },
    });
    this.store.openMap(MAP, { ttlMs: 0, maxIdleMs: 0 } as never);
    for (let id = 0; id < PARTITIONS; id++) this.store.openPartition(id as PartitionId, 1 as Epoch);
    this.committer = new ReplicatedCommitter({
      heldSequence: (partition) => this.store.heldSequence(partition),
      sealed: (partition, lastSequence) => {
        this.sealed[partition] = lastSequence;
      },
      followersOf: (partition) => this.followers[partition]!,
    });
    for (let id = 0; id < PARTITIONS; id++) this.committer.serve(id as PartitionId, 0 as Sequence);
  }

  submit(key: number, ...partitions: number[]): WriteBatch {
    const batch = this.store.begin();
    const [keyBytes, value] = [encodeKey(key), encodeValue(key)];
    for (const partition of partitions)
      batch.put(MAP, partition as PartitionId, keyBytes, 0, keyBytes.length, batch.value(value, 0, value.length));
    batch.seal();
    this.committer.decide(batch);
    return batch;
  }

  commitTo(partition: number, sequence: number): void {
    this.committer.commitTo(partition as PartitionId, sequence as Sequence);
  }

  lose(partition: number): void {
    this.store.closePartition(partition as PartitionId);
    this.committer.lose(partition as PartitionId);
  }
}

function replicas(...names: string[]): readonly ReplicaId[] {
  return names as ReplicaId[];
}

describe('batches that wait for replicas', () => {
  it('are all decided though one who hears of a commit throws', () => {
    const bench = new Bench();
    const [first, behind, other] = [bench.submit(1, 0, 1), bench.submit(2, 0), bench.submit(3, 1)];
    first.whenDecided(() => {
      throw new Error('a fault of ours');
    });
    bench.commitTo(1, 2);
    expect(() => bench.commitTo(0, 2)).toThrow('a fault of ours');
    const later = bench.submit(4, 2);
    bench.commitTo(2, 1);
    expect([first, behind, other, later].map(({ state }) => state)).toEqual(new Array(4).fill('committed'));
  });

  it('commit as far as they are held, in order', () => {
    const bench = new Bench();
    const batches = [1, 2, 3].map((key) => bench.submit(key, 0));
    expect(bench.sealed[0]).toBe(3);
    expect(batches.map(({ state }) => state)).toEqual(['sealed', 'sealed', 'sealed']);
    bench.commitTo(0, 2);
    expect(batches.map(({ state }) => state)).toEqual(['committed', 'committed', 'sealed']);
    bench.commitTo(0, 1);
    bench.commitTo(0, 3);
    expect(batches[2]!.state).toBe('committed');
    expect(bench.committer.waitingIn(0 as PartitionId)).toBe(0);
  });

  it('D1: of several partitions when each of them is held', () => {
    const bench = new Bench();
    const wide = bench.submit(1, 0, 1);
    const behind = bench.submit(2, 1);
    bench.commitTo(1, 2);
    expect([wide.state, behind.state]).toEqual(['sealed', 'sealed']);
    bench.commitTo(0, 1);
    expect([wide.state, behind.state]).toEqual(['committed', 'committed']);
  });

  it('D2: go on without a partition that is lost', () => {
    const bench = new Bench();
    const wide = bench.submit(1, 0, 1);
    const alone = bench.submit(2, 1);
    const behind = bench.submit(3, 0);
    bench.lose(1);
    expect(alone.state).toBe('aborted');
    expect([wide.state, behind.state]).toEqual(['sealed', 'sealed']);
    bench.commitTo(0, 2);
    expect([wide.state, behind.state]).toEqual(['committed', 'committed']);
    expect(wide.lostPartitions).toEqual([1]);
    expect(bench.committer.dropped).toBe(2);
  });

  it('D4: share what is written where they wait for the same followers', () => {
    const { committer, followers } = new Bench();
    const groups = (): number[] => [0, 1, 2, 3].map((partition) => committer.groupOf(partition as PartitionId));
    followers.splice(0, 4, replicas('b'), replicas('c'), replicas('b'), replicas('c', 'b'));
    const [first, second, third, fourth] = groups();
    expect([first === third, new Set([first, second, fourth]).size]).toEqual([true, 3]);
    followers.splice(1, 3, replicas('b', 'c'), replicas(), replicas('c', 'b'));
    expect(groups()).toEqual([first, fourth, expect.any(Number), fourth]);
    followers[2] = replicas('c');
    expect(groups()[2]).toBe(second);
  });

  it('what one commit causes is decided with it', () => {
    const bench = new Bench();
    const first = bench.submit(1, 0);
    let second: WriteBatch | undefined;
    first.whenDecided(() => {
      second = bench.submit(2, 0);
      bench.commitTo(0, 2);
    });
    bench.commitTo(0, 1);
    expect([first.state, second?.state]).toEqual(['committed', 'committed']);
  });

  it('all end, and in order, whatever comes in between', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seededRandom(seed);
      const bench = new Bench();
      const batches: WriteBatch[] = [];
      const ended: number[] = [];
      const lost = new Set<number>();
      for (let step = 0; step < 60; step++) {
        const open = [0, 1, 2, 3].filter((partition) => !lost.has(partition));
        const chosen = open.filter(() => random.below(2) === 0);
        if (chosen.length > 0 && random.below(3) > 0) {
          const batch = bench.submit(step, ...chosen);
          const index = batches.push(batch) - 1;
          if (batch.state === 'sealed') batch.whenDecided(() => ended.push(index));
        } else if (open.length > 2 && random.below(30) === 0) {
          bench.lose(open[0]!);
          lost.add(open[0]!);
        } else for (const partition of chosen) bench.commitTo(partition, random.below(bench.sealed[partition]! + 1));
      }
      for (const partition of [0, 1, 2, 3])
        if (!lost.has(partition)) bench.commitTo(partition, bench.sealed[partition]!);
      expect(batches.filter(({ state }) => state === 'sealed')).toEqual([]);
      for (const partition of [0, 1, 2, 3]) expect(bench.committer.waitingIn(partition as PartitionId)).toBe(0);
    }
  });
});
