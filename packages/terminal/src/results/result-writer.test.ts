import { type ColumnBatch, Decimal } from '@ashlar/api';
import { makeScreen } from '../render/screen.ts';
import { RESULT_MODES, type ResultMode } from './result-mode.ts';
import { makeResultWriter } from './result-writer.ts';

type Row = readonly unknown[];

function batchOf(names: readonly string[], ...rows: readonly Row[]): ColumnBatch {
  return {
    columns: names.map((name) => ({ name, type: 'any' as never })),
    rowCount: rows.length,
    values: (column) => rows.map((row) => row[column]),
  };
}

interface Shown {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly more?: boolean;
  /** Rows taken of each batch; default: all. */
  readonly take?: number;
}

/** What is written for batches of one result. */
async function written(mode: ResultMode, batches: readonly ColumnBatch[], shown: Shown = {}): Promise<string> {
  const { isTTY = false, columns = 80, more = false, take = Number.POSITIVE_INFINITY } = shown;
  const texts: string[] = [];
  const stream = { isTTY, columns, write: (text: string) => texts.push(text) > 0 };
  const writer = makeResultWriter(mode, makeScreen(stream, { NO_COLOR: '1' }), 1000);
  await writer.begin(batches[0]!.columns);
  for (const batch of batches) await writer.rows(batch, Math.min(take, batch.rowCount));
  const rowCount = batches.reduce((sum, batch) => sum + Math.min(take, batch.rowCount), 0);
  await writer.end({ rowCount, durationMs: 1.23456, more });
  return texts.join('');
}

const TWICE = ['a', 'a', 'b'];

describe('a result as JSON', () => {
  it('is one text for all batches, with what was found and how long it took', async () => {
    const text = await written('json', [batchOf(['n'], [1], [2]), batchOf(['n']), batchOf(['n'], [3])]);
    expect(JSON.parse(text)).toEqual({
      columns: [{ name: 'n', type: 'any' }],
      rows: [{ n: 1 }, { n: 2 }, { n: 3 }],
      rowCount: 3,
      timeMs: 1.235,
    });
    expect(text.endsWith('\n')).toBe(true);
  });

  it('is one text without rows too', async () => {
    expect(JSON.parse(await written('json', [batchOf(['n'])]))).toMatchObject({ rows: [], rowCount: 0 });
  });

  it('numbers a label that comes again, in its columns as in its rows', async () => {
    const told = JSON.parse(await written('json', [batchOf(TWICE, [1, 2, 3])]));
    expect(told.columns.map(({ name }: { name: string }) => name)).toEqual(['a', 'a_1', 'b']);
    expect(told.rows).toEqual([{ a: 1, a_1: 2, b: 3 }]);
  });

  it('keeps a label that objects have of their own', async () => {
    const text = await written('ndjson', [batchOf(['__proto__', 'constructor', 'a"b'], [1, 2, 3])]);
    expect(text).toBe('{"__proto__":1,"constructor":2,"a\\"b":3}\n');
  });

  it('says every value as JSON can', async () => {
    const values = [null, 2n ** 70n, Decimal.parse('1.50'), new Date(0), Uint8Array.of(1), Number.NaN, { d: [1n] }];
    const text = await written('ndjson', [batchOf(['v'], ...values.map((value) => [value]))]);
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).v)).toEqual([
      null,
      String(2n ** 70n),
      '1.50',
      '1970-01-01T00:00:00.000Z',
      'AQ==',
      null,
      { d: [1] },
    ]);
  });

  it('an object a line has a line a row, of each batch as many as are wanted', async () => {
    const batches = [batchOf(['n'], [1], [2], [3]), batchOf(['n']), batchOf(['n'], [4], [5], [6])];
    expect(await written('ndjson', batches, { take: 2 })).toBe('{"n":1}\n{"n":2}\n{"n":4}\n{"n":5}\n');
  });
});

