/** Deadlines by every verb: what is kept, what the map gives, what is lifted, in maps with a default and without one. */
import { type Entry, type GridMap, ready, type TimeToLive } from '@ashlar/api';
import { defineMap, type Grid } from '@ashlar/client';
import * as processors from './fixtures/processors.ts';
import { TestGrid } from './support/grid.ts';

interface Counter {
  readonly n: number;
  readonly all?: readonly number[];
}
type CounterMap = GridMap<string, Counter>;

const HOUR_MS = 3_600_000;
/** Between a call and a look at what it left. */
const SLACK_MS = 30_000;
const WithDefault = defineMap<string, Counter>('with-default', { ttlMs: HOUR_MS });
const Plain = defineMap<string, Counter>('plain');

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 1 });
  client = await grid.connect();
  await client.deploy(new URL('./fixtures/processors.ts', import.meta.url));
});

afterAll(() => grid.stop());

/** What an entry has left, in words. */
function left(entry: Entry<string, Counter> | undefined): string {
  if (entry === undefined) return 'absent';
  if (entry.expiresAtMs === undefined) return 'never';
  const ms = entry.expiresAtMs - Date.now();
  for (const [name, wanted] of Object.entries({ default: HOUR_MS, two: 2 * HOUR_MS, three: 3 * HOUR_MS })) {
    if (Math.abs(ms - wanted) < SLACK_MS) return name;
  }
  return `${ms} ms`;
}

type Options = { readonly ttlMs?: TimeToLive };
type Verb = (map: CounterMap, options: Options) => Promise<unknown>;

const PUTS: Record<string, Verb> = {
  put: (map, options) => map.put('k', { n: 2 }, options),
  putAll: (map, options) => map.putAll([['k', { n: 2 }]], options),
  getAndPut: (map, options) => map.getAndPut('k', { n: 2 }, options),
};
const KEEPERS: Record<string, Verb> = {
  replace: (map, options) => map.replace('k', { n: 2 }, options),
  'replace of a version': async (map, options) =>
    map.replace('k', { n: 2 }, { ...options, ifVersion: (await map.getEntry('k'))!.version }),
  increment: (map, options) => map.process('k', ready.increment, { path: 'n', by: 1, ...options }),
  mergePatch: (map, options) => map.process('k', ready.mergePatch, { patch: { n: 3 }, ...options }),
  append: (map, options) => map.process('k', ready.append, { path: 'all', items: [1], ...options }),
  compareAndSet: async (map, options) =>
    map.process('k', ready.compareAndSet, { expected: await map.get('k'), value: { n: 5 }, ...options }),
  'a processor': (map, options) => map.process('k', processors.store, { n: 4, ...options }),
};
const ALL = { ...PUTS, ...KEEPERS };

