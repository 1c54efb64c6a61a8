/** The gRPC doors before callers that keep to no rules: each is refused by code and cause, and the next one is answered. */
import { connect as connectTcp } from 'node:net';
import type { Grid, GridMap } from '@ashlar/client';
import { TestGrid } from './support/grid.ts';
import {
  bytesField,
  doubleField,
  grpcCall,
  integerField,
  vanishWithinMessage,
  wordsField,
} from './support/grpc-by-hand.ts';

const KEY_BYTES = 4096;
const VALUE_BYTES = 1 << 20;
const LEVELS = 20_000;

let grid: TestGrid;
let client: Grid;
let map: GridMap<string, unknown>;
let address: string;

beforeAll(async () => {
  const settings = { 'limits.keyBytes': KEY_BYTES, 'limits.valueBytes': VALUE_BYTES };
  grid = await TestGrid.start({ members: 2, settings });
  client = await grid.connect();
  map = client.map('inputs') as GridMap<string, unknown>;
  address = grid.members[0]!.address;
  await map.put('known', { n: 1 });
});

afterAll(() => grid.stop());

afterEach(async () => {
  expect(grid.members.map((member) => member.hasEnded)).toEqual([false, false]);
  expect(await map.get('known')).toEqual({ n: 1 });
  const answer = await call('Kv/Get', inMap('inputs'), textKey('known'));
  expect(answer.toString('latin1')).toContain('{"n":1}');
  expect(await client.sql('SELECT __key AS k FROM inputs').all()).toEqual([{ k: 'known' }]);
});

function call(method: string, ...fields: readonly Buffer[]): Promise<Buffer> {
  return grpcCall(address, `/ashlar.v1.${method}`, Buffer.concat(fields));
}

/* Fields that Get, Put and Remove have in common. */
const inMap = (name: string): Buffer => bytesField(1, name);
const key = (...fields: readonly Buffer[]): Buffer => bytesField(2, Buffer.concat(fields));
const textKey = (text: string): Buffer => key(bytesField(1, text));
const json = (text: string): Buffer => bytesField(3, text);
const messagePack = (...bytes: readonly (number | Uint8Array)[]): Buffer =>
  bytesField(4, Buffer.concat(bytes.map((part) => (typeof part === 'number' ? Buffer.of(part) : part))));

const longText = (bytes: number): Uint8Array => {
  const header = Buffer.alloc(5, 0xdb);
  header.writeUInt32BE(bytes, 1);
  return Buffer.concat([header, Buffer.alloc(bytes, 'a')]);
};
const deepArray = Buffer.concat([Buffer.alloc(LEVELS, 0x91), Buffer.of(1)]);

type Refusal = readonly [what: string, method: string, fields: readonly Buffer[], code: string, cause: RegExp];

/** sint64 2^60. */
const bigKey = Buffer.concat([Buffer.of(2 << 3), Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20])]);

