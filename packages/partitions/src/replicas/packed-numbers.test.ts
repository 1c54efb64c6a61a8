/** Numbers come out as they went in, as short as they can be; what is none is refused. */
import fc from 'fast-check';
import { NumberReader, NumberWriter } from './packed-numbers.ts';

const REFUSED = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

function written(write: (writer: NumberWriter) => void): Uint8Array {
  const writer = new NumberWriter();
  writer.begin();
  write(writer);
  return writer.finish();
}

function reader(write: (writer: NumberWriter) => void): NumberReader {
  return new NumberReader(written(write));
}

describe('packed numbers', () => {
  it('come out as they went in', () => {
    const count = fc.oneof(fc.nat(255), fc.nat(65_535), fc.maxSafeNat());
    const column = fc.oneof(fc.array(count), fc.array(fc.nat(3)), fc.array(fc.constant(2 ** 40)));
    const writer = new NumberWriter();
    fc.assert(
      fc.property(fc.array(column), count, (columns, number) => {
        // One writer for all: what was written before is gone.
        writer.begin();
        for (const one of columns) writer.column(one);
        writer.number(number);
        const read = new NumberReader(writer.finish());
        for (const one of columns) expect(read.counts(one.length)).toEqual(one);
        expect([read.count(), read.isAtEnd]).toEqual([number, true]);
      }),
    );
  });

  it('take what their rows differ by', () => {
    const bytes = (values: readonly number[]) => written((writer) => writer.column(values)).length - 5;
    const rows = (of: (row: number) => number) => Array.from({ length: 1000 }, (_, row) => of(row));
    expect([[], rows(() => 2 ** 50), rows((row) => row % 250)].map(bytes)).toEqual([0, 8, 1000]);
    expect([rows((row) => row), rows((row) => row * 65_536), rows((row) => row * 2 ** 40)].map(bytes)).toEqual([
      ...[2000, 4000, 8000],
    ]);
  });

  it('are bounds where they may be, and nowhere else', () => {
    const column = [5, Number.POSITIVE_INFINITY];
    expect(reader((writer) => writer.column(column)).countsOrInfinity(2)).toEqual(column);
    expect(reader((writer) => writer.number(Number.POSITIVE_INFINITY)).countOrInfinity()).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(() => reader((writer) => writer.column(column)).counts(2)).toThrow(REFUSED);
    expect(() => reader((writer) => writer.number(Number.POSITIVE_INFINITY)).count()).toThrow(REFUSED);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53, Number.NEGATIVE_INFINITY])('%d is refused', (value) => {
    for (const read of ['count', 'countOrInfinity'] as const)
      expect(() => reader((writer) => writer.number(value))[read]()).toThrow(REFUSED);
    for (const column of [[value], [value, 1]])
      expect(() => reader((writer) => writer.column(column)).countsOrInfinity(column.length)).toThrow(REFUSED);
  });

  it('are refused in a column of another length, and in one that claims more rows than anybody sends', () => {
    expect(() => reader((writer) => writer.column([1, 2])).counts(3)).toThrow(REFUSED);
    const bytes = written((writer) => writer.column([7, 7]));
    new DataView(bytes.buffer).setUint32(1, 2 ** 32 - 1, true);
    expect(() => new NumberReader(bytes).counts()).toThrow(REFUSED);
  });
});
