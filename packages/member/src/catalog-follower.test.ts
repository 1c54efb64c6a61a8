import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleHash, type ControlCommand, DEFAULT_MAP_SETTINGS, EmbeddedCoordinator, GridView } from '@ashlar/cluster';
import { MemoryKeeper, moduleOf } from '@ashlar/cluster/testing';
import { ModuleRegistry } from '@ashlar/compute';
import { HybridClock, type MapId, type MemberId, OutOfMemoryError, type PartitionId } from '@ashlar/core';
import { MemberStore } from '@ashlar/storage';
import { pino } from 'pino';
import { CatalogFollower } from './catalog-follower.ts';

const SELF = 'a' as MemberId;
const PARTITION = 0 as PartitionId;
const BYTES = Uint8Array.of(1);
const EXPORTS = [{ name: 'run', kind: 'job', map: '' }];

/** The next map finds no memory. */
function failOnce(store: MemberStore): void {
  const openMap = store.openMap.bind(store);
  store.openMap = () => {
    store.openMap = openMap;
    throw new OutOfMemoryError(1, {
      freeBytes: 0,
      largestFreeBytes: 0,
      valueBytesMax: 0,
      reservedBytes: 0,
      maxBytes: 1,
    });
  };
}

function bench(options: { readonly retryMs?: number } = {}) {
  const keeper = new MemoryKeeper();
  const coordinator = new EmbeddedCoordinator({
    partitionCount: 4,
    expectedMembers: 1,
    newGridId: () => 'grid',
    keeper,
  });
  const failures: unknown[] = [];
  const control = new GridView(SELF, coordinator, (error) => failures.push(error));
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 4 << 20, partitionCount: 4, maxWorkers: 1, hashSeed: 1, clock });
  const modules = new ModuleRegistry();
  const follower = new CatalogFollower({ store, control, modules, log: pino({ level: 'silent' }) }, options.retryMs);
  const submit = (command: ControlCommand) => coordinator.submit(command);
  const create = (name: string) => submit({ kind: 'createMap', name, options: DEFAULT_MAP_SETTINGS });
  const drop = (name: string) => submit({ kind: 'dropMap', name });
  const join = () =>
    submit({
      kind: 'join',
      member: { id: SELF, address: '127.0.0.1:1', httpAddress: '', zone: '', incarnation: 'one' },
    });
  const ids = () => control.catalog.maps.map(({ id }) => id);
  return { coordinator, control, store, modules, follower, failures, submit, create, drop, join, ids };
}

