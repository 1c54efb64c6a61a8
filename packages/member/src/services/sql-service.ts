/**
 * The sql service: a statement from its text to header, batches, end.
 *
 *   get      one key: read at its primary, projected here, or in a worker where the document is long
 *   query    coordinated here, rows stream under the caller's credit
 *   changes  one end with the number of entries
 *   explain  the plan as rows of text; ANALYZE also runs it
 */

import type { GridView } from '@ashlar/cluster';
import { GridError, type MemberId, type TraceContext, type Version } from '@ashlar/core';
import { canonicalNumber, noticesOf, OddTally, type SqlType } from '@ashlar/expressions';
import { jsonText, type KeyForwarder } from '@ashlar/kv';
import { type MemberMetrics, type SpanAttributes, type Tracing, tracedCall, tracedStream } from '@ashlar/observe';
import { isOneGo } from '@ashlar/partitions';
import {
  batchRowCount,
  type Column,
  columnValue,
  decodeColumns,
  decodeParameters,
  encodeKey,
  ValueTag,
} from '@ashlar/serialization';
import {
  type FragmentNode,
  type GetPlan,
  type Plan,
  type PlanColumn,
  planText,
  type StageMember,
  withPosition,
} from '@ashlar/sql-plan';
import {
  ambiguousTexts,
  bothKeysNotice,
  type ChangeCoordinator,
  type GetRows,
  type GetTask,
  getRows,
  keysMeant,
  type Planning,
  type QueryCoordinator,
  rowsBatch,
  type StageRun,
  type Statement,
} from '@ashlar/sql-runtime';
import type { CallContext, SqlOutput, SqlRequest, SqlService, WireColumn } from '@ashlar/transport';
import type { WorkerPool } from '@ashlar/workers';

/** Unary queries answer with all rows at once. */
const UNARY_ROWS_MAX = 10_000;
/** Bytes of one batch of rows, which only a row with a huge value has more of, and characters of all rows as text. */
const UNARY_BATCH_BYTES_MAX = 2 << 20;
const UNARY_TEXT_MAX = 16 << 20;
/** Characters of a statement that its span shows. */
const TEXT_TOLD_MAX = 1000;

export interface SqlDependencies {
  readonly control: GridView;
  readonly planning: Planning;
  readonly queries: QueryCoordinator;
  readonly changes: ChangeCoordinator;
  readonly forward: KeyForwarder;
  readonly pool: WorkerPool;
  readonly metrics: MemberMetrics;
  readonly tracing: Tracing;
  readonly clock: { now(): Version };
}

export function sqlService(deps: SqlDependencies): SqlService {
  const run = (request: SqlRequest, context: CallContext): AsyncGenerator<SqlOutput> =>
    measured(
      deps,
      request.text,
      tracedStream(deps.tracing.begin('ashlar.sql', context.trace, attributesOf(request)), (trace) =>
        runStatement(request, context, trace, deps),
      ),
    );
  return {
    execute: run,
    async query(request, context) {
      const rows: string[] = [];
      let textLength = 0;
      let header: Extract<SqlOutput, { kind: 'header' }> = { kind: 'header', columns: [], notices: [] };
      for await (const output of run({ ...request, rowsMax: request.rowsMax || UNARY_ROWS_MAX }, context)) {
        if (output.kind === 'header') header = output;
        else if (output.kind === 'batch') textLength += appendRows(output.bytes, rows, textLength);
        else return { ...output, columns: header.columns, rows, notices: [...header.notices, ...output.notices] };
      }
      throw new GridError('INTERNAL', 'a statement ended without its end');
    },
  };
}

/** Parameters are not told: they are the callers' data. */
function attributesOf({ text }: SqlRequest): SpanAttributes {
  return { 'db.system.name': 'ashlar', 'db.query.text': text.slice(0, TEXT_TOLD_MAX) };
}

async function* measured(
  deps: SqlDependencies,
  text: string,
  outputs: AsyncGenerator<SqlOutput>,
): AsyncGenerator<SqlOutput> {
  const startedMs = performance.now();
  deps.metrics.queries++;
  try {
    yield* outputs;
  } catch (error) {
    deps.metrics.queryFailures++;
    throw withPosition(error, text);
  } finally {
    deps.metrics.queryLatency.record((performance.now() - startedMs) * 1000);
  }
}

