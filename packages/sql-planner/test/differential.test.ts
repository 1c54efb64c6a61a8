/** Our reading against PostgreSQL's own parser: over statements written for it, and over random ones. */
import fc from 'fast-check';
import { compare, loadOracle } from './oracle/compare.ts';
import { statement } from './oracle/generate.ts';

beforeAll(loadOracle);

const SAME = `
SELECT balance FROM brand WHERE account.id = 12345678 AND account.brand = $1
SELECT a.b.c.d.e, tags[1], a['id'].x[2:3], (a).b, ($1)[1], $1[2], (SELECT 1)[1]
SELECT *, t.*, s.t.*, count(*), a AS x, b y, c "Z" FROM t
SELECT DISTINCT a FROM t x
SELECT DISTINCT ON (a, b + 1) c FROM t ORDER BY a, b + 1, c DESC
SELECT 1 FROM a, b x, s.c AS y, (SELECT 1) z, (VALUES (1), (2)) AS v(n), LATERAL (SELECT 2) l, f(1) AS g(i)
SELECT 1 FROM a JOIN b ON a.x = b.x LEFT OUTER JOIN c USING (x, y) CROSS JOIN d NATURAL JOIN e RIGHT JOIN f ON true
SELECT 1 FROM (a JOIN b ON true) JOIN (c LEFT JOIN d USING (x)) ON a.i = c.i
SELECT 1 FROM ((SELECT 1) a JOIN b ON true)
SELECT a, sum(b) FROM t GROUP BY 1, t.c HAVING sum(b) > 1 ORDER BY 2 DESC NULLS LAST, a ASC, b NULLS FIRST LIMIT 5 OFFSET 2
SELECT 1 LIMIT 1 + 1 OFFSET $1
SELECT 1 LIMIT ALL
SELECT 1 FETCH FIRST ROW ONLY
SELECT 1 OFFSET 2 ROWS FETCH NEXT $1 ROWS ONLY
SELECT NOT a = b AND c OR NOT d, NOT NOT a, a AND NOT b IS NULL
SELECT a = b IS NULL, a IS NULL = b, a IS NULL IS NULL, a > b IS TRUE, a IS NOT UNKNOWN, a ISNULL, a NOTNULL
SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b OR c, a BETWEEN b IS DISTINCT FROM c AND d
SELECT a LIKE 'x%', a NOT LIKE b || c, a ILIKE b ESCAPE '!', a NOT ILIKE b, a SIMILAR TO b, a NOT SIMILAR TO b ESCAPE c
SELECT a IN (1, 2), a NOT IN (b + 1), NOT a IN (1), a IN (SELECT 1), a NOT IN ((SELECT 1)), (a, b) IN ((1, 2), (3, 4))
SELECT a BETWEEN 1 AND 2 AND b, a NOT BETWEEN SYMMETRIC b + 1 AND c OR d, a BETWEEN b < c AND d
SELECT CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END, CASE a WHEN 1 THEN 2 END, CASE WHEN CASE WHEN a THEN b END THEN c END
SELECT a::int, a::bigint::text, CAST(a AS numeric(10, 2)), a::varchar(3)[], -a::int, a::double precision, a::timestamp(3) with time zone
SELECT a::int % 3, a::char, a::character varying(10), a::float(24), a::float(25), a::interval day to second, a::"Own", a::s.t
SELECT date '2020-01-01', timestamp '2020-01-01 00:00', interval '1' day, interval(3) '1 s', bool 't', uuid 'x', char 'x'
SELECT 1 + 2 * 3 ^ 4 ^ 5 - -6 / 7 % 8, - a * b, -2 ^ 2, a - b - c, a || b || c, ~ a & b | c # d, @ a + b
SELECT a -> 'b' ->> 'c' = d, a #> b, a @> b AND a <@ b, a << 1 + 2, a && b, a ~* b, a !~ b
SELECT coalesce(a, b), nullif(a, b), greatest(a, b), least(a), count(DISTINCT a) FILTER (WHERE b > 1), sum(ALL a), f()
SELECT extract(year FROM a), extract('epoch' FROM a), position('a' IN b), substring(a FROM 1 FOR 2), substring(a FOR 2), substring(a, 1)
SELECT trim(a), trim(BOTH FROM a), trim(LEADING 'x' FROM a), trim(a, 'x'), overlay(a PLACING b FROM 1 FOR 2), left(a, 1)
SELECT current_date, current_timestamp, current_timestamp(3), localtime, current_user, a AT TIME ZONE 'utc'
SELECT string_agg(a, ',' ORDER BY b DESC, c), row_number() OVER (), sum(a) OVER (PARTITION BY b, c ORDER BY d), rank() OVER w FROM t WINDOW w AS (ORDER BY a)
SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE TIES), sum(a) OVER (ORDER BY b RANGE 1 PRECEDING)
SELECT EXISTS (SELECT 1 FROM t WHERE a = b), (SELECT max(a) FROM t), ((SELECT 1) + 2), ARRAY(SELECT 1), ARRAY[1, a], ARRAY[[1], [2]]
SELECT a = ANY ($1::int[]), a > ALL (SELECT 1), a <> SOME (b), ROW(1, 2), (1, 2) = (3, 4), ROW()
SELECT NULL, TRUE, false, 'x', 1, 1.50, 1e3, 12345678901234567890, -9223372036854775808, '', E'\\t'
SELECT a + /* x */ b -- y
SELECT "a""b", "Select", A, über FROM "T" AS "X"
SELECT at, json, session, value, year, offsets, type, name, zone, first FROM show
TABLE t
VALUES (1, 'a'), (2, NULL) ORDER BY 1 LIMIT 1
SELECT 1 UNION ALL SELECT 2 UNION SELECT 3 EXCEPT SELECT 4 INTERSECT ALL SELECT 5 ORDER BY 1
(SELECT 1 LIMIT 1) UNION (SELECT 2 ORDER BY 1) LIMIT 3
((SELECT 1))
WITH a AS (SELECT 1), b(x) AS MATERIALIZED (VALUES (1)), c AS NOT MATERIALIZED (TABLE t) SELECT * FROM a, b
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r
INSERT INTO t VALUES (1, DEFAULT, 'x')
INSERT INTO s.t AS x (a, b.c, d[1]) VALUES (1, 2 OR 3, $1), (4, -5, 6) RETURNING *, a + 1 AS b
INSERT INTO t (a) SELECT b FROM u ON CONFLICT (a) DO UPDATE SET b = excluded.b OR c, d = DEFAULT WHERE t.e > 1
INSERT INTO t DEFAULT VALUES ON CONFLICT DO NOTHING
INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x
UPDATE t SET a = b OR c, d.e = 1 + 2, f[1] = DEFAULT WHERE g = 1 RETURNING a
UPDATE t AS x SET a = (SELECT 1) FROM u, v JOIN w ON true
DELETE FROM t
DELETE FROM t x WHERE a = 1 AND b IN (1, 2) RETURNING *
TRUNCATE t
TRUNCATE TABLE s.t * CONTINUE IDENTITY RESTRICT
EXPLAIN SELECT 1
EXPLAIN ANALYZE VERBOSE DELETE FROM t
EXPLAIN (ANALYZE false, FORMAT json) UPDATE t SET a = 1
`;

