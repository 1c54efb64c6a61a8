import type { PartitionId } from '@ashlar/core';
import { get, makeBench, stagePut } from '../testing/store-bench.ts';
import { SealedBatches } from './sealed-batches.ts';
import { StagedBatches } from './staged-batches.ts';
import type { BatchState } from './write-batch.ts';

const COUNT = 10_000;

/** A batch that counts how often it is looked at or written to. */
class CountedBatch {
  static touched = 0;
  readonly state: BatchState = 'sealed';
  readonly #version: number;
  #before: CountedBatch | undefined;
  #after: CountedBatch | undefined;

  constructor(version: number) {
    this.#version = version;
  }

  get version(): number {
    CountedBatch.touched += 1;
    return this.#version;
  }
  get sealedBefore(): CountedBatch | undefined {
    CountedBatch.touched += 1;
    return this.#before;
  }
  set sealedBefore(batch: CountedBatch | undefined) {
    CountedBatch.touched += 1;
    this.#before = batch;
  }
  get sealedAfter(): CountedBatch | undefined {
    CountedBatch.touched += 1;
    return this.#after;
  }
  set sealedAfter(batch: CountedBatch | undefined) {
    CountedBatch.touched += 1;
    this.#after = batch;
  }
}

const makeBatches = (): CountedBatch[] => Array.from({ length: COUNT }, (_, index) => new CountedBatch(index + 1));

/** Numbers 0 .. COUNT - 1, neither forward nor backward. */
const mixed = Array.from({ length: COUNT }, (_, index) => (index * 7919) % COUNT);

/** How often batches were touched by `run`. */
function touchesOf(run: () => void): number {
  CountedBatch.touched = 0;
  run();
  return CountedBatch.touched;
}

describe('ten thousand sealed batches', () => {
  it.each([
    ['from the front', mixed.toSorted((a, b) => a - b)],
    ['from the back', mixed.toSorted((a, b) => b - a)],
    ['from anywhere', mixed],
  ])('leave %s at the same cost each', (_, order) => {
    const batches = makeBatches();
    const sealed = new SealedBatches<CountedBatch>();
    const touches = touchesOf(() => {
      for (const batch of batches) sealed.add(batch);
      for (const index of order) sealed.delete(batches[index]!);
    });
    expect(sealed.size).toBe(0);
    expect([sealed.first, batches[0]!.sealedAfter, batches.at(-1)!.sealedBefore]).toEqual(Array(3).fill(undefined));
    expect(touches).toBeLessThan(COUNT * 12);
  });

  it('are walked in the order of their versions, up to one of them and no further', () => {
    const batches = makeBatches();
    const sealed = new SealedBatches<CountedBatch>();
    for (const batch of batches) sealed.add(batch);
    for (const index of mixed.slice(0, COUNT / 2)) expect(sealed.delete(batches[index]!)).toBe(true);
    expect(sealed.delete(batches[mixed[0]!]!)).toBe(false);
    const left = mixed.slice(COUNT / 2).toSorted((a, b) => a - b);
    expect(sealed.first).toBe(batches[left[0]!]);
    expect(Array.from(sealed.upTo(COUNT), ({ version }) => version - 1)).toEqual(left);
    let walked: CountedBatch[] = [];
    const touches = touchesOf(() => {
      walked = [...sealed.upTo(left[4]! + 1)];
    });
    expect(walked.map(({ version }) => version - 1)).toEqual(left.slice(0, 5));
    expect(touches).toBeLessThan(20);
  });

  it('are refused out of order', () => {
    const sealed = new SealedBatches<CountedBatch>();
    sealed.add(new CountedBatch(2));
    expect(() => sealed.add(new CountedBatch(2))).toThrow(/S1/);
  });
});

describe('ten thousand batches staged in a partition', () => {
  it('commit from the front and abort from the back, each as a plain array has them', () => {
    const staged = new StagedBatches<CountedBatch>();
    const twin: CountedBatch[] = [];
    let next = 0;
    const check = (): void => {
      expect([staged.first, staged.last, staged.isEmpty]).toEqual([twin[0], twin.at(-1), twin.length === 0]);
    };
    const push = (): void => {
      const batch = new CountedBatch(++next);
      staged.push(batch);
      twin.push(batch);
    };
    for (let turn = 0; turn < COUNT; turn++) {
      const step = mixed[turn]! % 5;
      if (step < 3 || twin.length === 0) push();
      else if (step === 3) {
        staged.removeFirst();
        twin.shift();
      } else {
        staged.removeLast();
        twin.pop();
      }
      check();
    }
    const seen: CountedBatch[] = [];
    staged.visitUpTo(twin[10]!.version, (batch) => seen.push(batch));
    expect(seen).toEqual(twin.slice(0, 11));
    while (twin.length > 0) {
      staged.removeFirst();
      twin.shift();
      check();
    }
  });

  it('touch no other batch when one goes', () => {
    const staged = new StagedBatches<CountedBatch>();
    for (const batch of makeBatches()) staged.push(batch);
    const touches = touchesOf(() => {
      for (let turn = 0; turn < COUNT / 2; turn++) {
        staged.removeFirst();
        staged.removeLast();
      }
    });
    expect([touches, staged.isEmpty]).toEqual([0, true]);
  });
});

describe('as many batches as may be under way', () => {
  it('are sealed in one partition and decided from the front, with the lowest version known all the time', () => {
    const { store, clock } = makeBench();
    const batches = Array.from({ length: store.freeBatches }, (_, index) => {
      const batch = store.begin();
      stagePut(batch, 'key', `${index}`);
      batch.seal();
      return batch;
    });
    for (const [index, batch] of batches.entries()) {
      expect(store.resolvedVersion()).toBe(batch.version - 1);
      batch.commit();
      expect(get(store, 'key')).toBe(`${index}`);
    }
    expect(store.resolvedVersion()).toBe(clock.now());
    expect(store.isUndecidedAt(clock.now(), [0 as PartitionId])).toBe(false);
    store.checkInvariants();
  });
});
