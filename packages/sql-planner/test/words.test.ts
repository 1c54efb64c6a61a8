/** What is said of SQL that other databases have: each refusal names its construct and place, and what to do here instead. */
import { FUNCTIONS } from '@ashlar/expressions';
import { isPostgresFunction } from '../src/bind/postgres-functions.ts';
import { CATALOG, plan, refusalOf } from './plan-support.ts';

const refused = (text: string) => refusalOf(() => plan(text));

describe('a statement of another kind', () => {
  it.each<[string, string, RegExp]>([
    ['CREATE TABLE t (a int)', 'CREATE TABLE', /first put or INSERT creates a map/],
    ['CREATE TEMP TABLE t AS SELECT 1', 'CREATE TEMP TABLE', /first put or INSERT creates a map/],
    ['CREATE UNIQUE INDEX i ON t (a)', 'CREATE UNIQUE INDEX', /no indexes to keep/],
    ['CREATE OR REPLACE VIEW v AS SELECT 1', 'CREATE OR REPLACE VIEW', /send the SELECT itself/],
    ['CREATE FUNCTION f() RETURNS int', 'CREATE FUNCTION', /grid\.deploy/],
    ['CREATE CONSTRAINT TRIGGER x', 'CREATE CONSTRAINT TRIGGER', /listener/],
    ['CREATE SEQUENCE s', 'CREATE SEQUENCE', /crypto\.randomUUID/],
    ['CREATE ROLE r', 'CREATE ROLE', /docs\/operating\.md/],
    ['ALTER TABLE t ADD COLUMN a int', 'ALTER TABLE', /UPDATE \.\.\. SET/],
    ['DROP TABLE accounts', 'DROP TABLE', /grid\.drop.*TRUNCATE/],
    ['MERGE INTO a USING b ON TRUE', 'MERGE', /put and putAll overwrite/],
    ["COPY accounts FROM 'x.csv'", 'COPY', /ashlar import/],
    ['BEGIN', 'BEGIN', /no transactions/],
    ['COMMIT', 'COMMIT', /no transactions/],
    ['SET work_mem = 1', 'SET', /config print/],
    ['SHOW server_version', 'SHOW server_version', /SHOW TABLES lists the maps.*config print/],
    ['PREPARE p AS SELECT 1', 'PREPARE', /parameters/],
    ['LISTEN x', 'LISTEN', /subscribe/],
    ['GRANT ALL ON x TO y', 'GRANT', /docs\/operating\.md/],
    ['VACUUM', 'VACUUM', /nothing to do/],
    ['DECLARE c CURSOR FOR SELECT 1', 'DECLARE', /streams/],
    ['CALL f()', 'CALL', /grid\.run/],
    ['USE db', 'USE', /namespace of maps/],
    ['REPLACE INTO a VALUES (1)', 'REPLACE', /put and putAll overwrite/],
    ['EXPLAIN (ANALYZE, BUFFERS) SELECT 1', 'EXPLAIN (buffers)', /EXPLAIN ANALYZE SELECT/],
  ])('%s', (text, name, hint) => {
    expect(refused(text)).toMatchObject({
      code: 'UNSUPPORTED_SQL',
      message: `${name} is not supported`,
      hint: expect.stringMatching(hint),
      position: { offset: 0 },
    });
  });

  it('of every word that begins one of PostgreSQL, is refused by name and with a hint', () => {
    const words =
      `abort alter analyze begin call checkpoint close cluster comment commit copy create deallocate declare discard
      do drop end execute fetch grant import listen load lock merge move notify prepare reassign refresh reindex release reset
      revoke rollback savepoint security set start unlisten vacuum`.split(/\s+/);
    for (const word of words) {
      const error = refused(`${word} x`);
      expect([word, error.code]).toEqual([word, 'UNSUPPORTED_SQL']);
      expect([word, error.hint]).toEqual([word, expect.stringMatching(/./)]);
    }
  });
});

describe('a table of the system', () => {
  it.each([
    'information_schema.tables',
    'INFORMATION_SCHEMA.columns',
    'information_schema',
    'pg_catalog.pg_class',
    'pg_tables',
    'sqlite_master',
  ])('%s: SHOW TABLES lists the maps', (table) => {
    const error = refused(`SELECT * FROM ${table}`);
    expect(error).toMatchObject({ code: 'UNKNOWN_MAP', position: { offset: 'SELECT * FROM '.length } });
    expect(error.message).toBe(`unknown map '${table}': a grid has no system tables`);
    expect(error.hint).toBe('SHOW TABLES lists the maps, DESCRIBE map its columns; the first put creates a map');
  });

  it('is a map where there is one of that name', () => {
    const maps = [{ ...CATALOG.maps[0]!, name: 'pg_tables' }];
    expect(plan('SELECT brand FROM pg_tables', { ...CATALOG, maps }).kind).toBe('query');
    const misspelled = refusalOf(() => plan('SELECT brand FROM pg_table', { ...CATALOG, maps }));
    expect(misspelled).toMatchObject({ message: "unknown map 'pg_table'", hint: "did you mean 'pg_tables'?" });
  });
});

