import { type Epoch, EVENT_TYPE, HybridClock, type MapId, type PartitionId } from '@ashlar/core';
import type { DocumentColumn, Expr } from '@ashlar/expressions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import { EventFilter, type FilterOptions } from './filter.ts';

const MAP = 1 as MapId;
const PARTITION = 0 as PartitionId;
const COLUMNS: readonly DocumentColumn[] = [{ source: 'path', path: ['n'] }, { source: 'key' }];

const base = { type: 'any', at: 0 } as const;
const n: Expr = { ...base, kind: 'column', index: 0, name: 'n' };
const key: Expr = { ...base, kind: 'column', index: 1, name: '__key' };
const literal = (value: number | string): Expr => ({
  ...base,
  kind: 'literal',
  value,
  type: typeof value === 'number' ? 'float8' : 'text',
});
const compare = (left: Expr, operator: '=' | '>', right: Expr): Expr => ({
  ...{ kind: 'compare', type: 'boolean', at: 0, operator, left, right },
});
const dividedBy = (left: Expr, right: Expr): Expr => ({
  ...{ kind: 'arithmetic', type: 'any', at: 0, operator: '/', left, right },
});

/** What the filter says to one record each of these writes, in their order; undefined: the key is removed. */
function wanted(filter: EventFilter, ...writes: (readonly [key: string, value: unknown])[]): boolean[] {
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 4 << 20, partitionCount: 1, maxWorkers: 0, hashSeed: 1, clock });
  store.openPartition(PARTITION, 1 as Epoch);
  store.openMap(MAP, { affinityParts: 0 });
  for (const [name, value] of writes) {
    const [bytes, batch] = [encodeKey(name), store.begin()];
    if (value === undefined) batch.remove(MAP, PARTITION, bytes, 0, bytes.length);
    else {
      const document = encodeValue(value);
      batch.put(MAP, PARTITION, bytes, 0, bytes.length, batch.value(document, 0, document.length));
    }
    batch.commit();
  }
  const answers: boolean[] = [];
  store.readLog(PARTITION, 1 as never, 100, (record) => {
    const type = record.hasValue ? (record.hasOldValue ? EVENT_TYPE.update : EVENT_TYPE.insert) : EVENT_TYPE.remove;
    answers.push(filter.wants(type, record));
    return true;
  });
  return answers;
}

const filterOf = (options: Partial<FilterOptions>): EventFilter =>
  new EventFilter({ types: [], condition: undefined, columns: COLUMNS, parameters: [], ...options });

describe('a filter of events', () => {
  it('without types and condition wants everything', () => {
    expect(wanted(filterOf({}), ['a', { n: 1 }], ['a', { n: 2 }], ['a', undefined])).toEqual([true, true, true]);
  });

  it('of types wants these alone', () => {
    const filter = filterOf({ types: [EVENT_TYPE.update, EVENT_TYPE.remove] });
    expect(wanted(filter, ['a', { n: 1 }], ['a', { n: 2 }], ['a', undefined])).toEqual([false, true, true]);
  });

  it('with a condition looks at the new document, and at the old one where there is no new', () => {
    const filter = filterOf({ condition: compare(n, '>', literal(5)) });
    const writes = [
      ['a', { n: 9 }],
      ['a', { n: 1 }],
      ['a', undefined],
      ['b', { n: 7 }],
      ['b', undefined],
    ] as const;
    expect(wanted(filter, ...writes)).toEqual([true, false, false, true, true]);
  });

  it('asks for parameters and for the key as for paths', () => {
    const parameter: Expr = { ...base, kind: 'parameter', index: 0 };
    const filter = filterOf({ condition: compare(key, '=', parameter), parameters: ['b'] });
    expect(wanted(filter, ['a', { n: 1 }], ['b', { n: 1 }])).toEqual([false, true]);
  });

  it('F1: passes over documents that it has no answer for, and counts them', () => {
    const filter = filterOf({ condition: compare(dividedBy(literal(10), n), '>', literal(1)) });
    const writes = [
      ['a', { n: 2 }],
      ['b', { n: 0 }],
      ['c', { n: 'text' }],
      ['d', {}],
      ['e', { n: 4 }],
    ] as const;
    expect(wanted(filter, ...writes)).toEqual([true, false, false, false, true]);
    expect(filter.counts).toEqual({ dividedByZero: 1, oddValues: 1 });
  });

  it('F2: with a condition that cannot hold for any document is refused when it is made', () => {
    const condition = compare(dividedBy(literal(1), literal(0)), '>', n);
    expect(() => filterOf({ condition })).toThrow(expect.objectContaining({ code: 'DIVISION_BY_ZERO' }));
  });
});