async function* runStatement(
  request: SqlRequest,
  context: CallContext,
  trace: TraceContext | undefined,
  deps: SqlDependencies,
): AsyncGenerator<SqlOutput> {
  const startedMs = performance.now();
  deps.control.requireComplete();
  const parameters = decodeParameters(request.parameters);
  const planning = deps.tracing.begin('ashlar.sql.plan', trace, {});
  const plan = await tracedCall(planning, () => deps.planning.plan(request.text, context.signal));
  if (plan.parameterCount > parameters.length) {
    throw new GridError(
      'INVALID_PARAMETER',
      `the statement asks for ${plan.parameterCount} parameters, ${parameters.length} are given`,
    );
  }
  for (const { permission, map } of permissionsOf(plan)) context.require(permission, map);
  const statement: Statement = {
    parameters,
    // On its own: a thread that gets a view gets all of its buffer.
    parameterBytes: new Uint8Array(request.parameters),
    clockMs: Date.now(),
    strict: request.strict,
    odd: new OddTally(),
    seen: request.sessionVersion as Version,
    signal: context.signal,
    deadlineMs: context.deadlineMs,
    trace,
  };
  const result = resultOf(plan, statement, deps);
  let hasHeader = false;
  let rows = 0;
  let batches = 0;
  let outcome = { affected: 0, version: deps.clock.now() };
  for await (const output of result.outputs) {
    if (!(output instanceof Uint8Array)) {
      outcome = output;
      continue;
    }
    if (!hasHeader) yield headerOf(result.columns, plan.notices, output);
    hasHeader = true;
    rows += batchRowCount(output);
    batches += 1;
    yield { kind: 'batch', bytes: output };
    if (request.rowsMax > 0 && rows >= request.rowsMax) break;
  }
  if (!hasHeader) yield headerOf(result.columns, plan.notices, undefined);
  const affected = result.changes ? outcome.affected : rows;
  yield {
    kind: 'end',
    affected,
    rows,
    version: outcome.version,
    elapsedMs: performance.now() - startedMs,
    notices: noticesOf(statement.odd.counts()),
    batches,
  };
}

type Outcome = { readonly affected: number; readonly version: Version };

interface Result {
  readonly columns: readonly PlanColumn[];
  readonly changes: boolean;
  readonly outputs: AsyncGenerator<Uint8Array | Outcome>;
}

function resultOf(plan: Plan, statement: Statement, deps: SqlDependencies): Result {
  switch (plan.kind) {
    case 'query':
      return { columns: plan.output, changes: false, outputs: runQuery(plan, statement, deps) };
    case 'get':
      return { columns: plan.output, changes: false, outputs: runGet(plan, statement, deps) };
    case 'insert':
      return { columns: [], changes: true, outputs: once(() => deps.changes.insert(plan, statement)) };
    case 'update':
    case 'delete':
      return { columns: [], changes: true, outputs: once(() => deps.changes.modify(plan, statement)) };
    case 'explain':
      return { columns: EXPLAIN_COLUMNS, changes: false, outputs: explain(plan, statement, deps) };
  }
}

async function* runQuery(
  plan: Extract<Plan, { kind: 'query' }>,
  statement: Statement,
  deps: SqlDependencies,
): AsyncGenerator<Uint8Array> {
  yield* deps.queries.run(plan, statement);
  await tellBothKeys(plan, statement, deps);
}

async function* once(run: () => Promise<Outcome>): AsyncGenerator<Outcome> {
  yield await run();
}

/** A column without a static type is told by what its first rows are, where these agree. */
function headerOf(
  columns: readonly PlanColumn[],
  notices: readonly string[],
  first: Uint8Array | undefined,
): SqlOutput {
  const isOpen = columns.some(({ type }) => type === 'any' || type === 'null');
  const rows = first === undefined || !isOpen ? undefined : decodeColumns(first);
  const told = columns.map(({ name, type, isCount = false }, index): WireColumn => {
    if (type !== 'any' && type !== 'null') return { name, type, isCount };
    const found = rows === undefined ? undefined : observedType(rows.columns[index]!);
    return { name, type: found ?? 'unknown' };
  });
  return { kind: 'header', columns: told, notices };
}

