import { Decimal } from '@ashlar/api';
import fc from 'fast-check';
import {
  batchRowCount,
  COLUMN_TYPES,
  type Column,
  columnValue,
  columnValues,
  decodeColumns,
  encodeColumns,
  sliceBatch,
  ValueTag,
} from './index.ts';
import { HEADER_BYTES, Layout, NODE_BYTES } from './layout.ts';

type Cell = readonly [ValueTag, unknown];

const NULL_CELL: Cell = [ValueTag.NULL, null];
const INT53 = Number.MAX_SAFE_INTEGER;

const cell: Readonly<Record<string, fc.Arbitrary<Cell>>> = {
  boolean: fc.boolean().map((value): Cell => [ValueTag.BOOLEAN, value]),
  number: fc.double().map((value): Cell => [ValueTag.NUMBER, value]),
  int: fc.integer().map((value): Cell => [ValueTag.INT, value]),
  wideInt: fc.integer({ min: -INT53, max: INT53 }).map((value): Cell => [ValueTag.INT, value]),
  timestamp: fc.integer({ min: -8.64e15, max: 8.64e15 }).map((ms): Cell => [ValueTag.TIMESTAMP, new Date(ms)]),
  date: fc.integer({ min: -1e6, max: 1e6 }).map((day): Cell => [ValueTag.DATE, new Date(day * 86_400_000)]),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): Cell => [ValueTag.BIGINT, value]),
  wideBigint: fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map((value): Cell => [ValueTag.BIGINT, value]),
  decimal: fc
    .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(40))
    .map(([unscaled, scale]): Cell => [ValueTag.DECIMAL, Decimal.of(unscaled, scale)]),
  text: fc.string({ unit: 'grapheme' }).map((value): Cell => [ValueTag.TEXT, value]),
  bytes: fc.uint8Array().map((value): Cell => [ValueTag.BYTES, value]),
  interval: fc
    .tuple(fc.integer(), fc.integer(), fc.integer({ min: -1e12, max: 1e12 }))
    .map(([months, days, us]): Cell => [ValueTag.INTERVAL, { months, days, milliseconds: us / 1000 }]),
  json: fc
    .oneof(fc.array(fc.integer()), fc.dictionary(fc.string(), fc.string()))
    .map((value): Cell => [ValueTag.JSON, value]),
  null: fc.constant(NULL_CELL),
  missing: fc.constant<Cell>([ValueTag.MISSING, null]),
};

const kinds = Object.values(cell);
/** Cells of one kind, of one kind with nulls, or of any. */
const cells = fc.oneof(
  ...kinds.map((kind) => fc.array(kind, { maxLength: 40 })),
  ...kinds.map((kind) => fc.array(fc.oneof(kind, fc.constant(NULL_CELL)), { maxLength: 40 })),
  fc.array(fc.oneof(...kinds), { maxLength: 60 }),
);

function columnOf(rows: readonly Cell[]): Column {
  const numbers = new Float64Array(rows.length);
  rows.forEach(([, value], row) => {
    if (typeof value === 'number' || typeof value === 'boolean') numbers[row] = Number(value);
    if (Object.prototype.toString.call(value) === '[object Date]') numbers[row] = (value as Date).getTime();
  });
  const first = rows[0]?.[0];
  const isUniform = first !== undefined && rows.every(([tag]) => tag === first);
  return {
    type: 'any',
    length: rows.length,
    uniform: isUniform ? first : undefined,
    tags: isUniform ? undefined : Uint8Array.from(rows, ([tag]) => tag),
    numbers,
    values: rows.map(([, value]) => value),
    codes: undefined,
    dictionary: undefined,
  };
}

/** As fast-check and jest compare: NaN equals NaN, -0 is not 0, Decimals by their text. */
function shown(values: readonly unknown[]): unknown[] {
  return values.map((value) => (Decimal.is(value) ? `decimal ${value.toString()}` : value));
}

