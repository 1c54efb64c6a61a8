/**
 * What node-sql-parser 5.4.0 accepts and reads wrongly, each with a test of its own: none of it may reach the tree.
 * Where PostgreSQL reads it, the reading is also held against PostgreSQL's own tree.
 */
import { compare, loadOracle } from './oracle/compare.ts';
import type { Shape } from './oracle/our-shape.ts';
import { failureOf, readExpression, readSelect } from './read.ts';

const path = (...names: string[]): Shape => ['path', names];
const integer = (value: string): Shape => ['integer', value];
const table = (name: string, alias: Shape = null): Shape => ['table', [name], alias];
const column = (expression: Shape, alias: Shape = null): Shape => ['column', alias, expression];
const [a, b, c] = [path('a'), path('b'), path('c')];

beforeAll(loadOracle);

function agree(...texts: string[]): void {
  for (const text of texts) expect([text, compare(text)]).toEqual([text, { verdict: 'same', detail: '' }]);
}

describe('the parser hazards', () => {
  it('1: AND binds tighter than OR in WHERE, ON, HAVING, CASE and arguments', () => {
    expect(readSelect('SELECT 1 FROM t WHERE a OR b AND c').where).toEqual(['or', [a, ['and', [b, c]]]]);
    agree(
      'SELECT 1 FROM t JOIN u ON a OR b AND c WHERE a AND b OR c HAVING a OR b AND c',
      'SELECT CASE WHEN a OR b AND c THEN 1 END, f(a OR b AND c)',
    );
  });

  it('2: AND binds tighter than OR in a column', () => {
    expect(readExpression('a AND b OR c')).toEqual(['or', [['and', [a, b]], c]]);
  });

  it('3: NOT before a bracket negates the whole comparison', () => {
    expect(readExpression('NOT (a) = b')).toEqual(['not', ['operator', '=', a, b]]);
    expect(readExpression('NOT (x) IS NULL')).toEqual(['not', ['is', 'null', false, path('x')]]);
    agree('SELECT NOT (a) = b, NOT (x) IS NULL, NOT (a) + b > c');
  });

  it('4: || and -> bind looser than +', () => {
    expect(readExpression("1 + 2 || 'x'")).toEqual([
      'operator',
      '||',
      ['operator', '+', integer('1'), integer('2')],
      ['string', 'x'],
    ]);
    agree("SELECT 1 + 2 || 'x', a + b -> 'x', a || b + c, a -> 'b' = c");
  });

  it('5: a minus between names is a minus', () => {
    expect(readExpression('a.x-b.x')).toEqual(['operator', '-', path('a', 'x'), path('b', 'x')]);
    agree('SELECT a.x-b.x, t.b-t.c, t.a-(1)');
  });

  it('6: a backslash does not escape a quote', () => {
    expect(readExpression("'a\\'' OR 1=1 --'")).toEqual(['string', "a\\' OR 1=1 --"]);
    expect(readSelect("SELECT 1 FROM t WHERE a = 'a\\'' OR 1=1 --'").where).toEqual([
      'operator',
      '=',
      a,
      ['string', "a\\' OR 1=1 --"],
    ]);
  });

  it('7: strings mean what PostgreSQL says', () => {
    expect(readExpression("'it''s'")).toEqual(['string', "it's"]);
    agree("SELECT 'it''s', 'a\\nb', '\\u0041', E'a\\nb\\'c', E'\\u0041'");
  });

  it('8: two double quotes in a name are one', () => {
    expect(readExpression('"a""b"')).toEqual(path('a"b'));
    expect(readSelect('SELECT 1 FROM "a""b"').from).toEqual([table('a"b')]);
  });

  it('9: numbers end where they end', () => {
    expect(readSelect('SELECT 0x1F, 1_000').columns).toEqual([column(integer('31')), column(integer('1000'))]);
    expect(failureOf('SELECT 1a')).toMatchObject({ code: 'SYNTAX_ERROR', position: { offset: 7 } });
  });

  it('10: negative integers are exact', () => {
    expect(readExpression('-9223372036854775808')).toEqual(integer('-9223372036854775808'));
    expect(readExpression('-9007199254740993')).toEqual(integer('-9007199254740993'));
    agree('SELECT -9223372036854775808, - -9007199254740993, -(5), 1 - -1, -9223372036854775808::int8');
  });

  it('11: decimals keep their digits', () => {
    expect(readExpression('1234567890.12345678901')).toEqual(['decimal', '1234567890.12345678901']);
    expect(readExpression('-0.30000000000000000001')).toEqual(['decimal', '-0.30000000000000000001']);
  });

  it('12: CROSS and NATURAL are no aliases', () => {
    const join = (natural: boolean): Shape => ['join', 'inner', natural, table('t'), table('u'), null, []];
    expect(readSelect('SELECT 1 FROM t CROSS JOIN u').from).toEqual([join(false)]);
    expect(readSelect('SELECT 1 FROM t NATURAL JOIN u').from).toEqual([join(true)]);
    agree('SELECT 1 FROM t CROSS JOIN u x NATURAL LEFT JOIN v');
  });

  it('13: a comma behind ON begins another table', () => {
    expect(readSelect('SELECT 1 FROM a LEFT JOIN b ON p, c').from).toEqual([
      ['join', 'left', false, table('a'), table('b'), path('p'), []],
      table('c'),
    ]);
    agree('SELECT 1 FROM a LEFT JOIN b ON p, c JOIN d USING (x), e CROSS JOIN f, g');
  });

  it('14: OFFSET before LIMIT, and both behind WINDOW or a query in brackets', () => {
    expect(readSelect('SELECT 1 OFFSET 5 LIMIT 3')).toMatchObject({ limit: integer('3'), offset: integer('5') });
    agree(
      'SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY b) ORDER BY 1 LIMIT 2',
      '(SELECT 1) UNION (SELECT 2) ORDER BY 1 OFFSET 1 LIMIT 2',
    );
  });

  it('15: INTERSECT binds tighter than UNION and EXCEPT, which go from left to right', () => {
    agree('SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4 UNION ALL SELECT 5 ORDER BY 1');
  });

  it('16: ~~ is no ~ ~; IS DISTINCT FROM has a right side', () => {
    expect(failureOf("SELECT a ~~ 'x'")).toMatchObject({ code: 'UNSUPPORTED_SQL', position: { offset: 9 } });
    expect(readExpression('a IS DISTINCT FROM b')).toEqual(['distinct', false, a, b]);
    agree('SELECT a IS NOT DISTINCT FROM b + 1 AND c, 1 IS DISTINCT FROM NULL');
  });

  it('17: an alias with columns is a name and names', () => {
    expect(readSelect('SELECT 1 FROM t AS x(a, b)').from).toEqual([table('t', ['x', ['a', 'b']])]);
  });

  it('18: ONLY is no table, FOR no alias', () => {
    expect(failureOf('SELECT 1 FROM ONLY t')).toMatchObject({ code: 'UNSUPPORTED_SQL', message: /ONLY/ });
    expect(failureOf('SELECT 1 FROM t FOR')).toMatchObject({ position: { offset: 16 } });
    expect(failureOf('SELECT 1 FROM t FOR UPDATE')).toMatchObject({ code: 'UNSUPPORTED_SQL', message: /FOR UPDATE/ });
  });

  it('19: comparisons do not chain', () => {
    expect(failureOf('SELECT a = b = c')).toMatchObject({ code: 'SYNTAX_ERROR', position: { offset: 13 } });
    expect(failureOf('SELECT a < b = c')).toMatchObject({ code: 'SYNTAX_ERROR', position: { offset: 13 } });
    agree('SELECT (a = b) = c, a = b IS NULL, a = ANY (b) = c');
  });

  it('20: DISTINCT in a call is not a function', () => {
    expect(readExpression('sum(DISTINCT(a))')).toEqual(['call', ['sum'], [a], false, true, [], null, null]);
    agree('SELECT sum(ALL a), count(DISTINCT a, b), avg(DISTINCT (a + b))');
  });

  it('21: $$x$$ is a string, 1e10 a decimal', () => {
    expect(readExpression('$$x$$')).toEqual(['string', 'x']);
    expect(readExpression('1e10')).toEqual(['decimal', '1e10']);
  });

  it('22: a text holds one statement', () => {
    expect(failureOf('SELECT 1; DROP TABLE t')).toMatchObject({ code: 'SYNTAX_ERROR', position: { offset: 10 } });
  });
});