const TYPE_OF_TAG: Readonly<Record<number, string>> = {
  [ValueTag.BOOLEAN]: 'boolean',
  [ValueTag.NUMBER]: 'float8',
  [ValueTag.INT]: 'int4',
  [ValueTag.TIMESTAMP]: 'timestamptz',
  [ValueTag.DATE]: 'date',
  [ValueTag.BIGINT]: 'int8',
  [ValueTag.DECIMAL]: 'numeric',
  [ValueTag.TEXT]: 'text',
  [ValueTag.BYTES]: 'bytea',
  [ValueTag.INTERVAL]: 'interval',
  [ValueTag.JSON]: 'json',
};

function observedType({ uniform, tags, length }: Column): string | undefined {
  if (uniform !== undefined) return TYPE_OF_TAG[uniform];
  const seen = new Set<number>();
  for (let row = 0; row < length; row++) if (tags![row]! > ValueTag.NULL) seen.add(tags![row]!);
  const [only] = seen;
  return seen.size === 1 ? TYPE_OF_TAG[only!] : undefined;
}

/** What a plan needs permission for. */
function permissionsOf(plan: Plan): { readonly permission: 'read' | 'write'; readonly map: string }[] {
  switch (plan.kind) {
    case 'query':
      return plan.stages.map(({ fragment }) => ({ permission: 'read', map: mapOf(fragment) }));
    case 'get':
      return [{ permission: 'read', map: plan.scan.map }];
    case 'insert':
      return [{ permission: 'write', map: plan.map }];
    case 'update':
    case 'delete':
      return [
        { permission: 'read', map: plan.map },
        { permission: 'write', map: plan.map },
      ];
    case 'explain':
      return permissionsOf(plan.target);
  }
}

function mapOf(fragment: Extract<Plan, { kind: 'query' }>['stages'][number]['fragment']): string {
  if (fragment.kind === 'Scan') return fragment.map;
  return fragment.kind === 'Rows' ? '' : mapOf(fragment.input);
}

/* ---- Get --------------------------------------------------------------------------------------------------------- */

/** The key, or both keys where a text in quotes means two. Long documents are for a worker: they would hold the loop. */
async function* runGet(plan: GetPlan, statement: Statement, deps: SqlDependencies): AsyncGenerator<Uint8Array> {
  const { parameters, parameterBytes, clockMs, strict, odd, trace, signal } = statement;
  const { forward, pool } = deps;
  const keys = keysMeant(plan.key, parameters);
  const found = await Promise.all(keys.map((key) => forward.get(plan.scan.map, key, trace)));
  if (found.length > 1 && found.every((entry) => entry !== undefined)) {
    odd.add([{ what: bothKeysNotice(String(keys[0])), rows: 0 }]);
  }
  const entries = found.flatMap((entry, index) =>
    entry === undefined ? [] : [{ ...entry, key: encodeKey(keys[index]!) }],
  );
  const task: GetTask = { plan, entries, parameters: parameterBytes, clockMs, strict };
  const isShort = entries.every(({ value }) => isOneGo(value));
  const rows = isShort ? getRows(task, parameters) : await pool.run<GetRows>('get', task, { signal }).result;
  odd.add(rows.odd);
  if (rows.batch !== undefined) yield rows.batch;
}

/** Texts of one statement whose keys are looked for to tell of both. */
const TOLD_TEXTS_MAX = 20;

/** Tells where a map has both keys that a text means, for a query that looks up keys by name. */
async function tellBothKeys(
  { stages }: Extract<Plan, { kind: 'query' }>,
  { parameters, odd, trace }: Statement,
  { forward }: SqlDependencies,
): Promise<void> {
  for (const { fragment } of stages) {
    const scan = scanOf(fragment);
    if (scan === undefined) continue;
    for (const text of ambiguousTexts(scan.filter, parameters).slice(0, TOLD_TEXTS_MAX)) {
      const keys = [text, canonicalNumber(text)!];
      const entries = await Promise.all(keys.map((key) => forward.get(scan.map, key, trace)));
      if (entries.every((entry) => entry !== undefined)) odd.add([{ what: bothKeysNotice(text), rows: 0 }]);
    }
  }
}