describe('a result batch', () => {
  it('comes back as it was, whatever its columns hold', () => {
    fc.assert(
      fc.property(cells, (rows) => {
        const decoded = decodeColumns(
          encodeColumns({ length: rows.length, columns: [columnOf(rows), columnOf(rows)] }),
        );
        expect(decoded.length).toBe(rows.length);
        for (const column of decoded.columns) {
          expect(shown(columnValues(column))).toEqual(shown(rows.map(([, value]) => value)));
          expect(shown(rows.map((_, row) => columnValue(column, row)))).toEqual(shown(columnValues(column)));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps every tag but MISSING, which reads as NULL', () => {
    fc.assert(
      fc.property(cells, (rows) => {
        const column = decodeColumns(encodeColumns({ length: rows.length, columns: [columnOf(rows)] })).columns[0]!;
        const tags = rows.map((_, row) => column.uniform ?? column.tags![row]);
        expect(tags).toEqual(rows.map(([tag]) => (tag === ValueTag.MISSING ? ValueTag.NULL : tag)));
      }),
    );
  });

  it('keeps the SQL type of each column', () => {
    const columns = COLUMN_TYPES.map((type): Column => ({ ...columnOf([NULL_CELL]), type }));
    const decoded = decodeColumns(encodeColumns({ length: 1, columns }));
    expect(decoded.columns.map((column) => column.type)).toEqual(COLUMN_TYPES);
  });

  it('sends a dictionary once, with nulls', () => {
    const rows = 1000;
    const tags = Uint8Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? ValueTag.NULL : ValueTag.TEXT));
    const codes = Uint8Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? 255 : row % 2));
    const dictionary = ['a'.repeat(100), 'b'.repeat(100)];
    const column: Column = { ...columnOf([]), length: rows, tags, codes, dictionary, values: undefined };
    const bytes = encodeColumns({ length: rows, columns: [column] });
    expect(bytes.length).toBeLessThan(4000);
    const decoded = columnValues(decodeColumns(bytes).columns[0]!);
    expect(decoded).toEqual(Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? null : dictionary[row % 2])));
  });

  it('keeps texts apart whose halves of a surrogate pair would join', () => {
    const rows: Cell[] = ['\ud83d', '\ude00', 'x'].map((text): Cell => [ValueTag.TEXT, text]);
    const decoded = decodeColumns(encodeColumns({ length: 3, columns: [columnOf(rows)] }));
    expect(columnValues(decoded.columns[0]!)).toEqual(['\ufffd', '\ufffd', 'x']);
  });

  it('may have rows without columns', () => {
    const bytes = encodeColumns({ length: 7, columns: [] });
    expect(decodeColumns(bytes)).toEqual({ length: 7, columns: [] });
  });

  it('is sliced as its rows are', () => {
    fc.assert(
      fc.property(cells, fc.nat(70), fc.nat(70), (rows, from, to) => {
        const sliced = sliceBatch(encodeColumns({ length: rows.length, columns: [columnOf(rows)] }), from, to);
        const expected = rows.slice(from, Math.max(from, to)).map(([, value]) => value);
        expect(batchRowCount(sliced)).toBe(expected.length);
        expect(shown(columnValues(decodeColumns(sliced).columns[0]!))).toEqual(shown(expected));
      }),
    );
  });

  it('is read from bytes at any offset', () => {
    const rows: Cell[] = [1.5, 2.5].map((value): Cell => [ValueTag.NUMBER, value]);
    const bytes = encodeColumns({ length: 2, columns: [columnOf(rows)] });
    for (let shift = 0; shift < 8; shift++) {
      const moved = new Uint8Array(bytes.length + shift);
      moved.set(bytes, shift);
      expect(columnValues(decodeColumns(moved.subarray(shift)).columns[0]!)).toEqual([1.5, 2.5]);
    }
  });

  it('is refused or read, never more, when its bytes are damaged', () => {
    const kindsOfCells = fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 20 });
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(kindsOfCells, damage, fc.nat(), (rows, changes, cut) => {
        const bytes = encodeColumns({ length: rows.length, columns: [columnOf(rows)] });
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const kept = cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
        try {
          const decoded = decodeColumns(kept);
          for (const column of decoded.columns) columnValues(column);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPT_DATA' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  describe('of which one byte is damaged', () => {
    const [firstNode, lastNode] = [HEADER_BYTES, HEADER_BYTES + 2 * NODE_BYTES];
    const [layoutAt, tagAt] = [1, 2];
    /** The batch of one column with a byte of a node changed. */
    const read = (rows: readonly Cell[], at: number, byte: number): readonly unknown[] => {
      const bytes = encodeColumns({ length: rows.length, columns: [columnOf(rows)] });
      bytes[at] = byte;
      return columnValues(decodeColumns(bytes).columns[0]!);
    };
    const corrupt = expect.objectContaining({ code: 'CORRUPT_DATA' });

    it.each<[string, Cell, ValueTag]>([
      ['numbers named texts', [ValueTag.NUMBER, 1.5], ValueTag.TEXT],
      ['numbers named decimals', [ValueTag.INT, 1], ValueTag.DECIMAL],
      ['bits named JSON', [ValueTag.BOOLEAN, true], ValueTag.JSON],
      ['texts named numbers', [ValueTag.TEXT, 'a'], ValueTag.NUMBER],
      ['bytes named timestamps', [ValueTag.BYTES, Uint8Array.of(1)], ValueTag.TIMESTAMP],
      ['intervals named dates', [ValueTag.INTERVAL, { months: 1, days: 2, milliseconds: 3 }], ValueTag.DATE],
    ])('is refused when its tag names a lane that it does not have: %s', (_, cellOfKind, tag) => {
      const rows = [cellOfKind, cellOfKind];
      expect(shown(read(rows, firstNode + tagAt, cellOfKind[0]))).toEqual(shown(rows.map(([, value]) => value)));
      expect(() => read(rows, firstNode + tagAt, tag)).toThrow(corrupt);
    });

    it('is refused when a row of a union names a child that is all NULL', () => {
      const rows: Cell[] = [
        [ValueTag.NUMBER, 1.5],
        [ValueTag.TEXT, 'a'],
      ];
      expect(read(rows, lastNode + tagAt, ValueTag.TEXT)).toEqual([1.5, 'a']);
      expect(() => read(rows, lastNode + layoutAt, Layout.NULLS)).toThrow(corrupt);
    });
  });

  it('has a layout that does not change', () => {
    const column = columnOf([[ValueTag.INT, 1], NULL_CELL, [ValueTag.INT, -2]]);
    const bytes = encodeColumns({ length: 3, columns: [{ ...column, type: 'int4' }] });
    expect(Buffer.from(bytes).toString('hex')).toBe(
      `${'414c4231030000000100010002000000' /* magic, 3 rows, 1 column, 1 node, 2 buffers */}${
        '03020400030000000100000002000000' /* int4, INT32, INT, no children; 3 rows, 1 null, 2 buffers */
      }${'3000000001000000380000000c000000' /* validity at 48, 1 byte; data at 56, 12 bytes */}${
        '0500000000000000' /* rows 0 and 2 */
      }${'0100000000000000feffffff00000000' /* 1, 0, -2, padding */}`,
    );
  });
});