const REFUSED: readonly Refusal[] = [
  ['Get of an unknown map', 'Kv/Get', [inMap('inptus'), textKey('known')], 'UNKNOWN_MAP', /'inptus'.*'inputs'/],
  ['Get without a key', 'Kv/Get', [inMap('inputs')], 'INVALID_KEY', /no key.*"text"/],
  ['Get of an empty key', 'Kv/Get', [inMap('inputs'), key()], 'INVALID_KEY', /no key/],
  ['Get of a key of 1 MB', 'Kv/Get', [inMap('inputs'), textKey('k'.repeat(1 << 20))], 'KEY_TOO_LARGE', /65536 bytes/],
  [
    'Put of a key of 1 MB',
    'Kv/Put',
    [inMap('inputs'), textKey('k'.repeat(1 << 20)), json('1')],
    'KEY_TOO_LARGE',
    /6553/,
  ],
  [
    'Put of a key over the limit',
    'Kv/Put',
    [inMap('inputs'), textKey('k'.repeat(KEY_BYTES)), json('1')],
    'KEY_TOO_LARGE',
    /at most 4096.*limits\.keyBytes/,
  ],
  ['Put of the key NaN', 'Kv/Put', [inMap('inputs'), key(doubleField(3, Number.NaN)), json('1')], 'INVALID_KEY', /NaN/],
  [
    'Get with a name of 20 KB',
    'Kv/Get',
    [inMap('m'.repeat(20_000)), textKey('k')],
    'INVALID_NAME',
    /name of 20000 bytes/,
  ],
  [
    'Clear with a name of 20 MB',
    'Admin/Clear',
    [inMap('m'.repeat(20 << 20))],
    'INVALID_NAME',
    /name of 20971520 bytes/,
  ],
  [
    'Put of JSON 100,000 levels deep',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), json('['.repeat(100_000) + ']'.repeat(100_000))],
    'INVALID_VALUE',
    /more than 100 objects or arrays/,
  ],
  ['Get of an integer that no number holds', 'Kv/Get', [inMap('inputs'), key(bigKey)], 'INVALID_KEY', /2\^53/],
  ['Put without a value', 'Kv/Put', [inMap('inputs'), textKey('k')], 'INVALID_VALUE', /no value/],
  ['Put of half a JSON text', 'Kv/Put', [inMap('inputs'), textKey('k'), json('{"a":')], 'INVALID_VALUE', /not JSON/],
  [
    'Put of JSON 20,000 levels deep',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), json('['.repeat(LEVELS) + ']'.repeat(LEVELS))],
    'INVALID_VALUE',
    /more than 100 objects or arrays/,
  ],
  [
    'Put of MessagePack 20,000 levels deep',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), messagePack(deepArray)],
    'CORRUPT_DATA',
    /more than 100 containers/,
  ],
  ['Put of half a value', 'Kv/Put', [inMap('inputs'), textKey('k'), messagePack(0x92, 1)], 'CORRUPT_DATA', /too early/],
  [
    'Put of JSON over the limit',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), json(JSON.stringify('v'.repeat(VALUE_BYTES)))],
    'VALUE_TOO_LARGE',
    /at most 1048576/,
  ],
  [
    'Put of MessagePack over the limit',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), messagePack(longText(VALUE_BYTES))],
    'VALUE_TOO_LARGE',
    /at most 1048576/,
  ],
  ['Put into a map without a good name', 'Kv/Put', [inMap('a b'), textKey('k'), json('1')], 'INVALID_NAME', /letters/],
  [
    'Put with a time to live of NaN',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), json('1'), doubleField(5, Number.NaN)],
    'INVALID_ARGUMENT',
    /time to live.*NaN/,
  ],
  [
    'Put with a negative time to live',
    'Kv/Put',
    [inMap('inputs'), textKey('k'), json('1'), doubleField(5, -1)],
    'INVALID_ARGUMENT',
    /time to live.*-1/,
  ],
  ['Remove from an unknown map', 'Kv/Remove', [inMap('inptus'), textKey('known')], 'UNKNOWN_MAP', /'inptus'/],
  ['Query of 2 MB', 'Sql/Query', [bytesField(1, `SELECT '${'x'.repeat(2 << 20)}'`)], 'STATEMENT_TOO_LARGE', /1048576/],
  [
    'Query of 20 MB',
    'Sql/Query',
    [bytesField(1, `SELECT '${'x'.repeat(20 << 20)}'`)],
    'STATEMENT_TOO_LARGE',
    /1048576/,
  ],
  [
    'Query with 10,000 open parentheses',
    'Sql/Query',
    [bytesField(1, `SELECT ${'('.repeat(10_000)}`)],
    'SYNTAX_ERROR',
    /'\(' is never closed/,
  ],
  ['Query that is not UTF-8', 'Sql/Query', [bytesField(1, Buffer.of(0x53, 0xff))], 'SYNTAX_ERROR', /statement/],
  [
    'Query with parameters 20,000 levels deep',
    'Sql/Query',
    [bytesField(1, 'SELECT $1'), bytesField(2, deepArray)],
    'CORRUPT_DATA',
    /more than 100 containers/,
  ],
  [
    'Query with half of its parameters',
    'Sql/Query',
    [bytesField(1, 'SELECT $1'), bytesField(2, Buffer.of(0x92, 1))],
    'CORRUPT_DATA',
    /too early/,
  ],
  [
    'Query with parameters that are no array',
    'Sql/Query',
    [bytesField(1, 'SELECT $1'), bytesField(2, Buffer.of(1))],
    'INVALID_PARAMETER',
    /array/,
  ],
  [
    'Hello of another protocol',
    'Admin/Hello',
    [integerField(1, 99), integerField(2, 99)],
    'UNSUPPORTED_PROTOCOL',
    /99/,
  ],
  ['RenewSession of no session', 'Kv/RenewSession', [integerField(1, 12_345)], 'SESSION_EXPIRED', /12345/],
];

/** A batch of one operation on the map, at a partition; `fields` come over it. */
function batch(opcodes: readonly number[], ...fields: readonly Buffer[]): Promise<Buffer> {
  const maps = bytesField(12, bytesField(1, 'inputs'));
  return call('Kv/Batch', integerField(1, 1), maps, bytesField(20, Uint8Array.from(opcodes)), ...fields);
}

const PUT = 3;

