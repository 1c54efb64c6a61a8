/** What the binder and the planner refuse: the code, the message, the hint, and the place, marked with `¦`. */
import type { ErrorCode } from '@ashlar/core';
import { positionAt } from '@ashlar/sql-plan';
import { planCondition } from '../src/plan/planner.ts';
import { CATALOG, plan, refusalOf } from './plan-support.ts';

/** `¦` marks the place in a text; the mark is no part of the statement. */
type Case = readonly [marked: string, code: ErrorCode, message: string, hint?: string];

const INSERT_HINT =
  'INSERT takes VALUES only: read the rows with SELECT and store them with putAll, or use ashlar export and ashlar import';
const ONE_BY_ONE_HINT = 'send one statement a map: there are no transactions, each commits by itself';
const ALONE_HINT = 'send it as a statement of its own';
const SOME_HINT = 'TRUNCATE removes every entry: DELETE FROM map WHERE ... removes some';
const AGGREGATE_HINT = 'conditions on aggregates belong in HAVING';

function itRefuses(cases: readonly Case[], run: (text: string) => unknown = plan): void {
  const named = cases.map(([marked, code, message, hint]) => ({ marked, code, message, hint }));
  it.each(named)('$marked', ({ marked, code, message, hint }) => {
    const error = refusalOf(() => run(marked.replace('¦', '')));
    // What is not supported always says what to do instead.
    const said = hint ?? (code === 'UNSUPPORTED_SQL' ? expect.stringMatching(/./) : undefined);
    expect(error).toMatchObject({ code, hint: said, position: positionAt(marked, marked.indexOf('¦')) });
    expect(error.message).toContain(message);
  });
}

describe('words that JavaScript objects have by nature', () => {
  it.each(['constructor', 'toString', '__proto__'])('%s is no habit from another language', (word) => {
    expect(refusalOf(() => plan(`EXPLAIN SELECT AS AS ${word}`)).code).toBe('SYNTAX_ERROR');
    expect(typeof (refusalOf(() => plan(`SELECT 1 FROM WHERE ${word} ${word}`)).hint ?? '')).toBe('string');
  });
});

describe('names', () => {
  itRefuses([
    ['SELECT 1 FROM ¦acounts', 'UNKNOWN_MAP', "unknown map 'acounts'", "did you mean 'accounts'?"],
    ['SELECT 1 FROM brands,\n  ¦zzzzzz', 'UNKNOWN_MAP', "'zzzzzz'", 'the first put creates a map'],
    ['SELECT 1 FROM ¦"ACCOUNTS"', 'UNKNOWN_MAP', "'ACCOUNTS'", 'the first put creates a map'],
    ['DELETE FROM ¦brandz', 'UNKNOWN_MAP', "'brandz'", "did you mean 'brands'?"],
    ['SELECT ¦x.* FROM accounts a', 'UNKNOWN_MAP', "'x'", "did you mean 'a'?"],
    ['SELECT ¦brand FROM accounts, brands', 'AMBIGUOUS_COLUMN', 'accounts and brands', 'say which one: accounts.brand'],
    ['SELECT ¦__key FROM accounts a, brands b', 'AMBIGUOUS_COLUMN', "'__key' is in a and b", 'say which one: a.__key'],
    [
      'SELECT ¦NAME FROM Mixed',
      'AMBIGUOUS_COLUMN',
      `may be "name" or "Name"`,
      'write the name in double quotes, exactly as the documents have it',
    ],
    ['SELECT ¦contry FROM accounts, brands', 'UNKNOWN_COLUMN', "'contry'", "did you mean 'brands.country'?"],
    ['SELECT ¦accounts.brand FROM accounts a', 'UNKNOWN_COLUMN', "'accounts' is called 'a'", 'write a in its place'],
    ['SELECT ¦a FROM accounts a', 'UNSUPPORTED_SQL', 'a whole row as a value', 'the document is a.__value'],
    ['SELECT ¦brand', 'UNKNOWN_COLUMN', "no column 'brand' here"],
    ['SELECT ¦*', 'SYNTAX_ERROR', 'SELECT * needs a FROM'],
    [
      'SELECT 1 FROM accounts, ¦accounts',
      'SYNTAX_ERROR',
      'twice in FROM',
      'give one of them another name: FROM accounts AS x',
    ],
    [
      'SELECT 1 FROM accounts a, brands ¦a',
      'SYNTAX_ERROR',
      "'a' appears twice",
      'give one of them another name: FROM brands AS x',
    ],
    ['SELECT ¦__value.brand FROM accounts', 'UNSUPPORTED_SQL', 'a part of __value'],
    ['SELECT 1 FROM accounts a(¦x)', 'UNSUPPORTED_SQL', 'a list of column names after a map'],
    [
      'SELECT brand AS x, balance AS x FROM accounts ORDER BY ¦x',
      'AMBIGUOUS_COLUMN',
      'label of 2',
      'give them different labels, or name the position: 1',
    ],
    [
      'SELECT 1 FROM accounts a, brands b JOIN orders o ON ¦a.brand = o.item',
      'UNKNOWN_COLUMN',
      "'a' cannot be named",
      'write CROSS JOIN for the comma',
    ],
  ]);
});

