import { distinctNames } from './distinct-names.ts';

describe('names that come again', () => {
  it.each([
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      ['a', 'a'],
      ['a', 'a_1'],
    ],
    [
      ['a', 'a', 'a_1', 'a'],
      ['a', 'a_2', 'a_1', 'a_3'],
    ],
    [
      ['a_1', 'a', 'a', 'a_1'],
      ['a_1', 'a', 'a_2', 'a_1_1'],
    ],
    [
      ['?column?', '?column?'],
      ['?column?', '?column?_1'],
    ],
    [
      ['A', 'a'],
      ['A', 'a'],
    ],
    [
      ['__proto__', '__proto__'],
      ['__proto__', '__proto___1'],
    ],
  ])('%j are %j', (given, names) => {
    expect(distinctNames(given)).toEqual(names);
  });
});
