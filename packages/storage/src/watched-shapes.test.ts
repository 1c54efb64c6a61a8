import { seededRandom } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import type { WriteBatch } from './batch/write-batch.ts';
import { MAP, makeBench, PARTITION, settle } from './testing/store-bench.ts';

const WATCHED = 1000;
/** Documents of a few shapes, and of values that change within them. */
const DOCUMENTS: readonly ((n: number) => unknown)[] = [
  (n) => ({ a: n, b: `text ${'x'.repeat(n % 300)}` }),
  (n) => ({ a: BigInt(n), b: 'text' }),
  (n) => ({ b: 'text', a: n }),
  (n) => ({ a: n, b: { c: n } }),
  (n) => ({ a: n, b: { c: n, d: new Date(n) } }),
  (n) => n,
];

function stage(batch: WriteBatch, key: number, document: unknown): void {
  const [bytes, value] = [encodeKey(key), encodeValue(document)];
  batch.put(MAP, PARTITION, bytes, 0, bytes.length, batch.value(value, 0, value.length));
}

/** Paths and kinds in all documents, as a dumb twin finds them. */
function contents(documents: ReadonlyMap<number, unknown>): string {
  const found = new Set<string>();
  const look = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || value instanceof Date) found.add(`${path} ${typeof value}`);
    else for (const [name, inner] of Object.entries(value)) look(inner, `${path}.${name}`);
  };
  for (const document of documents.values()) if (typeof document === 'object') look(document, '');
  return [...found].sort().join();
}

describe('the count of changes of shapes', () => {
  it('stays only while the paths and kinds of all documents do, whatever is written', () => {
    const random = seededRandom(7);
    const { store } = makeBench();
    store.watchShapes(MAP, Number.MAX_SAFE_INTEGER);
    const documents = new Map<number, unknown>();
    let [seen, known, kept] = [store.reshapeCount(MAP), contents(documents), 0];
    for (let round = 0; round < 3000; round++) {
      const staged = new Map(documents);
      const batch = store.begin();
      for (let operation = random.below(3); operation >= 0; operation--) {
        const key = random.below(4);
        const made = random.below(10) === 0 ? undefined : DOCUMENTS[random.below(DOCUMENTS.length)]!(round);
        if (made === undefined && !staged.has(key)) continue;
        if (made === undefined) {
          const bytes = encodeKey(key);
          batch.remove(MAP, PARTITION, bytes, 0, bytes.length);
          staged.delete(key);
        } else {
          stage(batch, key, made);
          staged.set(key, made);
        }
      }
      if (random.below(5) === 0) batch.abort();
      else {
        batch.commit();
        documents.clear();
        for (const [key, document] of staged) documents.set(key, document);
      }
      if (random.below(10) === 0) settle(store);
      const count = store.reshapeCount(MAP);
      if (count === seen) {
        kept++;
        expect(contents(documents)).toBe(known);
      }
      [seen, known] = [count, contents(documents)];
    }
    expect(kept).toBeGreaterThan(500);
  });

  it('does not rise with a document in the place of one of its shape, while it is watched', () => {
    const { store } = makeBench();
    const write = (key: number, document: unknown): number => {
      const before = store.reshapeCount(MAP);
      const batch = store.begin();
      stage(batch, key, document);
      batch.commit();
      return store.reshapeCount(MAP) - before;
    };
    expect(write(1, { a: 1 })).toBe(1);
    expect(write(1, { a: 2 })).toBe(1);
    store.watchShapes(MAP, 3);
    const changes = store.changeCount(MAP);
    expect([write(1, { a: 3 }), write(1, { a: 4.5 }), write(1, { a: 5n })]).toEqual([0, 0, 1]);
    expect(store.changeCount(MAP)).toBe(changes + 3);
    // So many changes were watched.
    expect(write(1, { a: 6n })).toBe(1);
    store.watchShapes(MAP, WATCHED);
    expect([write(1, { a: 7n }), write(2, { a: 7n }), write(2, { a: 7n })]).toEqual([0, 1, 0]);
    expect([write(1, { a: 'x'.repeat(20_000) }), write(1, { a: 'x'.repeat(20_000) })]).toEqual([1, 1]);
  });
});
