import { Decimal, GridError } from '@ashlar/api';
import { renderBarChart } from './chart.ts';
import { errorJson, renderError } from './error.ts';
import { formatBytes, formatDuration, formatRate, formatShare, formatValue, toPlain } from './format.ts';
import { startLiveBlock } from './live.ts';
import { startProgress } from './progress.ts';
import { makeScreen } from './screen.ts';
import { renderTable } from './table.ts';

function textScreen(isTTY: boolean) {
  const written: string[] = [];
  const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 };
  return { screen: makeScreen(stream, { NO_COLOR: '1' }), text: () => written.join('') };
}

describe('formats', () => {
  it.each([
    [formatDuration(0.0004), '0 µs'],
    [formatDuration(0.85), '850 µs'],
    [formatDuration(0.9996), '1.00 ms'],
    [formatDuration(12.345), '12.3 ms'],
    [formatDuration(999.6), '1.00 s'],
    [formatDuration(1234), '1.23 s'],
    [formatDuration(59_960), '1 min 0 s'],
    [formatDuration(72_000), '1 min 12 s'],
    [formatDuration(Number.POSITIVE_INFINITY), '?'],
    [formatBytes(512), '512 B'],
    [formatBytes(13_493_022), '12.9 MiB'],
    [formatBytes(536_870_912), '512 MiB'],
    [formatRate(412_345.4), '412,345/s'],
    [formatRate(0.25), '0.3/s'],
    [formatShare(0.8417), '84.2 %'],
    [formatShare(Number.NaN), '-'],
  ])('gives %s', (found, expected) => expect(found).toBe(expected));

  it('show every kind of SQL value', () => {
    const values = [
      null,
      1.5,
      -0,
      7n,
      true,
      'x',
      new Date(0),
      new Uint8Array([1, 255]),
      Decimal.parse('1.50'),
      { a: [1n] },
    ];
    expect(values.map((value) => formatValue(value))).toEqual([
      'NULL',
      '1.5',
      '0',
      '7',
      'true',
      'x',
      '1970-01-01 00:00:00.000Z',
      '\\x01ff',
      '1.50',
      '{"a":[1]}',
    ]);
    expect(formatValue(1.23456, 2)).toBe('1.23');
    expect(formatValue(3, 2)).toBe('3');
  });

  it('make JSON of what JSON lacks', () => {
    const plain = toPlain({ big: 2n ** 60n, small: 5n, nan: Number.NaN, at: new Date(0), bytes: new Uint8Array([1]) });
    expect(plain).toEqual({
      big: '1152921504606846976',
      small: 5,
      nan: null,
      at: '1970-01-01T00:00:00.000Z',
      bytes: 'AQ==',
    });
  });
});

describe('a table', () => {
  it('shows control characters as escapes and cuts long cells', () => {
    const { screen } = textScreen(false);
    const columns = [{ name: 'a\u001b[31m', type: 'text' }] as const;
    const table = renderTable({ columns, rows: [['bell\u0007'], ['x'.repeat(99)]] }, { ...screen, cellCharsMax: 20 });
    expect(table).not.toContain('\u001b');
    expect(table).not.toContain('\u0007');
    expect(table).toContain('bell\\u0007');
    expect(table).toContain(`${'x'.repeat(19)}…`);
  });
});

describe('a bar chart', () => {
  const bars = [
    { label: 'few', value: 1 },
    { label: 'many', value: 16 },
    { label: 'none', value: 0 },
  ];

  it('draws in eighths of a character on a terminal', () => {
    const lines = renderBarChart(bars, { ...textScreen(true).screen, width: 40 }).split('\n');
    expect(lines[0]).toMatch(/^ {3}few {2}█▎ +1 +5.9 %$/);
    expect(lines[1]).toMatch(/^ {2}many {2}█{20} {2}16 +94.1 %$/);
    expect(lines[2]).toMatch(/^ {2}none +0 +0.0 %$/);
  });

  it('draws no bars elsewhere', () => {
    expect(renderBarChart(bars, textScreen(false).screen)).toBe(
      '   few   1   5.9 %\n  many  16  94.1 %\n  none   0   0.0 %',
    );
  });
});

describe('progress', () => {
  it('writes nothing that redraws where there is no terminal', () => {
    const { screen, text } = textScreen(false);
    const progress = startProgress(screen, { label: 'load', unit: 'rows', total: 10 });
    for (let done = 0; done <= 10; done += 1) progress.update(done, done * 100);
    progress.stop();
    const block = startLiveBlock(screen);
    block.draw(['one']);
    block.stop();
    expect(text()).toBe('');
  });

  it('redraws its lines in place on a terminal', () => {
    const { screen, text } = textScreen(true);
    const block = startLiveBlock(screen);
    block.draw(['one', 'two']);
    block.stop();
    expect(text()).toBe('one\ntwo\n\r\u001b[2A\u001b[0J');
  });
});

describe('an error of a statement that was done in part', () => {
  const error = new GridError('PARTIAL_COMMIT', 'a member was lost', {
    outcomes: [
      { member: 'a', outcome: 'applied', rows: 1200 },
      { member: 'b', outcome: 'inPart', rows: 1 },
      { member: 'c', outcome: 'unknown', rows: undefined },
    ],
  });

  it('says what became of it on each member, to people and programs', () => {
    expect(renderError(error, textScreen(false).screen.colours).split('\n').slice(1)).toEqual([
      '  a: applied, 1,200 rows',
      '  b: applied in part, 1 row',
      '  c: outcome unknown',
    ]);
    expect(JSON.parse(errorJson(error))).toMatchObject({
      error: { outcomes: [{ member: 'a', outcome: 'applied', rows: 1200 }, { member: 'b' }, { member: 'c' }] },
    });
  });
});

describe('an error with a refusal', () => {
  const error = new GridError('PROCESSOR_REFUSED', 'bank.debit refused: POOR', {
    refusal: { code: 'POOR', details: { missing: Decimal.parse('1.50'), id: 7n } },
  });

  it('shows what user code said', () => {
    expect(renderError(error, textScreen(false).screen.colours)).toBe(
      'error: bank.debit refused: POOR (PROCESSOR_REFUSED)\n  POOR {"missing":"1.50","id":7}',
    );
    expect(JSON.parse(errorJson(error))).toMatchObject({
      error: { code: 'PROCESSOR_REFUSED', refusal: { code: 'POOR', details: { missing: '1.50', id: 7 } } },
    });
  });
});
