import { onlyReads } from './only-reads.ts';

describe('a statement only reads', () => {
  it.each([
    'SELECT 1',
    '  select * from t',
    '-- delete\n SELECT 1',
    '/* a /* nested */ insert */ SELECT 1',
    '((SELECT 1) UNION SELECT 2)',
    'VALUES (1)',
    'TABLE t',
    'SHOW TABLES',
    'DESC t',
    'EXPLAIN DELETE FROM t',
    'WITH x AS (SELECT 1) SELECT * FROM x',
    "WITH x AS (SELECT 'please update it''s') SELECT * FROM x",
    "SELECT E'it\\'s an insert' FROM t",
    'SELECT "delete" FROM "update"',
    'SELECT $$ delete $$, $q$ insert $$ $q$',
    'SELECT updated, deletes FROM t',
    "SELECT '--' FROM t",
  ])('%s', (text) => expect(onlyReads(text)).toBe(true));

  it.each([
    'DELETE FROM t',
    'INSERT INTO t VALUES (1)',
    'WITH x AS (SELECT 1) UPDATE t SET a = 1',
    'WITH x AS (DELETE FROM t) SELECT * FROM x',
    "SELECT '/*'; DELETE FROM t; SELECT '*/'",
    "SELECT '\\'; DELETE FROM t --'",
    '/* SELECT */ DELETE FROM t',
    'CREATE TABLE t (a int)',
    '',
  ])('not: %s', (text) => expect(onlyReads(text)).toBe(false));
});
