/** One plan for all statements of a shape, against planning each of them. */
import { isDeepStrictEqual } from 'node:util';
import { type Plan, rebound, type StatementShape, statementShape } from '@ashlar/sql-plan';
import fc from 'fast-check';
import { plan } from './plan-support.ts';

/** `#` stands for a number. */
const TEXTS = [
  'SELECT sum(balance) FROM accounts WHERE balance > #',
  'SELECT brand, count(*) FROM accounts WHERE balance >= # AND opened <> # GROUP BY brand HAVING count(*) > #',
  'SELECT * FROM accounts WHERE __key = #',
  'SELECT owner.id FROM accounts WHERE __key = # AND balance < # OR (balance = #)',
  'SELECT balance > # FROM accounts ORDER BY 1 LIMIT 5',
  'SELECT (balance > #) AS rich, count(*) FROM accounts GROUP BY (balance > #)',
  'SELECT CASE WHEN balance > # THEN 1 ELSE 2 END AS class, count(*) FROM accounts GROUP BY 1',
  "SELECT brand FROM accounts WHERE brand = 'x > 5' AND balance = # ORDER BY balance + 1 LIMIT 3 OFFSET 4",
  'SELECT a.brand, o.total FROM accounts a JOIN orders o ON o.account = a.__key WHERE o.total > # AND a.balance < #',
  'SELECT count(*) FILTER (WHERE balance > #), avg(balance) FROM accounts',
  'SELECT 1 WHERE 5 > #',
  'UPDATE accounts SET balance = # WHERE balance > #',
  'DELETE FROM accounts WHERE __key = # OR balance <= #',
  'EXPLAIN SELECT max(balance) FROM accounts WHERE balance > #\nAND balance\n< #',
];
const number = fc.oneof(
  fc.integer({ min: 0, max: 20 }).map(String),
  fc.nat().map(String),
  fc.bigInt({ min: 2n ** 31n - 2n, max: 2n ** 63n + 2n }).map(String),
  fc.tuple(fc.nat(), fc.nat(9999)).map(([whole, part]) => `${whole}.${part}`),
);

interface Planned {
  readonly text: string;
  readonly shape: StatementShape;
  readonly plan: Plan;
}

function planned(text: string): Planned | undefined {
  const shape = statementShape(text);
  if (shape === undefined) throw new Error(`no shape: ${text}`);
  try {
    return { text, shape, plan: plan(text) };
  } catch {
    return undefined;
  }
}

const foretold = (from: Planned, to: Planned): Plan | undefined => rebound(from.plan, from.shape, to.shape);

/** `text` with its numbers in place of `#`. */
function filled(text: string, numbers: readonly string[]): string {
  let next = 0;
  return text.replace(/#/g, () => numbers[next++]!);
}

describe('a plan of a shape', () => {
  it('is that of every other statement of the shape, once it was that of one with other numbers', () => {
    const some = fc.array(number, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...TEXTS), some, some, some, (text, one, other, third) => {
        const [a, b, c] = [one, other, third].map((numbers) => planned(filled(text, numbers)));
        if (a === undefined || b === undefined || c === undefined) return;
        if (a.shape.key !== b.shape.key || b.shape.key !== c.shape.key) return;
        const isOther = a.shape.numbers.every(({ value }, at) => !isDeepStrictEqual(value, b.shape.numbers[at]!.value));
        if (isOther && isDeepStrictEqual(foretold(a, b), b.plan)) expect(foretold(b, c)).toEqual(c.plan);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(TEXTS.slice(0, 4))('is found for %s, also where its numbers are longer', (text) => {
    const a = planned(filled(text, ['11', '12', '13']))!;
    const b = planned(filled(text, ['1100', '7', '130000']))!;
    expect(foretold(a, b)).toEqual(b.plan);
  });

  it('is none where a number decides more than a value', () => {
    const a = planned('SELECT (balance > 1), count(*) FROM accounts GROUP BY (balance > 1)')!;
    const b = planned('SELECT (balance > 2), count(*) FROM accounts GROUP BY (balance > 2)')!;
    expect(isDeepStrictEqual(foretold(a, b), b.plan)).toBe(false);
  });
});
