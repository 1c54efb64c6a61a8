import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import { haveSameShape } from './same-shape.ts';
import { encodeValue } from './value-writer.ts';

const DEPTH = 3;
const kinds: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  none: fc.constant(null),
  boolean: fc.boolean(),
  number: fc.oneof(fc.integer(), fc.double()),
  integer: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  wide: fc.bigInt({ min: 2n ** 70n, max: 2n ** 80n }),
  text: fc.string({ maxLength: 300 }),
  bytes: fc.uint8Array({ maxLength: 300 }),
  array: fc.array(fc.integer(), { maxLength: 20 }),
  date: fc.date({ noInvalidDate: true }),
  decimal: fc.integer().map((unscaled) => Decimal.of(BigInt(unscaled), 2)),
};
const name = fc.constantFrom('a', 'b', 'c', 'a longer name than thirty-one characters');

/** What a document has, as a twin of it tells: names and kinds; and documents made of that. */
type Shape = readonly (readonly [string, string | Shape])[];
const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.uniqueArray(
    fc.tuple(name, fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...Object.keys(kinds)) }, tie('shape'))),
    {
      selector: ([field]) => field,
      maxLength: 4,
    },
  ) as fc.Arbitrary<Shape>,
}));

function documentOf(told: Shape): fc.Arbitrary<Record<string, unknown>> {
  const fields = told.map(([field, kind]) =>
    fc.tuple(fc.constant(field), typeof kind === 'string' ? kinds[kind]! : documentOf(kind)),
  );
  return fc.tuple(...fields).map((entries) => Object.fromEntries(entries));
}

/** Cut where nothing is looked into any more. */
function seen(told: Shape, depth = DEPTH): unknown {
  return told.map(([field, kind]) => [
    field,
    typeof kind === 'string' ? kind : depth > 1 ? seen(kind, depth - 1) : 'object',
  ]);
}

function same(one: unknown, other: unknown): boolean {
  const [a, b] = [encodeValue(one), encodeValue(other)];
  const [inA, inB] = [Uint8Array.from([7, ...a, 7]), Uint8Array.from([7, 7, ...b])];
  return haveSameShape(inA, 1, 1 + a.length, inB, 2, 2 + b.length, DEPTH);
}

describe('documents have the same shape', () => {
  it('H1: whatever their values are, where names and kinds are the same', () => {
    const two = shape.chain((told) => fc.tuple(documentOf(told), documentOf(told)));
    fc.assert(
      fc.property(two, ([one, other]) => {
        expect(same(one, other)).toBe(true);
      }),
    );
  });

  it('H1: only there', () => {
    const two = fc
      .tuple(shape, shape)
      .chain((told) => fc.tuple(fc.constant(told), documentOf(told[0]), documentOf(told[1])));
    fc.assert(
      fc.property(two, ([[told, others], one, other]) => {
        expect(same(one, other)).toBe(JSON.stringify(seen(told)) === JSON.stringify(seen(others)));
      }),
      { numRuns: 2000 },
    );
  });

  it('H2: where none of them is an object', () => {
    expect([same(1, 'x'), same([1], null), same({}, 1), same('x', { a: 1 }), same({}, {})]).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
  });
});