describe('types', () => {
  itRefuses([
    ['SELECT lower(brand) ¦+ 1 FROM accounts', 'TYPE_MISMATCH', 'operator + does not take text and int4'],
    ["SELECT 1 + ¦'a'", 'INVALID_CAST', 'not an integer: "a"'],
    ["SELECT 1 FROM accounts WHERE balance::int4 = ¦'x'", 'INVALID_CAST', 'not an integer: "x"'],
    ["SELECT date ¦'soon'", 'INVALID_CAST', 'not a date: "soon"'],
    ['SELECT NOT ¦5', 'TYPE_MISMATCH', 'the operand of NOT must be boolean, not int4'],
    ["SELECT 1 FROM accounts WHERE ¦'x'", 'INVALID_CAST', 'not a boolean: "x"'],
    [
      'SELECT 1 FROM accounts WHERE TRUE AND\n\n  balance + 1 > 2 AND ¦3',
      'TYPE_MISMATCH',
      'an operand of AND must be boolean, not int4',
    ],
    ['SELECT 1 FROM accounts WHERE TRUE OR ¦3', 'TYPE_MISMATCH', 'an operand of OR must be boolean, not int4'],
    ['SELECT 1 FROM accounts a JOIN brands b ON ¦1', 'TYPE_MISMATCH', 'ON must be boolean'],
    ['SELECT 1 FROM accounts HAVING ¦1', 'TYPE_MISMATCH', 'HAVING must be boolean'],
    ["SELECT ¦sum('a')", 'TYPE_MISMATCH', 'sum does not take text'],
    ['SELECT ¦max(TRUE)', 'TYPE_MISMATCH', 'max does not take boolean'],
    ['SELECT now() ¦= 5', 'TYPE_MISMATCH', 'operator = cannot combine timestamptz and int4'],
    ['SELECT TRUE IN (FALSE, ¦1)', 'TYPE_MISMATCH', 'IN cannot combine boolean and int4'],
    ['SELECT CASE WHEN TRUE THEN 1 ELSE ¦FALSE END', 'TYPE_MISMATCH', 'CASE cannot combine int4 and boolean'],
    ['SELECT CASE WHEN ¦1 THEN 1 END', 'TYPE_MISMATCH', 'a condition of CASE must be boolean'],
    ["SELECT CASE WHEN TRUE THEN 1 ELSE ¦'x' END", 'INVALID_CAST', '"x"'],
    ['SELECT coalesce(1, ¦now())', 'TYPE_MISMATCH', 'coalesce cannot combine int4 and timestamptz'],
    ['SELECT lower(¦5)', 'TYPE_MISMATCH', 'argument 1 of lower is text, not int4'],
    ['SELECT ¦lower()', 'TYPE_MISMATCH', 'lower takes 1 argument, not 0'],
    ["SELECT ¦substring('a')", 'TYPE_MISMATCH', 'substring takes 2 to 3 arguments, not 1'],
    ['SELECT ¦coalesce()', 'TYPE_MISMATCH', 'coalesce takes 1 or more arguments, not 0'],
    ["SELECT ¦5 LIKE 'a'", 'TYPE_MISMATCH', 'LIKE takes text, not int4', 'cast it: x::text'],
    ['SELECT 1 ¦|| 2', 'TYPE_MISMATCH', 'operator || does not take int4 and int4', 'cast one side: x::text'],
    ["SELECT lower('a') ¦^ 2", 'TYPE_MISMATCH', 'operator ^ does not take text and int4'],
    ["SELECT ¦-lower('a')", 'TYPE_MISMATCH', 'operator - does not take text'],
    ['SELECT TRUE¦::date', 'INVALID_CAST', 'cannot cast boolean to date'],
    ['SELECT brand::varchar(¦0) FROM accounts', 'TYPE_MISMATCH', 'a length of at least 1'],
    ['SELECT brand::¦point FROM accounts', 'UNSUPPORTED_SQL', 'the type point'],
    ['SELECT brand::¦int4[] FROM accounts', 'UNSUPPORTED_SQL', 'the array type int4[]'],
    ['SELECT ¦~1', 'UNSUPPORTED_SQL', 'the operator ~'],
    ['SELECT 1 ¦& 1', 'UNSUPPORTED_SQL', 'the operator &'],
    ['SELECT 1 FROM accounts LIMIT ¦TRUE', 'TYPE_MISMATCH', 'LIMIT takes a number'],
    ['SELECT 1 FROM accounts LIMIT ¦-1', 'SYNTAX_ERROR', 'LIMIT takes a number of at least 0'],
    ["SELECT 1 FROM accounts OFFSET ¦'x'", 'INVALID_CAST', '"x"'],
    ['SELECT 1 FROM accounts LIMIT ¦balance', 'UNSUPPORTED_SQL', 'a column in LIMIT'],
  ]);
});

