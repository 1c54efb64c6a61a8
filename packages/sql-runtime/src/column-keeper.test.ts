import { type Epoch, HybridClock, type MapId, type PartitionId } from '@ashlar/core';
import { encodeKey, encodeParameters, encodeValue } from '@ashlar/serialization';
import { columnsNeeded, type FragmentResult, runFragment, storeSource } from '@ashlar/sql-executor';
import type { ScanColumn } from '@ashlar/sql-plan';
import { MemberStore, StoreReader } from '@ashlar/storage';
import { ColumnKeeper, type ColumnLease } from './column-keeper.ts';
import { planAs, rowsIn } from './testing/plans.ts';

const MAP = 1 as MapId;
const PARTITIONS = [0 as PartitionId, 1 as PartitionId];
/** Enough for a chunk to be worth a column, and for two sizes of it to be thought of. */
const ROWS = 3000;
/** Rows of one commit: few enough to be counted among the changes at once. */
const COMMIT_ROWS = 1000;
const [NUMBERS] = planAs('query', 'SELECT n FROM t').stages;

/** A store with `ROWS` entries in each partition, its keeper, and a worker that scans. */
function bench({ maxBytes = 32 << 20 } = {}) {
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes, partitionCount: 2, maxWorkers: 2, hashSeed: 1, clock });
  store.openMap(MAP, { affinityParts: 0 });
  for (const partition of PARTITIONS) store.openPartition(partition, 1 as Epoch);
  const put = (count: number, n: number, partition: PartitionId): void => {
    let batch = store.begin();
    for (let row = 0; row < count; row++) {
      const [key, value] = [encodeKey(row), encodeValue({ n, s: `row ${row}` })];
      batch.put(MAP, partition, key, 0, key.length, batch.value(value, 0, value.length));
      if ((row + 1) % COMMIT_ROWS > 0) continue;
      batch.commit();
      batch = store.begin();
    }
    batch.commit();
  };
  for (const partition of PARTITIONS) put(ROWS, 1, partition);
  const keeper = new ColumnKeeper(store, 0);
  const worker = StoreReader.attach(store.handle, 1);
  /** What a worker's task makes of a lease. */
  const scan = ({ leasedPages, columnNumbers }: ColumnLease, partitions = PARTITIONS): FragmentResult => {
    const { id: snapshotId, version: snapshotVersion } = store.openSnapshot();
    const task = {
      ...{ fragment: NUMBERS!.fragment, partitions, snapshotId, snapshotVersion, leasedPages, columnNumbers },
      ...{ parameters: encodeParameters([]), buildTables: [], memoryBytes: 1 << 20 },
    };
    try {
      return runFragment(task, storeSource(worker, task), { cancelled: () => false });
    } finally {
      store.releaseSnapshot(snapshotId);
    }
  };
  /** Bytes of the map's columns, lent pages among them. */
  const columnBytes = (): number => store.stats().maps[0]?.bytes.columns ?? 0;
  return { store, keeper, put, scan, columnBytes };
}

const WANTED: readonly ScanColumn[] = columnsNeeded(NUMBERS!.fragment);

const sumOf = ({ batches }: FragmentResult): number => {
  return batches.flatMap((batch) => rowsIn(batch)).reduce((sum, [n]) => sum + (n as number), 0);
};

/** A scan that leaves its columns behind. */
function warmUp({ keeper, scan }: ReturnType<typeof bench>): void {
  const lease = keeper.lease(MAP, WANTED, PARTITIONS);
  lease.settle(scan(lease));
}

describe('pages that are lent for columns', () => {
  it('K1: become columns, and those that no column took go back', () => {
    const { store, keeper, scan, columnBytes } = bench();
    const lease = keeper.lease(MAP, WANTED, PARTITIONS);
    const lent = columnBytes();
    const made = scan(lease);
    expect(sumOf(made)).toBe(2 * ROWS);
    expect(made.columnOffers).toHaveLength(2);
    lease.settle(made);
    expect(columnBytes()).toBeGreaterThan(0);
    expect(columnBytes()).toBeLessThan(lent);
    for (const pages of lease.leasedPages) expect(() => store.returnPages(pages)).toThrow('once');
    store.checkInvariants();
  });

  it('K1: all go back when the task fails', () => {
    const { store, keeper, columnBytes } = bench();
    const lease = keeper.lease(MAP, WANTED, PARTITIONS);
    expect(columnBytes()).toBeGreaterThan(0);
    lease.giveBack();
    expect(columnBytes()).toBe(0);
    for (const pages of lease.leasedPages) expect(() => store.returnPages(pages)).toThrow('once');
    store.checkInvariants();
  });

  it.each<[string, (setup: ReturnType<typeof bench>) => void]>([
    ['the map was dropped', ({ store }) => store.dropMap(MAP)],
    [
      'the partitions were lost',
      ({ store }) => {
        for (const partition of PARTITIONS) store.closePartition(partition);
      },
    ],
  ])('K1: all go back when %s before the task ended, whatever it made', (_, change) => {
    for (const fails of [false, true]) {
      const setup = bench();
      const lease = setup.keeper.lease(MAP, WANTED, PARTITIONS);
      const made = setup.scan(lease);
      change(setup);
      if (fails) lease.giveBack();
      else lease.settle(made);
      expect(setup.columnBytes()).toBe(0);
      setup.store.checkInvariants();
    }
  });

  it('K1: have one owner each where two tasks make the same column', () => {
    const { store, keeper, scan } = bench();
    const leases = [keeper.lease(MAP, WANTED, PARTITIONS), keeper.lease(MAP, WANTED, PARTITIONS)];
    const made = leases.map((lease) => scan(lease));
    leases.forEach((lease, task) => {
      lease.settle(made[task]!);
    });
    for (const pages of leases.flatMap((lease) => lease.leasedPages)) {
      expect(() => store.returnPages(pages)).toThrow('once');
    }
    expect(sumOf(scan(keeper.lease(MAP, WANTED, [])))).toBe(2 * ROWS);
    store.checkInvariants();
  });
});