describe('the unary doors', () => {
  it.each(REFUSED)('refuse %s', async (_, method, fields, code, cause) => {
    await expect(call(method, ...fields)).rejects.toMatchObject({ code, message: expect.stringMatching(cause) });
  });

  it.each<[string, string, Buffer]>([
    ['bytes that are none', 'Kv/Get', Buffer.from([0x0a, 0xff])],
    ['a field of another type', 'Kv/Get', integerField(1, 5)],
    ['an integer of 2^64 - 1', 'Kv/RenewSession', Buffer.from([8, ...new Array(9).fill(0xff), 1])],
    [
      '200,000 exports',
      'Compute/Deploy',
      Buffer.concat([bytesField(1, 'm'), ...new Array(200_000).fill(bytesField(5, bytesField(1, 'a')))]),
    ],
  ])('take %s for the fault of their caller', async (_, method, bytes) => {
    await expect(call(method, bytes)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('keep __proto__ and constructor as names of maps, keys and fields', async () => {
    const text = '{"__proto__":{"x":1},"constructor":1}';
    for (const name of ['__proto__', 'constructor']) {
      await call('Kv/Put', inMap(name), textKey(name), json(text));
      const answer = await call('Kv/Get', inMap(name), textKey(name));
      expect(answer.toString('latin1')).toContain(text);
      const rows = await call('Sql/Query', bytesField(1, `SELECT i."__proto__".x FROM "${name}" i`));
      expect(rows.toString('latin1')).toContain('[1]');
    }
  });

  it('take a clear, a size and a drop of what is not there for nothing to do', async () => {
    for (const method of ['Admin/MapSize', 'Admin/Clear', 'Admin/DropMap', 'Admin/DropColumns']) {
      await expect(call(method, inMap('constructor-2'))).resolves.toBeDefined();
    }
  });
});

describe('the batch door', () => {
  const good = [wordsField(22, 0), wordsField(23, 3), bytesField(24, 'abc')];

  it.each<[string, readonly number[], readonly Buffer[], RegExp]>([
    ['keys that end behind their bytes', [0], [wordsField(22, 0), wordsField(23, 300), bytesField(24, 'abc')], /300/],
    [
      'keys that end before they begin',
      [0, 0],
      [wordsField(22, 0, 0), wordsField(23, 3, 1), bytesField(24, 'abc')],
      /begin/,
    ],
    ['an opcode that is none', [77], good, /opcode 77/],
    ['a map that it does not name', [0], [wordsField(21, 9), ...good], /index 9 of 1/],
    ['columns of two lengths', [0, 0, 0], good, /1 elements for 3 operations/],
    ['half a word', [0], [bytesField(22, 'abc')], /within an element/],
    [
      'a time to live for what it does not hold',
      [PUT],
      [...good, wordsField(27, 500), bytesField(28, Buffer.alloc(8))],
      /ttl/,
    ],
  ])('refuses a batch with %s as a whole', async (_, opcodes, fields, cause) => {
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(cause) };
    await expect(batch(opcodes, ...fields)).rejects.toMatchObject(refused);
  });

  it('answers reads of names of 900 KB, one after the other on one stream, and keeps nothing of them', async () => {
    for (let number = 0; number < 100; number++) {
      const maps = bytesField(12, bytesField(1, `${number}${'m'.repeat(900_000)}`));
      const answer = await call(
        'Kv/Batch',
        integerField(1, 1),
        integerField(9, 99),
        maps,
        bytesField(20, Buffer.of(0)),
        ...good,
      );
      expect(answer.length).toBeLessThan(2000);
    }
  });

  it('refuses bytes that are not a message', async () => {
    await expect(call('Kv/Batch', Buffer.alloc(500, 0xff))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('answers an operation for a partition that is not its own with the epoch, and changes nothing', async () => {
    const answer = await batch(
      [PUT],
      wordsField(22, 99_999),
      ...good.slice(1),
      wordsField(25, 1),
      bytesField(26, Buffer.of(1)),
    );
    expect(answer.toString('latin1')).toMatch(/partition 99999/);
  });
});

describe('a caller that is gone', () => {
  it.each(['Kv/Batch', 'Kv/Put', 'Sql/Query', 'Sql/Execute', 'Events/Subscribe', 'Compute/Deploy'])(
    'in the middle of a message to %s leaves nothing behind',
    async (method) => {
      await vanishWithinMessage(address, `/ashlar.v1.${method}`, bytesField(1, 'inputs'.repeat(50)), 20);
    },
  );

  it.each<[string, Uint8Array]>([
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n')],
    ['rubbish', Buffer.alloc(5000, 0xff)],
    ['the first half of the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n')],
  ])('after %s is let go', async (_, bytes) => {
    const [host, port] = address.split(':');
    const socket = connectTcp(Number(port), host!);
    socket.on('error', () => undefined);
    socket.write(bytes);
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
  });
});