describe('functions', () => {
  itRefuses([
    ['SELECT ¦lowr(brand) FROM accounts', 'UNKNOWN_FUNCTION', "unknown function 'lowr'", "did you mean 'lower'?"],
    ['SELECT ¦coutn(*) FROM accounts', 'UNKNOWN_FUNCTION', "unknown function 'coutn'", "did you mean 'count'?"],
    ['SELECT ¦constructor(brand) FROM accounts', 'UNKNOWN_FUNCTION', "'constructor'"],
    ['SELECT ¦frobnicate_the_rows(1)', 'UNKNOWN_FUNCTION', 'frobnicate_the_rows'],
    ['SELECT ¦lower(DISTINCT brand) FROM accounts', 'SYNTAX_ERROR', 'lower is not an aggregate'],
    ['SELECT ¦sum(*) FROM accounts', 'TYPE_MISMATCH', 'sum(*) does not exist'],
    ['SELECT ¦count() FROM accounts', 'TYPE_MISMATCH', 'count takes one argument', 'write count(*)'],
    ['SELECT ¦sum(1, 2) FROM accounts', 'TYPE_MISMATCH', 'sum takes one argument, not 2'],
    ['SELECT ¦count(*) OVER () FROM accounts', 'UNSUPPORTED_SQL', 'a window function'],
    ['SELECT 1 FROM accounts WINDOW ¦w AS (ORDER BY brand)', 'UNSUPPORTED_SQL', 'WINDOW'],
    ['SELECT ¦count(brand ORDER BY brand) FROM accounts', 'UNSUPPORTED_SQL', 'ORDER BY inside a call'],
  ]);
});

