import { seededRandom } from '@ashlar/core';
import type { Expr } from '@ashlar/expressions';
import type { FragmentNode, MergeNode } from '@ashlar/sql-plan';
import fc from 'fast-check';
import { lateColumnsOf } from './late-columns.ts';
import type { Row } from './testing/memory-source.ts';
import {
  aggregate,
  BIG,
  BOOL,
  column,
  compare,
  cuts,
  DECIMAL,
  gather,
  groupBy,
  INT4,
  INT8,
  key,
  literal,
  MIXED,
  NUM,
  NUMERIC,
  SMALL,
  scan,
  TEXT,
  TIME,
  TYPES,
  tableRows,
} from './testing/plans.ts';
import { type Cut, type Query, runQuery } from './testing/run.ts';
import { shownRows, twinMerge } from './testing/twin.ts';

const RUNS = { numRuns: 150 };

/** Runs the query cut in any way, and at once by the twin; compares the answers as sets of rows, or in order. */
function agrees(query: Query, rows: readonly Row[], cut: Cut, inOrder = false): void {
  const input = { rows, buildRows: query.buildRows ?? [], parameters: query.parameters ?? [] };
  const expected = shownRows(twinMerge(query.merge, query.fragment, input));
  const found = shownRows(runQuery(query, rows, cut));
  expect(inOrder ? found : found.toSorted()).toEqual(inOrder ? expected : expected.toSorted());
}

const anyColumn = fc.constantFrom(NUM, SMALL, TEXT, BIG, DECIMAL, TIME, BOOL, MIXED, INT4, INT8, NUMERIC);
const orderedColumn = fc.constantFrom(NUM, SMALL, TEXT, BIG, DECIMAL, TIME, INT4, INT8, NUMERIC);
const summedColumn = fc.constantFrom(NUM, SMALL, BIG, DECIMAL, INT4, INT8, NUMERIC);
const someFilter: fc.Arbitrary<Expr | undefined> = fc.constantFrom(
  undefined,
  compare('>', column(SMALL), literal(2, 'float8')),
  compare('=', column(TEXT), literal('a', 'text')),
);

describe('a scan with filter and projection', () => {
  it('gives the rows of the twin however they are cut', () => {
    fc.assert(
      fc.property(tableRows, cuts, someFilter, someFilter, fc.array(anyColumn), (rows, cut, inner, outer, chosen) => {
        const source = scan(inner);
        const filtered: FragmentNode =
          outer === undefined ? source : { kind: 'Filter', input: source, condition: outer };
        const exprs = chosen.map((index) => column(index));
        const fragment: FragmentNode = { kind: 'Project', input: filtered, columns: [], exprs };
        agrees({ fragment, merge: gather }, rows, cut);
      }),
      RUNS,
    );
  });

  it('computes over the rows that passed alone', () => {
    const quotient: Expr = {
      kind: 'arithmetic',
      operator: '/',
      left: literal(1, 'int4'),
      right: column(INT4),
      type: 'int4',
      at: 3,
    };
    const source = scan(compare('>', column(INT4), literal(0, 'int4')));
    const fragment: FragmentNode = { kind: 'Project', input: source, columns: [], exprs: [quotient] };
    const rows = [0, 1, 2, 0, 3].map((value) => TYPES.map((_, index) => (index === INT4 ? value : null)));
    agrees({ fragment, merge: gather }, rows, {});
    const filtered = groupBy(
      [],
      [aggregate('count', quotient, { filter: compare('>', column(INT4), literal(0, 'int4')) })],
    );
    expect(runQuery(filtered, rows)).toEqual([[3]]);
    expect(() => runQuery({ fragment: { ...fragment, input: scan() }, merge: gather }, rows)).toThrow(
      'division by zero',
    );
  });
});

