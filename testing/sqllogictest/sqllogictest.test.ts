/** Reading records, translating tables, comparing results. */
import { type QueryRecord, recordsOf } from './records.ts';
import { difference } from './rendering.ts';
import { splitTop, Tables } from './tables.ts';

describe('records', () => {
  it('are statements and queries, without comments, guarded ones of other engines, and what follows halt', () => {
    const text = `# a comment
statement ok
CREATE TABLE t(a INTEGER)

skipif postgresql
statement error
SELECT 1

onlyif postgresql
query IT rowsort label
SELECT 1,
  'x'
----
1
x

onlyif mysql
halt

statement error
SELECT

halt

statement ok
SELECT 2
`;
    expect([...recordsOf(text)]).toEqual([
      { kind: 'statement', sql: 'CREATE TABLE t(a INTEGER)', fails: false, line: 1 },
      { kind: 'query', sql: "SELECT 1,\n  'x'", types: 'IT', sort: 'rowsort', expected: ['1', 'x'], line: 9 },
      { kind: 'statement', sql: 'SELECT', fails: true, line: 20 },
    ]);
  });
});

describe('tables', () => {
  it('give INSERT a key, all columns in order, and typed values', () => {
    const tables = new Tables();
    expect(tables.translate('CREATE TABLE t(a INTEGER PRIMARY KEY, b VARCHAR(8), UNIQUE (b))')).toEqual({
      kind: 'create',
      map: 't',
    });
    expect(tables.translate("INSERT INTO t(b) VALUES ('x, (y'), (NULL);")).toEqual({
      kind: 'sql',
      sql: `INSERT INTO t (__key, "a", "b") VALUES (1, NULL, CAST('x, (y' AS text)), (2, NULL, CAST(NULL AS text))`,
    });
    expect(tables.translate('DROP TABLE t')).toEqual({ kind: 'drop', map: 't' });
    expect(tables.translate('DROP TABLE t')).toMatchObject({ kind: 'refused' });
    expect(tables.translate('SELECT 1')).toEqual({ kind: 'sql', sql: 'SELECT 1' });
  });

  it('split lists at commas that stand in no bracket and no quotes', () => {
    expect(splitTop("1, (2, 3), ',', 'it''s, x'")).toEqual(['1', ' (2, 3)', " ','", " 'it''s, x'"]);
  });
});

describe('results', () => {
  const query = (types: string, sort: QueryRecord['sort'], ...expected: string[]): QueryRecord => ({
    kind: 'query',
    sql: '',
    types,
    sort,
    expected,
    line: 1,
  });

  it('are compared value by value or row by row, sorted where the record says so', () => {
    const rows = [
      [2, null],
      [10n, ''],
    ];
    expect(difference(query('IT', 'nosort', '2', 'NULL', '10', '(empty)'), rows)).toBeUndefined();
    expect(difference(query('IT', 'rowsort', '10', '(empty)', '2', 'NULL'), rows)).toBeUndefined();
    expect(difference(query('IT', 'nosort', '10', '(empty)', '2', 'NULL'), rows)).toBe('value 1 is 2, expected 10');
    expect(
      difference(query('II', 'nosort', '2 3', '4\t5'), [
        [2, 3n],
        [4, 5],
      ]),
    ).toBeUndefined();
    expect(
      difference(query('II', 'rowsort', '4 5', '2 3'), [
        [2, 3],
        [4, 6],
      ]),
    ).toMatch(/^row 2 is 4 6/);
    expect(difference(query('I', 'nosort'), [[1]])).toMatch(/^1 values, expected 0/);
  });

  it('are printed by type: integers truncated, reals with three digits; or compared by their hash', () => {
    expect(difference(query('IR', 'nosort', '2', '0.500'), [[2.9, 0.5]])).toBeUndefined();
    expect(difference(query('I', 'nosort', '1', '0'), [[true], [false]])).toBeUndefined();
    const hash = '3 values hashing to c0710d6b4f15dfa88f600b0e6b624077';
    expect(difference(query('I', 'rowsort', hash), [[3], [1], [2]])).toBeUndefined();
    expect(difference(query('I', 'nosort', hash), [[3], [1], [2]])).toMatch(/^3 values hash to [0-9a-f]{32}/);
  });
});