describe('a function', () => {
  it.each<[string, RegExp]>([
    ["date_bin('1 day', now(), now())", /date_trunc/],
    ["string_agg(brand, ',' ORDER BY brand)", /count, sum, avg, min and max/],
    ["regexp_replace(brand, 'a', 'b')", /LIKE or ILIKE/],
    ['gen_random_uuid()', /crypto\.randomUUID/],
    ['unnest(tags)', /one value a row/],
    ['jsonb_set(owner, 1, 2)', /SET owner\.id = 7/],
    ['pg_typeof(brand)', /DESCRIBE/],
    ['pg_catalog.pg_backend_pid()', /no PostgreSQL server/],
    ['current_user', /no PostgreSQL server/],
    ['user', /"user", in double quotes/],
    ['sinh(1)', /in a processor or a job/],
  ])('of PostgreSQL, %s, is not supported yet', (call, hint) => {
    const name = /(?:pg_catalog\.)?(\w+)/.exec(call)![1]!;
    expect(refused(`SELECT ${call} FROM accounts`)).toMatchObject({
      code: 'UNSUPPORTED_SQL',
      message: `the function ${name} is not supported yet`,
      hint: expect.stringMatching(hint),
      position: { offset: 'SELECT '.length },
    });
  });

  it.each([
    'SELECT row_number() OVER (ORDER BY brand) FROM accounts',
    'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY balance) FROM accounts',
    'SELECT * FROM generate_series(1, 2)',
    "SELECT json_object('a': 1)",
  ])('in a form of its own is not supported yet: %s', (text) => {
    expect(refused(text)).toMatchObject({
      code: 'UNSUPPORTED_SQL',
      message: expect.stringContaining('is not supported yet'),
      hint: expect.stringMatching(/./),
    });
  });

  it.each<[string, string | undefined]>([
    ['lowr(brand)', "did you mean 'lower'?"],
    ['ifnull(brand, 1)', 'use coalesce(a, b)'],
    ['len(brand)', 'use length(text)'],
    ['constructor(brand)', undefined],
    ['frobnicate(brand)', undefined],
  ])('that PostgreSQL does not have either, %s, is unknown', (call, hint) => {
    expect(refused(`SELECT ${call} FROM accounts`)).toMatchObject({ code: 'UNKNOWN_FUNCTION', hint });
  });

  it('that is there is never refused as one that is not: the list holds names of ours too', () => {
    const ours = Object.keys(FUNCTIONS).filter(isPostgresFunction);
    expect(ours).toEqual(expect.arrayContaining(['lower', 'coalesce', 'date_trunc'].filter(isPostgresFunction)));
    for (const name of ours) {
      const error = refusalOrNone(`SELECT ${name}()`);
      expect(error ?? '').not.toContain('not supported yet');
    }
  });
});

