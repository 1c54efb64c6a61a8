import { SmallSet } from './small-set.ts';

describe('a small set', () => {
  it('holds what was added, in its order, until it is deleted', () => {
    const set = new SmallSet<string>();
    for (const element of ['a', 'b', 'c']) set.add(element);
    expect([set.delete('b'), set.delete('b'), set.size]).toEqual([true, false, 2]);
    expect([...set]).toEqual(['a', 'c']);
    expect(set.find((element) => element > 'a')).toBe('c');
    expect(set.find((element) => element === 'b')).toBeUndefined();
  });

  it('gives everything away at once', () => {
    const set = new SmallSet<number>();
    set.add(1);
    set.add(2);
    expect([set.takeAll(), set.size, set.takeAll()]).toEqual([[1, 2], 0, []]);
  });
});
