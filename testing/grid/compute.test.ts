import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineProcessor, ready } from '@ashlar/api';
import type { Grid } from '@ashlar/client';
import * as one from './fixtures/answer-one.ts';
import * as two from './fixtures/answer-two.ts';
import * as jobs from './fixtures/jobs.ts';
import { Accounts } from './fixtures/jobs.ts';
import * as processors from './fixtures/processors.ts';
import { Counters, Lists } from './fixtures/processors.ts';
import { TestGrid } from './support/grid.ts';

const WALL_MS = 400;
/** What a machine that does ten things at once may need to bring up another thread. */
const BUSY_MS = 2000;
/** Deployed limit of the module that is told to loop; the default of all others is a second. */
const LIMITS = { wallMs: WALL_MS, heapBytes: 16 << 20 };

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start();
  client = await grid.connect();
  await client.deploy(fixture('processors.ts'), { limits: LIMITS });
  await client.deploy(fixture('jobs.ts'));
});

afterAll(() => grid.stop());

function fixture(file: string): URL {
  return new URL(`./fixtures/${file}`, import.meta.url);
}

describe('deploying', () => {
  it('names the module after its file, and what the application imports after its exports', async () => {
    const deployed = await client.deploy(fixture('answer-one.ts'));
    expect(deployed).toEqual({ module: 'answer-one', hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await client.map('any').process('k', one.answer, undefined)).toBe(1);
    expect(await client.undeploy('answer-one')).toBe(true);
  });

  it('replaces what had the name before, also for those who hold the old definitions', async () => {
    const map = client.map('any');
    const first = await client.deploy(fixture('answer-one.ts'), { name: 'versions' });
    const keys = Array.from({ length: 20 }, (_, index) => index);
    expect(await map.processAll(keys, one.answer, undefined)).toEqual(keys.map(() => 1));
    const second = await client.deploy(fixture('answer-two.ts'), { name: 'versions' });
    expect(second.hash).not.toBe(first.hash);
    for (const { answer } of [one, two]) {
      expect(await map.processAll(keys, answer, undefined)).toEqual(keys.map(() => 2));
    }
    await expect(map.process('k', one.onlyInOne, undefined)).rejects.toMatchObject({
      code: 'UNKNOWN_EXPORT',
      hint: expect.stringContaining('answer'),
    });
  });

  it('takes a module away: its processors are unknown from then on, on every member', async () => {
    await client.deploy(fixture('answer-two.ts'), { name: 'brief' });
    expect(await client.undeploy('brief')).toBe(true);
    expect(await client.undeploy('brief')).toBe(false);
    for (let key = 0; key < 10; key++) {
      await expect(client.map('any').process(key, two.answer, undefined)).rejects.toMatchObject({
        code: 'UNKNOWN_MODULE',
        details: { module: 'brief' },
      });
    }
  });

  it('tells the nearest name of a module that is not there', async () => {
    const misspelt = { ...two.answer, name: { module: 'processor', exportName: 'add' } };
    await expect(client.map('any').process('k', misspelt, undefined)).rejects.toMatchObject({
      code: 'UNKNOWN_MODULE',
      hint: expect.stringContaining("'processors'"),
    });
    const job = { ...jobs.total, name: { module: 'job', exportName: 'total' } };
    await expect(client.run(job, { map: 'any' })).rejects.toMatchObject({
      code: 'UNKNOWN_MODULE',
      hint: expect.stringContaining("'jobs'"),
    });
  });

  it('refuses a definition whose file was never deployed', async () => {
    const stray = defineProcessor<unknown, void, number>(() => 1);
    await expect(client.map('any').process('k', stray, undefined)).rejects.toMatchObject({ code: 'UNKNOWN_EXPORT' });
  });

  it('says where a file fails to bundle, and why it fails to load', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ashlar-'));
    const files = {
      'syntax.ts': 'export const a = 1;\nexport const b = ;\n',
      'missing.ts': "import './nowhere.ts';\n",
      'throws.ts': "throw new Error('not today');\n",
      'empty.ts': 'export const a = 1;\n',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    const failure = (name: string): Promise<unknown> => client.deploy(join(directory, name)).catch((error) => error);
    try {
      expect(await failure('syntax.ts')).toMatchObject({
        code: 'BUNDLE_FAILED',
        message: expect.stringContaining('syntax.ts:2:'),
        position: { line: 2, column: 18 },
      });
      expect(await failure('missing.ts')).toMatchObject({
        code: 'BUNDLE_FAILED',
        message: expect.stringMatching(/missing\.ts:1:8: .*nowhere/),
      });
      expect(await failure('throws.ts')).toMatchObject({
        code: 'BUNDLE_FAILED',
        message: expect.stringContaining('not today'),
      });
      expect(await failure('empty.ts')).toMatchObject({ code: 'BUNDLE_FAILED' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('an entry processor', () => {
  it('reads, stores and removes the entry, and answers', async () => {
    const counters = client.map(Counters);
    expect(await counters.process('rw', processors.inspect, undefined)).toMatchObject({ exists: false, key: 'rw' });
    await counters.process('rw', processors.store, { n: 7 });
    expect(await counters.get('rw')).toEqual({ n: 7 });
    expect(await counters.process('rw', processors.inspect, undefined)).toMatchObject({
      key: 'rw',
      exists: true,
      value: { n: 7 },
    });
    expect(await counters.process('rw', processors.removeIt, undefined)).toBe(true);
    expect(await counters.has('rw')).toBe(false);
    expect(await counters.process('rw', processors.removeIt, undefined)).toBe(false);
  });

  it('sees time and chance of its own, and neither repeats between calls', async () => {
    const before = Date.now();
    const looks = await client.map(Counters).processAll(['t1', 't2', 't3'], processors.inspect, undefined);
    const after = Date.now();
    for (const { now } of looks) expect(now >= before - 1000 && now <= after + 1000).toBe(true);
    const rolled = looks.flatMap(({ random }) => random);
    expect(new Set(rolled).size).toBe(6);
    expect(rolled.every((number) => number >= 0 && number < 1)).toBe(true);
  });

  it('sets a time to live, which later changes keep and a new entry does not inherit', async () => {
    const counters = client.map(Counters);
    await counters.process('ttl', processors.store, { n: 1, ttlMs: 60_000 });
    const { expiresAtMs } = (await counters.getEntry('ttl'))!;
    expect(Math.abs(expiresAtMs! - Date.now() - 60_000)).toBeLessThan(5_000);
    await counters.process('ttl', processors.add, { by: 1 });
    expect(await counters.getEntry('ttl')).toMatchObject({ value: { n: 2 }, expiresAtMs });
    expect((await counters.process('ttl', processors.inspect, undefined)).ttlMs).toBeGreaterThan(50_000);
    await Promise.all([{}, { n: 5 }].map((args) => counters.process('ttl', processors.store, args)));
    const renewed = (await counters.getEntry('ttl'))!;
    expect(renewed).toMatchObject({ value: { n: 5 } });
    expect(renewed.expiresAtMs).toBeUndefined();
    await counters.process('ttl', processors.store, { n: 1, ttlMs: 30 });
    await until(async () => !(await counters.has('ttl')));
  });

  it.each([64, 512])('loses no increment of %i callers at once', async (callers) => {
    const counters = client.map(Counters);
    const keys = Array.from({ length: 16 }, (_, index) => `sum-${callers}-${index}`);
    const rounds = 8;
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let round = 0; round < rounds; round++) {
          await counters.process(keys[(caller + round) % keys.length]!, processors.add, { by: 1 });
        }
      }),
    );
    const values = await counters.getAll(keys);
    expect(values.map((value) => value!.n)).toEqual(keys.map(() => (callers * rounds) / keys.length));
  });

  it('chains 512 calls on one hot key: each sees what the one before left', async () => {
    const counters = client.map(Counters);
    const sums = await Promise.all(
      Array.from({ length: 512 }, () => counters.process('hot', processors.add, { by: 1 })),
    );
    expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 512 }, (_, index) => index + 1));
    expect(sums).toEqual(sums.toSorted((a, b) => a - b));
    expect(await counters.get('hot')).toEqual({ n: 512 });
  });

  it('keeps the order of all calls that its caller makes on the key while it runs', async () => {
    const lists = client.map(Lists);
    await lists.put('order', []);
    const running = lists.process('order', processors.label, { text: 'a', ms: 200 });
    await sleep(60);
    const early = [lists.put('order', ['b']), lists.get('order'), lists.getAndPut('order', ['c']), lists.get('order')];
    await sleep(20);
    const late = [lists.remove('order'), lists.has('order'), lists.putIfAbsent('order', ['d'])];
    await sleep(20);
    const last = [
      lists.process('order', processors.label, { text: 'e' }),
      lists.process('order', processors.label, { text: 'f' }),
    ];
    await sleep(20);
    const end = [lists.replace('order', ['g']), lists.get('order')];
    expect(await running).toEqual(['a']);
    expect(await Promise.all(early)).toEqual([undefined, ['b'], ['b'], ['c']]);
    expect(await Promise.all(late)).toEqual([true, false, true]);
    expect(await Promise.all(last)).toEqual([
      ['d', 'e'],
      ['d', 'e', 'f'],
    ]);
    expect(await Promise.all(end)).toEqual([true, ['g']]);
  });

  it('lets others read the entry while it runs', async () => {
    const lists = client.map(Lists);
    const other = (await grid.connect()).map(Lists);
    await lists.put('shared', ['before']);
    let isDone = false;
    const slow = lists.process('shared', processors.label, { text: 'after', ms: 300 }).finally(() => {
      isDone = true;
    });
    const seen = [await other.get('shared'), isDone];
    await slow;
    expect(seen).toEqual([['before'], false]);
    expect(await other.get('shared')).toEqual(['before', 'after']);
  });
});

describe('the ready-made processors', () => {
  it('increment, merge, append, compare and set', async () => {
    const map = client.map<unknown>('ready');
    expect(await map.process('k', ready.increment, { path: 'a.b', by: 2 })).toBe(2);
    expect(await map.process('k', ready.increment, { path: 'a.b', by: -5 })).toBe(-3);
    expect(await map.process('k', ready.mergePatch, { patch: { a: { c: 'x' }, d: 1 } })).toBeUndefined();
    expect(await map.process('k', ready.append, { path: 'list', items: [1, 2] })).toBe(2);
    expect(await map.process('k', ready.append, { path: 'list', items: ['z'] })).toBe(3);
    const value = { a: { b: -3, c: 'x' }, d: 1, list: [1, 2, 'z'] };
    expect(await map.get('k')).toEqual(value);
    expect(await map.process('k', ready.compareAndSet, { expected: { other: 1 }, value: 1 })).toBe(false);
    expect(await map.process('k', ready.compareAndSet, { expected: value, value: 'new' })).toBe(true);
    expect(await map.get('k')).toBe('new');
    await expect(map.process('k', ready.increment, { path: 'a', by: 1 })).rejects.toMatchObject({
      code: 'TYPE_MISMATCH',
    });
  });

  it('lose no increment of 512 callers on one key', async () => {
    const map = client.map<unknown>('ready');
    await Promise.all(Array.from({ length: 512 }, () => map.process('sum', ready.increment, { path: 'n', by: 1 })));
    expect(await map.get('sum')).toEqual({ n: 512 });
  });
});

describe('a processor that misbehaves', () => {
  const harmed = (how: processors.Harm, key: string = how) =>
    client.map(Counters).process(key, processors.harm, { how });

  it('keeps the name, message and code of what it threw, and changes nothing', async () => {
    await client.map(Counters).put('throw', { n: 5 });
    await expect(harmed('throw')).rejects.toMatchObject({
      code: 'USER_CODE_FAILED',
      message: 'processors.harm threw RangeError: the limit is reached',
      details: {
        errorName: 'RangeError',
        errorMessage: 'the limit is reached',
        errorCode: 'E_LIMIT',
        module: 'processors',
        exportName: 'harm',
      },
    });
    expect(await client.map(Counters).get('throw')).toEqual({ n: 5 });
    await expect(harmed('throwText')).rejects.toMatchObject({
      code: 'USER_CODE_FAILED',
      message: expect.stringContaining('just text'),
    });
    expect(await client.map(Counters).has('throwText')).toBe(false);
  });

  it('is refused when it answers a promise, or what cannot be stored', async () => {
    await expect(harmed('promise')).rejects.toMatchObject({ code: 'PROCESSOR_ASYNC' });
    await expect(harmed('function')).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    expect(await client.map(Counters).getAll(['promise', 'function'])).toEqual([undefined, undefined]);
  });

  it('is stopped when it loops; the other calls of the batch succeed', async () => {
    const counters = client.map(Counters);
    const keys = Array.from({ length: 32 }, (_, index) => `loop-${index}`);
    const args = { how: 'loop', loopKeys: ['loop-7'] } as const;
    const startMs = performance.now();
    const settled = await Promise.allSettled(keys.map((key) => counters.process(key, processors.harm, args)));
    const elapsedMs = performance.now() - startMs;
    const failed = settled.flatMap((one, index) => (one.status === 'rejected' ? [{ index, error: one.reason }] : []));
    expect(failed).toEqual([{ index: 7, error: expect.objectContaining({ code: 'USER_CODE_TIMEOUT' }) }]);
    const values = await counters.getAll(keys);
    expect(values).toEqual(keys.map((_, index) => (index === 7 ? undefined : { n: 1 })));
    expect(elapsedMs).toBeGreaterThanOrEqual(WALL_MS);
    expect(elapsedMs).toBeLessThan(WALL_MS + 1000 + BUSY_MS);
  });

  it('is stopped among many, and whoever is answered goes on meanwhile: nothing is lost, nothing done twice', async () => {
    const counters = client.map(Counters);
    const keys = Array.from({ length: 96 }, (_, index) => `many-${index}`);
    const args = { how: 'loop', loopKeys: ['many-50'] } as const;
    const codes = await Promise.all(
      keys.map(async (key) => {
        const code = await counters.process(key, processors.harm, args).catch((error) => error.code);
        for (let n = 0; n < 20; n++) await counters.process(key, processors.add, { by: 1 });
        return code;
      }),
    );
    expect(codes).toEqual(keys.map((key) => (key === 'many-50' ? 'USER_CODE_TIMEOUT' : 1)));
    expect(await counters.getAll(keys)).toEqual(keys.map((key) => ({ n: key === 'many-50' ? 20 : 21 })));
  });

  it('is stopped when it takes too much memory or ends its process; the member lives on', async () => {
    await expect(harmed('heap')).rejects.toMatchObject({ code: 'USER_CODE_OUT_OF_MEMORY' });
    await expect(harmed('exit')).rejects.toMatchObject({ code: 'USER_CODE_FAILED' });
    expect(grid.members.map((member) => member.hasEnded)).toEqual([false, false]);
    expect(await client.map(Counters).getAll(['heap', 'exit'])).toEqual([undefined, undefined]);
    expect(await harmed('none', 'heap')).toBe(1);
    expect(await harmed('none', 'exit')).toBe(1);
  });
});

describe('a call over many entries that fails for some', () => {
  it('processAll: is PARTIAL, and what it names can be repeated', async () => {
    const counters = client.map(Counters);
    const keys = Array.from({ length: 40 }, (_, index) => `part-${index}`);
    const broken = ['part-3', 'part-17'];
    const failure = await counters
      .processAll(keys, processors.harm, { how: 'throw', loopKeys: broken })
      .catch((error) => error);
    expect(failure).toMatchObject({
      code: 'PARTIAL',
      retryable: false,
      details: { done: 38, notDone: 2, unknown: 0, cause: 'USER_CODE_FAILED', errorCode: 'E_LIMIT' },
    });
    expect(failure.details.notDoneKeys.map((key: string) => JSON.parse(key)).sort()).toEqual([...broken].sort());
    expect(failure.details.doneKeys).toHaveLength(38);
    await counters.processAll(broken, processors.harm, { how: 'none' });
    expect(await counters.getAll(keys)).toEqual(keys.map(() => ({ n: 1 })));
  });

  it('processWhere: is PARTIAL, and says how many were changed', async () => {
    const map = client.map<{ n: number | string }>('part-where');
    await map.putAll(Array.from({ length: 40 }, (_, index) => [index, { n: index === 7 ? 'text' : index }] as const));
    const failure = await map.processWhere('TRUE', [], ready.increment, { path: 'n', by: 100 }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'PARTIAL', retryable: false, details: { cause: 'PARTIAL', affected: 39 } });
    const { n } = (await client.sql<{
      n: number;
    }>`SELECT count(*) AS n FROM "part-where" WHERE __key <> 7 AND n >= 100`.first())!;
    expect(n).toBe(39);
  });
});

