import { decodeParameters, encodeKey, encodeParameters, encodeValue, type Key } from '@ashlar/serialization';
import { type GetTask, getRows, type ReadEntry } from '@ashlar/sql-executor';
import fc from 'fast-check';
import { planAs, rowsIn } from './testing/plans.ts';

function entry(key: Key, value: unknown, version = 1, expiresAtMs = 0): ReadEntry {
  return { key: encodeKey(key), value: encodeValue(value), version, expiresAtMs };
}

function taskOf(
  text: string,
  entries: readonly ReadEntry[],
  { parameters = [], strict = false }: { readonly parameters?: readonly unknown[]; readonly strict?: boolean } = {},
): GetTask {
  const plan = planAs('get', text);
  return { plan, entries, parameters: encodeParameters(parameters), clockMs: 0, strict };
}

const rows = (...given: Parameters<typeof taskOf>): readonly (readonly unknown[])[] =>
  rowsIn(getRows(taskOf(...given)).batch);

/** The keys in the order in which ORDER BY gives entries with these documents. */
function ordered(order: string, documents: readonly unknown[]): unknown[] {
  const entries = documents.map((document, key) => entry(key, document));
  return rows(`SELECT __key FROM t WHERE __key = '1' ORDER BY ${order}`, entries).map(([key]) => key);
}

describe('the rows of a get', () => {
  it('have paths, computed values and what belongs to the entry itself; NULL where the document has nothing', () => {
    const text = 'SELECT __key, s, n + 1, __version, __expires_at FROM t WHERE __key = $1';
    expect(rows(text, [entry('k', { n: 7, s: 'x' }, 12, 5000), entry('l', {}, 13)])).toEqual([
      ['k', 'x', 8, 12n, new Date(5000)],
      ['l', null, null, 13n, null],
    ]);
  });

  it('are those that meet the rest of the condition: no batch where none does', () => {
    const text = 'SELECT n FROM t WHERE __key = $1 AND n > $2';
    const entries = [entry(1, { n: 5 }), entry(2, { n: 3 }), entry(3, {})];
    expect(rows(text, entries, { parameters: [1, 4] })).toEqual([[5]]);
    expect(getRows(taskOf(text, entries, { parameters: [1, 5] })).batch).toBeUndefined();
    expect(getRows(taskOf(text, [], { parameters: [1, 4] }))).toEqual({ batch: undefined, odd: [] });
  });

  it.each([
    ['n', [1, 3, 0, 2]],
    ['n DESC', [2, 0, 3, 1]],
    ['n NULLS FIRST', [2, 1, 3, 0]],
    ['n DESC NULLS LAST', [0, 3, 1, 2]],
  ])('come as ORDER BY %s says', (order, keys) => {
    expect(ordered(order, [{ n: 9 }, { n: -1 }, {}, { n: 3 }])).toEqual(keys);
  });

  it('that tie in a sort key go by the next, and then stay as they are', () => {
    const documents = [{ n: 1, s: 'b' }, { n: 0, s: 'z' }, { n: 1, s: 'a' }, { n: 1, s: 'b' }, { n: 0 }, { n: 0 }];
    expect(ordered('n, s DESC', documents)).toEqual([4, 5, 1, 0, 3, 2]);
  });

  it('come in one order, however they are found, also where values are of several kinds', () => {
    const value = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null));
    const sorted = (values: readonly unknown[]): unknown[] =>
      ordered(
        'n NULLS FIRST',
        values.map((n) => ({ n })),
      ).map((key) => values[key as number]);
    fc.assert(
      fc.property(fc.array(value, { maxLength: 8 }), (values) => {
        const once = sorted(values);
        expect(sorted(values.toReversed())).toEqual(once);
        expect(sorted(once)).toEqual(once);
      }),
    );
  });

  it('read values of an odd kind as NULL and count their rows, once each; strict statements fail', () => {
    const text = 'SELECT n * 2, n * 2 FROM t WHERE __key = $1';
    const entries = [entry(1, { n: 'one' }), entry(2, { n: 2 }), entry(3, { n: 'three' })];
    const { batch, odd } = getRows(taskOf(text, entries));
    expect(rowsIn(batch)).toEqual([
      [null, null],
      [4, 4],
      [null, null],
    ]);
    expect(odd).toEqual([expect.objectContaining({ rows: 2 })]);
    expect(() => getRows(taskOf(text, entries, { strict: true }))).toThrow(
      expect.objectContaining({ code: 'TYPE_MISMATCH' }),
    );
  });

  it('are the same in a worker, which gets the task as a copy and its parameters as bytes', () => {
    const text = 'SELECT s, n + $2 FROM t WHERE __key = $1';
    const task = taskOf(text, [entry('k', { n: 7, s: 'x' })], { parameters: ['k', 2.5] });
    const here = getRows(task, decodeParameters(task.parameters));
    expect(getRows(structuredClone(task))).toEqual(here);
    expect(rowsIn(here.batch)).toEqual([['x', 9.5]]);
  });
});
