import type { DocumentColumn } from '@ashlar/expressions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import type { LogRecordView } from '@ashlar/storage';
import { RecordColumns } from './record-columns.ts';

/** A record of a document, and how often its value was asked for. */
function recordOf(key: string, document: unknown) {
  const [keyBytes, value] = [encodeKey(key), encodeValue(document)];
  const record = {
    ...{ bytes: keyBytes, start: 0, stop: 0, hasValue: true, version: 7, expiresAt: 0, looks: 0 },
    positionKey: (): void => void Object.assign(record, { bytes: keyBytes, stop: keyBytes.length }),
    positionValue: (): void =>
      void Object.assign(record, { bytes: value, stop: value.length, looks: record.looks + 1 }),
  };
  return record as typeof record & LogRecordView;
}

const path = (name: string): DocumentColumn => ({ source: 'path', path: [name] });

describe('columns of a record', () => {
  it('R1: are of the record at hand, each read once for all who ask', () => {
    const columns = new RecordColumns();
    const [first, second] = [
      columns.rowOf([path('n'), { source: 'key' }]),
      columns.rowOf([{ source: 'key' }, path('n')]),
    ];
    const [a, b] = [recordOf('a', { n: 1 }), recordOf('b', { n: 'text' })];
    columns.moveTo(a);
    expect([first(0), first(1), second(0), second(1), a.looks]).toEqual([1, 'a', 'a', 1, 1]);
    columns.moveTo(b);
    expect([second(1), first(0), first(1), b.looks, a.looks]).toEqual(['text', 'text', 'b', 1, 1]);
  });

  it('R1: are not told apart by their paths alone', () => {
    const columns = new RecordColumns();
    const row = columns.rowOf([path('key'), { source: 'key' }, { source: 'path', path: ['a', 0] }, path('a,0')]);
    columns.moveTo(recordOf('k', { key: 1, a: [2], 'a,0': 3 }));
    expect([row(0), row(1), row(2), row(3)]).toEqual([1, 'k', 2, 3]);
  });

  it('R2: are kept while somebody holds them, and no longer', () => {
    const columns = new RecordColumns();
    columns.rowOf([path('n'), path('m')]);
    columns.hold(path('n'));
    expect(columns.size).toBe(2);
    columns.release([path('n'), path('m')]);
    expect(columns.size).toBe(1);
    columns.release([path('n')]);
    expect(columns.size).toBe(0);
    expect(() => columns.release([path('n')])).toThrow('record-columns R2');
  });
});
