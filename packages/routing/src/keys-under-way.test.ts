import { seededRandom } from '@ashlar/core';
import { KeysUnderWay } from './keys-under-way.ts';

describe('keys-under-way', () => {
  it.each([1, 2, 3])('agrees with a Set over random keys that come and go, many of one place (K2, seed %i)', (seed) => {
    const random = seededRandom(seed);
    const keys = new KeysUnderWay();
    const twin = new Set<number>();
    for (let step = 0; step < 60_000; step++) {
      // Few places, and those at the end of the table: runs go round.
      const hash = random.below(40) * 1024 + 1000 + random.below(60);
      expect(keys.has(hash)).toBe(twin.has(hash));
      if (twin.has(hash) && random.below(2) === 0) {
        keys.end(hash);
        twin.delete(hash);
      } else {
        keys.begin(hash);
        twin.add(hash);
      }
      if (step % 5_000 === 0) for (const other of twin) expect(keys.has(other)).toBe(true);
    }
  });

  it('ends what is not under way without harm', () => {
    const keys = new KeysUnderWay();
    keys.begin(0);
    keys.begin(0);
    keys.end(1024);
    keys.end(5);
    expect(keys.has(0)).toBe(true);
    keys.end(0);
    keys.end(0);
    expect(keys.has(0)).toBe(false);
  });
});
