/** Random statements of PostgreSQL's grammar, as text, for the differential: odd spacing, brackets and cases included. */
import fc from 'fast-check';

const pick = (...options: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...options);
const joined = (...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((texts) => texts.join(' '));
const text = (value: string): fc.Arbitrary<string> => fc.constant(value);
const many = (one: fc.Arbitrary<string>, options: { minLength: number; maxLength: number }): fc.Arbitrary<string> =>
  fc.array(one, options).map((list) => list.join(', '));

const name = pick(
  'a',
  'b',
  'Brand',
  '"q""x"',
  '"Weird name"',
  'year',
  'zone',
  'type',
  'value',
  'über',
  'x1$',
  'at',
  'json',
);
const table = pick('t', 'u', 'public.t', '"T"', 'session', 'offsets');
const path = fc.oneof(
  name,
  joined(name, text('.'), name),
  joined(name, text('.'), name, text('.'), name),
  name.map((one) => `${one}[1]`),
  name.map((one) => `${one}['k'].f[2:3]`),
);
const number = pick(
  '0',
  '1',
  '42',
  '9223372036854775807',
  '9223372036854775808',
  '0x1F',
  '1_000',
  '0b101',
  '0o17',
  '1.5',
  '.5',
  '5.',
  '1e10',
  '1.5E-3',
  '1234567890.12345678901',
);
const string = pick(
  "'x'",
  "'it''s'",
  "'a\\'",
  "E'a\\n\\'b'",
  '$$x$$',
  "$tag$a'b$tag$",
  "''",
  "'a' \n 'b'",
  "'-- no comment'",
);
const literal = fc.oneof(
  number,
  string,
  pick(
    'NULL',
    'TRUE',
    'false',
    '$1',
    '$2',
    "date '2020-01-01'",
    "interval '1' day",
    "interval '1 day 2 h'",
    "timestamp(3) with time zone 'now'",
    "bool 't'",
    'current_date',
    'CURRENT_TIMESTAMP',
    'localtime(2)',
  ),
);
const type = pick(
  'int',
  'BIGINT',
  'numeric(10, 2)',
  'text',
  'double precision',
  'varchar(5)',
  'character varying',
  'char',
  'timestamp with time zone',
  'int[]',
  'interval day to second',
  'bool',
  'time(3)',
  'public.thing',
  '"Own"',
  'float(10)',
  'bit varying(4)',
);
const infix = pick(
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '||',
  '=',
  '<>',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
  'AND',
  'OR',
  '->',
  '->>',
  '&',
  '|',
  '#',
  '<<',
  '>>',
  '~',
  '~*',
  '!~',
  '@>',
  'and',
  'is distinct from',
  'IS NOT DISTINCT FROM',
  'LIKE',
  'not like',
  'ILIKE',
  'similar to',
  'AT TIME ZONE',
);
const postfix = pick(
  'IS NULL',
  'IS NOT NULL',
  'is true',
  'IS NOT FALSE',
  'is unknown',
  'ISNULL',
  'NOTNULL',
  '::int',
  '::numeric(3,1)',
  '::text[]',
);
const prefix = pick('NOT', '-', '+', '- -', 'not', '~', '@');
const aggregate = pick('count', 'SUM', 'array_agg', 'my_agg', 'public.agg', 'left', 'coalesce', 'GREATEST', 'least');

export const { expression, query } = fc.letrec<{
  expression: string;
  query: string;
  column: string;
  from: string;
  select: string;
}>((tie) => {
  const inner = tie('expression');
  const group = inner.map((one) => `(${one})`);
  const subquery = tie('query').map((one) => `(${one})`);
  const compound = fc.oneof(
    joined(inner, infix, inner),
    joined(inner, infix, inner, infix, inner),
    joined(group, infix, inner),
    joined(inner, postfix),
    joined(prefix, inner),
    group,
    joined(inner, pick('BETWEEN', 'not between', 'between symmetric'), inner, text('AND'), inner),
    joined(inner, pick('LIKE', 'NOT ILIKE'), inner, text('ESCAPE'), string),
    joined(
      inner,
      pick('IN', 'NOT IN'),
      many(inner, { minLength: 1, maxLength: 3 }).map((list) => `(${list})`),
    ),
    joined(inner, pick('IN', 'not in', '= ANY', '< ALL', '= some'), subquery),
    inner.map((one) => `$1 = ANY (${one})`),
    joined(text('CASE'), inner, text('WHEN'), inner, text('THEN'), inner, text('END')),
    joined(
      text('case when'),
      inner,
      text('then'),
      inner,
      text('when'),
      inner,
      text('then'),
      inner,
      text('else'),
      inner,
      text('end'),
    ),
    fc.tuple(inner, type).map(([one, to]) => `CAST(${one} AS ${to})`),
    fc.tuple(aggregate, inner, inner).map(([call, one, two]) => `${call}(${one}, ${two})`),
    fc
      .tuple(pick('count', 'sum', 'f'), pick('DISTINCT', 'ALL', ''), inner, inner)
      .map(([call, how, one, two]) => `${call}(${how} ${one}) FILTER (WHERE ${two})`),
    fc
      .tuple(inner, inner)
      .map(
        ([one, two]) =>
          `sum(${one}) OVER (PARTITION BY ${two} ORDER BY ${one} DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`,
      ),
    fc.tuple(inner, inner, inner).map(([one, two, three]) => `substring(${one} FROM ${two} FOR ${three})`),
    fc.tuple(path, path).map(([one, two]) => `position(${one} IN ${two})`),
    fc
      .tuple(pick('BOTH', 'leading', 'TRAILING', ''), string, inner)
      .map(([side, what, one]) => `trim(${side} ${what} FROM ${one})`),
    inner.map((one) => `extract(epoch FROM ${one})`),
    fc.tuple(inner, inner).map(([one, two]) => `(${one}, ${two})`),
    fc.tuple(inner, inner).map(([one, two]) => `ARRAY[${one}, ${two}]`),
    inner.map((one) => `(${one})[1]`),
    inner.map((one) => `(${one}).field`),
    inner.map((one) => `nullif(${one}, 1)`),
    subquery,
    subquery.map((one) => `EXISTS ${one}`),
    joined(subquery.map((one) => `(${one} + 1)`)),
  );
  const source = fc.oneof(
    { weight: 5, arbitrary: table },
    { weight: 2, arbitrary: joined(table, pick('x', 'AS y', 'AS x(a, b)', 'z')) },
    { weight: 1, arbitrary: subquery.map((one) => `${one} AS s`) },
    { weight: 1, arbitrary: text('generate_series(1, 3) AS g(i)') },
    { weight: 1, arbitrary: text('(t CROSS JOIN u)') },
  );
  const joinTail = fc.oneof(
    joined(
      pick('JOIN', 'inner join', 'LEFT JOIN', 'left outer join', 'FULL JOIN', 'right JOIN'),
      source,
      text('ON'),
      inner,
    ),
    joined(pick('JOIN', 'LEFT JOIN'), source, pick('USING (a)', 'using (a, b)')),
    joined(pick('CROSS JOIN', 'NATURAL JOIN', 'natural left join', ','), source),
  );
  const optional = (part: fc.Arbitrary<string>) => fc.oneof(text(''), text(''), part);
  return {
    expression: fc.oneof({ depthSize: 'small', withCrossShrink: true }, path, literal, compound),
    column: fc.oneof(inner, joined(inner, pick('AS x', 'lbl', 'AS "select"', 'AS from')), text('*'), text('t.*')),
    from: fc.tuple(source, fc.array(joinTail, { maxLength: 3 })).map(([first, joins]) => [first, ...joins].join(' ')),
    select: joined(
      pick(
        'SELECT',
        'select',
        'SELECT ALL',
        'SELECT DISTINCT',
        'SELECT DISTINCT ON (a, b)',
        'SELECT /* c /* n */ */',
        'SELECT -- c\n',
      ),
      many(tie('column'), { minLength: 1, maxLength: 3 }),
      optional(tie('from').map((one) => `FROM ${one}`)),
      optional(inner.map((one) => `WHERE ${one}`)),
      optional(many(inner, { minLength: 1, maxLength: 2 }).map((one) => `GROUP BY ${one}`)),
      optional(inner.map((one) => `HAVING ${one}`)),
    ),
    query: fc.oneof(
      { depthSize: 'small' },
      joined(
        tie('select'),
        optional(
          many(joined(inner, pick('', 'ASC', 'DESC', 'NULLS FIRST', 'desc nulls last')), {
            minLength: 1,
            maxLength: 2,
          }).map((one) => `ORDER BY ${one}`),
        ),
        optional(
          pick(
            'LIMIT 5',
            'LIMIT 1 + 1 OFFSET $1',
            'OFFSET 5 LIMIT 3',
            'FETCH FIRST 3 ROWS ONLY',
            'OFFSET 2 ROWS FETCH NEXT ROW ONLY',
            'LIMIT ALL',
          ),
        ),
      ),
      joined(
        tie('select'),
        pick('UNION', 'UNION ALL', 'INTERSECT', 'except all'),
        tie('select'),
        pick('UNION', 'intersect'),
        tie('select'),
        optional(text('ORDER BY 1 LIMIT 2')),
      ),
      many(
        inner.map((one) => `(${one}, 1)`),
        { minLength: 1, maxLength: 3 },
      ).map((rows) => `VALUES ${rows}`),
      fc
        .tuple(tie('query'), tie('select'))
        .map(([one, two]) => `WITH c(a) AS (${one}), d AS MATERIALIZED (${two}) ${two}`),
      fc.tuple(tie('query'), tie('select')).map(([one, two]) => `(${one}) UNION ALL ${two}`),
    ),
  };
});

const assignments = many(
  joined(pick('a', 'b', '"c d"', 'a.b', 'tags[1]'), text('='), fc.oneof(expression, text('DEFAULT'))),
  { minLength: 1, maxLength: 3 },
);
const where = fc.oneof(
  text(''),
  expression.map((one) => `WHERE ${one}`),
);
const returning = pick('', 'RETURNING *', 'RETURNING a, b + 1 AS c');

/** A whole statement; PostgreSQL may refuse it (`a = b = c`), and then so should we. */
export const statement: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: query },
  {
    weight: 1,
    arbitrary: joined(
      pick('UPDATE t SET', 'UPDATE t x SET', 'update t AS x set'),
      assignments,
      pick('', 'FROM u', 'FROM u, v JOIN w ON true'),
      where,
      returning,
    ),
  },
  { weight: 1, arbitrary: joined(pick('DELETE FROM t', 'delete from t AS x'), where, returning) },
  {
    weight: 1,
    arbitrary: joined(
      text('INSERT INTO t'),
      pick('', '(a, b)', 'AS x (a)'),
      fc.oneof(
        query,
        text('DEFAULT VALUES'),
        many(
          expression.map((one) => `(${one}, DEFAULT)`),
          { minLength: 1, maxLength: 3 },
        ).map((rows) => `VALUES ${rows}`),
      ),
      pick('', 'ON CONFLICT DO NOTHING', 'ON CONFLICT (a) DO UPDATE SET b = 1 OR c WHERE d'),
      returning,
    ),
  },
  { weight: 1, arbitrary: query.map((one) => `EXPLAIN ANALYZE ${one}`) },
);
