import { GridError } from '@ashlar/core';
import { parseStatement } from './parse.ts';
import type { Expression, Query, Select } from './syntax.ts';

function failureOf(text: string): GridError {
  try {
    parseStatement(text);
  } catch (error) {
    if (GridError.is(error)) return error;
    throw error;
  }
  throw new Error(`read without an error: ${text}`);
}

function selectOf(text: string): Select {
  const { body } = parseStatement(text).statement as Query;
  if (body.kind !== 'Select') throw new Error(`${text} is a ${body.kind}`);
  return body;
}

function firstColumn(text: string): Expression {
  const [item] = selectOf(text).items;
  if (item?.kind !== 'Column') throw new Error(`${text} has no column`);
  return item.expression;
}

describe('parseStatement', () => {
  it("reads a query over a region, as Geode's users write it", () => {
    const parsed = parseStatement('SELECT balance FROM /brand WHERE account.id = 12345678 AND account.brand = $1;');
    expect(parsed).toMatchObject({ parameterCount: 1, parameterStyle: 'numbered', notices: [] });
    const { from, where } = (parsed.statement as Query).body as Select;
    expect(from).toMatchObject([{ kind: 'Table', name: [{ text: 'brand', quoted: false }], alias: undefined }]);
    expect(where).toMatchObject({
      kind: 'And',
      operands: [
        { kind: 'Binary', operator: '=', right: { literal: { type: 'integer', value: 12345678n } } },
        { kind: 'Binary', left: { kind: 'Path' }, right: { kind: 'Parameter', index: 0 } },
      ],
    });
  });

  it.each([
    'SELECT 1 FROM /a x JOIN /b ON true',
    'UPDATE /a SET b = 1',
    'DELETE FROM /a',
    'TRUNCATE /a',
    'INSERT INTO /a VALUES (1)',
  ])('takes a region wherever a table stands: %s', (text) => {
    expect(() => parseStatement(text)).not.toThrow();
  });

  it('keeps the spelling of names and says whether they were quoted', () => {
    expect(firstColumn('SELECT "Owner".Id')).toMatchObject({
      steps: [{ name: { text: 'Owner', quoted: true } }, { name: { text: 'Id', quoted: false } }],
    });
  });

  it('reads __key and names such as __proto__ and constructor as names', () => {
    for (const name of ['__key', '__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(firstColumn(`SELECT ${name}`)).toMatchObject({ kind: 'Path', steps: [{ name: { text: name } }] });
      expect(firstColumn(`SELECT ${name}(1)`)).toMatchObject({ kind: 'Call', name: [{ text: name }] });
      expect(firstColumn(`SELECT 1::${name}`)).toMatchObject({ kind: 'Cast', type: { name: name.toLowerCase() } });
    }
  });

  it('gives every node its place in the text', () => {
    const { items, where } = selectOf('SELECT\n  a AS x,\n  count(*)\nFROM t\nWHERE b = 1');
    expect(items.map(({ position }) => [position.line, position.column])).toEqual([
      [2, 3],
      [3, 3],
    ]);
    expect(where?.position).toEqual({ offset: 43, line: 5, column: 9 });
  });

  it('bounds the height of what it gives', () => {
    const sum = (count: number): string => `SELECT 1${' + 1'.repeat(count)}`;
    expect(() => parseStatement(sum(499))).not.toThrow();
    expect(failureOf(sum(500))).toMatchObject({ code: 'STATEMENT_TOO_LARGE', details: { limit: 500 } });
    const mixed = `SELECT ${'(1 + '.repeat(40)}1${' + 1'.repeat(470)}${')'.repeat(40)}`;
    expect(failureOf(mixed).code).toBe('STATEMENT_TOO_LARGE');
  });

  it('notes a backslash in a plain string', () => {
    expect(parseStatement("SELECT 'a\\n', E'\\n', $$\\n$$").notices).toEqual([
      { message: expect.stringContaining("E'...'"), position: { offset: 7, line: 1, column: 8 } },
    ]);
  });
});

describe('parameters', () => {
  it.each<[string, number, string, string[]]>([
    ['SELECT 1', 0, 'none', []],
    ['SELECT $2, $1, $2', 2, 'numbered', []],
    ['SELECT $3', 3, 'numbered', []],
    ['SELECT ?, a=? LIMIT ?', 3, 'positional', []],
    ['SELECT :a, :B, :a::int', 2, 'named', ['a', 'B']],
  ])('of %s are %d, %s', (text, parameterCount, parameterStyle, parameterNames) => {
    expect(parseStatement(text)).toMatchObject({ parameterCount, parameterStyle, parameterNames });
  });

  it.each([
    ['SELECT $1, ?', 11],
    ['SELECT :a, $1', 11],
    ['SELECT $0', 7],
    ['SELECT $65536', 7],
  ])('are refused in %s', (text, offset) => {
    expect(failureOf(text)).toMatchObject({ code: 'SYNTAX_ERROR', position: { offset } });
  });
});

describe('an error of syntax', () => {
  it.each<[string, number, RegExp, RegExp?]>([
    ['', 0, /ends too early: expected a statement/],
    ['SELEC 1', 0, /unexpected 'SELEC'/, /SELECT/],
    ['SELECT a FORM t', 14, /unexpected 't'/, /FROM in place of 'FORM'/],
    ['SELECT a FROM t WEHRE b = 1', 22, /unexpected 'b'/, /WHERE in place of 'WEHRE'/],
    ['SELECT a FROM t GRUOP BY b', 22, /unexpected 'BY'/, /GROUP in place of 'GRUOP'/],
    ['SELECT a FROM t ODER BY b', 21, /unexpected 'BY'/, /ORDER in place of 'ODER'/],
    ['SELECT', 6, /expected the columns to select/],
    ['SELECT FROM t', 7, /expected the columns to select/],
    ['SELECT a, FROM t', 10, /unexpected 'FROM'/],
    ['SELECT a FROM', 13, /expected a table/],
    ['SELECT a FROM t WHERE', 21, /expected an expression/],
    ['SELECT a FROM t WHERE b =', 25, /expected an expression/],
    ['SELECT a FROM t GROUP BY b WHERE c', 27, /unexpected 'WHERE'/],
    ['SELECT a FROM t ORDER BY b ASC DESC', 31, /unexpected 'DESC'/],
    ['SELECT a FROM t LIMIT 1 LIMIT 2', 24, /unexpected 'LIMIT'/],
    ['SELECT a FROM t LIMIT 5, 10', 23, /unexpected ','/, /LIMIT count OFFSET start/],
    ['SELECT a FROM t JOIN u', 16, /no condition/, /CROSS JOIN/],
    ['SELECT a FROM t x y', 18, /unexpected 'y'/],
    ['SELECT a b c', 11, /unexpected 'c'/],
    ['SELECT 1 2', 9, /unexpected '2'/],
    ['SELECT a == b', 9, /unexpected '=='/, /single =/],
    ['SELECT `a`', 7, /'`' has no meaning/, /double quotes/],
    ['SELECT "a', 7, /never closed/],
    ['SELECT CASE WHEN a THEN 1', 25, /expected END/],
    ['SELECT CASE a END', 14, /expected WHEN/],
    ['SELECT a IN 1', 12, /expected '\('/],
    ['SELECT a IN ()', 13, /at least one value/],
    ['SELECT a IS 1', 12, /expected NULL/],
    ['SELECT a BETWEEN 1 OR 2', 19, /expected AND/],
    ['SELECT order FROM t', 7, /unexpected 'order'/],
    ['SELECT a FROM user', 14, /unexpected 'user'/, /double quotes/],
    ['SELECT a FROM t WHERE * = 1', 22, /unexpected '\*'/, /count\(\*\)/],
    ['SELECT count(*, 1)', 13, /unexpected '\*'/],
    ['SELECT * AS x', 12, /no alias/],
    ['SELECT f(a b)', 11, /unexpected 'b'/],
    ['SELECT 1 ORDER BY 1 UNION SELECT 2', 20, /UNION follows ORDER BY/, /parentheses/],
    ['INSERT t VALUES (1)', 7, /expected INTO/],
    ['INSERT INTO t (a, b)', 20, /expected VALUES/],
    ['INSERT INTO t VALUES (1),', 25, /expected '\('/],
    ['UPDATE t SET', 12, /expected a column/],
    ['UPDATE t SET a 1', 15, /expected '='/],
    ['UPDATE t SET a = 1 b = 2', 19, /unexpected 'b'/],
    ['DELETE t', 7, /expected FROM/],
    ['DELETE FROM t LIMIT 1', 14, /unexpected/],
    ['EXPLAIN', 7, /expected a statement/],
    ['SELECT 1)', 8, /closes nothing/],
    ['SELECT 1 x; SELECT 2', 12, /exactly one statement/],
  ])('in %s is at %d', (text, offset, message, ...[hint]) => {
    const error = failureOf(text);
    expect(error).toMatchObject({ code: 'SYNTAX_ERROR', position: { offset } });
    expect(error.message).toMatch(message);
    if (hint !== undefined) expect(error.hint).toMatch(hint);
  });

  it('has its line and column', () => {
    expect(failureOf('SELECT a\nFROM t\n WHERE )').position).toEqual({ offset: 23, line: 3, column: 8 });
  });

  it('is one sentence, however long the text is', () => {
    expect(failureOf(`SELECT 1 '${'x'.repeat(10_000)}'`).message.length).toBeLessThan(100);
  });
});

describe('a construct we do not have', () => {
  it.each<[string, number, string]>([
    ['CREATE UNIQUE INDEX i ON t (a)', 0, 'CREATE UNIQUE INDEX'],
    ['DROP MATERIALIZED VIEW v', 0, 'DROP MATERIALIZED VIEW'],
    ['BEGIN', 0, 'BEGIN'],
    ['EXPLAIN CREATE TABLE t AS SELECT 1', 8, 'CREATE TABLE'],
    ['SELECT a FROM t FOR UPDATE', 16, 'FOR UPDATE'],
    ['SELECT a COLLATE "C" FROM t', 9, 'COLLATE'],
    ["SELECT B'01'", 7, 'a bit string'],
    ['SELECT a FROM t GROUP BY a, CUBE (b)', 28, 'GROUP BY CUBE'],
    ['SELECT 1 FROM a JOIN b JOIN c ON x ON y', 30, 'a join nested without parentheses'],
    ['SELECT 1 FROM /a/b', 16, 'a region within a region'],
    ['INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT c DO NOTHING', 37, 'ON CONFLICT ON CONSTRAINT'],
  ])('in %s is named at %d', (text, offset, construct) => {
    expect(failureOf(text)).toMatchObject({
      code: 'UNSUPPORTED_SQL',
      message: `${construct} is not supported`,
      hint: expect.stringMatching(/./),
      position: { offset },
    });
  });
});
