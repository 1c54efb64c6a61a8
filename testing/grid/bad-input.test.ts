/** What is refused is refused by name, changes nothing, and the next request works. */
import {
  type Condition,
  connect,
  defineMap,
  type Grid,
  type GridKey,
  type GridMap,
  type MapOptions,
  ready,
} from '@ashlar/client';
import * as processors from './fixtures/processors.ts';
import { TestGrid } from './support/grid.ts';
import { valueText } from './support/map-twin.ts';

let grid: TestGrid;
let client: Grid;
let map: GridMap<GridKey, unknown>;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 1, settings: { 'limits.keyBytes': '4KiB', 'limits.valueBytes': '1MiB' } });
  client = await grid.connect();
  map = client.map('inputs');
  await map.put('known', 1);
  await client.deploy(new URL('./fixtures/processors.ts', import.meta.url));
});

afterAll(() => grid.stop());

afterEach(async () => {
  expect(await map.get('known')).toBe(1);
  expect(await client.sql('SELECT __key AS k FROM inputs').all()).toEqual([{ k: 'known' }]);
});

/** What callers in JavaScript, or with values of `any`, can hand in. */
const wrongly = <T>(value: unknown): T => value as T;

const nested = (levels: number, wrap: (inner: unknown) => unknown): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = wrap(value);
  return value;
};

const circle: { self?: unknown } = {};
circle.self = circle;

class Account {
  readonly balance = 1;
  credit(): number {
    return this.balance;
  }
}

describe('a key', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['NaN', Number.NaN, 'INVALID_KEY', /NaN/],
    ['undefined', undefined, 'INVALID_KEY', /undefined/],
    ['null', null, 'INVALID_KEY', /null/],
    ['an object', {}, 'INVALID_KEY', /object/],
    ['a Date', new Date(0), 'INVALID_KEY', /object/],
    ['a boolean', true, 'INVALID_KEY', /boolean/],
    ['a function', () => 1, 'INVALID_KEY', /function/],
    ['an empty array', [], 'INVALID_KEY', /empty array/],
    ['an array in an array', [1, [2]], 'INVALID_KEY', /array within an array/],
    ['an array with a hole', [1, undefined], 'INVALID_KEY', /undefined/],
    ['a lone surrogate', '\ud800', 'INVALID_KEY', /surrogate/],
    ['1 MB of text', 'k'.repeat(1 << 20), 'KEY_TOO_LARGE', /65536 bytes/],
    ['1 MB of bytes', new Uint8Array(1 << 20), 'KEY_TOO_LARGE', /65536 bytes/],
    ['longer than the grid takes', 'k'.repeat(5000), 'KEY_TOO_LARGE', /at most 4096/],
  ])('that is %s is refused by every verb that writes', async (_, given, code, message) => {
    const key = wrongly<GridKey>(given);
    const refused = { code, message: expect.stringMatching(message) };
    await expect(map.put(key, 1)).rejects.toMatchObject(refused);
    await expect(
      map.putAll([
        ['before', 1],
        [key, 1],
      ]),
    ).rejects.toMatchObject(refused);
    await expect(map.putIfAbsent(key, 1)).rejects.toMatchObject(refused);
    await expect(map.remove(key)).rejects.toMatchObject(refused);
    await expect(map.getAndPut(key, 1)).rejects.toMatchObject(refused);
    await expect(map.process(key, ready.increment, { path: 'n', by: 1 })).rejects.toMatchObject(refused);
  });

  it('that is not a key is refused by every verb that reads', async () => {
    const refused = { code: 'INVALID_KEY' };
    await expect(map.get(Number.NaN)).rejects.toMatchObject(refused);
    await expect(map.getEntry(Number.NaN)).rejects.toMatchObject(refused);
    await expect(map.has(Number.NaN)).rejects.toMatchObject(refused);
    await expect(map.getAll(['known', Number.NaN])).rejects.toMatchObject(refused);
    expect(await map.get('k'.repeat(5000))).toBeUndefined();
  });
});