describe('grouping', () => {
  itRefuses([
    [
      'SELECT ¦brand, count(*) FROM accounts',
      'GROUPING_ERROR',
      "column 'brand' must appear in GROUP BY",
      'add it to GROUP BY, or take max(brand)',
    ],
    [
      'SELECT brand,\n  sum(balance) + ¦balance AS x\nFROM accounts GROUP BY brand',
      'GROUPING_ERROR',
      "'balance'",
      'add it to GROUP BY, or take max(balance)',
    ],
    [
      'SELECT 1 FROM accounts GROUP BY brand ORDER BY ¦balance',
      'GROUPING_ERROR',
      "'balance'",
      'add it to GROUP BY, or take max(balance)',
    ],
    [
      'SELECT 1 FROM accounts HAVING ¦balance > 1',
      'GROUPING_ERROR',
      "'balance'",
      'add it to GROUP BY, or take max(balance)',
    ],
    [
      'SELECT ¦brand FROM accounts GROUP BY lower(brand)',
      'GROUPING_ERROR',
      "'brand'",
      'add it to GROUP BY, or take max(brand)',
    ],
    [
      'SELECT a.brand, ¦b.country FROM accounts a JOIN brands b USING (brand) GROUP BY a.brand',
      'GROUPING_ERROR',
      "'b.country'",
      'add it to GROUP BY, or take max(b.country)',
    ],
    [
      'SELECT ¦* FROM accounts GROUP BY brand',
      'GROUPING_ERROR',
      "'balance'",
      'add it to GROUP BY, or take max(balance)',
    ],
    [
      'SELECT 1 FROM accounts WHERE ¦sum(balance) > 1',
      'GROUPING_ERROR',
      'an aggregate is not allowed in WHERE',
      AGGREGATE_HINT,
    ],
    ['SELECT 1 FROM accounts a JOIN brands b ON ¦count(*) > 1', 'GROUPING_ERROR', 'an aggregate is not allowed in ON'],
    ['SELECT 1 FROM accounts GROUP BY ¦count(*)', 'GROUPING_ERROR', 'an aggregate is not allowed in GROUP BY'],
    ['SELECT count(*) FROM accounts GROUP BY ¦1', 'GROUPING_ERROR', 'an aggregate is not allowed in GROUP BY'],
    ['SELECT sum(¦max(balance)) FROM accounts', 'GROUPING_ERROR', 'an aggregate is not allowed in an aggregate'],
    [
      'SELECT sum(1) FILTER (WHERE ¦max(balance) > 1) FROM accounts',
      'GROUPING_ERROR',
      'an aggregate is not allowed in FILTER',
    ],
    ['SELECT 1 FROM accounts LIMIT ¦count(*)', 'GROUPING_ERROR', 'an aggregate is not allowed in LIMIT'],
    ['UPDATE accounts SET balance = ¦sum(balance)', 'GROUPING_ERROR', 'an aggregate is not allowed in SET'],
    ['SELECT DISTINCT brand FROM accounts ORDER BY brand, ¦balance', 'GROUPING_ERROR', 'with SELECT DISTINCT'],
    ['SELECT DISTINCT brand FROM accounts GROUP BY brand ORDER BY ¦count(*)', 'GROUPING_ERROR', 'with SELECT DISTINCT'],
    ['SELECT brand FROM accounts GROUP BY ¦2', 'SYNTAX_ERROR', 'GROUP BY 2: there is 1 column'],
    ['SELECT brand, 1 FROM accounts ORDER BY ¦0', 'SYNTAX_ERROR', 'ORDER BY 0: there are 2 columns'],
    [
      "SELECT brand FROM accounts ORDER BY ¦'brand'",
      'SYNTAX_ERROR',
      'a constant in ORDER BY is the position of a column',
    ],
  ]);
});

