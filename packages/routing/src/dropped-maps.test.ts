import { GridError } from '@ashlar/core';
import { OPCODE } from '@ashlar/transport';
import { MapHandle } from './map-handle.ts';
import { get, put, RouterBench, until } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

/** What each batch named, in their order. */
const named = (): (readonly [number, number])[] =>
  bench.sole.batches.map(({ maps }) => [maps[0]!.mapId, maps[0]!.newerThan] as const);

describe('calls on a map', () => {
  it('name the one that has the name, once a member told it', async () => {
    bench.sole.mapIds.set('m', 7);
    const router = await bench.connect();
    await put(router, 1, 'a');
    await put(router, 2, 'b');
    expect(named()).toEqual([
      [0, 0],
      [7, 0],
    ]);
  });

  it('that was dropped and made again go to the new one, each once', async () => {
    bench.sole.mapIds.set('m', 7);
    const router = await bench.connect();
    await put(router, 1, 'a');
    bench.sole.mapIds.set('m', 9);
    expect(await put(router, 1, 'b')).toBeUndefined();
    expect(named()).toEqual([
      [0, 0],
      [7, 0],
      [9, 7],
    ]);
    expect([...bench.sole.store.applied.values()]).toEqual([1, 1]);
  });

  it('that was dropped mean a later one, whoever comes to make it', async () => {
    bench.sole.mapIds.set('m', 7);
    const router = await bench.connect();
    await put(router, 1, 'a');
    bench.sole.mapIds.set('m', 0);
    await put(router, 1, 'b');
    router.dropped('m', 12);
    await put(router, 1, 'c');
    expect(named().slice(-2)).toEqual([
      [0, 7],
      [0, 12],
    ]);
  });

  it('that are sent again in doubt name the map they were sent for, and take a new number for another', async () => {
    bench.sole.mapIds.set('m', 7);
    const router = await bench.connect();
    await put(router, 1, 'a');
    const held = Promise.withResolvers<void>();
    bench.sole.beforeAnswer = () => held.promise;
    bench.sole.fail = () => new GridError('INTERNAL', 'the first copy is never applied');
    const call = put(router, 1, 'b');
    await until(() => bench.sole.batches.length === 2);
    await bench.sole.server!.close();
    bench.sole.beforeAnswer = undefined;
    bench.sole.fail = undefined;
    bench.sole.mapIds.set('m', 9);
    await bench.sole.start(Number(bench.sole.table.members[0]!.address.split(':')[1]));
    await call;
    const [, first, again, anew] = bench.sole.batches;
    expect(again).toMatchObject({ resent: true, firstRequest: first!.firstRequest, maps: [{ mapId: 7 }] });
    expect(anew).toMatchObject({ resent: false, maps: [{ mapId: 9 }] });
    expect(anew!.firstRequest).toBeGreaterThan(first!.firstRequest);
    expect(anew!.lowestUnanswered).toBe(anew!.firstRequest);
    held.resolve();
  });

  it('that only read learn the new map, and are not refused', async () => {
    bench.sole.mapIds.set('m', 7);
    const router = await bench.connect();
    await put(router, 1, 'a');
    bench.sole.mapIds.set('m', 9);
    expect(await get(router, 1)).toBe('a');
    await put(router, 1, 'b');
    expect(named().at(-1)).toEqual([9, 0]);
    expect(bench.sole.batches).toHaveLength(3);
  });

  it('in one batch with calls on others are sent again alone', async () => {
    bench.sole.mapIds.set('m', 7).set('other', 8);
    const router = await bench.connect();
    const other = (): Promise<unknown> =>
      router.call(OPCODE.PUT, router.map('other', undefined), 1, 'o', undefined, undefined);
    await Promise.all([put(router, 1, 'a'), other()]);
    bench.sole.mapIds.set('m', 9);
    await Promise.all([put(router, 1, 'b'), other()]);
    expect(bench.sole.batches.map(({ count }) => count)).toEqual([2, 2, 1]);
  });
});

describe('what is known of a map', () => {
  it('is never replaced by older news', () => {
    const handle = new MapHandle('m', undefined);
    handle.learn(9);
    handle.learn(7);
    handle.drop(7);
    expect([handle.mapId, handle.newerThan]).toEqual([9, 7]);
    handle.drop(9);
    handle.learn(9);
    expect([handle.mapId, handle.newerThan]).toEqual([0, 9]);
  });

  it('goes with it, but for what was declared', () => {
    const learnt = new MapHandle('m', undefined);
    const declared = new MapHandle('m', { affinityParts: 2 });
    for (const handle of [learnt, declared]) {
      handle.affinityParts = 2;
      handle.learn(7);
      handle.drop(7, 8);
    }
    expect([learnt.affinityParts, declared.affinityParts, learnt.mapId]).toEqual([0, 2, 8]);
  });
});
