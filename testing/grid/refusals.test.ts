/** User code that refuses: who called learns why in the application's words, nothing is applied, nothing is tried again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Decimal, type Grid, GridError, Refusal } from '@ashlar/client';
import * as refusals from './fixtures/refusals.ts';
import { Evens, Numbers, Purses, REFUSED_AT, Told } from './fixtures/refusals.ts';
import { TestGrid } from './support/grid.ts';
import { freePort, TcpProxy } from './support/tcp-proxy.ts';

const FIVE = { amount: Decimal.parse('5') };
const RICH = { balance: Decimal.parse('100.00'), moves: 0n };
const POOR = { balance: Decimal.parse('1.50'), moves: 2n };

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ settings: { 'cluster.partitionCount': 8 } });
  client = await grid.connect();
  await client.deploy(new URL('./fixtures/refusals.ts', import.meta.url));
});

afterAll(() => grid.stop());

async function failureOf(call: Promise<unknown>): Promise<GridError> {
  const failure = await call.then(
    () => undefined,
    (error) => error,
  );
  expect(GridError.is(failure)).toBe(true);
  return failure;
}

describe('a processor that refuses', () => {
  it('gives its caller the code and the details, and changes nothing', async () => {
    const purses = client.map(Purses);
    await purses.put('a', POOR);
    const failure = await failureOf(purses.process('a', refusals.withdraw, FIVE));
    expect(failure).toMatchObject({
      code: 'PROCESSOR_REFUSED',
      retryable: false,
      message: 'refusals.withdraw refused: INSUFFICIENT_FUNDS',
      details: { module: 'refusals', exportName: 'withdraw', refusalCode: 'INSUFFICIENT_FUNDS' },
      refusal: { code: 'INSUFFICIENT_FUNDS' },
    });
    const { details } = failure.refusal as { details: Record<string, unknown> };
    expect(details).toEqual({ missing: Decimal.parse('3.50'), moves: 2n, at: REFUSED_AT, key: 'a' });
    expect(Decimal.is(details['missing'])).toBe(true);
    expect(await purses.getEntry('a')).toMatchObject({ value: POOR, expiresAtMs: undefined });
    expect(await purses.process('a', refusals.withdraw, { amount: Decimal.parse('1') })).toEqual(Decimal.parse('0.50'));
  });

  it('does not create what was not there, and its siblings in one turn go on from what was there', async () => {
    const purses = client.map(Purses);
    expect((await failureOf(purses.process('none', refusals.withdraw, FIVE))).code).toBe('PROCESSOR_REFUSED');
    expect(await purses.has('none')).toBe(false);
    await purses.put('chain', { balance: Decimal.parse('12'), moves: 0n });
    const settled = await Promise.allSettled([1, 2, 3, 4].map(() => purses.process('chain', refusals.withdraw, FIVE)));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(await purses.get('chain')).toEqual({ balance: Decimal.parse('2'), moves: 2n });
  });

  it('is known by a mark, whichever copy of the package it threw from, and may go without details', async () => {
    const map = client.map<unknown>('oddities');
    const refused = async (how: refusals.Oddity) => failureOf(map.process(how, refusals.refuse, { how }));
    expect((await refused('plain')).refusal).toEqual({ code: 'PLAIN', details: undefined });
    expect((await refused('imitated')).refusal).toEqual({ code: 'IMITATED', details: [1n, Decimal.parse('1.50')] });
    expect(await map.size()).toBe(0);
  });

  it('with details that cannot be sent is an error that names the refusal; nothing is changed either', async () => {
    const map = client.map<unknown>('oddities');
    for (const how of ['function', 'promise'] as const) {
      expect(await failureOf(map.process(how, refusals.refuse, { how }))).toMatchObject({
        code: 'INVALID_VALUE',
        message: expect.stringContaining(`'${how.toUpperCase()}'`),
        details: { refusalCode: how.toUpperCase(), exportName: 'refuse' },
      });
    }
    expect(await failureOf(map.process('long', refusals.refuse, { how: 'long' }))).toMatchObject({
      code: 'VALUE_TOO_LARGE',
      details: { refusalCode: 'LONG', limitBytes: 3072 },
    });
    expect(await map.size()).toBe(0);
  });

  it('may say as much as is allowed, through every door', async () => {
    const map = client.map<unknown>('lengths');
    const longest = 3069;
    const args = { length: longest };
    await map.put('k', 1);
    for (const call of [
      map.process('k', refusals.refuseAtLength, args),
      map.processAll(['k', 'l'], refusals.refuseAtLength, args),
      map.processWhere('TRUE', [], refusals.refuseAtLength, args),
    ]) {
      const { code, refusal } = await failureOf(call);
      expect(code).toBe('PROCESSOR_REFUSED');
      expect(refusal).toEqual({ code: 'AT_LENGTH', details: 'x'.repeat(longest) });
    }
    const tooMuch = map.process('k', refusals.refuseAtLength, { length: longest + 1 });
    expect(await failureOf(tooMuch)).toMatchObject({ code: 'VALUE_TOO_LARGE' });
  });
});

describe('refusals of a call over many entries', () => {
  it('processAll: each key has its own, and the others are done', async () => {
    const purses = client.map(Purses);
    const keys = Array.from({ length: 3000 }, (_, key) => key);
    const isPoor = (key: number): boolean => key % 3 === 0;
    await purses.putAll(keys.map((key) => [key, isPoor(key) ? { ...POOR, moves: BigInt(key) } : RICH] as const));
    const failure = await failureOf(purses.processAll(keys, refusals.withdraw, FIVE));
    expect(failure).toMatchObject({
      code: 'PARTIAL',
      retryable: false,
      details: { cause: 'PROCESSOR_REFUSED', done: 2000, notDone: 1000, unknown: 0 },
    });
    expect(failure.refusal?.code).toBe('INSUFFICIENT_FUNDS');
    expect(failure.refusals).toHaveLength(1000);
    for (const { key, code, details } of failure.refusals!) {
      expect(code).toBe('INSUFFICIENT_FUNDS');
      expect(details).toMatchObject({ key, moves: BigInt(key as number) });
    }
    expect(new Set(failure.refusals!.map(({ key }) => key)).size).toBe(1000);
    const values = await purses.getAll(keys);
    expect(values.map((value) => value!.balance.equals(Decimal.parse('95')))).toEqual(keys.map((key) => !isPoor(key)));
  });

  it('processAll: all refused is PROCESSOR_REFUSED', async () => {
    const failure = await failureOf(client.map(Purses).processAll([-1, -2], refusals.withdraw, FIVE));
    expect(failure).toMatchObject({ code: 'PROCESSOR_REFUSED', retryable: false });
    expect(failure.refusals!.map(({ key }) => key).toSorted()).toEqual([-1, -2]);
  });

  it('processWhere: a refusal stops no other entry, on any member', async () => {
    const purses = client.map<refusals.Purse>('wherePurses');
    const keys = Array.from({ length: 4000 }, (_, key) => key);
    await purses.putAll(keys.map((key) => [key, key % 2 === 0 ? POOR : RICH] as const));
    const failure = await failureOf(purses.processWhere('TRUE', [], refusals.withdraw, FIVE));
    expect(failure).toMatchObject({
      code: 'PARTIAL',
      retryable: false,
      details: { cause: 'PROCESSOR_REFUSED', affected: 2000, refused: 2000 },
      refusal: { code: 'INSUFFICIENT_FUNDS' },
    });
    const { n } = (await client.sql<{
      n: number;
    }>`SELECT count(*) AS n FROM "wherePurses" WHERE balance = 95`.first())!;
    expect(n).toBe(2000);
    const none = await failureOf(purses.processWhere('balance < 5', [], refusals.withdraw, FIVE));
    expect(none).toMatchObject({ code: 'PROCESSOR_REFUSED', details: { affected: 0, refused: 2000 } });
    expect(await purses.processWhere('balance > 5', [], refusals.withdraw, FIVE)).toEqual({
      affected: 2000,
      notices: [],
    });
  });
});

describe('a job that refuses', () => {
  it.each(['map', 'reduce'] as const)('in %s ends with what it refused with', async (where) => {
    await client.map(Numbers).put(2, 2);
    const failure = await failureOf(client.run(refusals.refusingJob, { map: Numbers, where }));
    expect(failure).toMatchObject({
      code: 'PROCESSOR_REFUSED',
      retryable: false,
      refusal: { code: `NO_${where.toUpperCase()}`, details: { price: Decimal.parse('2.50') } },
    });
    expect(Decimal.is((failure.refusal!.details as { price: unknown }).price)).toBe(true);
  });
});

describe('a listener that refuses', () => {
  it('passes over the events that it refuses, at once and alone; and gets refusals of its calls whole', async () => {
    const passedOver = async (): Promise<number> => {
      const counts = await Promise.all(
        grid.members.map(async (member) => (await member.metric('ashlar_listener_passed_over_total')) ?? 0),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    };
    await client.map(Purses).put('poor', POOR);
    const entries = Array.from({ length: 200 }, (_, key) => [key, key] as const);
    const before = await passedOver();
    await client.map(Numbers).putAll([...entries, [1000, 1000]]);
    while ((await client.map(Evens).size()) < 101 || (await passedOver()) - before < 100) await sleep(20);
    expect((await passedOver()) - before).toBe(100);
    expect(await client.map(Evens).has(1)).toBe(false);
    expect(await client.map(Told).get('refusal')).toEqual({
      code: 'PROCESSOR_REFUSED',
      refusal: {
        code: 'INSUFFICIENT_FUNDS',
        details: { missing: Decimal.parse('3.50'), moves: 2n, at: REFUSED_AT, key: 'poor' },
      },
    });
    const log = grid.members.flatMap((member) => member.log);
    expect(log.filter((line) => line.includes('a listener refused an event') && line.includes('ODD'))).toHaveLength(
      100,
    );
    expect(log.filter((line) => line.includes('a listener fails'))).toEqual([]);
  });
});

describe('a call that was refused and is sent again', () => {
  it('gets the same refusal, though it would not be refused any more', async () => {
    const port = await freePort();
    const proxy = await TcpProxy.listen(port);
    const lone = await TestGrid.start({ members: 1, settings: { 'grpc.port': port, 'grpc.advertise': proxy.address } });
    try {
      const connected = await lone.connect();
      await connected.deploy(new URL('./fixtures/refusals.ts', import.meta.url));
      const purses = connected.map(Purses);
      await purses.put('k', POOR);
      const seen = async (name: string): Promise<number> => (await lone.members[0]!.metric(name)) ?? 0;
      const puts = await seen('ashlar_puts_total');
      proxy.loss = 'answers';
      const refused = failureOf(purses.process('k', refusals.withdraw, FIVE));
      while ((await seen('ashlar_processor_calls_total')) === 0) await sleep(5);
      const enriched = purses.put('k', RICH);
      while ((await seen('ashlar_puts_total')) === puts) await sleep(5);
      proxy.cut();
      proxy.loss = 'none';
      expect((await refused).refusal).toEqual({
        code: 'INSUFFICIENT_FUNDS',
        details: { missing: Decimal.parse('3.50'), moves: 2n, at: REFUSED_AT, key: 'k' },
      });
      await enriched;
      expect(await purses.get('k')).toEqual(RICH);
      expect(await seen('ashlar_processor_calls_total')).toBe(1);
    } finally {
      await lone.stop();
      await proxy.close();
    }
  });
});

it('a refusal says what it is, and has a code', () => {
  expect(new Refusal('A', 1)).toMatchObject({ name: 'Refusal', code: 'A', details: 1, message: 'A' });
  expect(Refusal.is(new Refusal('A'))).toBe(true);
  const hostile = new Proxy(
    {},
    {
      get: () => {
        throw new Error('no');
      },
    },
  );
  for (const thrown of [new Error('A'), undefined, null, 'A', { code: 'A' }, hostile])
    expect(Refusal.is(thrown)).toBe(false);
  for (const code of ['', 'x'.repeat(129), 7 as never]) {
    expect(() => new Refusal(code)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});
