import type { Grid } from '@ashlar/api';
import { DEFAULT_MAP_SETTINGS } from '@ashlar/cluster';
import { type CallScope, GridError, type MapId, type MemberId, type PartitionId } from '@ashlar/core';
import { COUNT } from '@ashlar/observe';
import { decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import type { MemberParts } from '../member-parts.ts';
import { SELF, type TestGridOptions, testGrid } from '../testing/test-grid.ts';
import { keyForwarder } from './key-forwarder.ts';

const OTHER = 'b' as MemberId;
const PARTITIONS = 4;
const LONG_AGO_US = 1;
const scope: CallScope = { signal: new AbortController().signal, deadlineMs: undefined, trace: undefined };

/** The forwarder of member `a` with a map, and the grid beyond it, which notes what it is asked. */
async function bench(options: TestGridOptions = {}) {
  const grid = await testGrid({ partitionCount: PARTITIONS, ...options });
  const asked: unknown[] = [];
  const beyond = { entry: undefined as object | undefined, removed: true };
  const map = (name: string) => ({
    getEntry: async (key: unknown) => {
      asked.push(['getEntry', name, key]);
      return beyond.entry;
    },
    put: async (key: unknown, value: unknown, given: object) => void asked.push(['put', name, key, value, given]),
    remove: async (key: unknown) => {
      asked.push(['remove', name, key]);
      return beyond.removed;
    },
  });
  const scopes: CallScope[] = [];
  const within = async (one: CallScope): Promise<Grid> => {
    scopes.push(one);
    return { map } as unknown as Grid;
  };
  const counts = new Float64Array(Object.keys(COUNT).length);
  const { control, store } = grid;
  const parts = { control, store, metrics: { maps: { of: () => ({ counts }) } } } as unknown as MemberParts;
  return { ...grid, asked, beyond, scopes, counts, forward: keyForwarder(parts, within) };
}

type Bench = Awaited<ReturnType<typeof bench>>;

function partitionOfKey(key: string): PartitionId {
  const bytes = encodeKey(key);
  return partitionOf(bytes, 0, bytes.length, 0, PARTITIONS) as PartitionId;
}

/** A key whose partition is this member's, or another's. */
function keyOf({ control }: Bench, isMine: boolean): string {
  for (let number = 0; ; number++) {
    if (control.isMine(partitionOfKey(`k${number}`)) === isMine) return `k${number}`;
  }
}

/** Stores an entry that was due long ago and whose expiry nobody has written yet. */
function putExpired({ store }: Bench, mapId: MapId, key: string): void {
  const [bytes, value] = [encodeKey(key), encodeValue('old')];
  const batch = store.begin();
  batch.put(mapId, partitionOfKey(key), bytes, 0, bytes.length, batch.value(value, 0, value.length, LONG_AGO_US));
  batch.commit();
}

describe('a key that is on this member', () => {
  it('is read at once, with version and deadline, as a copy; what is not there is a miss', async () => {
    const at = await bench();
    const mapId = await at.createMap('m');
    at.put(mapId, partitionOfKey('k'), 'k');
    const entry = await at.forward.get('m', 'k', scope);
    expect(entry).toMatchObject({ expiresAtMs: 0, version: expect.any(Number) });
    expect([decodeValue(entry!.value), entry!.version > 0]).toEqual([{ of: 'k' }, true]);
    entry!.value.fill(0);
    expect(decodeValue((await at.forward.get('m', 'k', scope))!.value)).toEqual({ of: 'k' });
    expect(await at.forward.get('m', 'none', scope)).toBeUndefined();
    expect([at.counts[COUNT.hits], at.counts[COUNT.misses], at.asked]).toEqual([2, 1, []]);
  });

  it('tells its deadline in milliseconds since 1970', async () => {
    const at = await bench();
    const mapId = await at.createMap('m');
    const [bytes, value] = [encodeKey('k'), encodeValue(1)];
    const inAYearMs = Date.now() + 365 * 86_400_000;
    const batch = at.store.begin();
    const draft = batch.value(value, 0, value.length, inAYearMs * 1000);
    batch.put(mapId, partitionOfKey('k'), bytes, 0, bytes.length, draft);
    batch.commit();
    expect((await at.forward.get('m', 'k', scope))!.expiresAtMs).toBeCloseTo(inAYearMs, -1);
  });

  it('that was due is absent once the record of its expiry is committed, not before', async () => {
    const at = await bench();
    const mapId = await at.createMap('m');
    putExpired(at, mapId, 'k');
    const open = at.store.begin();
    const [bytes, value] = [encodeKey('other'), encodeValue(1)];
    open.put(mapId, partitionOfKey('k'), bytes, 0, bytes.length, open.value(value, 0, value.length));
    at.beyond.entry = { value: 'waited for', version: 9 };
    const entry = await at.forward.get('m', 'k', scope);
    expect([at.asked, decodeValue(entry!.value)]).toEqual([[['getEntry', 'm', 'k']], 'waited for']);
    open.commit();
    at.asked.length = 0;
    expect(await at.forward.get('m', 'k', scope)).toBeUndefined();
    expect(at.asked).toEqual([]);
  });
});

describe('a key of another member', () => {
  it('is read through the grid, within the call, and counted there', async () => {
    const at = await bench({ members: [SELF, OTHER] });
    await at.createMap('m');
    const key = keyOf(at, false);
    at.beyond.entry = { value: { a: 1 }, version: 7, expiresAtMs: 5 };
    const entry = await at.forward.get('m', key, scope);
    expect({ ...entry, value: decodeValue(entry!.value) }).toEqual({ value: { a: 1 }, version: 7, expiresAtMs: 5 });
    at.beyond.entry = { value: null, version: 8 };
    expect(await at.forward.get('m', key, scope)).toMatchObject({ version: 8, expiresAtMs: 0 });
    at.beyond.entry = undefined;
    expect(await at.forward.get('m', key, scope)).toBeUndefined();
    expect(at.scopes).toEqual([scope, scope, scope]);
    expect(Array.from(at.counts)).toEqual(Array.from(at.counts, () => 0));
  });
});

describe('changes of single keys', () => {
  it('go through the grid, also for keys of this member: one way for all writes', async () => {
    const at = await bench();
    await at.createMap('m');
    await at.forward.put('m', 'k', encodeValue({ a: 1 }), 0, scope);
    await at.forward.put('m', 'k', encodeValue(2), 500, scope);
    expect(await at.forward.remove('m', 'k', scope)).toBe(true);
    at.beyond.removed = false;
    expect(await at.forward.remove('m', 'k', scope)).toBe(false);
    expect(at.asked).toEqual([
      ...[
        ['put', 'm', 'k', { a: 1 }, {}],
        ['put', 'm', 'k', 2, { ttlMs: 500 }],
      ],
      ...[
        ['remove', 'm', 'k'],
        ['remove', 'm', 'k'],
      ],
    ]);
    expect(at.scopes.every((one) => one === scope)).toBe(true);
  });

  it('make the map that a value is put into, and none for a removal', async () => {
    const at = await bench();
    await at.forward.put('made', 'k', encodeValue(1), 0, scope);
    expect(at.control.maps.get('made')).toMatchObject(DEFAULT_MAP_SETTINGS);
    await expect(at.forward.remove('mode', 'k', scope)).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    expect([at.control.maps.has('mode'), at.asked.length]).toEqual([false, 1]);
  });

  it('of maps that the grid keeps for itself are refused', async () => {
    const at = await bench();
    const put = at.forward.put('sys.mine', 'k', encodeValue(1), 0, scope);
    await expect(put).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(at.asked).toEqual([]);
  });
});

describe('what cannot be looked for', () => {
  it('is told: a map that is not there, or a grid that awaits members', async () => {
    const whole = await bench();
    await expect(whole.forward.get('none', 'k', scope)).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    const { forward, asked } = await bench({ members: [SELF, OTHER], joined: 1 });
    for (const call of [
      () => forward.get('m', 'k', scope),
      () => forward.put('m', 'k', encodeValue(1), 0, scope),
      () => forward.remove('m', 'k', scope),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
    }
    expect(asked).toEqual([]);
  });

  it('is told by the error of the grid where that fails', async () => {
    const at = await bench({ members: [SELF, OTHER] });
    await at.createMap('m');
    const lost = new GridError('MEMBER_UNREACHABLE', 'gone');
    const forward = keyForwarder({ control: at.control } as MemberParts, () => Promise.reject(lost));
    await expect(forward.get('m', keyOf(at, false), scope)).rejects.toBe(lost);
  });
});
