import { type Epoch, HybridClock, type MapId, type PartitionId } from '@ashlar/core';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { type JobMap, JobRunner } from '../src/index.ts';
import { type Fixture, makeFixture } from './fixture.ts';

const PARTITIONS = 40;
const ROWS = 2_000;
const MAP = 1 as MapId;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition as PartitionId);

let store: MemberStore;
let fixture: Fixture;
let runner: JobRunner;

function put(row: number, value: unknown): void {
  const batch = store.begin();
  const key = encodeKey(row);
  const bytes = encodeValue(value);
  batch.put(MAP, (row % PARTITIONS) as PartitionId, key, 0, key.length, batch.value(bytes, 0, bytes.length));
  batch.commit();
}

beforeAll(async () => {
  store = MemberStore.create({
    maxBytes: 64 << 20,
    partitionCount: PARTITIONS,
    maxWorkers: 16,
    hashSeed: 7,
    clock: new HybridClock(),
  });
  store.openMap(MAP, { affinityParts: 0 });
  for (const partition of ALL) store.openPartition(partition, 1 as Epoch);
  for (let row = 0; row < ROWS; row++) put(row, { balance: row, brand: `b${row % 3}` });
  fixture = await makeFixture({
    file: 'reports.ts',
    threads: [2, 1, 1],
    store: store.handle,
    onWorkerGone: (index) => store.workerGone(index),
  });
  runner = new JobRunner(fixture.pools, fixture.modules);
});
afterAll(() => fixture.close());

function jobOf(exportName: string, args?: unknown): JobMap {
  const { id, version } = store.openSnapshot();
  const bytes = args === undefined ? undefined : encodeValue(args);
  return {
    module: 'reports',
    exportName,
    args: bytes,
    mapId: MAP,
    map: 'm',
    partitionIds: ALL,
    snapshotId: id,
    version,
  };
}

async function resultOf(job: JobMap): Promise<unknown> {
  const partials = await runner.map(job);
  const result = await runner.reduce({ ...job, partials });
  return result === undefined ? undefined : decodeValue(result);
}

describe('jobs', () => {
  it('map over the partitions of a snapshot and reduce', async () => {
    const job = jobOf('totals', { above: 999 });
    for (let row = 0; row < ROWS; row += 2) put(row, { balance: -1, brand: 'later' });
    const sum = (ROWS * (ROWS - 1)) / 2 - (1000 * 999) / 2;
    expect(await resultOf(job)).toEqual({ count: ROWS, sum, brands: ['b0', 'b1', 'b2'] });
    store.releaseSnapshot(job.snapshotId);
  });

  it('see keys and values', async () => {
    const job = { ...jobOf('keys'), partitionIds: [3 as PartitionId] };
    const rows = (await resultOf(job)) as [number, number, number][];
    expect(rows.length).toBe(ROWS / PARTITIONS);
    expect(
      rows.every(([key, balance, partition]) => key % PARTITIONS === 3 && balance === key && partition === 3),
    ).toBe(true);
    store.releaseSnapshot(job.snapshotId);
  });

  it('that fail tell why', async () => {
    const job = jobOf('fails');
    await expect(runner.map(job)).rejects.toMatchObject({
      code: 'USER_CODE_FAILED',
      message: 'reports.fails threw Error: no totals',
    });
    await expect(runner.map({ ...job, exportName: 'total' })).rejects.toMatchObject({ code: 'UNKNOWN_EXPORT' });
    store.releaseSnapshot(job.snapshotId);
  });

  it('end with SNAPSHOT_EXPIRED when their snapshot does', async () => {
    const job = jobOf('endless', { polite: true });
    const running = runner.map(job, { onProgress: () => store.expireSnapshot(job.snapshotId) });
    await expect(running).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED', retryable: true });
  });

  it.each([true, false])('end when the caller gives up (polite: %s)', async (polite) => {
    const job = jobOf('endless', { polite });
    const abort = new AbortController();
    const shares: number[] = [];
    const onProgress = (share: number): void => {
      shares.push(share);
      abort.abort();
    };
    await expect(runner.map(job, { signal: abort.signal, onProgress })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(shares.every((share) => share > 0 && share < 1)).toBe(true);
    store.releaseSnapshot(job.snapshotId);
    expect(await resultOf({ ...jobOf('totals', { above: 1e9 }) })).toMatchObject({ sum: 0 });
  });
});