describe('GROUP BY', () => {
  it('counts, sums and compares as the twin does', () => {
    fc.assert(
      fc.property(
        tableRows,
        cuts,
        fc.array(anyColumn, { maxLength: 3 }),
        summedColumn,
        orderedColumn,
        someFilter,
        (rows, cut, groups, summed, ordered, filter) => {
          const aggregates = [
            aggregate('count'),
            aggregate('count', undefined, { filter }),
            aggregate('count', column(ordered), { filter }),
            aggregate('sum', column(summed), { filter }),
            aggregate('sum', column(summed)),
            aggregate('min', column(ordered), { filter }),
            aggregate('max', column(ordered)),
          ];
          const { fragment, merge } = groupBy(
            groups.map((index) => column(index)),
            aggregates,
          );
          agrees({ fragment, merge }, rows, cut);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('averages doubles as the twin does, and exact numbers to 16 digits', () => {
    fc.assert(
      fc.property(tableRows, cuts, summedColumn, (rows, cut, summed) => {
        const query = groupBy([column(SMALL)], [aggregate('avg', column(summed))]);
        const input = { rows, buildRows: [], parameters: [] };
        const expected = new Map(
          twinMerge(query.merge, query.fragment, input).map(([k, v]) => [k, v as number | null]),
        );
        const found = runQuery(query, rows, cut);
        expect(found.length).toBe(expected.size);
        for (const [group, average] of found) {
          const twin = expected.get(group)!;
          if (twin === null) expect(average).toBeNull();
          else expect(Math.abs(Number(average) - twin)).toBeLessThanOrEqual(Math.abs(twin) * 1e-12);
        }
      }),
      RUNS,
    );
  });

  it('aggregates distinct values once', () => {
    fc.assert(
      fc.property(
        tableRows,
        cuts,
        fc.array(anyColumn, { maxLength: 2 }),
        anyColumn,
        summedColumn,
        someFilter,
        (rows, cut, groups, counted, summed, filter) => {
          const distinct = { distinct: true, filter };
          const query = groupBy(
            groups.map((index) => column(index)),
            [
              aggregate('count', column(counted), distinct),
              aggregate('sum', column(summed), distinct),
              aggregate('count', column(counted)),
            ],
          );
          agrees(query, rows, cut);
        },
      ),
      RUNS,
    );
  });

  it('groups by computed values', () => {
    fc.assert(
      fc.property(tableRows, cuts, (rows, cut) => {
        const sum: Expr = {
          kind: 'arithmetic',
          operator: '+',
          left: column(SMALL),
          right: column(SMALL),
          type: 'any',
          at: -1,
        };
        agrees(groupBy([sum, column(TEXT)], [aggregate('sum', sum), aggregate('min', column(TEXT))]), rows, cut);
      }),
      RUNS,
    );
  });

  it('gives one row for no rows without GROUP BY, none with it', () => {
    const aggregates = [aggregate('count'), aggregate('sum', column(NUM)), aggregate('max', column(TEXT))];
    expect(runQuery(groupBy([], aggregates), [])).toEqual([[0, null, null]]);
    expect(runQuery(groupBy([column(SMALL)], aggregates), [])).toEqual([]);
  });
});

describe('DISTINCT', () => {
  it('keeps one of equal rows', () => {
    fc.assert(
      fc.property(tableRows, cuts, fc.array(anyColumn, { minLength: 1, maxLength: 3 }), (rows, cut, chosen) => {
        const exprs = chosen.map((index) => column(index));
        const fragment: FragmentNode = {
          kind: 'Distinct',
          input: { kind: 'Project', input: scan(), columns: [], exprs },
        };
        agrees({ fragment, merge: { kind: 'Distinct', input: gather } }, rows, cut);
      }),
      RUNS,
    );
  });
});

describe('ORDER BY and LIMIT', () => {
  const sortKeys = fc.array(fc.tuple(orderedColumn, fc.boolean(), fc.boolean()), { minLength: 1, maxLength: 3 });

  it('sorts stably as the twin does', () => {
    fc.assert(
      fc.property(tableRows, sortKeys, fc.integer({ min: 1, max: 40 }), (rows, chosen, chunkRows) => {
        const keys = chosen.map(([index, descending, nullsFirst]) => key(column(index), descending, nullsFirst));
        agrees(
          { fragment: scan(), merge: { kind: 'Sort', input: gather, keys } },
          rows,
          { source: { chunkRows } },
          true,
        );
      }),
      RUNS,
    );
  });

  it('keeps the first rows of every task, and of all', () => {
    fc.assert(
      fc.property(tableRows, sortKeys, cuts, fc.nat(20), fc.nat(20), (rows, chosen, cut, limit, offset) => {
        // All columns are keys, so that the answer is one whatever the order of ties.
        const keys = [
          ...chosen.map(([index]) => index),
          NUM,
          SMALL,
          TEXT,
          BIG,
          DECIMAL,
          TIME,
          BOOL,
          INT4,
          INT8,
          NUMERIC,
        ].map((index, at) => key(column(index), chosen[at]?.[1] ?? false, chosen[at]?.[2] ?? false));
        const exprs = TYPES.map((_, index) => (index === MIXED ? literal(null, 'null') : column(index)));
        const input: FragmentNode = { kind: 'Project', input: scan(), columns: [], exprs };
        const top: FragmentNode = { kind: 'TopN', input, keys, limit: literal(limit + offset, 'int4') };
        const merge: MergeNode = {
          kind: 'Limit',
          input: { kind: 'Sort', input: gather, keys },
          limit: literal(limit, 'int4'),
          offset: literal(offset, 'int4'),
        };
        agrees({ fragment: top, merge }, rows, cut, true);
      }),
      RUNS,
    );
  });

  describe('of many rows', () => {
    const random = seededRandom(11);
    const rows = Array.from({ length: 30_000 }, (_, row) =>
      TYPES.map((__, at) => (at === NUM ? row : at === SMALL ? random.below(500) : null)),
    );
    const keys = [key(column(SMALL))];
    const bySmall = rows.toSorted((a, b) => (a[SMALL] as number) - (b[SMALL] as number)).map((row) => row[NUM]);

    it('keeps equal rows in their order', () => {
      const merge: MergeNode = { kind: 'Sort', input: gather, keys };
      expect(runQuery({ fragment: scan(), merge }, rows).map((row) => row[NUM])).toEqual(bySmall);
    });

    it.each([1, 7, 5000])('keeps the first %d, equal ones in their order', (limit) => {
      const fragment: FragmentNode = { kind: 'TopN', input: scan(), keys, limit: literal(limit, 'int4') };
      const found = runQuery({ fragment, merge: gather }, rows, { source: { chunkRows: 999 } });
      expect(found.map((row) => row[NUM])).toEqual(bySmall.slice(0, limit));
    });

    it('reads the other columns of the rows it keeps alone', () => {
      const renamed = [TEXT, NUM, SMALL].map((index) => column(index));
      const input: FragmentNode = { kind: 'Project', input: scan(), columns: [], exprs: renamed };
      const fragment: FragmentNode = { kind: 'TopN', input, keys: [key(column(2))], limit: literal(20, 'int4') };
      expect(lateColumnsOf(fragment)).toEqual(TYPES.map((_, index) => index !== SMALL));
      const found = runQuery({ fragment, merge: gather }, rows, { source: { chunkRows: 999 } });
      expect(found.map((row) => row[1])).toEqual(bySmall.slice(0, 20));
      expect(lateColumnsOf({ kind: 'Filter', input: fragment, condition: column(0) })).toBeDefined();
      expect(lateColumnsOf({ ...fragment, keys: [] })).toBeUndefined();
      expect(lateColumnsOf({ ...fragment, input: { kind: 'Distinct', input } })).toBeUndefined();
    });

    it('skips and passes rows over many batches', () => {
      const limit = literal(9000, 'int4');
      const merge: MergeNode = { kind: 'Limit', input: gather, limit, offset: literal(10_001, 'int4') };
      expect(runQuery({ fragment: scan(), merge }, rows).map((row) => row[NUM])).toEqual(
        Array.from({ length: 9000 }, (_, index) => index + 10_001),
      );
    });
  });

  it('stops at the limit without an order', () => {
    const rows = Array.from({ length: 50 }, (_, index) => TYPES.map((__, at) => (at === NUM ? index : null)));
    const limit = literal(7, 'int4');
    const fragment: FragmentNode = { kind: 'TopN', input: scan(), keys: [], limit };
    const merge: MergeNode = { kind: 'Limit', input: gather, limit, offset: undefined };
    expect(runQuery({ fragment, merge }, rows, { source: { chunkRows: 3 } }).map((row) => row[NUM])).toEqual([
      0, 1, 2, 3, 4, 5, 6,
    ]);
    expect(runQuery({ fragment: { ...fragment, limit: literal(null, 'null') }, merge: gather }, rows)).toHaveLength(50);
  });

  it('refuses a limit that is no count', () => {
    const limited = (limit: Expr): MergeNode => ({ kind: 'Limit', input: gather, limit, offset: undefined });
    for (const value of [-1, 1.5]) {
      const query = { fragment: scan(), merge: limited(literal(value, 'float8')) };
      expect(() => runQuery(query, [])).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER' }));
    }
  });
});

describe('a join', () => {
  const buildTypes = ['any', 'any', 'any'] as const;
  const buildRow = fc.tuple(
    fc.option(fc.integer({ min: 0, max: 5 }), { freq: 5 }),
    fc.option(fc.constantFrom('', 'a', 'b'), { freq: 5 }),
    fc.nat(9),
  );
  const buildColumn = (index: number): Expr => column(index, 'any');
  const node = (
    join: 'inner' | 'left',
    probe: readonly number[],
    build: readonly number[],
    residual: Expr | undefined,
  ): FragmentNode => ({
    kind: 'HashJoin',
    join,
    input: scan(),
    stage: 0,
    buildColumns: buildTypes.map((type, index) => ({ name: `b${index}`, type })),
    probeKeys: probe.map((index) => column(index)),
    buildKeys: build.map(buildColumn),
    residual,
  });
  const residuals: fc.Arbitrary<Expr | undefined> = fc.constantFrom(
    undefined,
    compare('<', column(SMALL), buildColumn(TYPES.length + 2)),
  );

  it('finds the partners that the twin finds', () => {
    fc.assert(
      fc.property(
        tableRows,
        fc.array(buildRow, { maxLength: 30 }),
        cuts,
        fc.constantFrom('inner' as const, 'left' as const),
        fc.constantFrom<[number[], number[]]>(
          [[SMALL], [0]],
          [[TEXT], [1]],
          [
            [SMALL, TEXT],
            [0, 1],
          ],
          [[MIXED], [0]],
          [[], []],
        ),
        residuals,
        (rows, buildRows, cut, join, [probe, build], residual) => {
          agrees({ fragment: node(join, probe, build, residual), merge: gather, buildRows, buildTypes }, rows, cut);
        },
      ),
      RUNS,
    );
  });

  it('flows on to an aggregate', () => {
    fc.assert(
      fc.property(tableRows, fc.array(buildRow, { maxLength: 30 }), cuts, (rows, buildRows, cut) => {
        const query = groupBy(
          [buildColumn(TYPES.length + 1)],
          [aggregate('count'), aggregate('sum', buildColumn(TYPES.length + 2))],
          node('left', [SMALL], [0], undefined),
        );
        agrees({ ...query, buildRows, buildTypes }, rows, cut);
      }),
      RUNS,
    );
  });
});