describe('a value', () => {
  it.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /the value: it is undefined/],
    ['a function', () => 1, /the value: it is a function/],
    ['a symbol in a field', { a: { b: Symbol('s') } }, /'a\.b': it is a symbol/],
    ['an invalid Date', { at: new Date(Number.NaN) }, /'at': it is an invalid Date/],
    ['a Map', new Map([[1, 2]]), /Object\.fromEntries/],
    ['a Set', { tags: new Set(['a']) }, /'tags': it is a Set; store \[\.\.\.set\]/],
    ['a regular expression', /x/, /class RegExp/],
    ['an Error', new Error('e'), /an Error/],
    ['a Promise', Promise.resolve(1), /await it first/],
    ['a Float64Array', { lanes: new Float64Array(1) }, /'lanes': it is a binary view/],
    ['a SharedArrayBuffer', new SharedArrayBuffer(1), /binary view/],
    ['a circle', circle, /'self': it is a cycle/],
    [
      '20,000 objects deep',
      nested(20_000, (inner) => ({ d: inner })),
      /more than 100 objects or arrays within one another/,
    ],
    ['20,000 arrays deep', nested(20_000, (inner) => [inner]), /more than 100 objects or arrays within one another/],
  ])('that is %s is refused with its place', async (_, value, message) => {
    const refused = { code: 'INVALID_VALUE', message: expect.stringMatching(message) };
    await expect(map.put('k', value)).rejects.toMatchObject(refused);
    await expect(map.replace('known', value)).rejects.toMatchObject(refused);
    await expect(
      map.putAll([
        ['a', 1],
        ['k', value],
      ]),
    ).rejects.toMatchObject(refused);
    expect(await map.getAll(['a', 'k'])).toEqual([undefined, undefined]);
  });

  it('over the limit is refused with the limit, one just below is stored', async () => {
    const refused = { code: 'VALUE_TOO_LARGE', message: expect.stringMatching(/1048576/) };
    await expect(map.put('k', 'x'.repeat(1 << 20))).rejects.toMatchObject(refused);
    await expect(map.put('k', new Uint8Array(70 << 20))).rejects.toMatchObject(refused);
    await map.put('k', 'x'.repeat((1 << 20) - 16));
    expect(await map.getAndRemove('k')).toHaveLength((1 << 20) - 16);
  });

  it.each<[string, unknown, unknown]>([
    ['-0', -0, -0],
    ['NaN', { n: Number.NaN }, { n: Number.NaN }],
    ['a bigint beyond 64 bits', 2n ** 100n, 2n ** 100n],
    ['a Date before 1970', new Date(-1), new Date(-1)],
    ['an undefined field, which is left out', { a: undefined, b: 1 }, { b: 1 }],
    ['a hole of an array, which is null', [undefined, 1], [null, 1]],
    ['an object of a class, without the class', new Account(), { balance: 1 }],
    ['99 levels deep', nested(99, (inner) => [inner]), nested(99, (inner) => [inner])],
    ['fields of dangerous names', JSON.parse('{"__proto__":{"x":1},"constructor":{"y":2},"toString":3}'), undefined],
  ])('that is %s comes back', async (_, value, expected) => {
    await map.put('k', value);
    const back = await map.getAndRemove('k');
    expect(valueText(back)).toBe(valueText(expected ?? value));
    if (typeof back === 'object' && back !== null)
      expect([Object.prototype, Array.prototype, Date.prototype]).toContain(Object.getPrototypeOf(back));
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it('whose getter throws, and an iterable that throws, reject with what was thrown', async () => {
    const mine = new Error('mine');
    const throwing = {
      get field(): number {
        throw mine;
      },
    };
    await expect(map.put('k', throwing)).rejects.toBe(mine);
    const entries = function* (): Generator<[string, number]> {
      yield ['before', 1];
      throw mine;
    };
    await expect(map.putAll(entries())).rejects.toBe(mine);
    await map.remove('before');
  });
});