describe('a result as CSV', () => {
  it('has a header in which every column has a name of its own', async () => {
    expect(await written('csv', [batchOf(TWICE, [1, 2, 3])])).toBe('a,a_1,b\n1,2,3\n');
    expect(await written('csv', [batchOf(TWICE)])).toBe('a,a_1,b\n');
  });

  it('tells NULL and the empty text apart', async () => {
    expect(await written('csv', [batchOf(['v', 'w'], [null, ''], ['', undefined])])).toBe('v,w\n,""\n"",\n');
  });

  it('quotes what would be read as something else', async () => {
    const texts = ['a,b', 'say "x"', 'two\nlines', 'two\r', ' plain '];
    const text = await written('csv', [batchOf(['v'], ...texts.map((one) => [one]))]);
    expect(text).toBe('v\n"a,b"\n"say ""x"""\n"two\nlines"\n"two\r"\n plain \n');
  });

  it('writes numbers so that they are read as the same', async () => {
    const numbers = [-0, 0.1, 2 ** 53, -(2 ** 60), 1e300, Number.MAX_SAFE_INTEGER, Number.NaN, -1 / 0];
    const text = await written('csv', [batchOf(['n'], ...numbers.map((one) => [one]))]);
    const lines = text.trimEnd().split('\n').slice(1);
    expect(lines.map(Number)).toEqual(numbers);
    expect(lines[2]).toMatch(/e\+/);
  });
});

describe('a result for people', () => {
  it('with a line a value numbers its rows over all batches, and cuts nothing', async () => {
    const long = 'x'.repeat(500);
    const batches = [batchOf(['id', 'text'], [1, long]), batchOf(['id', 'text'], [2, null])];
    const lines = (await written('expanded', batches, { isTTY: true, columns: 40 })).split('\n');
    expect(lines[0]).toMatch(/^─\[ row 1 ]─+$/);
    expect(lines[1]).toBe('id   │ 1');
    expect(lines[2]).toBe(`text │ ${long}`);
    expect(lines[3]).toMatch(/^─\[ row 2 ]─+$/);
    expect(lines[5]).toBe('text │ NULL');
    expect(lines[6]).toBe('2 rows in 1.23 ms');
  });

  it('shows control characters instead of sending them to the terminal', async () => {
    for (const mode of ['expanded', 'table'] as const) {
      const text = await written(mode, [batchOf(['a\u001b[2J'], ['b\u001b[2J'])], { isTTY: true });
      expect(text).not.toContain('\u001b');
    }
  });

  it('as a table has the rows of all batches under one header', async () => {
    const text = await written('table', [batchOf(['name'], ['ann']), batchOf(['name'], ['bob'])]);
    for (const word of ['ann', 'bob']) expect(text).toContain(word);
    expect(text.split('name')).toHaveLength(2);
    expect(text.trimEnd().endsWith('2 rows in 1.23 ms')).toBe(true);
  });

  it('as a table fits a terminal, and says how many columns are left out', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `column_${index}`);
    const batch = batchOf(names, names);
    const text = await written('table', [batch], { isTTY: true, columns: 60 });
    for (const line of text.split('\n').slice(0, -2)) expect(line.length).toBeLessThanOrEqual(60);
    expect(text).toMatch(/\d+ columns more: \\x shows them/);
    expect(await written('table', [batch])).toContain('column_29');
  });

  it('says where there is more than is shown', async () => {
    for (const mode of ['table', 'expanded'] as const) {
      const text = await written(mode, [batchOf(['n'], [1])], { more: true });
      expect(text).toContain('first 1 row; --max-rows shows more');
    }
  });

  it('without columns is a line of what was done', async () => {
    expect(await written('table', [batchOf([])])).toBe('0 rows in 1.23 ms\n');
  });
});

describe('a writer', () => {
  const screen = makeScreen({ write: () => true }, {});

  it('shows people as many rows as they want, and programs all', () => {
    const rows = RESULT_MODES.map((mode) => [mode, makeResultWriter(mode, screen, 100).rowsMax]);
    expect(Object.fromEntries(rows)).toEqual({
      table: 100,
      expanded: 100,
      csv: Number.POSITIVE_INFINITY,
      json: Number.POSITIVE_INFINITY,
      ndjson: Number.POSITIVE_INFINITY,
    });
  });

  it.each(['csv', 'json', 'ndjson', 'expanded'] as const)('of %s waits for a reader that is slow', async (mode) => {
    const waiting: (() => void)[] = [];
    const slow = { write: () => false, once: (_event: 'drain', listener: () => void) => waiting.push(listener) };
    const writer = makeResultWriter(mode, makeScreen(slow, {}), 100);
    const begun = writer.begin(batchOf(['n']).columns);
    for (const wake of waiting.splice(0)) wake();
    await begun;
    let isOver = false;
    const writing = writer.rows(batchOf(['n'], [1]), 1).then(() => {
      isOver = true;
    });
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect([isOver, waiting.length]).toEqual([false, 1]);
    waiting[0]!();
    await writing;
  });
});