describe('a member that follows the catalog', () => {
  it('drops a map while a batch is staged in it, and follows on', async () => {
    const { store, follower, create, drop, join, ids } = bench();
    await join();
    await create('a');
    const [dropped] = ids() as [MapId];
    const batch = store.begin();
    batch.put(dropped, PARTITION, BYTES, 0, 1, batch.value(BYTES, 0, 1));
    await drop('a');
    await create('b');
    expect([store.hasMap(dropped), store.mapIds]).toEqual([false, ids()]);
    batch.commit();
    store.reclaim(1e6);
    expect([follower.failure, store.mapBytes(dropped), store.find(dropped, PARTITION, BYTES, 0, 1)]).toEqual([
      undefined,
      expect.any(Number),
      false,
    ]);
  });

  it('goes on past a step that fails, tells it, and makes up for it with the next state', async () => {
    const { store, follower, failures, create, join, ids } = bench();
    await join();
    failOnce(store);
    await create('a');
    expect([follower.failure?.code, store.mapIds]).toEqual(['OUT_OF_MEMORY', []]);
    await create('b');
    expect([follower.failure, new Set(store.mapIds), failures]).toEqual([undefined, new Set(ids()), []]);
  });

  it('makes up for a step that failed without any further change', async () => {
    const { store, follower, create, join, ids } = bench({ retryMs: 1 });
    await join();
    failOnce(store);
    await create('a');
    while (follower.failure !== undefined) await sleep(1);
    expect(store.mapIds).toEqual(ids());
  });

  it('misses nothing of a state that another follower throws at', async () => {
    const { control, store, failures, create, ids } = bench();
    control.onCatalog(({ maps }) => {
      if (maps.length > 0) throw new Error('no');
    });
    const seen: number[] = [];
    control.onCatalog(({ maps }) => seen.push(maps.length));
    await create('a');
    await create('b');
    expect([seen, store.mapIds, failures.length]).toEqual([[0, 1, 2], ids(), 2]);
  });

  it('F2: lets go of a partition that is lost, and begins it anew when that is accepted', async () => {
    const { control, store, follower, create, join, submit, ids } = bench();
    await join();
    await create('a');
    const [map] = ids() as [MapId];
    const batch = store.begin();
    batch.put(map, PARTITION, BYTES, 0, 1, batch.value(BYTES, 0, 1));
    batch.commit();
    const { incarnation } = store.logInfo(PARTITION);
    await create('b');
    expect(store.logInfo(PARTITION).incarnation).toBe(incarnation);
    const member = { id: SELF, address: '127.0.0.1:1', httpAddress: '', zone: '', incarnation: 'two' };
    await submit({ kind: 'join', member });
    expect([store.epochOf(PARTITION), control.isMine(PARTITION)]).toEqual([undefined, false]);
    await submit({ kind: 'recover', partitions: [PARTITION] });
    expect([store.epochOf(PARTITION), follower.failure]).toEqual([control.epochOf(PARTITION), undefined]);
    expect(store.find(map, PARTITION, BYTES, 0, 1)).toBe(false);
    expect(store.logInfo(PARTITION).incarnation).not.toBe(incarnation);
  });

  it('F4: runs no older text of a module whose new one is missing, says so, and deploys it when it comes', async () => {
    const found = Promise.withResolvers<string>();
    const { coordinator, control, modules, follower, submit } = bench();
    const put = (bundle: string) => submit({ kind: 'putModule', module: moduleOf({ bundle, exports: EXPORTS }) });
    await put('1;');
    expect(modules.resolve('audit', 'run', 'job').hash).toBe(bundleHash('1;'));
    const { bundleAtHand } = coordinator;
    coordinator.bundleAtHand = () => undefined;
    coordinator.bundle = () => found.promise;
    await put('2;');
    const missing = expect.objectContaining({ code: 'BUNDLE_MISSING', retryable: true });
    expect(() => modules.resolve('audit', 'run', 'job')).toThrow(missing);
    expect([modules.find('audit'), follower.failure?.code]).toEqual([undefined, 'BUNDLE_MISSING']);
    await submit({ kind: 'createMap', name: 'm', options: DEFAULT_MAP_SETTINGS });
    expect(control.maps.has('m')).toBe(true);
    coordinator.bundleAtHand = bundleAtHand;
    found.resolve('2;');
    while (follower.failure !== undefined) await sleep(1);
    expect(modules.resolve('audit', 'run', 'job').hash).toBe(bundleHash('2;'));
  });

  it('F4: forgets a module that is removed before its text came', async () => {
    const { coordinator, modules, follower, submit } = bench();
    coordinator.bundleAtHand = () => undefined;
    coordinator.bundle = () => new Promise(() => undefined);
    await submit({ kind: 'putModule', module: moduleOf({ exports: EXPORTS }) });
    await submit({ kind: 'removeModule', name: 'audit' });
    expect(follower.failure).toBeUndefined();
    expect(() => modules.resolve('audit', 'run', 'job')).toThrow(expect.objectContaining({ code: 'UNKNOWN_MODULE' }));
  });

  it('runs the newest deployment of a module, and none that is removed', async () => {
    const { modules, submit } = bench();
    const deploy = (bundle: string) => {
      const hash = createHash('sha256').update(bundle).digest('hex');
      return submit({ kind: 'putModule', module: { name: 'm', bundle, hash, exports: [], wallMs: 0, heapBytes: 0 } });
    };
    await deploy('1;');
    const first = modules.find('m')!.hash;
    await deploy('2;');
    expect(modules.find('m')!.hash).not.toBe(first);
    await submit({ kind: 'removeModule', name: 'm' });
    expect(modules.find('m')).toBeUndefined();
  });
});