describe('an entry over the limits', () => {
  const KEY = 'k'.repeat(5000);
  const HALF = 'v'.repeat(600_000);
  const longKey = { code: 'KEY_TOO_LARGE', message: expect.stringMatching(/5002 bytes.*at most 4096/) };
  const longValue = { code: 'VALUE_TOO_LARGE', message: expect.stringMatching(/at most 1048576/) };

  it('is refused by INSERT, and no row of the statement is stored', async () => {
    const insert = (key: string, value: string): Promise<unknown> =>
      client.sql("INSERT INTO inputs (__key, v) VALUES ('first', 1), ($1, $2)", [key, value]).execute();
    await expect(insert(KEY, '')).rejects.toMatchObject(longKey);
    await expect(insert('k', HALF + HALF)).rejects.toMatchObject(longValue);
    await expect(insert('k'.repeat(1 << 20), '')).rejects.toMatchObject({ code: 'KEY_TOO_LARGE' });
    expect(await map.has('first')).toBe(false);
  });

  it('is refused by UPDATE, which leaves every entry as it was', async () => {
    const grown = client.map('grown');
    await grown.putAll([1, 2, 3].map((key) => [key, { v: HALF, key }]));
    await expect(client.sql('UPDATE grown SET w = v').execute()).rejects.toMatchObject(longValue);
    expect(await grown.getAll([1, 2, 3])).toEqual([1, 2, 3].map((key) => ({ v: HALF, key })));
    expect(await client.sql('UPDATE grown SET v = $1', ['short']).execute()).toEqual({ affected: 3 });
  });

  it('is refused to processors, ready-made ones and deployed ones; the entry stays', async () => {
    const lists = client.map<readonly string[]>('grown-lists');
    const objects = client.map('grown-objects');
    await lists.put('k', [HALF]);
    await objects.put('k', { items: [HALF] });
    await expect(lists.process('k', processors.label, { text: HALF })).rejects.toMatchObject(longValue);
    const appended = objects.process('k', ready.append, { path: 'items', items: [HALF] });
    await expect(appended).rejects.toMatchObject(longValue);
    expect(await lists.get('k')).toEqual([HALF]);
    expect(await objects.get('k')).toEqual({ items: [HALF] });
    expect(await lists.process('k', processors.label, { text: 'a' })).toEqual([HALF, 'a']);
  });
});

describe('arguments of a processor', () => {
  const inspect = (args: unknown): Promise<unknown> => map.process('known', processors.inspect, wrongly<void>(args));

  it.each<[string, unknown, string, RegExp]>([
    ['a function', () => 1, 'INVALID_VALUE', /function/],
    ['20,000 levels deep', nested(20_000, (inner) => [inner]), 'INVALID_VALUE', /more than 100 objects or arrays/],
    ['2 MB of text', 'x'.repeat(2 << 20), 'VALUE_TOO_LARGE', /1048576/],
    ['an invalid Date', new Date(Number.NaN), 'INVALID_VALUE', /invalid Date/],
  ])('that are %s are refused', async (_, args, code, message) => {
    await expect(inspect(args)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['-0', -0],
    ['a bigint', 2n ** 100n],
    ['a Date', new Date(-1)],
    ['undefined', undefined],
    ['null', null],
  ])('may be %s', async (_, args) => {
    await expect(inspect(args)).resolves.toMatchObject({ value: 1 });
    const stored = { expected: undefined, value: args };
    expect(await map.process('k', ready.compareAndSet, stored)).toBe(true);
    expect(valueText(await map.getAndRemove('k'))).toBe(valueText(args));
  });

  it.each<[string, object]>([
    ['no path', { by: 1 }],
    ['a number for a path', { path: 5, by: 1 }],
    ['a path that is none', { path: 'a..b', by: 1 }],
    ['no object', [1]],
  ])('of a ready-made one with %s are refused', async (_, args) => {
    const attempt = map.process('k', ready.increment, wrongly(args));
    await expect(attempt).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await map.has('k')).toBe(false);
  });
});

