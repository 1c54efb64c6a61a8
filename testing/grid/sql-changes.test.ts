/** INSERT, UPDATE, DELETE over a grid of two members, alone and beside readers and other writers. */
import { defineMap, type Grid, type GridKey } from '@ashlar/client';
import { explained, quiet, rowsOf } from './sql/rows.ts';
import { TestGrid } from './support/grid.ts';

let grid: TestGrid;
let client: Grid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, memory: '256MiB' });
  client = await grid.connect();
});

afterAll(() => grid.stop());

const affected = async (sql: string, parameters: readonly unknown[] = []): Promise<number> =>
  (await client.sql(sql, parameters).execute()).affected;

describe('INSERT', () => {
  it('puts many rows, with nested paths, and creates the map', async () => {
    const places = Array.from({ length: 500 }, (_, n) => `(${n}, 'name ${n}', ${n} / 2.0, $1, ${n % 2 === 0})`);
    const sql = `INSERT INTO people (__key, name, size.height, size.unit, active) VALUES ${places.join(', ')}`;
    expect(await affected(sql, ['cm'])).toBe(500);
    const map = client.map('people');
    expect(await map.size()).toBe(500);
    expect(await map.get(7)).toMatchObject({ name: 'name 7', size: { unit: 'cm' }, active: false });
    expect(await rowsOf(client, 'SELECT name, size.height, size.unit FROM people WHERE __key = 8')).toEqual([
      ['name 8', expect.anything(), 'cm'],
    ]);
  });

  it('takes keys and values of every type as parameters', async () => {
    const keys: readonly GridKey[] = ['k', 5, 7n, 1.5, Uint8Array.of(1), ['a', 2]];
    for (const key of keys)
      expect(await affected('INSERT INTO kinds (__key, v) VALUES ($1, $2)', [key, { n: [1n] }])).toBe(1);
    expect(await client.map('kinds').getAll(keys)).toEqual(keys.map(() => ({ v: { n: [1n] } })));
    await expect(affected('INSERT INTO kinds (__key, v) VALUES (NULL, 1)')).rejects.toMatchObject({
      code: 'INVALID_KEY',
    });
    await expect(affected('INSERT INTO kinds (v) VALUES (1)')).rejects.toMatchObject({ code: 'SYNTAX_ERROR' });
  });

  it('of a key that is there is DUPLICATE_KEY, and nothing is inserted', async () => {
    const together = client.map(defineMap<readonly [string, number], { n: number }>('together', { affinityParts: 1 }));
    await together.put(['a', 3], { n: -3 });
    const keys = Array.from({ length: 6 }, (_, n) => ['a', n]);
    const sql = `INSERT INTO together (__key, n) VALUES ${keys.map((_, n) => `($${n + 1}, ${n})`).join(', ')}`;
    await expect(affected(sql, keys)).rejects.toMatchObject({ code: 'DUPLICATE_KEY' });
    expect(await rowsOf(client, 'SELECT n FROM together')).toEqual([[-3]]);
    expect(await affected(`${sql} ON CONFLICT DO NOTHING`, keys)).toBe(5);
    expect(await rowsOf(client, 'SELECT n FROM together ORDER BY n')).toEqual([[-3], [0], [1], [2], [4], [5]]);
    await expect(affected('INSERT INTO together (__key, n) VALUES ($1, 1), ($1, 2)', [['b', 1]])).rejects.toMatchObject(
      {
        code: 'DUPLICATE_KEY',
      },
    );
    expect(await client.map('together').size()).toBe(6);
  });

  it('over both members that one of them refuses inserts nothing on the other', async () => {
    const rows = Array.from({ length: 100 }, (_, n) => `(${n}, ${n})`).join(', ');
    for (const taken of [3, 50, 77]) {
      const name = `spread${taken}`;
      const map = client.map(name);
      await map.put(taken, { n: -1 });
      const insert = `INSERT INTO ${name} (__key, n) VALUES ${rows}`;
      await expect(affected(insert)).rejects.toMatchObject({
        code: 'DUPLICATE_KEY',
        details: { map: name, key: String(taken) },
      });
      expect(await map.size()).toBe(1);
      expect(await affected(`${insert} ON CONFLICT DO NOTHING`)).toBe(99);
    }
  });

  it('with a key twice among its own rows inserts nothing, wherever the other rows lie', async () => {
    const rows = Array.from({ length: 60 }, (_, n) => `(${n}, ${n})`);
    for (const again of [0, 30, 59]) {
      const insert = `INSERT INTO twice (__key, n) VALUES ${[...rows, `(${again}, -1)`].join(', ')}`;
      const message = `the statement has the key ${again} twice; nothing was inserted`;
      await expect(affected(insert)).rejects.toMatchObject({ code: 'DUPLICATE_KEY', message });
      expect(await client.map('twice').size()).toBe(0);
    }
  });

  it('with a value that one member refuses inserts nothing on the other', async () => {
    const rows = Array.from({ length: 40 }, (_, n) => `(${n}, ${n})`);
    const insert = `INSERT INTO odd_rows (__key, n) VALUES ${[...rows, '(40, 1 / (40 - 40))'].join(', ')}`;
    await expect(affected(insert)).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
    expect(await client.map('odd_rows').size()).toBe(0);
  });
});

