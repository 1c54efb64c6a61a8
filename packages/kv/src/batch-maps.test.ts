import type { CatalogedMap, GridView, MapSettings } from '@ashlar/cluster';
import { GridError, type MapId } from '@ashlar/core';
import { type KvBatch, type MapReference, OPCODE } from '@ashlar/transport';
import { type BatchMaps, knownMaps, mapIdsToTell, mapsOf } from './batch-maps.ts';

const mapWith = (id: number, changes: Partial<CatalogedMap> = {}): CatalogedMap => ({
  id: id as MapId,
  ...{ name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 },
  ...changes,
});
const reference = (changes: Partial<MapReference> = {}): MapReference => ({
  ...{ name: 'm', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 },
  ...changes,
});
const batch = (maps: MapReference[], opcode: number = OPCODE.PUT): KvBatch =>
  ({ maps, opcodes: Uint8Array.of(opcode) }) as unknown as KvBatch;

/** A member that knows `here`, and a coordinator that knows `there` (undefined: it cannot be reached). */
function bench(here: CatalogedMap | undefined, there: CatalogedMap | 'none' | undefined, floor = here?.id ?? 0) {
  const control = {
    self: 'a',
    maps: new Map(here === undefined ? [] : [['m', here]]),
    catalog: { mapIdFloor: floor },
    made: [] as MapSettings[],
    async refresh() {
      if (there === undefined) throw new GridError('CONNECTION_LOST', 'away');
      this.maps = new Map(there === 'none' ? [] : [['m', there]]);
      this.catalog = { mapIdFloor: 100 };
    },
    async mapNamed() {
      const map = this.maps.get('m');
      if (map === undefined) throw new GridError('UNKNOWN_MAP', 'm');
      return map;
    },
    async mapFor(_name: string, settings: MapSettings) {
      const known = this.maps.get('m');
      if (known !== undefined) return known;
      this.made.push(settings);
      const made = mapWith(101, settings);
      this.maps.set('m', made);
      return made;
    },
  };
  const store = { opened: [] as number[], hasMap: () => true, openMap: (id: number) => void store.opened.push(id) };
  const deps = { control: control as unknown as GridView, store };
  const found = (maps: MapReference[], opcode?: number): Promise<BatchMaps> => mapsOf(batch(maps, opcode), deps);
  return { deps, control, store, found };
}

const DROPPED = { code: 'MAP_DROPPED', retryable: false };

describe('the maps of a batch', () => {
  it('are taken at once where the member knows them as they are meant', () => {
    const { deps } = bench(mapWith(7), undefined);
    expect(knownMaps(batch([reference(), reference({ mapId: 7 }), reference({ newerThan: 6 })]), deps)).toBeDefined();
    for (const other of [{ mapId: 6 }, { mapId: 8 }, { newerThan: 7 }, { affinityParts: 1 }, { name: 'x' }]) {
      expect(knownMaps(batch([reference(other)]), deps)).toBeUndefined();
    }
  });

  it('refuse mutations for one that was dropped, and say which has the name now', async () => {
    const { found } = bench(mapWith(7), undefined);
    const { maps, refusals } = await found([reference({ mapId: 5 }), reference()]);
    expect(refusals).toMatchObject([{ ...DROPPED, details: { map: 'm', mapId: 5, now: 7 } }, undefined]);
    expect(maps.map((map) => map?.id)).toEqual([7, 7]);
  });

  it('refuse mutations where none has the name since, and make none for them', async () => {
    const { found, control } = bench(undefined, undefined, 7);
    const { refusals } = await found([reference({ mapId: 5 })]);
    expect(refusals).toMatchObject([{ ...DROPPED, details: { mapId: 5, now: 0 } }]);
    expect(control.made).toEqual([]);
  });

  it('are asked for at the coordinator by a member that is behind', async () => {
    const { found } = bench(mapWith(7), mapWith(9));
    const { maps, refusals } = await found([reference({ mapId: 9 })]);
    expect([maps[0]?.id, refusals]).toEqual([9, undefined]);
  });

  it('are asked for by a member that still has the one the caller saw dropped, for reads too', async () => {
    for (const opcode of [OPCODE.PUT, OPCODE.GET]) {
      expect((await bench(mapWith(7), mapWith(9)).found([reference({ newerThan: 7 })], opcode)).maps[0]?.id).toBe(9);
    }
    const { found, control } = bench(mapWith(7), 'none');
    expect((await found([reference({ newerThan: 7 })])).maps[0]?.id).toBe(101);
    expect(control.made).toHaveLength(1);
  });

  it('are never taken from a member that is behind and cannot ask', async () => {
    const { found } = bench(mapWith(7), undefined);
    for (const meant of [{ mapId: 9 }, { newerThan: 7 }]) {
      expect((await found([reference(meant)])).failures).toMatchObject([{ code: 'LEASE_EXPIRED', retryable: true }]);
    }
  });

  it('are made with the options that were declared, and with no others', async () => {
    const plain = bench(undefined, 'none');
    const { failures } = await plain.found([reference({ affinityParts: 2, ttlMs: 5 })]);
    expect(failures).toMatchObject([{ code: 'MAP_CONFLICT', details: { affinityParts: 0 } }]);
    const declared = bench(undefined, 'none');
    await declared.found([reference({ declared: true, affinityParts: 2, ttlMs: 5 })]);
    expect([plain.control.made, declared.control.made]).toEqual([
      [{ affinityParts: 0, ttlMs: 0, maxIdleMs: 0 }],
      [{ affinityParts: 2, ttlMs: 5, maxIdleMs: 0 }],
    ]);
  });

  it('serve reads under the name where the caller is behind', async () => {
    const { maps } = await bench(mapWith(7), undefined).found([reference({ mapId: 5 })], OPCODE.GET);
    expect(maps[0]?.id).toBe(7);
  });

  it('are opened here where that failed when they were made', async () => {
    const { deps, store } = bench(mapWith(7), undefined);
    store.hasMap = () => false;
    expect(knownMaps(batch([reference()]), deps)).toBeUndefined();
    await mapsOf(batch([reference()]), deps);
    expect(store.opened).toEqual([7]);
  });

  it('are told to callers that named others', () => {
    const one = batch([reference({ mapId: 7 }), reference({ name: 'none' })]);
    expect(mapIdsToTell(one, [mapWith(7), undefined])).toBeUndefined();
    expect([...mapIdsToTell(one, [mapWith(9), undefined])!]).toEqual([9, 0]);
  });
});
