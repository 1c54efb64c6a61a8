import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import {
  checkValue,
  decodeValue,
  encodeValue,
  Path,
  VALUE_BYTES_MAX,
  VALUE_DEPTH_MAX,
  ValueReader,
  ValueType,
  ValueWriter,
} from './index.ts';

function codeOf(action: () => unknown): unknown {
  try {
    action();
    return 'nothing thrown';
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const hexOf = (value: unknown): string => Buffer.from(encodeValue(value)).toString('hex');
const roundTrip = (value: unknown): unknown => decodeValue(encodeValue(value));

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.string({ maxLength: 80 }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(40)).map(([u, s]) => Decimal.of(u, s)),
    fc.array(tie('value')),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'id')), tie('value')),
  ),
})).value;

/** The table of the README, a test a row: [name, value, bytes, what comes back, type]. */
const TABLE: readonly [string, unknown, string, unknown, ValueType][] = [
  ['null', null, 'c0', null, ValueType.NULL],
  ['true', true, 'c3', true, ValueType.BOOLEAN],
  ['small integer', 7, '07', 7, ValueType.NUMBER],
  ['negative integer', -33, 'd0df', -33, ValueType.NUMBER],
  ['int32', -2147483648, 'd280000000', -2147483648, ValueType.NUMBER],
  ['uint32', 4294967295, 'ceffffffff', 4294967295, ValueType.NUMBER],
  ['integer beyond 32 bits', 4294967296, 'cb41f0000000000000', 4294967296, ValueType.NUMBER],
  ['fraction', 1.5, 'cb3ff8000000000000', 1.5, ValueType.NUMBER],
  ['-0', -0, 'cb8000000000000000', -0, ValueType.NUMBER],
  ['NaN', Number.NaN, 'cb7ff8000000000000', Number.NaN, ValueType.NUMBER],
  ['Infinity', Infinity, 'cb7ff0000000000000', Infinity, ValueType.NUMBER],
  ['bigint', 5n, 'd30000000000000005', 5n, ValueType.BIGINT],
  ['bigint int64 min', -(2n ** 63n), 'd38000000000000000', -(2n ** 63n), ValueType.BIGINT],
  ['bigint uint64', 2n ** 64n - 1n, 'cfffffffffffffffff', 2n ** 64n - 1n, ValueType.WIDE_BIGINT],
  ['bigint wider', 2n ** 64n, 'c70942010000000000000000', 2n ** 64n, ValueType.WIDE_BIGINT],
  ['bigint wider negative', -(2n ** 63n) - 1n, 'c70942ff7fffffffffffffff', -(2n ** 63n) - 1n, ValueType.WIDE_BIGINT],
  ['string', 'é', 'a2c3a9', 'é', ValueType.STRING],
  ['lone surrogate', 'a\ud800', 'a461efbfbd', 'a\ufffd', ValueType.STRING],
  ['Uint8Array', Uint8Array.of(1, 2), 'c4020102', Uint8Array.of(1, 2), ValueType.BYTES],
  ['Buffer', Buffer.from([9]), 'c40109', Uint8Array.of(9), ValueType.BYTES],
  ['Date', new Date(1000), 'd6ff00000001', new Date(1000), ValueType.DATE],
  ['Date with ms', new Date(1001), 'd7ff003d090000000001', new Date(1001), ValueType.DATE],
  ['Date before 1970', new Date(-1), 'c70cff3b8b87c0ffffffffffffffff', new Date(-1), ValueType.DATE],
  ['Decimal', Decimal.parse('-1.50'), 'd6440002ff6a', Decimal.parse('-1.50'), ValueType.DECIMAL],
  ['array', [1, undefined, 'a'], '9301c0a161', [1, null, 'a'], ValueType.ARRAY],
  ['object', { a: 1, b: undefined }, '81a16101', { a: 1 }, ValueType.OBJECT],
  [
    'class instance',
    new (class Point {
      x = 1;
    })(),
    '81a17801',
    { x: 1 },
    ValueType.OBJECT,
  ],
];