describe('what PostgreSQL has and this does not', () => {
  itRefuses([
    ['SELECT ¦(SELECT 1) FROM accounts', 'UNSUPPORTED_SQL', 'a subquery', 'join the maps, or send two statements'],
    [
      'SELECT 1 FROM accounts WHERE brand ¦IN (SELECT 1)',
      'UNSUPPORTED_SQL',
      'a subquery',
      'join the maps, or send two statements',
    ],
    [
      'SELECT 1 FROM accounts WHERE ¦EXISTS (SELECT 1)',
      'UNSUPPORTED_SQL',
      'a subquery',
      'join the maps, or send two statements',
    ],
    ['SELECT 1 FROM ¦(SELECT 1) x', 'UNSUPPORTED_SQL', 'a query in FROM'],
    ['SELECT 1 FROM ¦generate_series(1, 2) x', 'UNSUPPORTED_SQL', 'a function in FROM'],
    ['SELECT 1 ¦UNION SELECT 2', 'UNSUPPORTED_SQL', 'UNION'],
    ['SELECT 1 ¦EXCEPT ALL SELECT 2', 'UNSUPPORTED_SQL', 'EXCEPT'],
    ['WITH ¦x AS (SELECT 1) SELECT 1', 'UNSUPPORTED_SQL', 'WITH'],
    ['WITH ¦x AS (SELECT 1) (SELECT 1)', 'UNSUPPORTED_SQL', 'WITH'],
    ['¦(SELECT 1 LIMIT 1) ORDER BY 1', 'UNSUPPORTED_SQL', 'both inside and after parentheses'],
    ['¦VALUES (1)', 'UNSUPPORTED_SQL', 'VALUES as a statement', 'a row of values is SELECT 1, 2'],
    [
      'SELECT 1 FROM accounts a ¦RIGHT JOIN brands b ON TRUE',
      'UNSUPPORTED_SQL',
      'a RIGHT JOIN',
      'swap the two sides: b LEFT JOIN a',
    ],
    [
      'SELECT 1 FROM accounts a ¦FULL JOIN brands b ON TRUE',
      'UNSUPPORTED_SQL',
      'a FULL JOIN',
      'only LEFT JOIN keeps rows without a match: send a LEFT JOIN b, then b LEFT JOIN a ... WHERE a.__key IS NULL',
    ],
    [
      'SELECT 1 FROM accounts a ¦NATURAL JOIN brands b',
      'UNSUPPORTED_SQL',
      'NATURAL JOIN',
      'name the columns: JOIN b USING (id)',
    ],
    ['SELECT DISTINCT ON (¦brand) brand FROM accounts', 'UNSUPPORTED_SQL', 'DISTINCT ON'],
    ['SELECT ¦ROW(1, 2)', 'UNSUPPORTED_SQL', 'a row value'],
    ['SELECT ¦ARRAY[1]', 'UNSUPPORTED_SQL', 'an array value'],
    ['SELECT tags¦[1:2] FROM accounts', 'UNSUPPORTED_SQL', 'a slice'],
    ['SELECT tags¦[$1] FROM accounts', 'UNSUPPORTED_SQL', 'a subscript that is not a constant'],
    ['SELECT tags¦[-1] FROM accounts', 'UNSUPPORTED_SQL', 'a subscript below 0'],
    ["SELECT brand ¦SIMILAR TO 'a' FROM accounts", 'UNSUPPORTED_SQL', 'SIMILAR TO', 'use LIKE or ILIKE'],
    ['SELECT 1 WHERE 1 ¦= ANY ($1)', 'UNSUPPORTED_SQL', '= ANY (...)', 'write IN (a, b, c)'],
    ['¦EXPLAIN VERBOSE SELECT 1', 'UNSUPPORTED_SQL', 'EXPLAIN (verbose)'],
    ['¦EXPLAIN (FORMAT json) SELECT 1', 'UNSUPPORTED_SQL', 'EXPLAIN (format)'],
  ]);
});

