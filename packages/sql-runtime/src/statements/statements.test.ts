import type { GridView } from '@ashlar/cluster';
import { GridError, type Version } from '@ashlar/core';
import { MemberMetrics, NO_TRACING } from '@ashlar/observe';
import { encodeValue, type Key, type StatementOutput } from '@ashlar/serialization';
import { decodeBatch, rowsBatch } from '@ashlar/sql-executor';
import type { CatalogView, Plan } from '@ashlar/sql-plan';
import { planStatement } from '@ashlar/sql-planner';
import { checkParameterCount, parameterTypes } from './parameters.ts';
import { decodedValues, type RunContext, valuesOf } from './statement-types.ts';
import { Statements } from './statements.ts';

const CATALOG: CatalogView = {
  catalogVersion: 1,
  maps: [{ name: 't', mapId: 1, affinityParts: 0, paths: [['n'], ['s']], valueKinds: [1, 16], entries: 10 }],
};

const planOf = (text: string): Plan => {
  const planned = planStatement(text, CATALOG, new Set(['t'])) as { readonly plan: Plan };
  return planned.plan;
};

function bench() {
  const entries = new Map<Key, unknown>([['k', { n: 7, s: 'x' }]]);
  const state = { catalogVersion: 1, maps: [] };
  const planned: string[] = [];
  const asked: string[] = [];
  const metrics = new MemberMetrics();
  const statements = new Statements({
    control: { catalog: state, partitionCount: 4, requireComplete: () => undefined } as unknown as GridView,
    planning: {
      plan: async (text) => {
        planned.push(text);
        return { ...planOf(text), catalogVersion: state.catalogVersion };
      },
    },
    queries: {
      run: async function* ({ output }: Extract<Plan, { kind: 'query' }>) {
        for (let row = 0; row < 3; row++) yield rowsBatch(output, [output.map(() => row), output.map(() => row + 10)]);
      },
    } as never,
    changes: {
      insert: async ({ rows }) => ({ affected: rows.length, version: 5 as Version, odd: [] }),
      clear: async ({ name, id }) => ({ affected: name.length + id, version: 6 as Version, odd: [] }),
      modify: async () => {
        throw new GridError('DIVISION_BY_ZERO', 'division by zero', { position: undefined, details: { offset: 0 } });
      },
    },
    keys: {
      get: async (_map, key) => {
        const value = entries.get(key);
        return value === undefined ? undefined : { value: encodeValue(value), version: 1, expiresAtMs: 0 };
      },
    },
    ...{ pool: {} as never, metrics, tracing: NO_TRACING, clock: { now: () => 9 as Version } },
  });
  const context: RunContext = {
    ...{ signal: new AbortController().signal, trace: undefined, deadlineMs: undefined },
    ...{ seen: 0 as Version, strict: false, rowsMax: 0 },
    require: (permission, map) => void asked.push(`${permission} ${map}`),
  };
  return { statements, context, planned, asked, metrics, state };
}

async function collect(outputs: AsyncIterable<StatementOutput>): Promise<StatementOutput[]> {
  const all: StatementOutput[] = [];
  for await (const output of outputs) all.push(output);
  return all;
}

