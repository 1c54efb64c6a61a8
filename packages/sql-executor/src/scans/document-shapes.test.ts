import { encodeValue } from '@ashlar/serialization';
import fc from 'fast-check';
import { DocumentShape, kindAt } from './document-shapes.ts';

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ maxLength: 40 }),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 5 }),
  fc.array(fc.integer(), { maxLength: 3 }),
);
const name = fc.constantFrom('a', 'b', 'c', 'a longer name than thirty-one characters');
const { document } = fc.letrec((tie) => ({
  document: fc.dictionary(name, fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: tie('document') }), {
    maxKeys: 4,
  }),
}));

/** Names and kinds down to the depth that is looked at, as a dumb twin tells them. */
function twin(value: unknown, depth = 1): unknown {
  return Object.entries(value as object).map(([field, inner]) => {
    const kind = kindAt(encodeValue(inner), 0);
    const isObject = Object.prototype.toString.call(inner) === '[object Object]';
    return [field, kind, !isObject ? '-' : depth < 4 ? twin(inner, depth + 1) : 'deep'];
  });
}

describe('the shape of a document', () => {
  it('S1: is that of another exactly when names and kinds of all fields agree', () => {
    fc.assert(
      fc.property(document, document, (one, other) => {
        const [first, second] = [encodeValue(one), encodeValue(other)];
        const shape = DocumentShape.of(first, 0, first.length)!;
        expect(shape.fits(first, 0, first.length)).toBe(true);
        const isSame = JSON.stringify(twin(one)) === JSON.stringify(twin(other));
        expect(shape.fits(second, 0, second.length)).toBe(isSame);
      }),
      { numRuns: 2000 },
    );
  });

  it('is looked for where the document lies', () => {
    const bytes = encodeValue({ a: 1, b: { c: 'x' } });
    const padded = new Uint8Array(bytes.length + 4);
    padded.set(bytes, 2);
    const shape = DocumentShape.of(padded, 2, 2 + bytes.length)!;
    expect(shape.fits(bytes, 0, bytes.length)).toBe(true);
  });

  it.each([17, 'text', null, [1, 2]])('is none where there are no fields: %j', (value) => {
    const bytes = encodeValue(value);
    expect(DocumentShape.of(bytes, 0, bytes.length)).toBeUndefined();
    const object = encodeValue({ a: 1 });
    expect(DocumentShape.of(object, 0, object.length)!.fits(bytes, 0, bytes.length)).toBe(false);
  });

  it('is none of a document with very many fields', () => {
    const bytes = encodeValue(Object.fromEntries(Array.from({ length: 600 }, (_, field) => [`f${field}`, field])));
    expect(DocumentShape.of(bytes, 0, bytes.length)).toBeUndefined();
  });
});
