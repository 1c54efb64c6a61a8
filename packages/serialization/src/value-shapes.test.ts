import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { decodeValue } from './value-decoder.ts';
import { SHAPE_FIELDS_MAX, shapeSlot } from './value-shapes.ts';
import { encodeValue } from './value-writer.ts';

/** Lets the decoder meet objects of this shape often enough. */
function teach(value: object): void {
  const bytes = encodeValue(value);
  for (let times = 0; times < 40; times++) decodeValue(bytes);
}

function slotOf(value: object): ReturnType<typeof shapeSlot> {
  const bytes = encodeValue(value);
  return shapeSlot(bytes, 1, bytes.length, Object.keys(value).length);
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'nothing thrown';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

const leaf = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
  fc.string({ maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
);
const name = fc.oneof(
  fc.constantFrom(
    'id',
    'name',
    'nam',
    'owner',
    'é',
    'a "quoted" name',
    'line\nbreak',
    '\u2028',
    '7',
    '12',
    '__proto__',
    '',
  ),
  fc.string({ maxLength: 40 }),
);
const document = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 4 }), tie('fields')),
  fields: fc.uniqueArray(fc.tuple(name, tie('value')), { selector: ([key]) => key, maxLength: 8 }).map((pairs) => {
    const fields = {};
    for (const [key, value] of pairs) {
      Object.defineProperty(fields, key, { value, writable: true, enumerable: true, configurable: true });
    }
    return fields;
  }),
})).fields as fc.Arbitrary<Record<string, unknown>>;

describe('objects of a shape that came before', () => {
  it('go on field by field where a name differs, from that field on (P1)', () => {
    const shape = { order: 1, quantity: 2.5, side: 'buy', legs: [{ of: 'x' }], open: true };
    teach(shape);
    expect(slotOf(shape)?.read).toBeDefined();
    const names = Object.keys(shape);
    names.forEach((_, differing) => {
      const fields = Object.entries(shape).map(([key, value], at) => [at === differing ? 'othername' : key, value]);
      const other = Object.fromEntries(fields) as object;
      const back = decodeValue(encodeValue(other));
      expect(JSON.stringify(back)).toBe(JSON.stringify(other));
    });
    const reversed = Object.fromEntries(Object.entries(shape).reverse());
    expect(JSON.stringify(decodeValue(encodeValue(reversed)))).toBe(JSON.stringify(reversed));
  });

  it('may be within one another and within arrays', () => {
    const leg = (id: number): object => ({ leg: id, at: { port: 'A', day: id / 3 }, tags: ['x', id] });
    const value = { trip: 1, legs: [leg(1), leg(2), leg(3)], back: leg(4) };
    teach(value);
    expect(decodeValue(encodeValue(value))).toEqual(value);
  });

  it('keep every kind of value', () => {
    const value = {
      kinds: 0,
      big: 2n ** 70n,
      day: new Date(5),
      raw: Uint8Array.of(1, 2),
      none: null,
      no: false,
      low: -3,
    };
    teach(value);
    expect(decodeValue(encodeValue(value))).toEqual(value);
  });
});

