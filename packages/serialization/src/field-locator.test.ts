import fc from 'fast-check';
import { FieldLocator } from './field-locator.ts';
import { Path } from './path.ts';
import { ValueReader } from './value-reader.ts';
import { encodeValue } from './value-writer.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd', '\u00fc', 'a name of more than thirty-one characters');
const value = fc.oneof(
  fc.dictionary(name, fc.oneof(fc.integer(), fc.string(), fc.dictionary(name, fc.integer(), { maxKeys: 3 })), {
    maxKeys: 6,
  }),
  fc.integer(),
  fc.string(),
  fc.array(fc.integer()),
);

describe('a field locator', () => {
  it('L1: finds what a reader finds, field by field, in any order', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), fc.uniqueArray(name), (documents, names) => {
        const locator = new FieldLocator(names);
        for (const document of documents) {
          const encoded = encodeValue(document);
          const bytes = new Uint8Array(encoded.length + 5).fill(0xc1);
          bytes.set(encoded, 3);
          locator.locate(bytes, 3, 3 + encoded.length);
          const reader = new ValueReader(bytes);
          names.forEach((wanted, index) => {
            const isFound = reader.find(Path.parse([wanted]), 3, 3 + encoded.length);
            expect(locator.starts[index]! >= 0).toBe(isFound);
            if (isFound) expect([locator.starts[index], locator.ends[index]]).toEqual([reader.at, reader.end]);
          });
        }
      }),
    );
  });

  it('L1: takes the first of equal names', () => {
    const twice = Uint8Array.of(0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2);
    const locator = new FieldLocator(['a']);
    locator.locate(twice, 0, twice.length);
    expect(twice[locator.starts[0]!]).toBe(1);
  });

  it('L2: refuses a document that is cut anywhere before the last field', () => {
    const bytes = encodeValue({ a: 'x', b: { c: [1, 2] }, d: 5n });
    for (let end = 0; end < bytes.length; end++) {
      expect(() => new FieldLocator(['d']).locate(bytes, 0, end)).toThrow(
        expect.objectContaining({ code: 'CORRUPT_DATA' }),
      );
    }
  });
});
