/**
 * Statements from their text to header, batches, end: what every door stands on.
 *
 *   text -> prepare: plan -> run: permissions, parameters -> get      one key: read at its primary, projected here or in a worker
 *                                                            query    coordinated here, batches as their reader takes them
 *                                                            changes  one end with the number of rows
 *                                                            explain  the plan as rows of text; ANALYZE also runs it
 *
 * statements E1  A statement runs by a plan of the present catalog: what was prepared before it changed is planned anew.
 * statements E2  Every error has its place in the text, where there is one.
 */
import type { GridView } from '@ashlar/cluster';
import type { MapId, Version } from '@ashlar/core';
import { noticesOf, OddTally } from '@ashlar/expressions';
import {
  type MemberMetrics,
  type SpanAttributes,
  type TracedWork,
  type Tracing,
  tracedCall,
  tracedStream,
} from '@ashlar/observe';
import { readTwiceAtMost } from '@ashlar/partitions';
import { type ByKey, batchRowCount, type StatementOutput } from '@ashlar/serialization';
import { type Plan, type PlanColumn, withPosition } from '@ashlar/sql-plan';
import type { ChangeCoordinator } from '../changes/change-coordinator.ts';
import type { Planning } from '../planning.ts';
import type { QueryCoordinator, Statement } from '../query-coordinator.ts';
import { EXPLAIN_COLUMNS, explain } from './explain.ts';
import { type KeyReads, runGet, tellBothKeys } from './key-reads.ts';
import { checkParameterCount, parameterTypes } from './parameters.ts';
import { permissionsOf } from './permissions.ts';
import { resultColumns } from './result-columns.ts';
import { shortPlanOf } from './short-plan.ts';
import type { PrepareContext, PreparedStatement, RunContext, StatementValues } from './statement-types.ts';

/** Characters of a statement that its span shows. */
const TEXT_TOLD_MAX = 1000;

export interface StatementDependencies extends KeyReads {
  readonly control: GridView;
  readonly planning: Pick<Planning, 'plan'>;
  readonly queries: QueryCoordinator;
  readonly changes: Pick<ChangeCoordinator, 'insert' | 'modify' | 'clear'>;
  readonly metrics: Pick<MemberMetrics, 'queries' | 'queryFailures' | 'queryLatency'>;
  readonly tracing: Tracing;
  readonly clock: { now(): Version };
}

export class Statements {
  readonly #deps: StatementDependencies;

  constructor(deps: StatementDependencies) {
    this.#deps = deps;
  }

  /** @throws GridError with its place in the text; GRID_INCOMPLETE */
  async prepare(text: string, context: PrepareContext): Promise<PreparedStatement> {
    try {
      return await this.#prepare(text, context);
    } catch (error) {
      throw withPosition(error, text);
    }
  }

  /** Prepares and runs, as one statement in metrics and traces. Fails by throwing, as prepare() and run() do. */
  execute(
    text: string,
    values: StatementValues,
    context: RunContext,
  ): AsyncGenerator<StatementOutput, void, undefined> {
    return this.#measured(text, context, (trace) => this.#prepareAndRun(text, values, { ...context, trace }));
  }

  async *#prepareAndRun(
    text: string,
    values: StatementValues,
    context: RunContext,
  ): AsyncGenerator<StatementOutput, void, undefined> {
    const prepared = await this.#prepare(text, context);
    yield* prepared.outputs(values, context);
  }

  async #prepare(text: string, context: PrepareContext): Promise<Prepared> {
    return new Prepared(await this.#plan(text, context), this.#deps, {
      measured: (runContext, work) => this.#measured(text, runContext, work),
      replan: (runContext) => this.#plan(text, runContext),
    });
  }

  #plan(text: string, { signal, trace }: PrepareContext): Promise<Plan> {
    const { control, tracing, planning } = this.#deps;
    control.requireComplete();
    return tracedCall(tracing.begin('ashlar.sql.plan', trace, {}), () => planning.plan(text, signal));
  }

  async *#measured(
    text: string,
    { trace }: PrepareContext,
    run: (trace: PrepareContext['trace']) => AsyncGenerator<StatementOutput, void, undefined>,
  ): AsyncGenerator<StatementOutput, void, undefined> {
    const { metrics, tracing } = this.#deps;
    const startedMs = performance.now();
    metrics.queries++;
    try {
      const begin = (): TracedWork => tracing.begin('ashlar.sql', trace, attributesOf(text));
      yield* tracedStream(begin, run);
    } catch (error) {
      metrics.queryFailures++;
      throw withPosition(error, text);
    } finally {
      metrics.queryLatency.record((performance.now() - startedMs) * 1000);
    }
  }
}

/** Parameters are not shown: they are the callers' data. */
export function attributesOf(text: string): SpanAttributes {
  return { 'db.system.name': 'ashlar', 'db.query.text': text.slice(0, TEXT_TOLD_MAX) };
}

type Outputs = AsyncGenerator<StatementOutput, void, undefined>;

/** What a prepared statement needs of the one who prepared it. */
interface Preparer {
  measured(context: RunContext, work: (trace: PrepareContext['trace']) => Outputs): Outputs;
  replan(context: RunContext): Promise<Plan>;
}

class Prepared implements PreparedStatement {
  readonly #deps: StatementDependencies;
  readonly #preparer: Preparer;
  #plan: Plan;
  /** The plan was made for the run that comes next. */
  #isFresh = true;