describe.each([
  ['with a default', WithDefault, 'default'],
  ['without a default', Plain, 'never'],
])('in a map %s', (_, definition, byDefault) => {
  const map = (): CounterMap => client.map(definition) as CounterMap;
  const after = async (before: TimeToLive, verb: Verb, options: Options): Promise<string> => {
    await map().put('k', { n: 1 }, { ttlMs: before });
    await verb(map(), options);
    return left(await map().getEntry('k'));
  };

  it.each(Object.keys(PUTS))('%s takes the default of the map', async (verb) => {
    expect(await after(2 * HOUR_MS, PUTS[verb]!, {})).toBe(byDefault);
    expect(await after('never', PUTS[verb]!, {})).toBe(byDefault);
  });

  it.each(Object.keys(KEEPERS))('%s keeps the deadline that the entry has, also when that is none', async (verb) => {
    expect(await after(2 * HOUR_MS, KEEPERS[verb]!, {})).toBe('two');
    expect(await after('never', KEEPERS[verb]!, {})).toBe('never');
  });

  it.each(Object.keys(ALL))('%s does as it is told', async (verb) => {
    expect(await after(2 * HOUR_MS, ALL[verb]!, { ttlMs: 3 * HOUR_MS })).toBe('three');
    expect(await after(2 * HOUR_MS, ALL[verb]!, { ttlMs: 'keep' })).toBe('two');
    expect(await after('never', ALL[verb]!, { ttlMs: 'keep' })).toBe('never');
    expect(await after(2 * HOUR_MS, ALL[verb]!, { ttlMs: 'default' })).toBe(byDefault);
    expect(await after(2 * HOUR_MS, ALL[verb]!, { ttlMs: 'never' })).toBe('never');
  });

  it('a key that is absent has nothing to keep', async () => {
    for (const [ttlMs, wanted] of [
      ['keep', byDefault],
      ['default', byDefault],
      ['never', 'never'],
    ] as const) {
      await map().remove('k');
      expect(await map().putIfAbsent('k', { n: 1 }, { ttlMs })).toBe(true);
      expect(left(await map().getEntry('k'))).toBe(wanted);
      await map().remove('k');
      await map().process('k', ready.increment, { path: 'n', by: 1, ttlMs });
      expect(left(await map().getEntry('k'))).toBe(wanted);
      await map().remove('k');
      await map().process('k', processors.store, { n: 1, ttlMs });
      expect(left(await map().getEntry('k'))).toBe(wanted);
    }
  });

  it('what is removed and stored again is a new entry, in one call and over two', async () => {
    const renew: Verb = (one) => one.process('k', processors.renew, { n: 1 });
    expect(await after(2 * HOUR_MS, renew, {})).toBe(byDefault);
    expect(await after('never', renew, {})).toBe(byDefault);
    const told: Verb = (one) => one.process('k', processors.renew, { n: 1, ttlMs: 3 * HOUR_MS });
    expect(await after(2 * HOUR_MS, told, {})).toBe('three');
    const twice: Verb = (one) =>
      Promise.all([one.process('k', processors.store, {}), one.process('k', processors.store, { n: 1 })]);
    expect(await after(2 * HOUR_MS, twice, {})).toBe(byDefault);
  });

  it('UPDATE keeps the deadline, INSERT takes the default', async () => {
    const update: Verb = (one) => client.sql(`UPDATE "${one.name}" SET n = 9`).execute();
    expect(await after(2 * HOUR_MS, update, {})).toBe('two');
    expect(await after('never', update, {})).toBe('never');
    await map().remove('k');
    await client.sql(`INSERT INTO "${definition.name}" (__key, n) VALUES ('k', 1)`).execute();
    expect(left(await map().getEntry('k'))).toBe(byDefault);
  });
});

describe('a time to live that is none', () => {
  const bad = [Number.NaN, Infinity, -Infinity, 1e18, 0, -1, 'forever'] as unknown as TimeToLive[];
  const refused = { code: 'INVALID_ARGUMENT' };

  it.each(bad)('%p is refused by every verb, and nothing changes', async (ttlMs) => {
    const map = client.map(Plain) as CounterMap;
    await map.put('k', { n: 1 });
    for (const verb of Object.values(ALL)) await expect(verb(map, { ttlMs })).rejects.toMatchObject(refused);
    await expect(map.putIfAbsent('other', { n: 1 }, { ttlMs })).rejects.toMatchObject(refused);
    expect(await map.getEntry('k')).toMatchObject({ value: { n: 1 }, expiresAtMs: undefined });
    expect(await map.has('other')).toBe(false);
  });
});

describe('compareAndSet', () => {
  it('to undefined removes the entry, with an event; of what is absent and stays so it does nothing', async () => {
    const map = client.map(Plain) as CounterMap;
    await map.put('gone', { n: 1 });
    expect(await map.process('gone', ready.compareAndSet, { expected: { n: 2 }, value: undefined })).toBe(false);
    expect(await map.process('gone', ready.compareAndSet, { expected: { n: 1 }, value: undefined })).toBe(true);
    expect(await map.has('gone')).toBe(false);
    expect(await map.process('gone', ready.compareAndSet, { expected: undefined, value: undefined })).toBe(true);
    expect(await map.process('gone', ready.compareAndSet, { expected: undefined, value: { n: 3 } })).toBe(true);
    expect(await map.get('gone')).toEqual({ n: 3 });
  });
});
