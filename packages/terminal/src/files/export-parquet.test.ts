import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetFile } from './export-parquet.ts';
import type { Sink } from './sink.ts';

describe('a Parquet file', () => {
  it('has a column of its own for each label, also for one that comes again', async () => {
    const pieces: Uint8Array[] = [];
    const sink = { write: async (data: Uint8Array) => void pieces.push(data) } as unknown as Sink;
    const file = parquetFile(sink, { valuesBesideFields: false });
    const columns = ['a', 'a', 'b'].map((name) => ({ name, type: 'float8' as const }));
    await file.begin(columns);
    const values = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    await file.rows({ columns, rowCount: 2, values: (column: number) => values[column]! });
    await file.end();
    const bytes = Buffer.concat(pieces);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    expect(await parquetReadObjects({ file: buffer, compressors })).toEqual([
      { a: 1, a_1: 3, b: 5 },
      { a: 2, a_1: 4, b: 6 },
    ]);
  });
});