describe('INSERT, UPDATE, DELETE', () => {
  itRefuses([
    [
      '¦INSERT INTO accounts VALUES (1)',
      'SYNTAX_ERROR',
      'INSERT must name its columns',
      'INSERT INTO accounts (__key, a, b) VALUES (...)',
    ],
    [
      'INSERT INTO accounts (¦brand) VALUES (1)',
      'SYNTAX_ERROR',
      'INSERT must give the key',
      'INSERT INTO accounts (__key, a, b) VALUES (...)',
    ],
    ['INSERT INTO accounts (__key, brand) VALUES (1, 2), (¦1)', 'SYNTAX_ERROR', 'a row has 1 value for 2 columns'],
    ['INSERT INTO accounts (__key) VALUES (¦1, 2)', 'SYNTAX_ERROR', 'a row has 2 values for 1 column'],
    [
      'INSERT INTO accounts (__key, brand) VALUES (1, ¦DEFAULT)',
      'UNSUPPORTED_SQL',
      'DEFAULT',
      'maps have no default values',
    ],
    [
      'INSERT INTO accounts (__key, brand) VALUES (1, ¦"x")',
      'UNKNOWN_COLUMN',
      "no column 'x' here",
      "a text is written in single quotes: 'x'",
    ],
    ['INSERT INTO accounts (__key, brand, ¦BRAND) VALUES (1, 2, 3)', 'SYNTAX_ERROR', "'brand' is assigned twice"],
    [
      'INSERT INTO accounts (__key, owner.id, ¦owner) VALUES (1, 2, 3)',
      'SYNTAX_ERROR',
      "'owner' is assigned twice: by 'owner.id' too",
    ],
    ['INSERT INTO accounts (__key, brand, ¦__value) VALUES (1, 2, 3)', 'SYNTAX_ERROR', "'__value' is assigned twice"],
    ['INSERT INTO accounts (__key, ¦__version) VALUES (1, 2)', 'SYNTAX_ERROR', '__version cannot be assigned'],
    ['INSERT INTO accounts (__key, ¦__key.a) VALUES (1, 2)', 'UNSUPPORTED_SQL', 'a part of __key'],
    ['INSERT INTO accounts (__key, tags¦[0]) VALUES (1, 2)', 'UNSUPPORTED_SQL', 'assigning to an element of an array'],
    [
      'INSERT INTO Mixed (__key, ¦NAME) VALUES (1, 2)',
      'AMBIGUOUS_COLUMN',
      'may be "name" or "Name"',
      'write the name in double quotes, exactly as the documents have it',
    ],
    ['INSERT INTO accounts (__key) ¦SELECT 1', 'UNSUPPORTED_SQL', 'INSERT from a query', INSERT_HINT],
    ['INSERT INTO accounts ¦SELECT * FROM brands', 'UNSUPPORTED_SQL', 'INSERT from a query', INSERT_HINT],
    ['INSERT INTO accounts (brand) ¦SELECT brand FROM brands', 'UNSUPPORTED_SQL', 'INSERT from a query', INSERT_HINT],
    ['INSERT INTO new_map ¦(SELECT 1)', 'UNSUPPORTED_SQL', 'INSERT from a query', INSERT_HINT],
    ['INSERT INTO accounts (__key) ¦VALUES (1) OFFSET 1', 'UNSUPPORTED_SQL', 'INSERT from a query', INSERT_HINT],
    [
      '¦INSERT INTO accounts DEFAULT VALUES',
      'UNSUPPORTED_SQL',
      'DEFAULT VALUES',
      'maps have no default values: INSERT INTO t (__key, a) VALUES (...)',
    ],
    ['INSERT INTO accounts (__key) VALUES (1) RETURNING ¦brand', 'UNSUPPORTED_SQL', 'RETURNING'],
    [
      'INSERT INTO accounts (__key) VALUES (1) ¦ON CONFLICT (__key) DO UPDATE SET brand = 1',
      'UNSUPPORTED_SQL',
      'ON CONFLICT DO UPDATE',
      'put overwrites, and a processor changes what is there',
    ],
    [
      'INSERT INTO accounts (__key) VALUES (1) ¦ON CONFLICT (brand) DO NOTHING',
      'UNSUPPORTED_SQL',
      'a column other than __key',
    ],
    ['UPDATE accounts SET ¦__key = 1', 'SYNTAX_ERROR', '__key cannot be assigned'],
    ['UPDATE accounts SET ¦__VERSION = 1', 'SYNTAX_ERROR', '__version cannot be assigned'],
    ['UPDATE accounts SET brand = 1, ¦brand = 2', 'SYNTAX_ERROR', "'brand' is assigned twice"],
    ['UPDATE accounts SET brand = ¦DEFAULT', 'UNSUPPORTED_SQL', 'DEFAULT', 'maps have no default values'],
    ['UPDATE accounts SET brand = 1 FROM ¦brands', 'UNSUPPORTED_SQL', 'UPDATE ... FROM'],
    ['UPDATE accounts SET brand = 1 RETURNING ¦*', 'UNSUPPORTED_SQL', 'RETURNING'],
    ['DELETE FROM accounts RETURNING ¦brand', 'UNSUPPORTED_SQL', 'RETURNING'],
    ['TRUNCATE ¦brandz', 'UNKNOWN_MAP', "'brandz'", "did you mean 'brands'?"],
    ['TRUNCATE accounts¦, brands', 'UNSUPPORTED_SQL', 'TRUNCATE of several maps', ONE_BY_ONE_HINT],
    [
      'TRUNCATE accounts ¦RESTART IDENTITY',
      'UNSUPPORTED_SQL',
      'RESTART IDENTITY',
      'leave it out: there are no sequences',
    ],
    ['TRUNCATE accounts ¦CASCADE', 'UNSUPPORTED_SQL', 'CASCADE', 'leave it out: no map refers to another'],
    ['TRUNCATE ¦ONLY accounts', 'UNSUPPORTED_SQL', 'ONLY', 'leave it out: a map has no child tables'],
    ['TRUNCATE accounts ¦WHERE balance < 0', 'SYNTAX_ERROR', "unexpected 'WHERE'", SOME_HINT],
    ['TRUNCATE accounts ¦RETURNING *', 'SYNTAX_ERROR', "unexpected 'RETURNING'", SOME_HINT],
    ['TRUNCATE accounts ¦a', 'SYNTAX_ERROR', "unexpected 'a'", SOME_HINT],
    ['TRUNCATE accounts AS ¦a', 'SYNTAX_ERROR', 'TRUNCATE takes no alias', 'leave it out'],
    ['TRUNCATE¦', 'SYNTAX_ERROR', 'expected'],
    ['TRUNCATE TABLE¦', 'SYNTAX_ERROR', 'expected'],
    ['TRUNCATE accounts CONTINUE¦', 'SYNTAX_ERROR', 'expected IDENTITY'],
    ['TRUNCATE ¦(SELECT 1)', 'SYNTAX_ERROR', 'expected'],
    ['TRUNCATE accounts; ¦SELECT 1', 'SYNTAX_ERROR', 'exactly one statement', 'send each statement on its own'],
    ['WITH x AS (¦TRUNCATE accounts) SELECT 1', 'UNSUPPORTED_SQL', 'TRUNCATE within WITH', ALONE_HINT],
    ['SELECT * FROM (¦TRUNCATE accounts) x', 'UNSUPPORTED_SQL', 'TRUNCATE within another statement', ALONE_HINT],
    ['SELECT (¦TRUNCATE TABLE accounts)', 'UNSUPPORTED_SQL', 'TRUNCATE within another statement', ALONE_HINT],
    ['SELECT * FROM (¦DELETE FROM accounts) x', 'UNSUPPORTED_SQL', 'DELETE within another statement', ALONE_HINT],
    ['SELECT 1 WHERE EXISTS (¦INSERT INTO a VALUES (1))', 'UNSUPPORTED_SQL', 'INSERT within another', ALONE_HINT],
    ['SELECT (¦UPDATE accounts SET brand = 1)', 'UNSUPPORTED_SQL', 'UPDATE within another statement', ALONE_HINT],
    ['DELETE FROM accounts WHERE ¦5', 'TYPE_MISMATCH', 'WHERE must be boolean'],
  ]);
});