describe('__proto__ and constructor', () => {
  const NAMES = ['__proto__', 'constructor'] as const;

  afterEach(() => {
    for (const name of ['polluted', 'x']) expect(name in {}).toBe(false);
  });

  it.each(NAMES)('%s is a field for processors, statements and conditions', async (name) => {
    const fields = client.map(`fields-${NAMES.indexOf(name)}`);
    await fields.process('k', ready.increment, { path: `${name}.polluted`, by: 1 });
    const patch = JSON.parse(`{"${name}":{"x":2}}`) as object;
    await fields.process('k', ready.mergePatch, { patch });
    expect(valueText(await fields.get('k'))).toBe(valueText(JSON.parse(`{"${name}":{"polluted":1,"x":2}}`)));
    const from = `FROM "${fields.name}" AS m WHERE m."${name}".x = 2`;
    expect(await client.sql(`SELECT m."${name}".polluted AS p ${from}`).all()).toEqual([{ p: 1 }]);
    expect(await fields.processWhere(`"${name}".x = 2`, [], ready.increment, { path: 'n', by: 1 })).toEqual({
      affected: 1,
      notices: [],
    });
    await client.sql(`UPDATE "${fields.name}" SET "${name}".x = 3`).execute();
    await client.sql(`INSERT INTO "${fields.name}" (__key, "${name}".x) VALUES ('new', 4)`).execute();
    expect(await client.sql(`SELECT m."${name}".x AS x FROM "${fields.name}" AS m ORDER BY x`).all()).toEqual([
      { x: 3 },
      { x: 4 },
    ]);
  });

  it.each(NAMES)('%s is a label of a result', async (name) => {
    const [row] = await client.sql(`SELECT 1 AS "${name}"`).all();
    expect(Object.entries(row!)).toEqual([[name, 1]]);
  });

  it.each(NAMES)('%s is not a function, type, module or export', async (name) => {
    await expect(client.sql(`SELECT ${name}(1)`).all()).rejects.toMatchObject({ code: 'UNKNOWN_FUNCTION' });
    await expect(client.sql(`SELECT CAST(1 AS ${name})`).all()).rejects.toMatchObject({ code: 'UNSUPPORTED_SQL' });
    const called = (module: string, exportName: string) =>
      map.process('known', { ...processors.inspect, name: { module, exportName } }, undefined);
    await expect(called(name, 'inspect')).rejects.toMatchObject({ code: 'UNKNOWN_MODULE', details: { module: name } });
    await expect(called('processors', name)).rejects.toMatchObject({
      code: 'UNKNOWN_EXPORT',
      hint: expect.stringContaining('inspect'),
    });
    await expect(called(ready.increment.name!.module, name)).rejects.toMatchObject({ code: 'UNKNOWN_EXPORT' });
    expect(await client.undeploy(name)).toBe(false);
  });
});

describe('a map or a column that is not there', () => {
  const nearest = { code: 'UNKNOWN_MAP', hint: expect.stringContaining("'inputs'") };

  it('is refused by name with the nearest one: statements, conditions and jobs', async () => {
    await expect(client.sql('SELECT * FROM inptus').all()).rejects.toMatchObject(nearest);
    await expect(client.sql('UPDATE inptus SET a = 1').execute()).rejects.toMatchObject(nearest);
    await expect(client.sql('DELETE FROM inptus').execute()).rejects.toMatchObject(nearest);
    const everywhere = client.map('inptus').processWhere('TRUE', [], processors.inspect);
    await expect(everywhere).rejects.toMatchObject(nearest);
  });

  it('is NULL and a notice with the nearest one where it is a column: documents have the fields they have', async () => {
    const documents = client.map('documents');
    await documents.put(1, { balance: 5 });
    const result = client.sql('SELECT balanec FROM documents');
    expect(await result.all()).toEqual([{ balanec: null }]);
    expect(await result.notices()).toEqual([expect.stringMatching(/'balanec'.*balance/)]);
  });
});

