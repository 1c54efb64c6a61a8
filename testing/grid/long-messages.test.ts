/** Values and messages longer than 32 MiB: what the members' limits allow passes every door, and what they forbid is named. */
import type { Grid, GridMap } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';

const MIB = 1 << 20;
const LONG = 40 * MIB;
const TIME = { timeoutMs: 60_000 };

/** Bytes that are not all alike, of which an end tells whether all arrived. */
function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(seed);
  bytes[length - 1] = seed + 1;
  return bytes;
}

let grid: TestGrid;
let client: Grid;
let map: GridMap<string, unknown>;

beforeAll(async () => {
  const settings = { 'limits.valueBytes': '48MiB', 'limits.messageBytes': '64MiB' };
  grid = await TestGrid.start({ members: 2, memory: '512MiB', settings });
  client = await grid.connect();
  map = client.map<string, unknown>('long');
  await map.put('a', bytesOf(LONG, 1), TIME);
  await map.put('b', bytesOf(LONG, 2), TIME);
  await map.put('c', bytesOf(LONG, 3), TIME);
}, 120_000);

afterAll(() => grid.stop());

describe('a value of 40 MiB, where the members take 48', () => {
  it('is read as it was written, alone and with others', async () => {
    expect(Buffer.compare((await map.get('a', TIME)) as Uint8Array, bytesOf(LONG, 1))).toBe(0);
    // At least two of the three are of one member, which answers them one by one.
    const all = [...(await map.getAll(['a', 'b', 'c'], TIME)).values()] as Uint8Array[];
    expect(all.map((one) => [one.length, one[0], one[LONG - 1]])).toEqual([
      [LONG, 1, 2],
      [LONG, 2, 3],
      [LONG, 3, 4],
    ]);
  }, 60_000);

  it('comes with what replaced it', async () => {
    await map.put('r', bytesOf(LONG, 5), TIME);
    const old = (await map.getAndPut('r', 'short', TIME)) as Uint8Array;
    expect([old.length, old[0], old[LONG - 1]]).toEqual([LONG, 5, 6]);
    expect(await map.get('r', TIME)).toBe('short');
  }, 60_000);

  it('is stored by putAll', async () => {
    await map.putAll([['p', bytesOf(LONG, 6)]], TIME);
    expect(((await map.get('p', TIME)) as Uint8Array).length).toBe(LONG);
    await map.remove('p', TIME);
  }, 60_000);

  it('is in the result of a statement', async () => {
    const texts = client.map<string, { body: string }>('texts');
    for (const key of ['s', 't']) await texts.put(key, { body: key.repeat(LONG) }, TIME);
    const rows = await client.sql<{ body: string }>('SELECT body FROM texts ORDER BY __key', [], TIME).all();
    expect(rows.map(({ body }) => [body.length, body[0], body[LONG - 1]])).toEqual([
      [LONG, 's', 's'],
      [LONG, 't', 't'],
    ]);
  }, 60_000);
});

describe('what the members do not take', () => {
  it('is refused by name, and other calls go on', async () => {
    await expect(map.put('x', new Uint8Array(50 * MIB), TIME)).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' });
    expect(await map.get('x')).toBeUndefined();
  }, 60_000);
});