describe('UPDATE', () => {
  it('computes from the old values and makes objects on the way', async () => {
    const map = client.map('updated');
    await map.putAll([
      [1, { a: 1, b: 2, keep: 'x' }],
      [2, { a: 10, b: 20, in: { deep: { c: 5 } } }],
      [3, { b: 0 }],
    ]);
    expect(await affected('UPDATE updated SET a = b, b = a, "in".deep.c = a + b WHERE a IS NOT NULL')).toBe(2);
    expect(await map.getAll([1, 2, 3])).toEqual([
      { a: 2, b: 1, keep: 'x', in: { deep: { c: 3 } } },
      { a: 20, b: 10, in: { deep: { c: 30 } } },
      { b: 0 },
    ]);
    expect(
      await affected("UPDATE updated SET a = CASE WHEN a > 5 THEN NULL ELSE a * $1 END, note = 'n' || b", [3]),
    ).toBe(3);
    expect(await map.getAll([1, 2])).toEqual([
      { a: 6, b: 1, keep: 'x', in: { deep: { c: 3 } }, note: 'n1' },
      { a: null, b: 10, in: { deep: { c: 30 } }, note: 'n10' },
    ]);
  });

  it('by key touches one partition, and none where nothing fits', async () => {
    const plan = await explained(client, 'UPDATE updated SET a = 1 WHERE __key = 1');
    expect(plan[0]).toMatch(/1 of 256 partitions/);
    expect(await affected('UPDATE updated SET a = 1 WHERE __key = 1')).toBe(1);
    expect(await affected('UPDATE updated SET a = 1 WHERE __key = 99')).toBe(0);
    expect(await affected('UPDATE updated SET a = 1 WHERE a > 1000')).toBe(0);
  });

  it('keeps what it refuses: paths through what is not an object, the key, one path twice', async () => {
    await client.map('kept').put(1, { text: 'x' });
    await expect(affected('UPDATE kept SET text.inner = 1')).rejects.toMatchObject({ code: 'TYPE_MISMATCH' });
    await expect(affected('UPDATE kept SET __key = 2')).rejects.toMatchObject({ code: 'SYNTAX_ERROR' });
    await expect(affected('UPDATE kept SET a.b = 1, a = 2')).rejects.toMatchObject({ code: 'SYNTAX_ERROR' });
    await expect(affected('UPDATE kept SET a = 1 / 0')).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
    expect(await client.map('kept').get(1)).toEqual({ text: 'x' });
  });

  it('that fails by one row changes nothing on any member, whatever the row makes it fail by', async () => {
    const map = client.map<Record<string, unknown>>('one_odd_row');
    const entries = Array.from({ length: 200 }, (_, n) => [n, { n, by: 1, text: 'x' }] as const);
    const cases = [
      ['SET n = n / by', { by: 0 }, 'DIVISION_BY_ZERO'],
      ['SET n = n + 1', { n: 'seven' }, 'TYPE_MISMATCH'],
      ['SET text.inner = 1 WHERE __key = 7', {}, 'TYPE_MISMATCH'],
      ['SET n = 10 / by WHERE n >= 0 OR by = 0', { by: 0 }, 'DIVISION_BY_ZERO'],
      ['SET n = n::int', { n: 'seven' }, 'INVALID_CAST'],
    ] as const;
    for (const [clauses, odd, code] of cases) {
      await map.putAll(entries);
      await map.put(7, { ...entries[7]![1], ...odd });
      const before = await map.getAll(entries.map(([key]) => key));
      await expect(affected(`UPDATE one_odd_row ${clauses}`)).rejects.toMatchObject({ code });
      expect(await map.getAll(entries.map(([key]) => key))).toEqual(before);
    }
    await map.put(7, { n: 7, by: 0 });
    await expect(affected('DELETE FROM one_odd_row WHERE 1 / by > 0')).rejects.toMatchObject({
      code: 'DIVISION_BY_ZERO',
    });
    expect(await map.size()).toBe(200);
  });

  it('leaves the time to live as it is', async () => {
    const map = client.map('mortal');
    await map.put('k', { n: 1 }, { ttlMs: 600_000 });
    const before = await map.getEntry('k');
    expect(await affected('UPDATE mortal SET n = n + 1')).toBe(1);
    const after = await map.getEntry('k');
    expect(after).toMatchObject({ value: { n: 2 }, expiresAtMs: before!.expiresAtMs });
    expect(after!.version).toBeGreaterThan(before!.version);
  });
});