describe('a condition on its own', () => {
  const condition = (text: string) => planCondition('accounts', text, CATALOG);

  it('is planned as the WHERE of its map', () => {
    const { scan, partitions, parameterCount } = condition("BRAND = $1 AND __key IN ('a', 'b')\n-- all of them");
    expect(scan.columns).toMatchObject([{ source: 'key' }, { source: 'version' }, { path: ['brand'] }]);
    expect(partitions).toMatchObject({ kind: 'keys', keys: [{ value: 'a' }, { value: 'b' }] });
    expect(parameterCount).toBe(1);
    expect(scan.filter?.at).toBe('BRAND '.length);
    expect(condition('  ').scan.filter).toBeUndefined();
    expect(planCondition('a "b"', 'x', { ...CATALOG, maps: [{ ...CATALOG.maps[0]!, name: 'a "b"' }] }).scan.map).toBe(
      'a "b"',
    );
  });

  describe('is refused at its own place', () => {
    itRefuses(
      [
        ['brand = ¦', 'SYNTAX_ERROR', 'ends too early'],
        ['brand RETURNING ¦1', 'SYNTAX_ERROR', 'a condition is expected, and nothing else'],
        ['1 = 1; ¦DROP TABLE x', 'SYNTAX_ERROR', 'exactly one statement', 'send each statement on its own'],
        ['(brand = 1) ¦) OR (TRUE', 'SYNTAX_ERROR', "')' closes nothing"],
        ['brand = 1 AND\n  ¦5', 'TYPE_MISMATCH', 'an operand of AND must be boolean'],
        ["brand::int4 = ¦'x'", 'INVALID_CAST', 'not an integer: "x"'],
        ['¦count(*) > 1', 'GROUPING_ERROR', 'an aggregate is not allowed in WHERE', AGGREGATE_HINT],
      ],
      condition,
    );
  });

  it('tells a place of its own only: no offset into the statement around it', () => {
    expect(refusalOf(() => condition('brand = 1 AND 5')).details).not.toHaveProperty('offset');
  });

  it('keeps its places for errors while it runs', () => {
    expect(condition('balance = 5').scan.filter).toMatchObject({ at: 8, left: { at: 0 }, right: { at: 10 } });
    expect(condition('__key = 5').partitions).toMatchObject({ keys: [{ at: 8 }] });
  });

  it('of a map that is not there has no place', () => {
    const error = refusalOf(() => planCondition('acounts', 'TRUE', CATALOG));
    expect(error).toMatchObject({ code: 'UNKNOWN_MAP', position: undefined });
  });
});
