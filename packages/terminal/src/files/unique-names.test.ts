import fc from 'fast-check';
import { uniqueNames } from './unique-names.ts';

const name = fc.constantFrom('', 'a', 'a_1', 'a_2', 'b', 'column_1', 'column_2', 'column_1_1');

describe('the columns of a file as fields of documents', () => {
  it('have names that differ, none is empty, and each that stands once keeps its own', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), (given) => {
        const { names, notices } = uniqueNames(given);
        expect([names.length, new Set(names).size, names.includes('')]).toEqual([given.length, given.length, false]);
        given.forEach((one, index) => {
          if (one !== '' && given.indexOf(one) === index) expect(names[index]).toBe(one);
        });
        expect(notices.length > 0).toBe(names.some((one, index) => one !== given[index]));
      }),
    );
  });

  it('that were renamed are told of, the first five by name', () => {
    expect(uniqueNames(['v', 'v', '']).notices).toEqual([
      "column 2, 'v' again, is called 'v_1'",
      "column 3 has no name and is called 'column_3'",
    ]);
    expect(uniqueNames(new Array(9).fill('v')).notices.at(-1)).toBe('3 more columns are renamed in this way');
  });
});
