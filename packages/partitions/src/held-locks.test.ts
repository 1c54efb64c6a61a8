import fc from 'fast-check';
import { HeldLocks } from './held-locks.ts';

describe('held names', () => {
  it('are found like in a map, however names collide and go', () => {
    const name = fc.oneof(fc.integer({ min: -4, max: 12 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }));
    const step = fc.record({ name, isGone: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const names = new HeldLocks();
        const twin = new Map<number, object>();
        for (const { name, isGone } of steps) {
          if (isGone) expect(names.delete(name)).toBe(twin.delete(name));
          else if (!twin.has(name)) {
            const holder = {};
            twin.set(name, holder);
            names.add(name, holder);
          }
          expect([names.size, names.get(name), names.has(name)]).toEqual([twin.size, twin.get(name), twin.has(name)]);
        }
        for (const [name, holder] of twin) expect(names.get(name)).toBe(holder);
      }),
    );
  });

  it('grow and stay complete', () => {
    const names = new HeldLocks();
    const holders = Array.from({ length: 5000 }, () => ({}));
    for (const [name, holder] of holders.entries()) names.add(name, holder);
    for (let name = 0; name < holders.length; name += 2) expect(names.delete(name)).toBe(true);
    for (const [name, holder] of holders.entries()) expect(names.get(name)).toBe(name % 2 === 0 ? undefined : holder);
    expect(names.size).toBe(2500);
  });
});
