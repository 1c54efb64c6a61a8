import { statementShape } from './statement-shape.ts';

const keyOf = (text: string): string | undefined => statementShape(text)?.key;
const numbersOf = (text: string): unknown => statementShape(text)?.numbers.map(({ at, end }) => text.slice(at, end));

describe('the shape of a statement', () => {
  it.each([
    ['SELECT a FROM t WHERE b > 1', 'SELECT a FROM t WHERE b > 22'],
    ['SELECT a FROM t WHERE b > 1.5 AND c = 2', 'SELECT a FROM t WHERE b > 0.25 AND c = 7'],
    ["SELECT a FROM t WHERE b<=1 and s = 'a > 5'", "SELECT a FROM t WHERE b<=9 and s = 'a > 5'"],
    ['SELECT sum(CASE WHEN (b <> 3) THEN 1 END) FROM t', 'SELECT sum(CASE WHEN (b <> 4) THEN 1 END) FROM t'],
    ['SELECT a FROM t WHERE b > 1 AND c = $1', 'SELECT a FROM t WHERE b > 2 AND c = $1'],
  ])('is one for %s and %s', (one, other) => {
    expect(keyOf(one)).toBeDefined();
    expect(keyOf(one)).toBe(keyOf(other));
  });

  it.each([
    ['another type', 'SELECT a FROM t WHERE b > 1', 'SELECT a FROM t WHERE b > 3000000000'],
    ['another type', 'SELECT a FROM t WHERE b > 1', 'SELECT a FROM t WHERE b > 1.0'],
    ['equal numbers', 'SELECT a FROM t WHERE b > 1 AND c > 1', 'SELECT a FROM t WHERE b > 1 AND c > 2'],
    ['equal to another', 'SELECT a + 1 FROM t WHERE b > 1', 'SELECT a + 1 FROM t WHERE b > 2'],
    ['equal but for zeros', 'SELECT a FROM t WHERE b > 1 AND c > 01', 'SELECT a FROM t WHERE b > 1 AND c > 02'],
    ['another text', 'SELECT a FROM t WHERE b > 1', 'SELECT a FROM t  WHERE b > 1'],
    ['another string', "SELECT a FROM t WHERE b > 1 AND s = 'x'", "SELECT a FROM t WHERE b > 1 AND s = 'y'"],
    ['another limit', 'SELECT a FROM t WHERE b > 1 LIMIT 7', 'SELECT a FROM t WHERE b > 2 LIMIT 8'],
  ])('differs with %s: %s, %s', (_why, one, other) => {
    expect(keyOf(one)).toBeDefined();
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  it.each([
    ['SELECT 1'],
    ['SELECT a FROM t WHERE b > -1'],
    ['SELECT a FROM t WHERE b > 1 + c'],
    ['SELECT a FROM t WHERE b > 1::text'],
    ['SELECT a FROM t WHERE b > 1e5'],
    ['SELECT a FROM t WHERE b > 0x1F'],
    ['SELECT a FROM t WHERE b > 1_000'],
    ['SELECT a FROM t WHERE b > 5.'],
    ['SELECT a FROM t WHERE b @> 1'],
    ['SELECT f(a => 1)'],
    ['SELECT a FROM t WHERE b > 1 -- or b > 2'],
    ['SELECT a FROM t WHERE /* it */ b > 1'],
    ["SELECT a FROM t WHERE s = E'\\' OR b > 1' AND b > 1"],
    ['SELECT a FROM t WHERE s = $x$ b > 1 $x$ AND b > 1'],
    ["SELECT a FROM t WHERE s = 'open AND b > 1"],
    ["SELECT a FROM t WHERE s = ' b > 1 '"],
    ['SELECT "b > 1" FROM t'],
  ])('is none of %s', (text) => {
    expect(statementShape(text)).toBeUndefined();
  });

  it('takes out what stands behind a comparison, and nothing else', () => {
    const text = "SELECT a, 5 FROM t WHERE b >= 10 AND c IN (1, 2) AND s = 'b = 3' AND (d = 4) ORDER BY 1 LIMIT 6";
    expect(numbersOf(text)).toEqual(['10', '4']);
  });

  it('is not looked for in long texts', () => {
    expect(statementShape(`SELECT a FROM t WHERE ${'b > 1 AND '.repeat(500)}c = 2`)).toBeUndefined();
  });
});