describe('processWhere', () => {
  it('runs on every entry that meets the condition, on all members', async () => {
    const map = client.map<processors.Counter>('where');
    await map.putAll(Array.from({ length: 500 }, (_, index) => [index, { n: index }] as const));
    expect(await map.processWhere('n < $1', [100], processors.add, { by: 1000 })).toEqual({
      affected: 100,
      notices: [],
    });
    const sums = await client.sql<{ n: number; changed: number }>`
      SELECT count(*) AS n, sum(CASE WHEN n >= 1000 THEN 1 ELSE 0 END) AS changed FROM "where"`.first();
    expect(Number(sums!.changed)).toBe(100);
    expect(await map.processWhere('n >= 1000 AND n % 2 = 0', [], processors.removeIt)).toEqual({
      affected: 50,
      notices: [],
    });
    expect(await map.size()).toBe(450);
  });

  it('looks again at entries that changed meanwhile: no entry is moved twice', async () => {
    const map = client.map<processors.Counter>('again');
    const keys = Array.from({ length: 300 }, (_, index) => index);
    await map.putAll(keys.map((key) => [key, { n: 0 }] as const));
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, () => map.processWhere('n = 0', [], processors.add, { by: 1 })),
    );
    expect(outcomes.reduce((sum, { affected }) => sum + affected, 0)).toBe(keys.length);
    expect(await map.getAll(keys)).toEqual(keys.map(() => ({ n: 1 })));
  });

  it('and UPDATE lose nothing beside processors and each other on the same entries', async () => {
    const map = client.map<processors.Counter>('mixed');
    const keys = Array.from({ length: 64 }, (_, index) => index);
    await map.putAll(keys.map((key) => [key, { n: 0 }] as const));
    let updates = 0;
    let isOver = false;
    const updating = async (): Promise<void> => {
      while (!isOver) {
        const { affected } = await client.sql`UPDATE mixed SET n = n + 1 WHERE n >= ${0}`.execute();
        expect(affected).toBe(keys.length);
        updates++;
      }
    };
    const everywhere = async (): Promise<void> => {
      while (!isOver) {
        await map.processWhere('n >= 0', [], processors.add, { by: 1 });
        updates++;
      }
    };
    const calls = 1500;
    const calling = Promise.all(
      Array.from({ length: 32 }, async (_, caller) => {
        for (let call = caller; call < calls; call += 32) {
          await map.process(call % keys.length, processors.add, { by: 1 });
        }
      }),
    ).finally(() => {
      isOver = true;
    });
    await Promise.all([calling, updating(), updating(), everywhere()]);
    const values = await map.getAll(keys);
    expect(values.reduce((sum, value) => sum + value!.n, 0)).toBe(calls + updates * keys.length);
    expect(updates).toBeGreaterThan(3);
  });
});