describe('what is lent', () => {
  it('K2: is nothing where the columns are there; a chunk that was written to since wants pages again', () => {
    const setup = bench();
    const { keeper, put, scan } = setup;
    warmUp(setup);
    expect(keeper.lease(MAP, WANTED, PARTITIONS).leasedPages).toEqual([]);
    put(ROWS, 5, PARTITIONS[1]!);
    expect(keeper.lease(MAP, WANTED, PARTITIONS.slice(0, 1)).leasedPages).toEqual([]);
    const lease = keeper.lease(MAP, WANTED, PARTITIONS);
    expect(lease.leasedPages.length).toBeGreaterThan(0);
    const made = scan(lease);
    expect(sumOf(made)).toBe(ROWS + 5 * ROWS);
    lease.settle(made);
    expect(keeper.lease(MAP, WANTED, PARTITIONS).leasedPages).toEqual([]);
  });

  it('K2: is nothing when memory is short, and the scan reads all the same', () => {
    const { store, keeper, scan } = bench({ maxBytes: 8 << 20 });
    const taken: Int32Array[] = [];
    for (let pages = store.leasePages(1, MAP); pages !== undefined; pages = store.leasePages(1, MAP)) taken.push(pages);
    const lease = keeper.lease(MAP, WANTED, PARTITIONS);
    expect(lease.leasedPages).toEqual([]);
    const made = scan(lease);
    expect([sumOf(made), made.columnOffers]).toEqual([2 * ROWS, []]);
    lease.settle(made);
    for (const pages of taken) store.returnPages(pages);
    store.checkInvariants();
  });

  it('is nothing for partitions that hold nothing, and for columns that are never kept', () => {
    const { keeper } = bench();
    expect(keeper.lease(2 as never, [], PARTITIONS).leasedPages).toEqual([]);
    const whole: readonly ScanColumn[] = (['value', 'version', 'expires_at'] as const).map((source) => {
      return { source, type: 'any' };
    });
    const lease = keeper.lease(MAP, whole, PARTITIONS);
    expect([lease.leasedPages, lease.columnNumbers]).toEqual([[], [-1, -1, -1]]);
    expect(keeper.warmLease(MAP, whole, PARTITIONS)).toMatchObject({ columnNumbers: [-1, -1, -1] });
  });

  it('names the column of a path, and of the key, the same in every task', () => {
    const { keeper } = bench();
    const columns: readonly ScanColumn[] = [
      { source: 'key', type: 'any' },
      { source: 'path', path: ['key'], type: 'any' },
      { source: 'path', path: ['n'], type: 'any' },
      { source: 'path', path: ['n', 0], type: 'any' },
    ];
    const { columnNumbers } = keeper.lease(MAP, columns, []);
    expect(new Set(columnNumbers).size).toBe(columns.length);
    expect(keeper.lease(MAP, columns.toReversed(), []).columnNumbers).toEqual(columnNumbers.toReversed());
  });
});

describe('a warm lease', () => {
  it('is there once all columns are, and says so by lending nothing', () => {
    const setup = bench();
    const { keeper, scan } = setup;
    expect(keeper.warmLease(MAP, WANTED, PARTITIONS)).toBeUndefined();
    warmUp(setup);
    const lease = keeper.warmLease(MAP, WANTED, PARTITIONS)!;
    expect(lease).toMatchObject({ leasedPages: [], columnNumbers: keeper.lease(MAP, WANTED, []).columnNumbers });
    expect(sumOf(scan(lease))).toBe(2 * ROWS);
  });

  it('may be given to many tasks, each of which ends as it will', () => {
    const setup = bench();
    warmUp(setup);
    const bytes = setup.columnBytes();
    const lease = setup.keeper.warmLease(MAP, WANTED, PARTITIONS)!;
    lease.settle(setup.scan(lease));
    lease.settle(setup.scan(lease));
    lease.giveBack();
    expect(setup.columnBytes()).toBe(bytes);
    setup.store.checkInvariants();
  });

  it.each<[string, (setup: ReturnType<typeof bench>) => void]>([
    ['entries were written', ({ put }) => put(ROWS, 5, PARTITIONS[0]!)],
    ['the columns were dropped', ({ store }) => store.dropColumns()],
  ])('is not there after %s, also where it was before, until columns are made again', (_, change) => {
    const setup = bench();
    warmUp(setup);
    expect(setup.keeper.warmLease(MAP, WANTED, PARTITIONS)).toBeDefined();
    change(setup);
    expect(setup.keeper.warmLease(MAP, WANTED, PARTITIONS)).toBeUndefined();
    warmUp(setup);
    expect(setup.keeper.warmLease(MAP, WANTED, PARTITIONS)).toBeDefined();
  });

  it('is one for the partitions and columns that were asked for', () => {
    const { keeper, scan } = bench();
    const first = PARTITIONS.slice(0, 1);
    const lease = keeper.lease(MAP, WANTED, first);
    lease.settle(scan(lease, first));
    expect(keeper.warmLease(MAP, WANTED, first)).toBeDefined();
    expect(keeper.warmLease(MAP, WANTED, PARTITIONS)).toBeUndefined();
    expect(keeper.warmLease(MAP, [...WANTED, { source: 'path', path: ['s'], type: 'any' }], first)).toBeUndefined();
    expect(keeper.warmLease(MAP, WANTED, first)).toBeDefined();
  });
});
