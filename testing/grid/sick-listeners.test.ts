/** Listeners whose code fails on whatever comes: they harm nobody else, are reported, and lose (almost) nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Grid, ready } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const LIMITS = { wallMs: 200, heapBytes: 16 << 20 };
const EVENTS = 60;
const LISTENERS = { heap: 'fillsHeap', endless: 'neverEnds', exits: 'exits', throws: 'throws' } as const;
const MAPS = Object.keys(LISTENERS) as (keyof typeof LISTENERS)[];

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 1, settings: { 'cluster.partitionCount': 8, 'workers.userThreads': 1 } });
  client = await grid.connect();
  for (const map of MAPS) await client.map(map).size();
  await client.deploy(fixture('sick.ts'), { name: 'patient', limits: LIMITS });
});

afterAll(() => grid.stop());

function fixture(file: string): URL {
  return new URL(`./fixtures/${file}`, import.meta.url);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}

async function stateOf(map: keyof typeof LISTENERS): Promise<string | undefined> {
  const [stats] = await client.stats();
  const listener = `patient.${LISTENERS[map]}`;
  const found = stats!.figures.filter(
    ({ name, labels }) => name === 'ashlar_listener_state' && labels['listener'] === listener,
  );
  expect(found.length).toBe(1);
  return found[0]!.labels['state'];
}

function linesOf(map: keyof typeof LISTENERS, text: string): readonly string[] {
  return grid.members[0]!.log.filter((line) => line.includes(`patient.${LISTENERS[map]}"`) && line.includes(text));
}

describe('a listener that fails on whatever comes', () => {
  it.each(MAPS)(
    'and %s is put in quarantine, told once a change of state, and counted',
    async (map) => {
      const before = (await grid.members[0]!.metric('ashlar_listener_failures_total'))!;
      await client.map(map).putAll(Array.from({ length: EVENTS }, (_, key) => [key, key] as const));
      await until(async () => (await stateOf(map)) === 'quarantined');
      const failures = (await grid.members[0]!.metric('ashlar_listener_failures_total'))! - before;
      expect(failures).toBeGreaterThan(0);
      // One that only throws costs no thread: each of its groups is tried a few times.
      if (map !== 'throws') expect(failures).toBeLessThanOrEqual(10);
      expect(linesOf(map, 'a listener fails: ')).toHaveLength(1);
      expect(linesOf(map, 'it is in quarantine')).toHaveLength(1);
      await sleep(300);
      expect((await grid.members[0]!.metric('ashlar_listener_failures_total'))! - before).toBe(failures);
      expect(
        await client.map<{ n: number }>('others').process('k', ready.increment, { path: 'n', by: 1 }),
      ).toBeGreaterThan(0);
    },
    60_000,
  );

  it('goes on where it was when its module is deployed again', async () => {
    await client.deploy(fixture('cured.ts'), { name: 'patient', limits: { wallMs: 20_000 } });
    const cured = client.map<number>('cured');
    const keysOf = (map: string) => Array.from({ length: EVENTS }, (_, key) => [map, key] as const);
    for (const map of ['heap', 'endless', 'exits']) {
      await until(async () => !(await cured.getAll(keysOf(map) as never)).includes(undefined));
    }
    // One event of the listener that only throws was passed over before the listener was found to be to blame.
    const copied = async (): Promise<number> =>
      (await cured.getAll(keysOf('throws') as never)).filter((value) => value !== undefined).length;
    await until(async () => (await copied()) >= EVENTS / 2);
    for (const map of MAPS) await until(async () => (await stateOf(map)) === 'healthy');
    expect(grid.members[0]!.hasEnded).toBe(false);
  }, 60_000);
});