describe('a job', () => {
  const PAIRS = 200;
  const OPENING = 100;

  beforeAll(async () => {
    await client
      .map(Accounts)
      .putAll(
        Array.from({ length: PAIRS * 2 }, (_, index) => [
          [index >> 1, index & 1] as const,
          { balance: OPENING, moves: 0 },
        ]),
      );
  });

  it('maps over the partitions of all members and reduces', async () => {
    expect(await client.run(jobs.total, { map: Accounts })).toEqual({
      count: PAIRS * 2,
      balance: PAIRS * 2 * OPENING,
      moves: 0,
    });
    await client.map(Accounts).put([3, 1], { balance: -1, moves: 0 });
    expect(await client.run(jobs.keysOf, { map: Accounts, below: 0 })).toEqual(['[3,1]']);
    await client.map(Accounts).put([3, 1], { balance: OPENING, moves: 0 });
  });

  it('and SELECT see the same total at every moment while transfers go on, over both members', async () => {
    const accounts = client.map(Accounts);
    const expected = PAIRS * 2 * OPENING;
    const totals: number[] = [];
    const moves: number[] = [];
    let isOver = false;
    let transfers = 0;
    const transferring = async (writer: number, writers: number): Promise<void> => {
      const balances = new Map<number, [number, number]>();
      for (let turn = 0; !isOver; turn++) {
        const pair = writer + writers * (turn % Math.floor(PAIRS / writers));
        const [left, right] = balances.get(pair) ?? [OPENING, OPENING];
        const amount = (turn * 7) % 13;
        const after: [number, number] = [left - amount, right + amount];
        balances.set(pair, after);
        await accounts.putAll([
          [[pair, 0], { balance: after[0], moves: turn }],
          [[pair, 1], { balance: after[1], moves: turn }],
        ]);
        transfers++;
      }
    };
    const asking = async (grid: Grid): Promise<void> => {
      while (!isOver) {
        const row = await grid.sql<{ n: number; total: number; moves: number }>`
          SELECT count(*) AS n, sum(balance) AS total, sum(moves) AS moves FROM accounts`.first();
        expect(Number(row!.n)).toBe(PAIRS * 2);
        totals.push(Number(row!.total));
        moves.push(Number(row!.moves));
      }
    };
    const counting = async (grid: Grid): Promise<void> => {
      while (!isOver) {
        const { count, balance } = await grid.run(jobs.total, { map: Accounts });
        expect(count).toBe(PAIRS * 2);
        totals.push(balance);
      }
    };
    const other = await grid.connect();
    await other.deploy(fixture('jobs.ts'));
    const writers = Array.from({ length: 8 }, (_, writer) => transferring(writer, 8));
    const readers = [asking(client), asking(client), asking(other), counting(client), counting(other)];
    await Promise.race([sleep(4000), ...readers]).finally(() => {
      isOver = true;
    });
    await Promise.all([...writers, ...readers]);
    expect(totals.filter((total) => total !== expected)).toEqual([]);
    expect(totals.length).toBeGreaterThan(20);
    expect(new Set(moves).size).toBeGreaterThan(10);
    expect(transfers).toBeGreaterThan(100);
  });

  it('tells how far it is, and ends when it is cancelled: its workers are free again', async () => {
    const shares: number[] = [];
    const firstShare = Promise.withResolvers<void>();
    for (const heedsSignal of [true, false]) {
      const abort = new AbortController();
      const running = client.run(
        jobs.burn,
        { map: Accounts, ms: 60_000, heedsSignal },
        { signal: abort.signal, onProgress: (share) => shares.push(share) && firstShare.resolve() },
      );
      await Promise.race([firstShare.promise, running]);
      abort.abort();
      await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    }
    expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    // Each member has one thread for jobs: this one ends only when the cancelled ones have let it go.
    expect(await client.run(jobs.burn, { map: Accounts, ms: 0, heedsSignal: false }, { timeoutMs: 10_000 })).toBe(256);
  });

  it('passes on what its code threw, and refuses maps and exports that are not there', async () => {
    await expect(client.run(jobs.broken, { map: Accounts })).rejects.toMatchObject({
      code: 'USER_CODE_FAILED',
      message: 'jobs.broken threw TypeError: no such field',
    });
    await expect(client.run(jobs.total, { map: 'acounts' })).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: expect.stringContaining("'accounts'"),
    });
  });
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleep(10);
}