function scanOf(fragment: FragmentNode): Extract<FragmentNode, { kind: 'Scan' }> | undefined {
  if (fragment.kind === 'Scan') return fragment;
  return fragment.kind === 'Rows' ? undefined : scanOf(fragment.input);
}

/* ---- Explain ------------------------------------------------------------------------------------------------------- */

const EXPLAIN_COLUMNS: readonly PlanColumn[] = [{ name: 'plan', type: 'text' as SqlType }];

async function* explain(
  plan: Extract<Plan, { kind: 'explain' }>,
  statement: Statement,
  deps: SqlDependencies,
): AsyncGenerator<Uint8Array> {
  const { target } = plan;
  const { partitionCount } = deps.control;
  const members = (stage: number): readonly StageMember[] => stageMembers(target, stage, statement, deps);
  const lines = planText(target, { partitionCount, members }).split('\n');
  if (plan.analyze) lines.push(...(await analyze(target, statement, deps)));
  yield rowsBatch(
    EXPLAIN_COLUMNS,
    lines.filter((line) => line !== '').map((line) => [line]),
  );
}

function stageMembers(
  target: Plan,
  stage: number,
  statement: Statement,
  { queries, control }: SqlDependencies,
): readonly StageMember[] {
  const addressOf = (id: MemberId): string => control.table.members.find((member) => member.id === id)!.address;
  const parts = partsOf(target, stage, statement.parameters, queries);
  return parts.map(({ member, partitions }) => ({ address: addressOf(member), partitions: partitions.length }));
}

function partsOf(
  target: Plan,
  stage: number,
  parameters: readonly unknown[],
  queries: QueryCoordinator,
): ReturnType<QueryCoordinator['membersOf']> {
  switch (target.kind) {
    case 'query':
      return queries.membersOf(target.stages[stage]!.partitions, target.stages[stage]!.fragment, parameters);
    case 'get':
      return queries.membersOf({ kind: 'keys', keys: [target.key] }, target.scan, parameters);
    case 'update':
    case 'delete':
      return queries.membersOf(target.partitions, target.scan, parameters);
    default:
      return [];
  }
}

async function analyze(target: Plan, statement: Statement, deps: SqlDependencies): Promise<string[]> {
  const startedMs = performance.now();
  const runs: StageRun[] = [];
  let rows = 0;
  if (target.kind !== 'query') return ['EXPLAIN ANALYZE runs queries only: nothing was run'];
  for await (const batch of deps.queries.run(target, statement, runs)) rows += batchRowCount(batch);
  const elapsedMs = (performance.now() - startedMs).toFixed(1);
  return [
    ...runs.map(({ stage, member, partitions, stats, ms }) => {
      const { rowsScanned, rowsOut, tasks } = stats;
      return `stage ${stage} on ${member}: ${partitions} partitions, ${tasks} tasks, ${rowsScanned} rows scanned, ${rowsOut} sent, ${ms.toFixed(1)} ms`;
    }),
    `${rows} rows in ${elapsedMs} ms`,
  ];
}

/* ---- Rows as text --------------------------------------------------------------------------------------------------- */

/** @returns the length of the texts it appended @throws GridError MESSAGE_TOO_LARGE */
function appendRows(bytes: Uint8Array, rows: string[], before: number): number {
  let length = 0;
  if (bytes.length <= UNARY_BATCH_BYTES_MAX) {
    for (const text of rowTexts(bytes)) {
      rows.push(text);
      length += text.length;
    }
    if (before + length <= UNARY_TEXT_MAX) return length;
  }
  throw new GridError('MESSAGE_TOO_LARGE', 'the rows are too large for one answer as JSON', {
    hint: 'use Execute (a client, ashlar sql), select less, or LIMIT',
  });
}

function rowTexts(bytes: Uint8Array): string[] {
  const { length, columns } = decodeColumns(bytes);
  return Array.from({ length }, (_, row) => jsonText(columns.map((column) => columnValue(column, row))));
}