  constructor(plan: Plan, deps: StatementDependencies, preparer: Preparer) {
    this.#plan = plan;
    this.#deps = deps;
    this.#preparer = preparer;
  }

  get parameters(): PreparedStatement['parameters'] {
    return parameterTypes(this.#plan);
  }

  get columns(): readonly PlanColumn[] {
    return columnsOf(this.#plan);
  }

  get notices(): readonly string[] {
    return this.#plan.notices;
  }

  get permissions(): PreparedStatement['permissions'] {
    return permissionsOf(this.#plan);
  }

  run(values: StatementValues, context: RunContext): Outputs {
    return this.#preparer.measured(context, (trace) => this.outputs(values, { ...context, trace }));
  }

  /** As run(), within the measure of somebody else. */
  async *outputs({ values, bytes }: StatementValues, context: RunContext): Outputs {
    const startedMs = performance.now();
    const plan = await this.#presentPlan(context);
    checkParameterCount('the statement', plan.parameterCount, values.length);
    for (const { permission, map } of permissionsOf(plan)) context.require(permission, map);
    const { strict, seen, signal, deadlineMs, trace } = context;
    const statement: Statement = {
      ...{ parameters: values, parameterBytes: bytes, clockMs: Date.now() },
      ...{ strict, odd: new OddTally(), seen, signal, deadlineMs, trace },
    };
    yield* told(plan, statement, this.#deps, { startedMs, rowsMax: context.rowsMax });
  }

  /** statements E1. */
  async #presentPlan(context: RunContext): Promise<Plan> {
    const isPresent = this.#isFresh && this.#plan.catalogVersion === this.#deps.control.catalog.catalogVersion;
    this.#isFresh = false;
    if (!isPresent) this.#plan = await this.#preparer.replan(context);
    return this.#plan;
  }
}

type Outcome = { readonly affected: number; readonly version: Version };

/** The outputs of a plan: header, batches, end. */
async function* told(
  plan: Plan,
  statement: Statement,
  deps: StatementDependencies,
  { startedMs, rowsMax }: { readonly startedMs: number; readonly rowsMax: number },
): Outputs {
  const columns = columnsOf(plan);
  const header = (first: Uint8Array | undefined): StatementOutput => {
    return {
      kind: 'header',
      columns: resultColumns(columns, first),
      notices: plan.notices,
      byKey: byKeyOf(plan, deps.control),
    };
  };
  let rows = 0;
  let batches = 0;
  let outcome: Outcome | undefined;
  for await (const output of outputsOf(plan, statement, deps)) {
    if (!(output instanceof Uint8Array)) {
      outcome = output;
      continue;
    }
    if (batches === 0) yield header(output);
    rows += batchRowCount(output);
    batches += 1;
    yield { kind: 'batch', bytes: output };
    if (rowsMax > 0 && rows >= rowsMax) break;
  }
  if (batches === 0) yield header(undefined);
  const { affected, version } = outcome ?? { affected: rows, version: deps.clock.now() };
  const elapsedMs = performance.now() - startedMs;
  yield { kind: 'end', affected, rows, version, elapsedMs, notices: noticesOf(statement.odd.counts()), batches };
}

function columnsOf(plan: Plan): readonly PlanColumn[] {
  if (plan.kind === 'query' || plan.kind === 'get') return plan.output;
  return plan.kind === 'explain' ? EXPLAIN_COLUMNS : [];
}

/**
 * What a caller may know to send the statement as an operation on its key (short-statements.ts). Where there are several members, those
 * that own the keys of a list are seldom one.
 */
function byKeyOf(plan: Plan, { table }: GridView): ByKey | undefined {
  const short = shortPlanOf(plan);
  if (short === undefined) return undefined;
  const [key, ...others] = short.keys;
  if (others.length > 0 && table.members.length > 1) return undefined;
  const isParameter = others.length === 0 && key?.kind === 'parameter';
  return { map: short.map, parameter: isParameter ? key.index + 1 : 0 };
}

function outputsOf(
  plan: Plan,
  statement: Statement,
  deps: StatementDependencies,
): AsyncGenerator<Uint8Array | Outcome, void, undefined> {
  switch (plan.kind) {
    case 'query':
      return runQuery(plan, statement, deps);
    case 'get':
      return runGet(plan, statement, deps);
    case 'insert':
      return once(() => deps.changes.insert(plan, statement));
    case 'update':
    case 'delete':
      return once(() => deps.changes.modify(plan, statement));
    case 'truncate':
      return once(() => deps.changes.clear({ name: plan.map, id: plan.mapId as MapId }, statement));
    case 'explain':
      return explain(plan, statement, deps);
  }
}

async function* runQuery(
  plan: Extract<Plan, { kind: 'query' }>,
  statement: Statement,
  deps: StatementDependencies,
): AsyncGenerator<Uint8Array, void, undefined> {
  let odd = statement.odd;
  yield* readTwiceAtMost(statement.signal, () => {
    // What was counted of rows that nobody got is not told.
    odd = new OddTally();
    return deps.queries.run(plan, { ...statement, odd });
  });
  statement.odd.add(odd.counts());
  await tellBothKeys(plan, statement, deps);
}

async function* once(run: () => Promise<Outcome>): AsyncGenerator<Outcome, void, undefined> {
  yield await run();
}