describe('values keep their meaning through bytes', () => {
  it.each(TABLE)('%s', (_name, value, hex, back, type) => {
    expect(hexOf(value)).toBe(hex);
    const bytes = encodeValue(value);
    const decoded = decodeValue(bytes);
    if (Decimal.is(back)) expect(String(decoded)).toBe(String(back));
    else expect(decoded).toEqual(back);
    expect(Object.is(decoded, -0)).toBe(Object.is(back, -0));
    const reader = new ValueReader(bytes);
    expect(reader.find(Path.parse([]), 0, bytes.length)).toBe(true);
    expect([reader.type, reader.end]).toEqual([type, bytes.length]);
  });

  it('for any nesting of them, and every encoding passes the check', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = encodeValue(value);
        checkValue(bytes, 0, bytes.length);
        const back = decodeValue(bytes);
        expect(encodeValue(back)).toEqual(bytes);
        expect(back).toEqual(value);
      }),
      { numRuns: 1500 },
    );
  });

  it('over dates of the whole range', () => {
    for (const ms of [
      -8.64e15,
      -62135596800000,
      -1001,
      -1000,
      2 ** 32 * 1000,
      2 ** 34 * 1000 - 1,
      2 ** 34 * 1000,
      8.64e15,
    ]) {
      expect(roundTrip(new Date(ms))).toEqual(new Date(ms));
    }
  });

  it('for strings of every length at which the form changes', () => {
    for (const length of [0, 15, 16, 17, 31, 32, 48, 49, 255, 256, 65535, 65536]) {
      for (const unit of ['a', 'é', '\u{1f600}']) expect(roundTrip(unit.repeat(length))).toBe(unit.repeat(length));
    }
  });

  it('for objects and arrays of every size at which the form changes', () => {
    for (const length of [0, 15, 16, 64, 65, 65535, 65536]) {
      const list = Array.from({ length }, (_, index) => index);
      const fields = Object.fromEntries(list.map((index) => [`f${index}`, index % 3 === 0 ? undefined : index]));
      expect(roundTrip(list)).toEqual(list);
      expect(roundTrip(fields)).toEqual(JSON.parse(JSON.stringify(fields)));
    }
  });

  it('for texts of every length at which the form changes, whatever bytes their characters take', () => {
    for (const length of [31, 32, 48, 49, 85, 86, 127, 128, 255, 256, 16_384, 16_385, 21_845, 65_535, 65_536]) {
      for (const unit of ['a', 'é', '語', '😀']) {
        const text = `${unit.repeat(length)}`;
        for (const value of [text, [text, 1], { [text]: text, after: true }]) expect(roundTrip(value)).toEqual(value);
      }
      const last = `${'a'.repeat(length - 1)}é`;
      expect(roundTrip([last, last])).toEqual([last, last]);
    }
  });

  it('for objects of which some fields are undefined, in the shortest form', () => {
    for (const count of [15, 16, 17, 65_535, 65_536]) {
      const whole = Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, index]));
      const holed = { before: undefined, ...whole, after: undefined };
      expect(hexOf({ holed, next: 1 })).toBe(hexOf({ holed: whole, next: 1 }));
    }
  });

  it('without what objects inherit', () => {
    const parent = { inherited: 1 };
    expect(roundTrip(Object.assign(Object.create(null), { own: 2 }))).toEqual({ own: 2 });
    expect(roundTrip(Object.assign(Object.create(parent), { own: 2 }))).toEqual({ own: 2 });
    Object.defineProperty(Object.prototype, 'everywhere', { value: 1, enumerable: true, configurable: true });
    try {
      expect(hexOf({ own: 2, deep: { own: 3 } })).toBe('82a36f776e02a46465657081a36f776e03');
    } finally {
      Reflect.deleteProperty(Object.prototype, 'everywhere');
    }
  });

  it('as data, not as prototypes', () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1}}') as object;
    const back = roundTrip(hostile) as Record<string, unknown>;
    expect(Object.keys(back)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('the encoding is standard MessagePack', () => {
  const packr = new Packr({ useRecords: false });
  // JSON text has no -0, which msgpackr writes as 0; and msgpackr renames __proto__.
  const common = fc
    .json()
    .filter((text) => !text.includes('__proto__'))
    .map((text): unknown => JSON.parse(text));

  it('reads what msgpackr writes, and msgpackr reads what it writes', () => {
    fc.assert(
      fc.property(common, (value) => {
        expect(decodeValue(packr.pack(value))).toEqual(value);
        expect(packr.unpack(encodeValue(value))).toEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('shares timestamps and wide bigints with msgpackr', () => {
    for (const value of [new Date(0), new Date(1234567890123), 2n ** 80n, -(2n ** 80n), 3n]) {
      expect(packr.unpack(encodeValue(value))).toEqual(value);
    }
  });
});

describe('what cannot be stored', () => {
  it('is refused with the path of the field', () => {
    const refused: [unknown, string][] = [
      [{ a: { b: [1, () => 2] } }, 'a.b[1]'],
      [{ 'first name': Symbol('s') }, '"first name"'],
      [[new Map()], '[0]'],
      [{ tags: new Set([1]) }, 'tags'],
      [{ when: new Date(Number.NaN) }, 'when'],
      [{ link: new URL('http://localhost/') }, 'link'],
      [{ wait: Promise.resolve(1) }, 'wait'],
      [{ error: new Error('x') }, 'error'],
      [{ view: new Float64Array(2) }, 'view'],
      [{ buffer: new SharedArrayBuffer(2) }, 'buffer'],
      [{ boxed: Object(5) as object }, 'boxed'],
      [{ pattern: /x/ }, 'pattern'],
      [{ weak: new WeakMap() }, 'weak'],
      [{ '\ud800': 1 }, ''],
    ];
    for (const [value, path] of refused) {
      expect(codeOf(() => encodeValue(value))).toBe('INVALID_VALUE');
      if (path !== '') expect(() => encodeValue(value)).toThrow(`'${path}'`);
    }
    expect(codeOf(() => encodeValue(undefined))).toBe('INVALID_VALUE');
  });

  it('says so of a value that contains itself', () => {
    const value: Record<string, unknown> = { id: 1, list: [] };
    (value['list'] as unknown[]).push({ owner: value });
    expect(() => encodeValue(value)).toThrow("field 'list[0].owner': it is a cycle");
  });

  it('is anything deeper than VALUE_DEPTH_MAX, at any depth, without overflowing the stack', () => {
    const nested = (levels: number): unknown => {
      let value: unknown = 1;
      for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
      return value;
    };
    expect(roundTrip(nested(VALUE_DEPTH_MAX))).toEqual(nested(VALUE_DEPTH_MAX));
    for (const levels of [VALUE_DEPTH_MAX + 1, 20_000]) {
      expect(codeOf(() => encodeValue(nested(levels)))).toBe('INVALID_VALUE');
      const arrays = new Uint8Array(levels + 1).fill(0x91);
      arrays[levels] = 1;
      expect(codeOf(() => decodeValue(arrays))).toBe('CORRUPT_DATA');
      expect(codeOf(() => checkValue(arrays, 0, arrays.length))).toBe('INVALID_VALUE');
      expect(new ValueReader(arrays).find(Path.parse([0, 0, 0]), 0, arrays.length)).toBe(true);
    }
  });

  it('is anything larger than the limit', () => {
    const writer = new ValueWriter(100);
    writer.write('x'.repeat(98));
    for (const value of [
      'x'.repeat(101),
      new Uint8Array(99),
      new Array(100).fill(1),
      2n ** 1000n,
      { a: 'é'.repeat(60) },
    ]) {
      expect(codeOf(() => writer.write(value))).toBe('VALUE_TOO_LARGE');
    }
    expect([writer.start, writer.end]).toEqual([0, 100]);
    expect(codeOf(() => encodeValue('x'.repeat(VALUE_BYTES_MAX)))).toBe('VALUE_TOO_LARGE');
  });
});

describe('ValueWriter', () => {
  it('appends values one behind the other, also while its buffer grows', () => {
    const writer = new ValueWriter();
    const ranges = Array.from({ length: 3000 }, (_, id) => {
      const end = writer.write({ id, text: `value ${id}` });
      return [writer.start, end] as const;
    });
    ranges.forEach(([start, end], id) => {
      expect(decodeValue(writer.bytes, start, end)).toEqual({ id, text: `value ${id}` });
    });
  });

  it('is as it was after a value is refused', () => {
    const writer = new ValueWriter();
    writer.write({ good: 1 });
    const { start, end } = writer;
    expect(() => writer.write({ a: 1, b: () => 1 })).toThrow("'b'");
    expect([writer.start, writer.end]).toEqual([start, end]);
    expect(decodeValue(writer.bytes, start, end)).toEqual({ good: 1 });
  });

  it('writes a value whose getter encodes another', () => {
    const value = {
      before: 1,
      get inner() {
        return encodeValue({ x: 1 }).length;
      },
      after: 2,
    };
    expect(roundTrip(value)).toEqual({ before: 1, inner: 4, after: 2 });
  });
});

describe('hostile bytes', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(plain, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = encodeValue(value);
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
    fc.tuple(plain, fc.nat()).map(([value, length]) => {
      const bytes = encodeValue(value);
      return bytes.slice(0, length % bytes.length);
    }),
  );
  const paths = [[], ['id'], [0], ['id', 0], [1, 'id'], ['']].map((segments) => Path.parse(segments));

  it('are CORRUPT_DATA or a value, never anything else', () => {
    fc.assert(
      fc.property(noise, (bytes) => {
        const code = codeOf(() => decodeValue(bytes));
        expect(['nothing thrown', 'CORRUPT_DATA']).toContain(code);
        expect(codeOf(() => checkValue(bytes, 0, bytes.length)) === 'nothing thrown').toBe(code === 'nothing thrown');
      }),
      { numRuns: 8000 },
    );
  });

  it('do not lead the path reader out of its range', () => {
    fc.assert(
      fc.property(noise, fc.constantFrom(...paths), (bytes, path) => {
        // The same range between two kinds of neighbours must read the same.
        const outcomes = [0x00, 0x93].map((neighbour) => {
          const memory = new Uint8Array(new SharedArrayBuffer(bytes.length + 40)).fill(neighbour);
          memory.set(bytes, 20);
          const reader = new ValueReader(memory);
          const code = codeOf(() => reader.find(path, 20, 20 + bytes.length));
          if (code !== 'nothing thrown') return code;
          return [reader.type, reader.number, codeOf(() => reader.end), codeOf(() => reader.decode())];
        });
        expect(outcomes[0]).toEqual(outcomes[1]);
        const codes = Array.isArray(outcomes[0]) ? outcomes[0].slice(2) : [outcomes[0]];
        for (const code of codes) expect(['nothing thrown', 'CORRUPT_DATA']).toContain(code);
      }),
      { numRuns: 8000 },
    );
  });

  it('take no memory for elements they only claim', () => {
    const claims = new Uint8Array(1 << 16);
    for (let at = 0; at + 5 <= claims.length; at += 5) claims.set([0xdd, 0, 0, 0xff, 0xff], at);
    expect(codeOf(() => decodeValue(claims))).toBe('CORRUPT_DATA');
    expect(codeOf(() => decodeValue(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1)))).toBe('CORRUPT_DATA');
    expect(codeOf(() => decodeValue(Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff, 1)))).toBe('CORRUPT_DATA');
  });
});

describe('ValueReader', () => {
  /** The dumb twin of find: decode everything, then walk. */
  function walk(value: unknown, segments: readonly (string | number)[]): unknown {
    let current = value;
    for (const segment of segments) {
      const isIndex = typeof segment === 'number';
      if (typeof current !== 'object' || current === null || isIndex !== Array.isArray(current)) return undefined;
      if (Decimal.is(current) || current instanceof Date || current instanceof Uint8Array) return undefined;
      if (!Object.hasOwn(current, segment)) return undefined;
      current = (current as Record<string | number, unknown>)[segment];
    }
    return current;
  }

  it('finds what a whole decode finds, in shared memory', () => {
    const segment = fc.oneof(fc.constantFrom('id', '', 'a', '__proto__'), fc.nat(3));
    fc.assert(
      fc.property(plain, fc.array(segment, { maxLength: 3 }), (value, segments) => {
        const bytes = encodeValue(value);
        const memory = new Uint8Array(new SharedArrayBuffer(bytes.length + 6));
        memory.set(bytes, 3);
        const reader = new ValueReader(memory, new DataView(memory.buffer));
        const expected = walk(decodeValue(bytes), segments);
        expect(reader.find(Path.parse(segments), 3, 3 + bytes.length)).toBe(expected !== undefined);
        expect(reader.decode()).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('finds the first of equal names, or the last, which is the one that decoding shows', () => {
    const bytes = Uint8Array.of(0x83, 0xa1, 0x6e, 1, 0xa1, 0x6d, 2, 0xa1, 0x6e, 3);
    const reader = new ValueReader(bytes);
    const path = Path.parse(['n']);
    expect([reader.find(path, 0, bytes.length), reader.number]).toEqual([true, 1]);
    expect([reader.findLast(path, 0, bytes.length), reader.number]).toEqual([true, 3]);
    expect(decodeValue(bytes)).toEqual({ n: 3, m: 2 });
    expect(reader.findLast(Path.parse(['x']), 0, bytes.length)).toBe(false);
  });

  it('leaves in its fields what the element is', () => {
    const value = {
      n: 2.5,
      big: -3n,
      wide: 2n ** 63n,
      t: 'Zoë',
      ok: true,
      at: new Date(5),
      d: Decimal.parse('12.50'),
      list: [1, [2]],
    };
    const bytes = encodeValue(value);
    const reader = new ValueReader(bytes);
    const at = (...segments: (string | number)[]): ValueReader => {
      reader.find(Path.parse(segments), 0, bytes.length);
      return reader;
    };
    expect(at('n').number).toBe(2.5);
    expect([at('big').number, reader.bigint]).toEqual([-3, -3n]);
    expect([at('wide').type, reader.bigint]).toEqual([ValueType.WIDE_BIGINT, 2n ** 63n]);
    expect([at('t').text(), reader.stringEnd - reader.stringStart]).toEqual(['Zoë', 4]);
    expect([at('ok').type, reader.number]).toEqual([ValueType.BOOLEAN, 1]);
    expect([at('at').type, reader.number]).toEqual([ValueType.DATE, 5]);
    expect([at('d').number, reader.scale]).toEqual([1250, 2]);
    expect([at('list').count, reader.decode()]).toEqual([2, [1, [2]]]);
    expect(at('list', 1, 0).number).toBe(2);
    expect([at('gone').type, reader.decode()]).toEqual([ValueType.MISSING, undefined]);
    expect(at().fieldNames()).toEqual(Object.keys(value));
  });

  it('keeps an index for arrays and a name for objects', () => {
    const bytes = encodeValue({ 0: 'field', list: ['element'] });
    const reader = new ValueReader(bytes);
    expect(reader.find(Path.parse([0]), 0, bytes.length)).toBe(false);
    expect(reader.find(Path.parse(['0']), 0, bytes.length)).toBe(true);
    expect(reader.find(Path.parse(['list', '0']), 0, bytes.length)).toBe(false);
    expect(reader.find(Path.parse(['list', 1]), 0, bytes.length)).toBe(false);
  });

  it('shows paths as they are written', () => {
    expect(Path.parse(['owner', 'id']).text).toBe('owner.id');
    expect(Path.parse(['tags', 1, 'first name']).text).toBe('tags[1]."first name"');
    expect(codeOf(() => Path.parse([-1]))).toBe('INVALID_ARGUMENT');
    expect(codeOf(() => Path.parse(new Array(101).fill('a')))).toBe('INVALID_ARGUMENT');
  });
});