describe('DELETE', () => {
  it('removes what fits, and everything without a condition', async () => {
    await client.map('removed').putAll(Array.from({ length: 1000 }, (_, n) => [n, { n, half: n % 2 }]));
    expect(await affected('DELETE FROM removed WHERE half = 1 AND n < $1', [500])).toBe(250);
    expect(await rowsOf(client, 'SELECT count(*), min(n), sum(half) FROM removed')).toEqual([[750, 0, 250]]);
    expect(await affected('DELETE FROM removed WHERE __key IN (0, 2, 4, 5)')).toBe(3);
    expect(await affected('DELETE FROM removed')).toBe(747);
    expect(await client.map('removed').size()).toBe(0);
  });
});

describe('TRUNCATE', () => {
  it('removes every entry on all members and tells how many; the map and what it is declared as stay', async () => {
    const map = client.map(defineMap<number, { n: number }>('emptied', { ttlMs: 600_000 }));
    await map.putAll(Array.from({ length: 1000 }, (_, n) => [n, { n }]));
    const types: Record<string, number> = {};
    const ready = Promise.withResolvers<void>();
    const events = map.subscribe({ onReady: () => ready.resolve() });
    const reading = (async () => {
      for await (const { type } of events) {
        types[type] = (types[type] ?? 0) + 1;
        if (types[type] === 1000) break;
      }
    })();
    await ready.promise;
    const plan = await explained(client, 'TRUNCATE emptied');
    expect(plan[0]).toBe('Truncate emptied: 256 partitions');
    expect(plan.filter((line) => /^ {2}on 127\.0\.0\.1:\d+: 128 partitions$/.test(line))).toHaveLength(2);
    expect(await map.size()).toBe(1000);
    expect(await affected('TRUNCATE emptied')).toBe(1000);
    await reading;
    expect([types, await map.size()]).toEqual([{ remove: 1000 }, 0]);
    expect(await affected('TRUNCATE TABLE emptied')).toBe(0);
    await map.put(1, { n: 1 });
    expect((await map.getEntry(1))!.expiresAtMs).toBeGreaterThan(Date.now());
  });

  it('goes beyond what the logs hold at once, and refuses a map that is not there', async () => {
    const map = client.map<string>('voluminous');
    const text = 'x'.repeat(100_000);
    for (let from = 0; from < 900; from += 100) {
      await map.putAll(Array.from({ length: 100 }, (_, n) => [from + n, text]));
    }
    await expect(affected('DELETE FROM voluminous')).rejects.toMatchObject({ code: 'LOG_FULL' });
    expect(await affected('TRUNCATE voluminous')).toBe(900);
    expect(await map.size()).toBe(0);
    await expect(affected('TRUNCATE voluminus')).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: expect.stringMatching(/did you mean 'voluminous'/),
    });
  });
});