const REFUSED = `
CREATE TABLE t (a int)
CREATE OR REPLACE VIEW v AS SELECT 1
DROP TABLE t
BEGIN
COPY t FROM stdin
SELECT 1 FROM t FOR UPDATE
SELECT 1 INTO x FROM t
SELECT a COLLATE "C"
SELECT 1 FROM ONLY t
SELECT 1 FROM t TABLESAMPLE system (10)
SELECT 1 FROM f(1) WITH ORDINALITY
SELECT 1 FROM a JOIN b JOIN c ON true ON true
SELECT a FROM t GROUP BY ROLLUP (a)
SELECT a FROM t GROUP BY GROUPING SETS ((a), ())
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t
SELECT f(a => 1)
SELECT f(VARIADIC a)
SELECT a FROM t ORDER BY a USING <
SELECT a FROM t ORDER BY a FETCH FIRST 1 ROW WITH TIES
SELECT B'01', X'1F'
SELECT U&'x'
SELECT a OPERATOR(pg_catalog.+) b
SELECT a ~~ b
SELECT (a).*
SELECT a IS JSON
SELECT a LIKE ANY (b)
SELECT (a, b) OVERLAPS (c, d)
UPDATE t SET (a, b) = (1, 2)
DELETE FROM t USING u
WITH x AS (DELETE FROM t RETURNING *) SELECT 1
TRUNCATE t, u
TRUNCATE ONLY t
TRUNCATE t RESTART IDENTITY
TRUNCATE t CASCADE
MERGE INTO t USING u ON a = b WHEN MATCHED THEN DELETE
`;

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

describe('our tree and the tree of PostgreSQL', () => {
  it.each(lines(SAME))('are alike for %s', (text) => {
    expect(compare(text)).toEqual({ verdict: 'same', detail: '' });
  });

  it.each(lines(REFUSED))('differ only in that we do not have %s, and say so', (text) => {
    expect(compare(text)).toEqual({ verdict: 'refused', detail: expect.stringMatching(/ not supported( yet)?$/) });
  });

  it('are alike for random statements', () => {
    const property = fc.property(statement, (text) => {
      const { verdict, detail } = compare(text);
      if (verdict !== 'same' && verdict !== 'invalid') throw new Error(`${verdict}: ${text}\n${detail}`);
    });
    fc.assert(property, { numRuns: 1_500, seed: 20_260 });
  });
});
