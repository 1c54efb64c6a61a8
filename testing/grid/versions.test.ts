/** No two states of an entry share a version, whatever writes a key more than once at a time. */
import { type EntryEvent, type GridKey, type GridMap, ready } from '@ashlar/api';
import type { Grid } from '@ashlar/client';
import * as processors from './fixtures/processors.ts';
import { EventLog } from './support/event-log.ts';
import { TestGrid } from './support/grid.ts';

interface Counter {
  readonly n: number;
}

type Events = readonly EntryEvent<GridKey, Counter>[];

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start();
  client = await grid.connect();
  await client.deploy(new URL('./fixtures/processors.ts', import.meta.url));
});

afterAll(() => grid.stop());

/** Each event has the state that the one before left, under a version of its own. */
function expectAChain(events: Events): void {
  const last = new Map<GridKey, { version: number; n: number | undefined }>();
  for (const { key, version, value, oldValue } of events) {
    const before = last.get(key);
    if (before !== undefined) {
      expect(version).toBeGreaterThan(before.version);
      expect(oldValue?.n).toBe(before.n);
    }
    last.set(key, { version, n: value?.n });
  }
}

describe('an entry that is written more than once in a turn', () => {
  const put = (n: number) => (map: GridMap<GridKey, Counter>) => map.put('k', { n });
  const keep = (map: GridMap<GridKey, Counter>) => map.remove('k');
  const raise = (map: GridMap<GridKey, Counter>) => map.process('k', ready.increment, { path: 'n', by: 1 });
  const add = (map: GridMap<GridKey, Counter>) => map.process('k', processors.add, { by: 1 });

  it.each([
    ['puts', [put(1), put(2), put(3)], 3],
    ['a put, a remove, a put', [put(1), keep, put(3)], 3],
    [
      'conditional writes',
      [
        put(1),
        (map: GridMap<GridKey, Counter>) => map.replace('k', { n: 2 }),
        (map: GridMap<GridKey, Counter>) => map.getAndPut('k', { n: 3 }),
      ],
      3,
    ],
    ['ready-made processors', [raise, raise, raise], 3],
    [
      'ready-made processors by processAll',
      [(map: GridMap<GridKey, Counter>) => map.processAll(['k', 'k', 'k'], ready.increment, { path: 'n', by: 1 })],
      3,
    ],
    ['processors that chain in one task, which is one change', [add, add, add], 1],
  ] as const)('by %s', async (what, writes, count) => {
    const map = client.map<Counter>(`turn-${what.replaceAll(/\W/g, '-')}`) as GridMap<GridKey, Counter>;
    const log = await EventLog.open(map);
    await Promise.all(writes.map((write) => write(map) as Promise<unknown>));
    await map.put('end', { n: 0 });
    const events = await log.until(count + 1);
    expectAChain(events);
    for (const event of events.filter(({ key, type }) => key === 'k' && type !== 'remove').slice(0, -1)) {
      expect(await map.replace('k', { n: -1 }, { ifVersion: event.version })).toBe(false);
    }
    const entry = (await map.getEntry('k'))!;
    expect(entry).toMatchObject({ value: { n: 3 }, version: events.findLast(({ key }) => key === 'k')!.version });
    await log.stop();
  });

  it('by putAll, which is one step: the last one is told', async () => {
    const map = client.map<Counter>('turn-putAll') as GridMap<GridKey, Counter>;
    await map.put('k', { n: 7 });
    const log = await EventLog.open(map);
    await map.putAll([1, 2, 3].flatMap((n) => [['k', { n }] as const, [`new ${n}`, { n }] as const]));
    await map.put('k', { n: 9 });
    const events = await log.until(5);
    expectAChain(events);
    const ofK = events.filter(({ key }) => key === 'k');
    expect(ofK.map(({ oldValue, value }) => [oldValue?.n, value?.n])).toEqual([
      [7, 3],
      [3, 9],
    ]);
    await log.stop();
  });
});