describe('options of a subscription', () => {
  it.each<[string, object, string, RegExp]>([
    ['a type that is none', { types: ['constructor'] }, 'INVALID_ARGUMENT', /'constructor'/],
    ['types that are no array', { types: 'insert' }, 'INVALID_ARGUMENT', /types .*array/],
    ['an onSlow that is none', { onSlow: 'toString' }, 'INVALID_ARGUMENT', /toString/],
    ['a condition that is not text', { where: 5 }, 'INVALID_ARGUMENT', /where .*text, not number/],
    ['parameters that are no array', { where: '__key = $1', params: 5 }, 'INVALID_ARGUMENT', /params .*array/],
    ['a token that is none', { from: {} }, 'INVALID_ARGUMENT', /from .*text/],
    ['an empty token', { from: '' }, 'INVALID_TOKEN', /empty/],
    ['a token of blanks', { from: ' ' }, 'INVALID_TOKEN', /token/],
    ['a condition of 2 MB', { where: `a = '${'x'.repeat(2 << 20)}'` }, 'STATEMENT_TOO_LARGE', /1048576/],
    ['10,000 open parentheses', { where: '('.repeat(10_000) }, 'SYNTAX_ERROR', /never closed/],
    [
      'a parameter 20,000 levels deep',
      { where: 'a = $1', params: [nested(20_000, (x) => [x])] },
      'INVALID_PARAMETER',
      /100/,
    ],
  ])('with %s are refused', async (_, options, code, message) => {
    const events = map.subscribe(wrongly(options));
    await expect(events.next()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('the name of a map', () => {
  it.each(['', ' ', 'a b', 'a/b', 'a"b', 'a\nb', '-', 'a;b', 'x'.repeat(129), 'y'.repeat(100_000)])(
    '%j cannot be used',
    async (name) => {
      const refused = { code: 'INVALID_NAME', hint: expect.stringMatching(/letters, digits/) };
      await expect(client.map(name).put('k', 1)).rejects.toMatchObject(refused);
      expect(await client.map(name).get('k')).toBeUndefined();
    },
  );

  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'select', 'a.b-c$d_1', 'größe', '1'])(
    '%j is as good as any, for keys of such names too',
    async (name) => {
      const named = client.map<number>(name);
      expect(await named.get(name)).toBeUndefined();
      await named.put(name, 1);
      await named.put('__proto__', 2);
      expect(await named.getAll([name, '__proto__'])).toEqual([name === '__proto__' ? 2 : 1, 2]);
      expect(await client.sql(`SELECT count(*) AS n FROM "${name}"`).all()).toEqual([{ n: await named.size() }]);
    },
  );

  it.each([undefined, null, 5, {}])('%j is not a name', (name) => {
    expect(() => client.map(wrongly<string>(name))).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }));
  });
});

