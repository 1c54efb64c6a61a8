/** Any statement is answered by a plan that holds together or by a GridError with its place. */
import { GridError } from '@ashlar/core';
import { type Plan, planText } from '@ashlar/sql-plan';
import fc from 'fast-check';
import { statement } from './oracle/generate.ts';
import { CATALOG, plan } from './plan-support.ts';
import { checkPlan } from './well-formed.ts';

/** Names of the random grammar as maps, so that more than FROM is reached. */
const WIDE = {
  ...CATALOG,
  maps: ['t', 'u', 'T', 'public.t', 'session', 'offsets'].map((name, index) => ({
    ...CATALOG.maps[0]!,
    name,
    mapId: index,
    entries: index,
    paths: [['a'], ['a', 'b'], ['brand'], ['x1$']],
  })),
};

function answer(text: string, catalog = CATALOG): Plan | GridError {
  try {
    return plan(text, catalog);
  } catch (error) {
    if (error instanceof GridError) return error;
    throw error;
  }
}

/** @returns whether there is a plan */
function check(text: string, catalog = CATALOG): boolean {
  const answered = answer(text, catalog);
  if (answered instanceof GridError) {
    expect(answered.code).not.toBe('INTERNAL');
    expect(answered.position).toBeDefined();
    expect(answered.position!.offset).toBeLessThanOrEqual(text.length);
    return false;
  }
  checkPlan(answered);
  expect(planText(answered)).not.toBe('');
  structuredClone(answered);
  return true;
}

const pick = (...options: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...options);
const list = (item: fc.Arbitrary<string>, minLength = 1): fc.Arbitrary<string> =>
  fc.array(item, { minLength, maxLength: 3 }).map((items) => items.join(', '));
const column = pick(
  'a.brand',
  'b.brand',
  'a.balance',
  'b.country',
  'a.__key',
  'c.total',
  'balance',
  'country',
  '$1',
  '7',
);
const value = fc.oneof(
  column,
  fc.tuple(column, pick('+', '*', '||'), column).map((parts) => parts.join(' ')),
  column.map((one) => `coalesce(${one}, 0)`),
  column.map((one) => `CASE WHEN ${one} = 1 THEN ${one} END`),
);
const condition = fc
  .array(fc.tuple(value, pick('=', '<', 'IS DISTINCT FROM'), value), { minLength: 1, maxLength: 3 })
  .chain((parts) => pick(' AND ', ' OR ').map((word) => parts.map((part) => part.join(' ')).join(word)));
const aggregate = fc.oneof(
  fc.constant('count(*)'),
  value.map((one) => `sum(${one})`),
  fc.tuple(value, condition).map(([one, filter]) => `count(DISTINCT ${one}) FILTER (WHERE ${filter})`),
);
const join = fc.oneof(
  condition.map((on) => ['JOIN', `ON ${on}`] as const),
  condition.map((on) => ['LEFT JOIN', `ON ${on}`] as const),
  fc.constant(['LEFT JOIN', 'USING (__key)'] as const),
  fc.constant(['CROSS JOIN', ''] as const),
);
const from = fc
  .tuple(join, join, fc.boolean())
  .map(([one, two, comma]) =>
    comma
      ? `accounts a, brands b ${two[0]} orders c ${two[1]}`
      : `accounts a ${one[0]} brands b ${one[1]} ${two[0]} orders c ${two[1]}`,
  );
const clause = (word: string, body: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.option(body, { nil: undefined }).map((given) => (given === undefined ? '' : ` ${word} ${given}`));

const plain = fc
  .tuple(
    pick('', 'DISTINCT '),
    list(fc.oneof(value, pick('*', 'b.*'))),
    from,
    clause('WHERE', condition),
    clause('ORDER BY', list(fc.oneof(value, pick('1', 'a.balance DESC NULLS LAST')))),
    clause('LIMIT', pick('1', '$1', '2 OFFSET 3')),
  )
  .map(([distinct, items, tables, ...rest]) => `SELECT ${distinct}${items} FROM ${tables}${rest.join('')}`);
const grouped = fc
  .tuple(list(value), from, clause('WHERE', condition), fc.option(aggregate), aggregate, clause('LIMIT', pick('1')))
  .map(([groups, tables, where, having, item, limit]) =>
    [
      `SELECT ${groups}, ${item} FROM ${tables}${where} GROUP BY ${groups}`,
      having === null ? '' : ` HAVING ${having} > 1`,
      ` ORDER BY ${item}, ${having ?? '1'}${limit}`,
    ].join(''),
  );

/** How many of the statements have a plan. */
function plannedOf(statements: fc.Arbitrary<string>, catalog = CATALOG): number {
  let planned = 0;
  const property = fc.property(statements, (text) => {
    if (check(text, catalog)) planned++;
  });
  fc.assert(property, { numRuns: 400 });
  return planned;
}

describe('the planner', () => {
  it('answers any statement of the grammar', () => {
    expect(plannedOf(statement, WIDE)).toBeGreaterThan(0);
  });

  it('plans joins, orders and limits that hold together', () => {
    expect(plannedOf(plain)).toBeGreaterThan(100);
  });

  it('plans groups that hold together', () => {
    expect(plannedOf(grouped)).toBeGreaterThan(100);
  });
});