describe('names that an object literal would not take as they are (P5)', () => {
  it('make no shape: "__proto__" and indexes', () => {
    for (const text of ['{"own1":1,"__proto__":{"polluted":1}}', '{"own2":1,"0":2}', '{"own3":1,"12":2,"b":3}']) {
      const value = JSON.parse(text) as object;
      teach(value);
      expect(slotOf(value)?.read).toBeUndefined();
      const back = decodeValue(encodeValue(value)) as object;
      expect(JSON.stringify(back)).toBe(JSON.stringify(value));
      expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('make no shape: doubled ones, of which the last counts', () => {
    const doubled = Uint8Array.of(0x82, 0xa2, 0x64, 0x62, 1, 0xa2, 0x64, 0x62, 2);
    for (let times = 0; times < 40; times++) expect(decodeValue(doubled)).toEqual({ db: 2 });
  });

  it('make no shape: more fields than SHAPE_FIELDS_MAX, and longer names than are compared', () => {
    const many = Object.fromEntries(
      Array.from({ length: SHAPE_FIELDS_MAX + 1 }, (_, index) => [`many${index}`, index]),
    );
    const long = { longer: 1, ['n'.repeat(32)]: 2 };
    for (const value of [many, long]) {
      teach(value);
      expect(slotOf(value)?.read).toBeUndefined();
      expect(decodeValue(encodeValue(value))).toEqual(value);
    }
  });
});

describe('bytes that are cut off or wrong', () => {
  it('are CORRUPT_DATA behind a known shape too, wherever they end (P2)', () => {
    const value = { cut: 1, price: 1.5, text: 'of some length', inner: { a: 1, b: 2.5 } };
    teach(value);
    const bytes = encodeValue(value);
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(() => decodeValue(bytes.slice(0, length)))).toBe('CORRUPT_DATA');
      // The rest of the value lies behind the end, and is none of it.
      expect(codeOf(() => decodeValue(bytes, 0, length))).toBe('CORRUPT_DATA');
    }
  });

  it('are CORRUPT_DATA or a value, never anything else', () => {
    const value = { noise: 1, price: 1.5, text: 'text', list: [1, { a: 1 }] };
    teach(value);
    const bytes = encodeValue(value);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const changed = bytes.slice();
        changed[at] = byte;
        expect(['nothing thrown', 'CORRUPT_DATA']).toContain(codeOf(() => decodeValue(changed)));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what is kept is bounded (P3)', () => {
  it('a slot whose objects have nothing in common stops learning', () => {
    for (let index = 0; index < 200; index++) decodeValue(encodeValue({ firstalike: 1, [`n${index}`]: 2 }));
    const slot = slotOf({ firstalike: 1, other: 2 });
    expect(slot?.isLearning).toBe(false);
    expect(slot?.read).toBeUndefined();
  });

  it('a function that misses is let go, and the shape that came in its place is learnt', () => {
    const before = { changing: 1, old: 2 };
    const after = { changing: 1, neu: 2 };
    teach(before);
    const first = slotOf(before)?.read;
    expect(first).toBeDefined();
    const bytes = encodeValue(after);
    for (let times = 0; times < 400; times++) expect(decodeValue(bytes)).toEqual(after);
    expect(slotOf(after)?.read).toBeDefined();
    expect(slotOf(after)?.read).not.toBe(first);
    expect(decodeValue(encodeValue(before))).toEqual(before);
  });
});

describe('where code generation is disallowed (P4)', () => {
  it('the decoder reads field by field', () => {
    const script = `
      import { decodeValue, encodeValue } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const bytes = encodeValue({ id: 1, price: 2.5, owner: 'of some length' });
      for (let times = 0; times < 100; times++) decodeValue(bytes);
      console.log(JSON.stringify(decodeValue(bytes)));`;
    const flags = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning'];
    const disallowed = [...flags, '--disallow-code-generation-from-strings', '--input-type=module', '-e', script];
    const printed = execFileSync(process.execPath, disallowed, { encoding: 'utf8' });
    expect(JSON.parse(printed)).toEqual({ id: 1, price: 2.5, owner: 'of some length' });
  });
});

// The last one: its shapes take all places.
describe('documents of every kind, again and again', () => {
  it('come back as they were, names in their order (P1)', () => {
    fc.assert(
      fc.property(document, document, (known, other) => {
        teach(known);
        const bytes = encodeValue(known);
        const back = decodeValue(bytes) as object;
        expect(JSON.stringify(back)).toBe(JSON.stringify(known));
        expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
        expect(back).toEqual(known);
        expect(decodeValue(encodeValue(other))).toEqual(other);
      }),
      { numRuns: 300 },
    );
  });
});
