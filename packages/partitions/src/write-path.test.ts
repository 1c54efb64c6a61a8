/** What is submitted is decided in log order, at once or late; what is lost is reported as lost. */
import { type Epoch, HybridClock, type MapId, type PartitionId, type Random, seededRandom } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore, type WriteBatch } from '@ashlar/storage';
import fc from 'fast-check';
import { LateCommits } from './late-commits.ts';
import { decided, WritePath } from './write-path.ts';

const MAP = 1 as MapId;
const PARTITIONS = 3;

function openStore(): MemberStore {
  const clock = new HybridClock();
  const store = MemberStore.create({
    ...{ maxBytes: 16 << 20, partitionCount: PARTITIONS, maxWorkers: 0, hashSeed: 1, clock },
  });
  store.openMap(MAP, { ttlMs: 0, maxIdleMs: 0 } as never);
  for (let id = 0; id < PARTITIONS; id++) store.openPartition(id as PartitionId, 1 as Epoch);
  return store;
}

/** A clock that the test moves, and commits that hang on it. */
function late(store: MemberStore, random: Random, dropShare = 0) {
  let nowMs = 0;
  let alarms: { readonly dueMs: number; readonly run: () => void }[] = [];
  const commits = new LateCommits(store, {
    ...{ random, delayMaxMs: 20, dropShare, nowMs: () => nowMs },
    later: (ms, run) => {
      const alarm = { dueMs: nowMs + ms, run };
      alarms.push(alarm);
      return () => {
        alarms = alarms.filter((one) => one !== alarm);
      };
    },
  });
  const advance = (ms: number): void => {
    for (const end = nowMs + ms; nowMs < end; nowMs++) {
      const due = alarms.filter(({ dueMs }) => dueMs <= nowMs);
      alarms = alarms.filter(({ dueMs }) => dueMs > nowMs);
      for (const { run } of due) run();
    }
  };
  return { commits, path: new WritePath(store, commits), advance };
}

function put(batch: WriteBatch, partition: number, key: number, value: unknown = key): void {
  const [keyBytes, bytes] = [encodeKey(key), encodeValue(value)];
  batch.put(MAP, partition as PartitionId, keyBytes, 0, keyBytes.length, batch.value(bytes, 0, bytes.length));
}

function has(store: MemberStore, partition: number, key: number): boolean {
  const bytes = encodeKey(key);
  return store.find(MAP, partition as PartitionId, bytes, 0, bytes.length);
}

describe('a prompt committer', () => {
  it('has decided when submit() returns', async () => {
    const store = openStore();
    const path = new WritePath(store);
    const batch = path.begin();
    put(batch, 0, 1);
    expect(path.isPrompt).toBe(true);
    expect(path.submit(batch)).toBe(true);
    expect(await decided(batch)).toBe(true);
    expect(has(store, 0, 1)).toBe(true);
  });
});

describe('late commits', () => {
  it('are seen by nobody before, and told by whenDecided()', async () => {
    const store = openStore();
    const { path, advance } = late(store, seededRandom(1));
    const batch = path.begin();
    put(batch, 0, 1);
    expect(path.submit(batch)).toBe(false);
    const outcome = decided(batch);
    expect(has(store, 0, 1)).toBe(false);
    advance(21);
    expect(has(store, 0, 1)).toBe(true);
    expect(await outcome).toBe(true);
  });

  it('do not hold up a batch that staged nothing', () => {
    const store = openStore();
    const { path } = late(store, seededRandom(1));
    const first = path.begin();
    put(first, 0, 1);
    path.submit(first);
    const second = path.begin();
    const key = encodeKey(2);
    second.remove(MAP, 0 as PartitionId, key, 0, key.length);
    expect(path.submit(second)).toBe(true);
    expect(first.state).toBe('sealed');
  });

  it('come at once when the path is closed, and from then on', () => {
    const store = openStore();
    const { path } = late(store, seededRandom(1));
    const [first, second] = [path.begin(), path.begin()];
    put(first, 0, 1);
    path.submit(first);
    path.close();
    expect(first.state).toBe('committed');
    put(second, 0, 2);
    expect(path.submit(second)).toBe(true);
  });

  it('that are lost take what is behind them in the partition, and leave the other partitions alone', async () => {
    const store = openStore();
    const drawn = [0.1, 0, 0.5, 0.9];
    const random: Random = { next: () => drawn.shift() ?? 0.9, below: () => 0 };
    const { path, advance } = late(store, random, 0.5);
    const [lost, behind] = [path.begin(), path.begin()];
    put(lost, 0, 1);
    put(lost, 1, 2);
    path.submit(lost);
    put(behind, 0, 3);
    path.submit(behind);
    const outcomes = Promise.all([decided(lost), decided(behind)]);
    advance(30);
    expect([lost.state, lost.lostPartitions, behind.state]).toEqual(['committed', [0], 'aborted']);
    expect(await outcomes).toEqual([false, false]);
    expect([has(store, 0, 1), has(store, 1, 2), has(store, 0, 3)]).toEqual([false, true, false]);
  });

  it('that are lost take the batch that is open there too, which then stages no more in the partition', () => {
    const store = openStore();
    const random: Random = { next: () => 0, below: () => 0 };
    const { path, advance } = late(store, random, 0.5);
    const lost = path.begin();
    put(lost, 0, 1);
    path.submit(lost);
    const open = path.begin();
    put(open, 0, 2);
    put(open, 1, 3);
    advance(2);
    expect(() => put(open, 0, 4)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    open.abort();
    expect(store.isUndecidedAt(store.pin().version)).toBe(false);
  });

  it('late-commits C4: look at each batch once, however many of one partition wait and whatever their times', () => {
    const store = openStore();
    const { path, advance } = late(store, seededRandom(1));
    const count = 3000;
    const looks: number[] = [];
    for (let key = 0; key < count; key++) {
      const batch = path.begin();
      put(batch, 0, key);
      path.submit(batch);
      let asked = 0;
      const { state } = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(batch) as typeof batch);
      Object.defineProperty(batch, 'state', {
        get: () => {
          asked++;
          return state.get!.call(batch);
        },
      });
      batch.whenDecided(() => looks.push(asked));
    }
    advance(22);
    expect(looks.length).toBe(count);
    expect(Math.max(...looks)).toBeLessThan(10);
  });

  it('end, in log order, whatever the delays and losses', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.boolean(),
        fc.array(fc.array(fc.nat(PARTITIONS - 1), { minLength: 1, maxLength: 3 }), { maxLength: 40 }),
        (seed, isLossy, writes) => {
          const store = openStore();
          const { path, advance } = late(store, seededRandom(seed), isLossy ? 0.2 : 0);
          const order: number[][] = Array.from({ length: PARTITIONS }, () => []);
          writes.forEach((partitions, number) => {
            const batch = path.begin();
            for (const partition of partitions) put(batch, partition, number);
            const note = (): void => {
              const { state, partitionIds } = batch;
              if (state === 'committed') for (const partition of partitionIds) order[partition]!.push(number);
            };
            if (path.submit(batch)) note();
            else batch.whenDecided(note);
            if (number % 3 === 0) advance(5);
          });
          advance(writes.length * 25 + 25);
          expect(store.isUndecidedAt(store.pin().version)).toBe(false);
          for (const numbers of order) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
          if (!isLossy) expect(order.flat().length).toBe(writes.flatMap((one) => [...new Set(one)]).length);
        },
      ),
      { numRuns: 100 },
    );
  });
});