describe('options', () => {
  it.each<[MapOptions]>([
    [{ affinityParts: -1 }],
    [{ affinityParts: 1.5 }],
    [{ affinityParts: Number.NaN }],
    [{ affinityParts: 2 ** 40 }],
    [{ ttlMs: -1 }],
    [{ ttlMs: 0 }],
    [{ maxIdleMs: Number.POSITIVE_INFINITY }],
    [wrongly<MapOptions>({ ttlMs: '5s' })],
  ])('%j of a map are refused', (options) => {
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => client.map(defineMap('optional', options))).toThrow(invalid);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, wrongly<number>('5')])(
    'with a time to live of %p are refused',
    async (ttlMs) => {
      await expect(map.put('k', 1, { ttlMs })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(map.putAll([['k', 1]], { ttlMs })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );

  it.each<[Condition]>([[{ ifVersion: Number.NaN }], [{ ifVersion: -1 }], [{ ifVersion: wrongly<number>('1') }]])(
    'with the condition %j are refused',
    async (condition) => {
      await expect(map.remove('known', condition)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(map.replace('known', 2, condition)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );

  it.each([0, -1, Number.NaN, wrongly<number>('soon')])('with a timeout of %p are refused', async (timeoutMs) => {
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(/timeoutMs/) };
    await expect(map.get('known', { timeoutMs })).rejects.toMatchObject(refused);
    await expect(map.getAll(['known'], { timeoutMs })).rejects.toMatchObject(refused);
    await expect(map.size({ timeoutMs })).rejects.toMatchObject(refused);
  });

  it('with a signal that was fired are answered CANCELLED, on every way', async () => {
    const signal = AbortSignal.abort();
    const cancelled = { code: 'CANCELLED' };
    await expect(map.put('k', 1, { signal })).rejects.toMatchObject(cancelled);
    await expect(map.putAll([['k', 1]], { signal })).rejects.toMatchObject(cancelled);
    await expect(map.getAll(['k'], { signal })).rejects.toMatchObject(cancelled);
    await expect(map.size({ signal })).rejects.toMatchObject(cancelled);
    await expect(client.sql('SELECT 1 AS one', [], { signal }).all()).rejects.toMatchObject(cancelled);
    await expect(map.keys({ signal }).next()).rejects.toMatchObject(cancelled);
    await expect(map.subscribe({ signal }).next()).rejects.toMatchObject(cancelled);
  });

  it('of a group call that are no iterable are refused', async () => {
    await expect(map.putAll(wrongly(5))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(map.getAll(wrongly(undefined))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(map.putAll([])).resolves.toBeUndefined();
    await expect(map.getAll([])).resolves.toEqual([]);
  });
});

describe('a statement', () => {
  const LARGE = 'STATEMENT_TOO_LARGE';

  it.each<[string, string, string, RegExp]>([
    ['of 2 MB', `SELECT '${'x'.repeat(2 << 20)}' AS x FROM inputs`, LARGE, /longer than 1048576 bytes/],
    ['of 2 MB that changes', `UPDATE inputs SET a = '${'x'.repeat(2 << 20)}'`, LARGE, /longer than 1048576 bytes/],
    ['with 10,000 nested parentheses', `SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`, LARGE, /50 deep/],
    ['with 10,000 open parentheses', `SELECT ${'('.repeat(10_000)}`, 'SYNTAX_ERROR', /'\(' is never closed/],
    ['with 20,000 NOTs', `SELECT ${'NOT '.repeat(20_000)} TRUE`, LARGE, /500 deep/],
    ['with 20,000 operators on one another', `SELECT ${'1 + '.repeat(20_000)} 1`, LARGE, /500 levels/],
    ['with 20,000 casts on one another', `SELECT 1${'::integer'.repeat(20_000)}`, LARGE, /500 levels/],
    ['with 5,000 CASEs in one another', `SELECT ${'CASE WHEN TRUE THEN '.repeat(5000)}1`, LARGE, /500 deep/],
    ['with a path of 20,000 steps', `SELECT ${'a.'.repeat(20_000)}a FROM inputs`, LARGE, /path has more than 100/],
    ['with a list of 50,000 items', `SELECT 1 IN (${'1,'.repeat(50_000)}1)`, LARGE, /100000 tokens/],
    ['that is empty', '', 'SYNTAX_ERROR', /statement/],
    ['with a NUL', 'SELECT 1\0', 'SYNTAX_ERROR', /./],
    ['over no map', 'SELECT * FROM nothing', 'UNKNOWN_MAP', /'nothing'/],
    ['with too few parameters', 'SELECT * FROM inputs WHERE __key = $1', 'INVALID_PARAMETER', /asks for 1/],
  ])('%s is refused', async (_, text, code, message) => {
    await expect(client.sql(text).all()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it.each([
    ['of 2 MB', `a = '${'x'.repeat(2 << 20)}'`, LARGE],
    ['with 10,000 open parentheses', '('.repeat(10_000), 'SYNTAX_ERROR'],
  ])('%s as the condition of processWhere is refused', async (_, where, code) => {
    await expect(map.processWhere(where, [], processors.inspect)).rejects.toMatchObject({ code });
  });

  it.each<[string, unknown, string]>([
    ['NaN', Number.NaN, 'INVALID_KEY'],
    ['a Date', new Date(0), 'INVALID_KEY'],
    ['null', null, 'INVALID_KEY'],
    ['an object', {}, 'INVALID_KEY'],
    ['undefined', undefined, 'INVALID_PARAMETER'],
    ['1 MB of text', 'k'.repeat(1 << 20), 'KEY_TOO_LARGE'],
  ])('with a key that is %s inserts nothing', async (_, key, code) => {
    const insert = client.sql('INSERT INTO inputs (__key, n) VALUES ($1, 1)', [key]).execute();
    await expect(insert).rejects.toMatchObject({ code });
  });

  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['-0', -0],
    ['a bigint', 2n ** 60n],
    ['a bigint beyond 64 bits', 2n ** 100n],
    ['a Date', new Date(-1)],
    ['null', null],
  ])('with a parameter that is %s stores and answers it', async (_, parameter) => {
    const parameters = client.map<{ v: unknown }>('parameters');
    await client.sql("INSERT INTO parameters (__key, v) VALUES ('k', $1)", [parameter]).execute();
    expect(valueText((await parameters.getAndRemove('k'))!.v)).toBe(valueText(parameter));
    const [row] = await client.sql('SELECT $1 AS v', [parameter]).all();
    expect(valueText(row!['v'])).toBe(valueText(parameter));
  });

  it.each([undefined, 5, {}, ['SELECT 1']])('%j is none', (text) => {
    expect(() => client.sql(wrongly<string>(text))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each<[string, unknown]>([
    ['a function', () => 1],
    ['a Map', new Map()],
    ['20,000 levels deep', nested(20_000, (inner) => [inner])],
  ])('with a parameter that is %s is refused', async (_, parameter) => {
    const attempt = client.sql('SELECT * FROM inputs WHERE __key = $1', [parameter]).all();
    await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(/INVALID_(VALUE|PARAMETER)/) });
  });
});

describe('connect', () => {
  it('to where nothing listens fails at once, with a way out', async () => {
    const attempt = connect({ seeds: ['127.0.0.1:1'], connectTimeoutMs: 2 ** 31 });
    await expect(attempt).rejects.toMatchObject({
      code: 'CONNECTION_REFUSED',
      message: 'nobody listens at 127.0.0.1:1',
      hint: expect.stringMatching(/ashlar start/),
    });
  });

  it('to where nothing listens fails after its time, where it is told to wait', async () => {
    const attempt = connect({ seeds: ['127.0.0.1:1'], connectTimeoutMs: 300, waitForMembers: true });
    await expect(attempt).rejects.toMatchObject({
      code: 'CONNECT_TIMEOUT',
      message: expect.stringMatching(/127\.0\.0\.1:1 within 300 ms: nobody listens/),
    });
  });

  it('to what is no member, or to a host that is not there, fails at once', async () => {
    const { httpAddress } = grid.members[0]!;
    const [http, nowhere] = [[httpAddress], ['no.such.host.invalid:7710']];
    await expect(connect({ seeds: http, connectTimeoutMs: 2 ** 31 })).rejects.toMatchObject({ code: 'NOT_A_MEMBER' });
    await expect(connect({ seeds: nowhere, connectTimeoutMs: 2 ** 31 })).rejects.toMatchObject({
      code: 'UNKNOWN_HOST',
    });
  });

  it.each([[[]], [['nonsense']], [['127.0.0.1:99999']], [['']], ['127.0.0.1:7710']])(
    'with the seeds %j is refused',
    async (seeds) => {
      await expect(connect({ seeds: wrongly(seeds) })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );
});
