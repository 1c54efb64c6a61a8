import { Decimal } from '@ashlar/api';
import { seededRandom } from '@ashlar/core';
import { valueAt, vectorOf } from '@ashlar/expressions';
import fc from 'fast-check';
import { NumberIds } from './number-ids.ts';
import { PairIds, RowIds } from './row-ids.ts';
import { ValueIds } from './value-ids.ts';

const numbers = fc.oneof(
  fc.integer({ min: 0, max: 3000 }),
  fc.integer({ min: 0, max: 2 ** 21 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom(-0, 0, Number.NaN, 2 ** 32, 2 ** 52 + 1, 0.5, -1),
);

describe('NumberIds', () => {
  it('finds what was added, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(numbers, { maxLength: 400 }), fc.array(numbers), (added, others) => {
        const ids = new NumberIds();
        const twin = new Map<number, number>();
        for (const value of added) {
          // A Map takes NaN as equal to itself and -0 as 0, as SQL does.
          if (!twin.has(value)) {
            expect(ids.find(value)).toBe(-1);
            ids.add(value, twin.size);
            twin.set(value, twin.size);
          }
          expect(ids.find(value)).toBe(twin.get(value));
        }
        for (const value of [...added, ...others]) expect(ids.find(value)).toBe(twin.get(value) ?? -1);
        expect(ids.size).toBe(twin.size);
      }),
    );
  });

  it('moves numbers from the table when it covers them directly', () => {
    const ids = new NumberIds();
    const added: number[] = [];
    const random = seededRandom(3);
    for (let id = 0; id < 40_000; id++) {
      const value = id % 2 === 0 ? id * 7 : random.below(2 ** 20) + 0.5;
      if (ids.find(value) >= 0) continue;
      ids.add(value, added.length);
      added.push(value);
    }
    added.forEach((value, id) => {
      expect(ids.find(value)).toBe(id);
    });
    expect(ids.direct.length).toBeGreaterThan(100_000);
  });
});

describe('PairIds', () => {
  const ids = fc.oneof(fc.nat(20), fc.nat(2000), fc.nat(2 ** 26 - 1));

  it('tells every pair from every other', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(ids, ids), { maxLength: 300 }), (pairs) => {
        const made = new PairIds();
        const twin = new Map<string, number>();
        for (const [left, right] of pairs) {
          // A table by right id is as long as the ids are many: here they are thin on purpose.
          const far = left < 8 ? right % 100_000 : right;
          const name = `${left}/${far}`;
          expect(made.idOf(left, far, 'leave')).toBe(twin.get(name) ?? -1);
          if (!twin.has(name)) twin.set(name, twin.size);
          expect(made.idOf(left, far, 'add')).toBe(twin.get(name));
          expect([made.left(twin.get(name)!), made.right(twin.get(name)!)]).toEqual([left, far]);
        }
        expect(made.size).toBe(twin.size);
      }),
    );
  });

  it('does not know a pair with an unknown half', () => {
    const made = new PairIds();
    expect(made.idOf(-1, 3, 'add')).toBe(-1);
    expect(made.idOf(3, -1, 'add')).toBe(-1);
    expect(made.size).toBe(0);
  });
});

describe('RowIds', () => {
  it('numbers many tuples of three columns as a Map does', () => {
    const rows = 4000;
    const ids = new RowIds(['any', 'any', 'any']);
    const twin = new Map<string, number>();
    const random = seededRandom(5);
    const out = new Int32Array(rows);
    for (let round = 0; round < 5; round++) {
      const columns = [3000, 1500, 3].map((bound) => Array.from({ length: rows }, () => random.below(bound)));
      const vectors = columns.map((values) => vectorOf('any', values));
      ids.encode({ vectors, selection: undefined, count: rows }, out);
      for (let row = 0; row < rows; row++) {
        const name = columns.map((values) => values[row]).join();
        if (!twin.has(name)) twin.set(name, twin.size);
      }
      // Ids need not follow the order of rows within a batch, but each tuple has one, and they are dense.
      const byId = new Map<number, string>();
      for (let row = 0; row < rows; row++) {
        const name = columns.map((values) => values[row]).join();
        expect(byId.get(out[row]!) ?? name).toBe(name);
        byId.set(out[row]!, name);
      }
      expect(ids.size).toBe(twin.size);
    }
    const [a, b, c] = ids.vectors(0, ids.size);
    const stored = Array.from({ length: ids.size }, (_, id) => [a, b, c].map((vector) => vector!.numbers![id]).join());
    expect(new Set(stored)).toEqual(new Set(twin.keys()));
  });
});

describe('ValueIds', () => {
  const one = Decimal.parse('1.00');
  const orders: readonly (readonly unknown[])[] = [
    [1, 1n, one],
    [1n, 1, one],
    [one, 1n, 1],
    [one, 1, 1n],
  ];

  it('holds of equal numbers the plainest, in whatever order they come', () => {
    for (const values of orders) {
      const ids = new ValueIds('any');
      const out = new Int32Array(1);
      for (const value of values) ids.encode(vectorOf('any', [value]), undefined, 1, out);
      expect([ids.size, valueAt(ids.stored.slice(0, 1), 0)]).toEqual([1, 1]);
    }
    const ids = new ValueIds('any');
    ids.encode(vectorOf('any', [one, 1n, null]), undefined, 3, new Int32Array(3));
    expect([ids.size, valueAt(ids.stored.slice(0, 1), 0)]).toEqual([2, 1n]);
  });

  it('tells numbers apart that are one double', () => {
    const ids = new ValueIds('any');
    const out = new Int32Array(4);
    ids.encode(
      vectorOf('any', [2 ** 53, 2n ** 53n + 1n, 2n ** 53n, Decimal.parse('9007199254740993.0')]),
      undefined,
      4,
      out,
    );
    expect([...out]).toEqual([0, 1, 0, 1]);
  });
});