describe('an UPDATE of 100,000 rows', () => {
  const COUNT = 100_000;

  it('is seen whole or not at all on each member, by readers of every kind', async () => {
    const map = client.map<{ round: number; n: number }>('rounds');
    for (let from = 0; from < COUNT; from += 20_000) {
      await map.putAll(Array.from({ length: 20_000 }, (_, n) => [from + n, { round: 0, n: 1 }]));
    }
    const shares = await sharesOfMembers('rounds');
    const reader = await grid.connect();
    let isDone = false;
    const updating = (async () => {
      for (let round = 0; round < 4; round++)
        expect(await affected('UPDATE rounds SET round = round + 1, n = n + 1')).toBe(COUNT);
      isDone = true;
    })();
    let reads = 0;
    let partial = 0;
    while (!isDone) {
      const groups = await rowsOf(reader, 'SELECT round, n, count(*) FROM rounds GROUP BY round, n');
      const counts = groups.map(([, , count]) => count as number);
      const isWhole = counts.length === 1 ? counts[0] === COUNT : counts.toSorted().join() === shares.toSorted().join();
      expect([isWhole, counts]).toEqual([true, counts]);
      for (const [round, n] of groups) expect(n).toBe((round as number) + 1);
      const [entry] = await Promise.all([reader.map<{ round: number; n: number }>('rounds').get(reads % COUNT)]);
      expect(entry!.n).toBe(entry!.round + 1);
      reads++;
      if (counts.length > 1) partial++;
    }
    await updating;
    expect(reads).toBeGreaterThan(partial);
    expect(await rowsOf(client, 'SELECT round, n, count(*) FROM rounds GROUP BY round, n')).toEqual([[4, 5, COUNT]]);
    await quiet(grid);
  });
});

/** Entries of a map on each member. */
async function sharesOfMembers(map: string): Promise<number[]> {
  const plan = await explained(client, `ANALYZE SELECT count(*) FROM ${map} WHERE n IS NOT NULL`);
  return plan.flatMap((line) => (/^stage 0 .* (\d+) rows scanned/.exec(line)?.[1] ?? []) as string).map(Number);
}

describe('statements in flight together', () => {
  it('each see what those before have done: n = n + 1 ten times leaves 10, by key and over all members', async () => {
    const map = client.map<{ n: number }>('counted');
    const keys = Array.from({ length: 50 }, (_, n) => n);
    await map.putAll(keys.map((key) => [key, { n: 0 }]));
    await Promise.all(keys.slice(0, 10).map(() => affected('UPDATE counted SET n = n + 1 WHERE __key = 3')));
    expect(await map.get(3)).toEqual({ n: 10 });
    await Promise.all(keys.slice(0, 10).map(() => affected('UPDATE counted SET n = n + 1')));
    expect(await rowsOf(client, 'SELECT min(n), max(n) FROM counted WHERE __key <> 3')).toEqual([[10, 10]]);
    expect(await map.get(3)).toEqual({ n: 20 });
  });

  it('over the same entries in every order never wait for each other for ever', async () => {
    const clients = [client, await grid.connect({ seeds: [grid.seeds[1]!] }), await grid.connect()];
    const map = client.map<{ n: number }>('crossed');
    const keys = Array.from({ length: 300 }, (_, n) => n);
    await map.putAll(keys.map((key) => [key, { n: 0 }]));
    const sums = await Promise.all(
      Array.from({ length: 60 }, (_, round) => {
        const of = clients[round % clients.length]!;
        const where = round % 3 === 0 ? '' : ` WHERE __key % ${2 + (round % 5)} = ${round % 2}`;
        return of.sql(`UPDATE crossed SET n = n + 1${where}`).execute();
      }),
    );
    const added = sums.reduce((sum, outcome) => sum + outcome.affected, 0);
    expect(await rowsOf(client, 'SELECT sum(n) FROM crossed')).toEqual([[added]]);
  });

  it('that insert the same keys: one of them does, all others are refused whole', async () => {
    const rows = (n: number): string => Array.from({ length: 40 }, (_, key) => `(${key}, ${n})`).join(', ');
    const tries = Array.from({ length: 8 }, (_, n) => affected(`INSERT INTO raced (__key, n) VALUES ${rows(n)}`));
    const ended = await Promise.allSettled(tries);
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const winner = ended.findIndex(({ status }) => status === 'fulfilled');
    expect(await rowsOf(client, 'SELECT n, count(*) FROM raced GROUP BY n')).toEqual([[winner, 40]]);
  });
});

