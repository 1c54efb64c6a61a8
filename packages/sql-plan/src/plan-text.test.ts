/**
 * Plans as text against testdata/plan-text.txt. Regenerate with UPDATE_GOLDEN=1 and read the difference in review.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Aggregate, Expr, SqlType } from '@ashlar/expressions';
import { aggregateText, exprText } from './expr-text.ts';
import type { FragmentNode, MergeNode, Plan, QueryPlan, SortKey, Stage } from './plan.ts';
import { type PlanTextOptions, planText } from './plan-text.ts';

const GOLDEN = new URL('../testdata/plan-text.txt', import.meta.url);

const at = -1;
const column = (name: string, index = 0): Expr => ({ kind: 'column', index, name, type: 'any', at });
const literal = (value: unknown, type: SqlType = 'any'): Expr => ({ kind: 'literal', value: value as never, type, at });
const parameter = (index: number): Expr => ({ kind: 'parameter', index, type: 'any', at });
const compare = (operator: '=' | '>' | '<=', left: Expr, right: Expr): Expr => ({
  kind: 'compare',
  operator,
  left,
  right,
  type: 'boolean',
  at,
});
const and = (...operands: Expr[]): Expr => ({ kind: 'and', operands, type: 'boolean', at });
const sum = (operand: Expr, options: Partial<Aggregate> = {}): Aggregate => ({
  name: 'sum',
  operand,
  distinct: false,
  filter: undefined,
  type: 'any',
  at,
  ...options,
});
const count: Aggregate = { ...sum(column('x')), name: 'count', operand: undefined };
const key = (expr: Expr, descending = false, nullsFirst = descending): SortKey => ({ expr, descending, nullsFirst });

const scan = (map: string, paths: readonly string[], filter?: Expr): Extract<FragmentNode, { kind: 'Scan' }> => ({
  kind: 'Scan',
  map,
  mapId: 1,
  alias: map,
  columns: paths.map((path) =>
    path.startsWith('__')
      ? { source: path.slice(2) as 'key' | 'version', type: 'any' }
      : {
          source: 'path',
          path: path.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step)),
          type: 'any',
        },
  ),
  filter,
});
const gather: MergeNode = { kind: 'Gather', columns: [] };
const stage = (id: number, fragment: FragmentNode, options: Partial<Stage> = {}): Stage => ({
  id,
  exchange: 'gather',
  fragment,
  partitions: { kind: 'all' },
  output: [],
  ...options,
});
const query = (stages: readonly Stage[], merge: MergeNode, notices: readonly string[] = []): QueryPlan => ({
  kind: 'query',
  stages,
  merge,
  output: [],
  parameterCount: 0,
  catalogVersion: 1,
  notices,
});
const common = { parameterCount: 1, catalogVersion: 1, notices: [] };

const members: PlanTextOptions = {
  partitionCount: 256,
  members: (id) => [
    { address: '127.0.0.1:7710', partitions: 128 - id },
    { address: '127.0.0.1:7720', partitions: 128 },
  ],
};
const analyzed: PlanTextOptions = {
  partitionCount: 256,
  members: () => [
    { address: '127.0.0.1:7710', partitions: 256, actual: { rowsScanned: 1_000_000, rowsOut: 3, ms: 4.25 } },
  ],
};

const balances = scan('accounts', ['brand', 'balance'], compare('>', column('balance'), literal(0)));
const byBrand = query(
  [
    stage(0, {
      kind: 'PartialAggregate',
      input: balances,
      groups: [column('brand')],
      aggregates: [sum(column('balance')), count],
    }),
  ],
  {
    kind: 'Limit',
    input: {
      kind: 'Sort',
      input: {
        kind: 'Project',
        input: {
          kind: 'FinalAggregate',
          input: gather,
          groupTypes: ['any'],
          aggregates: [sum(column('balance')), count],
        },
        columns: [
          { name: 'brand', type: 'any' },
          { name: 'total', type: 'any' },
        ],
        exprs: [column('brand'), column('sum(balance)', 1)],
      },
      keys: [key(column('total', 1), true), key(column('brand'), false, true)],
    },
    limit: literal(10),
    offset: parameter(0),
  },
);
const joined = query(
  [
    stage(0, scan('brands', ['id', 'name']), { exchange: 'broadcast' }),
    stage(
      1,
      {
        kind: 'TopN',
        input: {
          kind: 'HashJoin',
          join: 'left',
          input: { ...scan('accounts', ['__key', 'owner.id', 'tags.1']), alias: 'a' },
          stage: 0,
          buildColumns: [],
          probeKeys: [column('a.brand')],
          buildKeys: [column('brands.id')],
          residual: compare('>', column('a.balance'), column('brands.floor')),
        },
        keys: [key(column('a.balance'))],
        limit: literal(5),
      },
      { partitions: { kind: 'keys', keys: [literal('k1', 'text'), parameter(1)] } },
    ),
  ],
  { kind: 'Distinct', input: { kind: 'Filter', input: gather, condition: compare('=', column('x'), literal(true)) } },
  ["unknown column 'blance' in accounts: did you mean 'balance'?"],
);

const plans: readonly (readonly [string, Plan, PlanTextOptions?])[] = [
  ['an aggregate, ordered and limited', byBrand],
  ['the same with its members', byBrand, members],
  ['the same after it ran', { kind: 'explain', analyze: true, target: byBrand, ...common }, analyzed],
  ['a join of some partitions', joined, members],
  ['values', query([], { kind: 'Rows', rows: [[literal(1)], [literal(2)]], columns: [] })],
  [
    'a get',
    {
      kind: 'get',
      key: parameter(0),
      scan: scan('accounts', ['__key', 'balance'], compare('>', column('balance'), literal(5))),
      exprs: [column('balance')],
      output: [{ name: 'left', type: 'any' }],
      ...common,
    },
  ],
  [
    'an insert',
    {
      kind: 'insert',
      map: 'a',
      mapId: undefined,
      rows: [{ key: literal(1), fields: [] }],
      onConflict: 'nothing',
      ...common,
    },
  ],
  [
    'an update',
    {
      kind: 'update',
      map: 'accounts',
      mapId: 1,
      scan: scan('accounts', ['__key', '__version', 'balance'], compare('<=', column('balance'), parameter(0))),
      partitions: { kind: 'all' },
      assignments: [{ path: ['owner', 'names', 0], value: literal('x', 'text') }],
      ...common,
    },
    members,
  ],
  [
    'a delete',
    {
      kind: 'delete',
      map: 'a',
      mapId: 1,
      scan: scan('a', ['__key']),
      partitions: { kind: 'keys', keys: [literal(7)] },
      assignments: [],
      ...common,
    },
  ],
];

describe('a plan as text', () => {
  it('reads as testdata/plan-text.txt', () => {
    const text = plans.map(([name, plan, options]) => `# ${name}\n${planText(plan, options)}\n`).join('\n');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, text);
    expect(text).toBe(readFileSync(GOLDEN, 'utf8'));
  });
});

describe('an expression as text', () => {
  const a = column('a');
  const long = Array.from({ length: 10 }, (_, index) => literal(index));
  it.each<[Expr, string]>([
    [and(compare('=', a, literal("it's", 'text')), compare('>', a, literal(1))), "(a = 'it''s') AND (a > 1)"],
    [
      { kind: 'not', operand: { kind: 'isNull', negated: true, operand: a, type: 'boolean', at }, type: 'boolean', at },
      'NOT (a IS NOT NULL)',
    ],
    [{ kind: 'isTruth', truth: null, negated: false, operand: a, type: 'boolean', at }, 'a IS UNKNOWN'],
    [
      { kind: 'distinctFrom', negated: true, left: a, right: literal(null), type: 'boolean', at },
      'a IS NOT DISTINCT FROM NULL',
    ],
    [
      { kind: 'in', negated: true, operand: a, list: long, type: 'boolean', at },
      'a NOT IN (0, 1, 2, 3, 4, 5, 6, 7, ... 2 more)',
    ],
    [
      {
        kind: 'like',
        negated: false,
        caseInsensitive: true,
        operand: a,
        pattern: parameter(0),
        escape: '!',
        type: 'boolean',
        at,
      },
      "a ILIKE $1 ESCAPE '!'",
    ],
    [
      { kind: 'case', branches: [{ when: a, then: literal(1n) }], otherwise: literal(false), type: 'any', at },
      'CASE WHEN a THEN 1 ELSE FALSE END',
    ],
    [{ kind: 'cast', operand: { kind: 'negate', operand: a, type: 'any', at }, type: 'int4', at }, '(-a)::int4'],
    [
      { kind: 'call', name: 'lower', args: [a, literal({ decimal: '1.50' }, 'numeric')], type: 'text', at },
      'lower(a, 1.50)',
    ],
    [
      { kind: 'concat', left: a, right: literal(Uint8Array.of(1, 255), 'bytea'), type: 'text', at },
      "a || bytea '\\x01ff'",
    ],
    [literal('2026-01-01', 'date'), "date '2026-01-01'"],
    [literal({ a: [1] }, 'json'), `'{"a":[1]}'`],
  ])('reads as SQL (%#)', (expr, text) => {
    expect(exprText(expr)).toBe(text);
  });

  it('shows aggregates with DISTINCT and FILTER', () => {
    const filter = compare('>', a, literal(0));
    expect(aggregateText(sum(a, { distinct: true, filter }))).toBe('sum(DISTINCT a) FILTER (WHERE a > 0)');
    expect(aggregateText(count)).toBe('count(*)');
  });
});
