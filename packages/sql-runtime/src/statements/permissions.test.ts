import { planOf } from '../testing/plans.ts';
import { permissionsOf } from './permissions.ts';

const asked = (text: string): string[] =>
  permissionsOf(planOf(text))
    .map(({ permission, map }) => `${permission} ${map}`)
    .sort();

const STATEMENTS: readonly (readonly [string, readonly string[]])[] = [
  ['SELECT 1', []],
  ['SELECT n FROM t', ['read t']],
  ['SELECT n FROM t WHERE __key = $1', ['read t']],
  ['SELECT s, count(*) FROM t WHERE n > 1 GROUP BY s ORDER BY s LIMIT 3', ['read t']],
  ['SELECT DISTINCT s FROM t', ['read t']],
  ['SELECT t.s FROM t JOIN u ON t.n = u.n', ['read t', 'read u']],
  ['SELECT t.s FROM t LEFT JOIN u ON t.n = u.n WHERE t.__key = 1', ['read t', 'read u']],
  ['SELECT a.s FROM t a JOIN t b ON a.n = b.n', ['read t', 'read t']],
  ['INSERT INTO t (__key, n) VALUES (1, 2)', ['write t']],
  ['INSERT INTO unheard_of (__key, n) VALUES (1, 2)', ['write unheard_of']],
  ['UPDATE t SET n = 1', ['read t', 'write t']],
  ['UPDATE t SET n = 1 WHERE __key = 1', ['read t', 'write t']],
  ['DELETE FROM t WHERE n = 1', ['read t', 'write t']],
  ['TRUNCATE t', ['write t']],
];

describe('the permissions that a statement needs', () => {
  it.each(STATEMENTS)('%s: %j', (text, permissions) => {
    expect(asked(text)).toEqual(permissions);
  });

  it.each(STATEMENTS)('are the same where %s is explained', (text, permissions) => {
    expect(asked(`EXPLAIN ${text}`)).toEqual(permissions);
    expect(asked(`EXPLAIN ANALYZE ${text}`)).toEqual(permissions);
  });
});