function refusalOrNone(text: string): string | undefined {
  try {
    plan(text);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

describe('a type', () => {
  it.each<[string, string, string]>([
    ['uuid', 'the type uuid is not supported yet', 'keep uuids as text'],
    ['point', 'the type point is not supported yet', 'keep the coordinates as numbers: at.x, at.y'],
    ['char(3)', 'the type char is not supported yet', 'use text'],
    ['time', 'the type time is not supported yet', 'use timestamptz, interval, or text'],
    ['pg_catalog.inet', 'the type pg_catalog.inet is not supported yet', 'use text'],
    ['int4[]', 'the array type int4[] is not supported yet', 'use json, or name an element: tags[0]'],
    ['string', 'the type string is not supported', "did you mean 'text'?"],
    ['strng', 'the type strng is not supported', "did you mean 'text'?"],
    ['numric', 'the type numric is not supported', "did you mean 'numeric'?"],
  ])('%s', (type, message, hint) => {
    expect(refused(`SELECT brand::${type} FROM accounts`)).toMatchObject({
      code: 'UNSUPPORTED_SQL',
      message,
      hint,
      position: { offset: 'SELECT brand::'.length },
    });
  });

  it.each(['constructor', 'public.mood'])('%s: the types that there are', (type) => {
    expect(refused(`SELECT brand::${type} FROM accounts`).hint).toMatch(/^the types are boolean, int/);
  });

  it('of the schema pg_catalog is the type itself', () => {
    expect(plan('SELECT brand::pg_catalog.int4 FROM accounts').kind).toBe('query');
  });
});

describe('an operator', () => {
  it.each<[string, RegExp]>([
    ["owner ¦@> '{}'", /name the path/],
    ["owner ¦->> 'id'", /owner\.id::text/],
    ["brand ¦~ 'a'", /LIKE or ILIKE/],
    ["brand ¦!~~ 'a'", /NOT LIKE/],
    ['balance ¦& 1', /bitwise/],
    ['¦|/ balance', /sqrt/],
    ['¦~ 1', /bitwise/],
    ['balance ¦@@ 1', /name the path/],
    ['balance ¦<-> 1', /the operators are/],
  ])('%s', (marked, hint) => {
    const text = `SELECT ${marked} FROM accounts`;
    const operator = /¦(\S+)/.exec(marked)![1]!;
    expect(refused(text.replace('¦', ''))).toMatchObject({
      code: 'UNSUPPORTED_SQL',
      message: `the operator ${operator} is not supported yet`,
      hint: expect.stringMatching(hint),
      position: { offset: text.indexOf('¦') },
    });
  });
});

describe('the listing of maps', () => {
  const rows = (text: string, catalog = CATALOG): unknown => {
    const planned = plan(text, catalog);
    if (planned.kind !== 'query' || planned.merge.kind !== 'Rows') throw new Error('no rows');
    return planned.merge.rows.map((row) => row.map((expr) => (expr.kind === 'literal' ? expr.value : undefined)));
  };

  it.each(['SHOW TABLES', 'show maps;', 'SHOW FULL TABLES'])('%s gives the names in order', (text) => {
    expect(rows(text)).toEqual([['Mixed'], ['accounts'], ['blank'], ['brand'], ['brands'], ['hr.staff'], ['orders']]);
  });

  it('of an empty grid says how a map comes to be', () => {
    const planned = plan('SHOW TABLES', { catalogVersion: 1, maps: [] });
    expect(planned).toMatchObject({
      merge: { rows: [] },
      notices: ['there are no maps yet: the first put creates one'],
    });
  });

  it.each([
    'DESCRIBE brands',
    'desc BRANDS',
    'SHOW COLUMNS FROM brands',
    'SHOW FIELDS IN brands',
    'DESCRIBE TABLE brands',
  ])('%s gives what a statement may name, with the types that documents hold', (text) => {
    const maps = CATALOG.maps.map((map) => (map.name === 'brands' ? { ...map, valueKinds: [16, 1 | 16] } : map));
    expect(rows(text, { ...CATALOG, maps })).toEqual([
      ['__key', 'any'],
      ['brand', 'text'],
      ['country', 'float8 or text'],
      ['__value', 'json'],
      ['__version', 'int8'],
      ['__expires_at', 'timestamptz'],
    ]);
  });

  it('DESCRIBE tells the fields of an object right after it', () => {
    const paths = [['at'], ['n'], ['at', 'x'], ['m'], ['at', 'x', 'deep'], ['m', 'y'], ['at', 'z']];
    const maps = [{ ...CATALOG.maps[0]!, name: 'deep', paths }];
    const names = (rows('DESCRIBE deep', { ...CATALOG, maps }) as string[][]).map(([name]) => name);
    expect(names.slice(1, -3)).toEqual(['at', 'at.x', 'at.x.deep', 'at.z', 'n', 'm', 'm.y']);
  });

  it('DESCRIBE of a map that is not there names the nearest', () => {
    expect(refused('DESCRIBE brandz')).toMatchObject({ code: 'UNKNOWN_MAP', hint: "did you mean 'brands'?" });
  });

  it.each(['\\dt', '\\d brands', '.tables', '.schema brands', 'SELECT 1; \\dt'])(
    '%s, a command of the shell sent as a statement, points to it',
    (text) => {
      expect(refused(text)).toMatchObject({
        code: 'SYNTAX_ERROR',
        hint: expect.stringContaining('SHOW TABLES lists the maps'),
      });
    },
  );

  it.each<[string, RegExp]>([
    ["SHOW TABLES LIKE 'a%'", /write SHOW TABLES/],
    ['SHOW CREATE TABLE brands', /DESCRIBE map/],
    ['SHOW DATABASES', /SHOW TABLES/],
    ['DESCRIBE SELECT 1', /EXPLAIN/],
    ['EXPLAIN SHOW TABLES', /without EXPLAIN/],
  ])('%s is refused with what to write', (text, hint) => {
    expect(refused(text)).toMatchObject({ code: 'UNSUPPORTED_SQL', hint: expect.stringMatching(hint) });
  });
});