describe('writers beside each other', () => {
  it('lose nothing: UPDATEs of two clients, conditional replaces, puts, increments on the same entries', async () => {
    const keys = Array.from({ length: 400 }, (_, n) => n);
    const map = client.map<{ n: number; tries: number }>('contended');
    await map.putAll(keys.map((key) => [key, { n: 0, tries: 0 }]));
    const other = await grid.connect();
    const replaced = new Map<number, number>();
    const update = async (from: Grid, rounds: number): Promise<number> => {
      let changed = 0;
      for (let round = 0; round < rounds; round++) {
        changed += (await from.sql('UPDATE contended SET n = n + 1 WHERE __key < 400').execute()).affected;
      }
      return changed;
    };
    const replace = async (): Promise<void> => {
      for (let round = 0; round < 600; round++) {
        const key = (round * 7) % 400;
        const entry = (await map.getEntry(key))!;
        const value = { ...entry.value, tries: entry.value.tries + 1 };
        if (await map.replace(key, value, { ifVersion: entry.version }))
          replaced.set(key, (replaced.get(key) ?? 0) + 1);
      }
    };
    const put = async (): Promise<void> => {
      for (let round = 0; round < 300; round++) await map.put(1000 + round, { n: -1, tries: 0 });
    };
    const [mine, theirs] = await Promise.all([update(client, 15), update(other, 15), replace(), put()]);
    expect([mine, theirs]).toEqual([6000, 6000]);
    const rows = (await rowsOf(client, 'SELECT __key, n, tries FROM contended WHERE __key < 400')) as [
      number,
      number,
      number,
    ][];
    expect(rows).toHaveLength(400);
    for (const [key, n, tries] of rows) expect([key, n, tries]).toEqual([key, 30, replaced.get(key) ?? 0]);
    expect(replaced.size).toBeGreaterThan(0);
    expect(await rowsOf(client, 'SELECT count(*), sum(n) FROM contended WHERE __key >= 1000')).toEqual([[300, -300]]);
  });

  it('are seen by every SELECT that begins after their answer, from whatever client', async () => {
    const other = await grid.connect();
    const map = client.map<{ n: number }>('acknowledged');
    for (let n = 0; n < 100; n++) {
      await map.put(n, { n });
      expect(await rowsOf(n % 2 === 0 ? client : other, 'SELECT count(*), max(n) FROM acknowledged')).toEqual([
        [n + 1, n],
      ]);
    }
    for (let n = 0; n < 50; n++) {
      await client.sql('UPDATE acknowledged SET n = n + 1').execute();
      expect(await rowsOf(other, 'SELECT min(n), max(n) FROM acknowledged')).toEqual([[n + 1, n + 100]]);
      expect((await other.map<{ n: number }>('acknowledged').get(n))!.n).toBe(n + n + 1);
    }
  });

  it('keep a sum equal at every snapshot while pairs of entries change in one statement a member', async () => {
    const accounts = client.map(
      defineMap<readonly [string, number], { balance: number }>('ledger', { affinityParts: 1 }),
    );
    await accounts.putAll(Array.from({ length: 200 }, (_, n) => [['bank', n], { balance: 100 }] as const));
    const other = await grid.connect();
    let isDone = false;
    const moving = (async () => {
      for (let round = 0; round < 150; round++) {
        const [from, to] = [round % 200, (round * 31 + 7) % 200];
        await client
          .sql(
            'UPDATE ledger SET balance = balance + CASE WHEN __key = $1 THEN -5 ELSE 5 END WHERE __key IN ($1, $2)',
            [
              ['bank', from],
              ['bank', to === from ? (to + 1) % 200 : to],
            ],
          )
          .execute();
      }
      isDone = true;
    })();
    while (!isDone) expect(await rowsOf(other, 'SELECT sum(balance), count(*) FROM ledger')).toEqual([[20_000, 200]]);
    await moving;
  });
});