describe('a prepared statement', () => {
  it('tells its parameters, its columns and what it needs before it runs', async () => {
    const { statements, context, asked } = bench();
    const prepared = await statements.prepare(
      'SELECT n, s, n::int8 AS m FROM t WHERE n > $1::int8 AND s = $2',
      context,
    );
    expect(prepared.parameters).toHaveLength(2);
    expect(prepared.parameters[0]).toBe('int8');
    expect(prepared.columns.map(({ name, type }) => [name, type])).toEqual([
      ['n', expect.anything()],
      ['s', expect.anything()],
      ['m', 'int8'],
    ]);
    expect(prepared.permissions).toEqual([{ permission: 'read', map: 't' }]);
    expect(asked).toEqual([]);
    const change = await statements.prepare('UPDATE t SET n = $1', context);
    expect([change.columns, change.permissions]).toEqual([
      [],
      [
        { permission: 'read', map: 't' },
        { permission: 'write', map: 't' },
      ],
    ]);
    expect((await statements.prepare('EXPLAIN SELECT n FROM t', context)).columns).toMatchObject([{ name: 'plan' }]);
  });

  it('runs as header, batches, end, as often as wanted, and is planned anew when the catalog has changed', async () => {
    const { statements, context, planned, asked, state } = bench();
    const prepared = await statements.prepare('SELECT n FROM t WHERE n < $1', context);
    const outputs = await collect(prepared.run(valuesOf([5]), context));
    expect(outputs.map(({ kind }) => kind)).toEqual(['header', 'batch', 'batch', 'batch', 'end']);
    expect(outputs.at(-1)).toMatchObject({ rows: 6, affected: 6, batches: 3, version: 9 });
    expect([planned.length, asked]).toEqual([1, ['read t']]);
    await collect(prepared.run(valuesOf([6]), context));
    state.catalogVersion = 2;
    const limited = await collect(prepared.run(valuesOf([6]), { ...context, rowsMax: 3 }));
    expect(limited.at(-1)).toMatchObject({ rows: 4, batches: 2 });
    expect(planned).toHaveLength(3);
  });

  it('reads one key, and tells the types of its columns by the row', async () => {
    const { statements, context } = bench();
    const text = 'SELECT n, s FROM t WHERE __key = $1';
    const [header, batch, end] = await collect(statements.execute(text, valuesOf(['k']), context));
    expect(header).toMatchObject({
      columns: [
        { name: 'n', type: 'float8' },
        { name: 's', type: 'text' },
      ],
    });
    expect(decodeBatch((batch as { bytes: Uint8Array }).bytes)).toMatchObject({ length: 1 });
    expect(end).toMatchObject({ rows: 1, batches: 1 });
    const none = await collect(statements.execute(text, valuesOf(['absent']), context));
    expect(none.map(({ kind }) => kind)).toEqual(['header', 'end']);
    expect(none[0]).toMatchObject({ columns: [{ type: 'unknown' }, { type: 'unknown' }] });
  });

  it('that changes rows ends with their number and version', async () => {
    const { statements, context, asked } = bench();
    const outputs = await collect(
      statements.execute('INSERT INTO t (__key, n) VALUES (1, 1), (2, 2)', valuesOf([]), context),
    );
    expect(outputs).toMatchObject([
      { kind: 'header', columns: [] },
      { kind: 'end', affected: 2, rows: 0, version: 5, batches: 0 },
    ]);
    const emptied = await collect(statements.execute('TRUNCATE t', valuesOf([]), context));
    expect(emptied).toMatchObject([
      { kind: 'header', columns: [] },
      { kind: 'end', rows: 0, version: 6, batches: 0 },
    ]);
    expect(asked).toEqual(['write t', 'write t']);
  });

  it('fails with too few parameters, without a permission, and by what running throws; each counts once', async () => {
    const { statements, context, metrics } = bench();
    const text = 'SELECT n FROM t WHERE n = $2';
    await expect(collect(statements.execute(text, valuesOf([1]), context))).rejects.toMatchObject({
      code: 'INVALID_PARAMETER',
      message: 'the statement asks for 2 parameters, 1 are given',
    });
    const require = (): never => {
      throw new GridError('PERMISSION_DENIED', 'no');
    };
    await expect(
      collect(statements.execute('SELECT n FROM t', valuesOf([]), { ...context, require })),
    ).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await expect(collect(statements.execute('UPDATE t SET n = 1', valuesOf([]), context))).rejects.toMatchObject({
      code: 'DIVISION_BY_ZERO',
    });
    await expect(statements.prepare('SELEC n', context)).rejects.toMatchObject({
      code: 'SYNTAX_ERROR',
      position: { line: 1 },
    });
    expect([metrics.queries, metrics.queryFailures]).toEqual([3, 3]);
  });
});

describe('parameters', () => {
  it.each([
    ['SELECT n FROM t WHERE s LIKE $1', ['text']],
    ['SELECT n FROM t WHERE n = $1::numeric OR $2::boolean', ['numeric', 'boolean']],
    ['SELECT n FROM t ORDER BY n LIMIT $1 OFFSET $2', ['int8', 'int8']],
    ['SELECT n FROM t WHERE n::int8 IN ($1, $2)', ['int8', 'int8']],
    ['SELECT n FROM t WHERE n::date < $1', ['date']],
    ['SELECT n FROM t WHERE $2 = $1', ['any', 'any']],
    ['INSERT INTO t (__key, n) VALUES ($1, $2::int4)', ['any', 'int4']],
  ])('of %s are read as %j', (text, types) => {
    expect(parameterTypes(planOf(text))).toEqual(types);
  });

  it('come as values or as bytes, and too few of them are refused by what asks', () => {
    const { values, bytes } = valuesOf([1, 'two', 3n]);
    expect(decodedValues(bytes).values).toEqual(values);
    expect(decodedValues(new Uint8Array(0)).values).toEqual([]);
    expect(() => checkParameterCount('the condition', 2, 1)).toThrow(
      /^the condition asks for 2 parameters, 1 are given/,
    );
    expect(() => checkParameterCount('the condition', 2, 3)).not.toThrow();
  });
});
