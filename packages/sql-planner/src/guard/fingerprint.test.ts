import { fingerprint } from './fingerprint.ts';
import { tokenize } from './lexer.ts';

const key = (text: string): string => fingerprint(tokenize(text));

describe('the fingerprint of a statement', () => {
  it.each([
    ['SELECT a FROM t WHERE b = 1', 'select  a\nFROM t /* x */ WHERE b = 22'],
    ["SELECT a FROM t WHERE b = 'x'", 'SELECT a FROM t WHERE b = $$y$$'],
    ['SELECT a FROM t WHERE b > 1.5 LIMIT 3', 'SELECT a FROM t WHERE b > .25 LIMIT 4'],
    ['SELECT a FROM t ORDER BY 1 LIMIT 3', 'SELECT a FROM t ORDER BY 1 LIMIT 9'],
    ['SELECT f(1) FROM t', 'SELECT f(2) FROM t'],
  ])('is one for %s and %s', (one, other) => {
    expect(key(one)).toBe(key(other));
  });

  it.each([
    ['SELECT a FROM t WHERE b = 1', 'SELECT a FROM t WHERE b = 3000000000'],
    ['SELECT a FROM t WHERE b = 1', 'SELECT a FROM t WHERE b = 99999999999999999999'],
    ['SELECT a FROM t WHERE b = 1', "SELECT a FROM t WHERE b = '1'"],
    ['SELECT a FROM t WHERE b = 1', 'SELECT A FROM t WHERE b = 1'],
    ['SELECT a FROM t WHERE b = 1', 'SELECT a FROM t WHERE b = $1'],
    ['SELECT a FROM t ORDER BY 1', 'SELECT a FROM t ORDER BY 2'],
    ['SELECT a, b FROM t GROUP BY 1, 2', 'SELECT a, b FROM t GROUP BY 1, 1'],
    ['SELECT a::numeric(10, 2)', 'SELECT a::numeric(10, 3)'],
    ['SELECT CAST(a AS varchar(1))', 'SELECT CAST(a AS varchar(2))'],
    ['SELECT "string"', "SELECT 'string'"],
  ])('differs between %s and %s', (one, other) => {
    expect(key(one)).not.toBe(key(other));
  });
});
