/**
 * Plans whose rows are a few entries with known keys: a get, or a query over such keys that computes no groups. Made ready once, and
 * used for every statement of the plan.
 *
 *   get                                    keys -> rows -> sorted
 *   query [Distinct|TopN] Project Scan     keys -> rows -> merged as the gathered rows of members are
 *
 * short-plan P1  All keys are read in one turn of the one thread that commits: what a statement sees of them is one state.
 */
import type { Expr, RowValue } from '@ashlar/expressions';
import { columnValues, decodeColumns, encodeParameters, type ShortHeader, shortHeader } from '@ashlar/serialization';
import {
  GetReader,
  type GetRow,
  isPassThrough,
  isShortMerge,
  limitOf,
  type MergeResult,
  rowsBatch,
  runMerge,
} from '@ashlar/sql-executor';
import type { FragmentNode, MergeNode, Plan, PlanColumn } from '@ashlar/sql-plan';
import { PlainRow } from './plain-row.ts';

/** Most keys of one statement. */
export const KEYS_MAX = 256;
const MERGE_BYTES_MAX = 1 << 20;

export interface ShortPlan {
  readonly kind: 'get' | 'query';
  readonly map: string;
  /** Expressions of whole keys. */
  readonly keys: readonly Expr[];
  readonly filter: Expr | undefined;
  readonly output: readonly PlanColumn[];
  readonly header: ShortHeader;
  readonly parameterCount: number;
  readonly reader: GetReader;
  /** Where the columns are fields of the document. */
  readonly plain: PlainRow | undefined;
  /** What becomes of the rows of a query; undefined: they are the result. */
  readonly merge: MergeNode | undefined;
}

type Project = Extract<FragmentNode, { kind: 'Project' }>;
type Scan = Extract<FragmentNode, { kind: 'Scan' }>;

const known = new WeakMap<Plan, ShortPlan | 'none'>();

/** @returns undefined: it is none */
export function shortPlanOf(plan: Plan): ShortPlan | undefined {
  let made = known.get(plan);
  if (made === undefined) known.set(plan, (made = makeShortPlan(plan) ?? 'none'));
  return made === 'none' ? undefined : made;
}

function makeShortPlan(plan: Plan): ShortPlan | undefined {
  if ((plan.kind !== 'get' && plan.kind !== 'query') || plan.output.some(isForBatches)) return undefined;
  const { output, notices, parameterCount, kind } = plan;
  const columns = output.map(({ name, type, isCount = false }) => ({ name, type, isCount }));
  const common = { kind, output, parameterCount, header: shortHeader(columns, notices) };
  if (plan.kind === 'get') {
    const { scan, key } = plan;
    const rows = { reader: new GetReader(plan), plain: PlainRow.of(plan) };
    return { ...common, ...rows, map: scan.map, filter: scan.filter, keys: [key], merge: undefined };
  }
  const [stage, ...others] = plan.stages;
  if (stage === undefined || others.length > 0 || stage.partitions.kind !== 'keys') return undefined;
  if (stage.partitions.keys.length > KEYS_MAX) return undefined;
  const project = projectIn(stage.fragment);
  if (project === undefined) return undefined;
  const { scan, exprs } = project;
  return {
    ...common,
    ...{ reader: new GetReader({ scan, exprs }), plain: undefined },
    ...{ map: scan.map, filter: scan.filter, keys: stage.partitions.keys },
    merge: plan.merge.kind === 'Gather' ? undefined : plan.merge,
  };
}

/** Whether values of a column are told as they are by batches alone. */
function isForBatches({ type, isCount }: PlanColumn): boolean {
  return type === 'interval' || isCount === true;
}

/** What a fragment computes of its rows; the merge leaves out what its other operators would have. */
function projectIn(fragment: FragmentNode): { readonly scan: Scan; readonly exprs: Project['exprs'] } | undefined {
  if (fragment.kind === 'TopN' || fragment.kind === 'Distinct') return projectIn(fragment.input);
  if (fragment.kind !== 'Project' || fragment.input.kind !== 'Scan') return undefined;
  return { scan: fragment.input, exprs: fragment.exprs };
}

/** What a statement is run with. */
export interface MergeValues {
  readonly parameters: readonly unknown[];
  readonly nowMs: number;
  readonly strict: boolean;
}

export interface ShortResult {
  readonly rows: readonly (readonly unknown[])[];
  readonly odd: MergeResult['odd'];
}

/** The rows of the result. @returns undefined: a worker merges them @throws GridError: what the merge throws */
export function shortResult(plan: ShortPlan, found: GetRow[], values: MergeValues): ShortResult | undefined {
  const { merge, reader } = plan;
  const rows = reader.sorted(found).map((row) => row.values);
  if (merge === undefined) return { rows, odd: [] };
  if (isPassThrough(merge)) {
    const { offset, limit } = limitOf(merge, values.parameters);
    return { rows: rows.slice(offset, offset + limit), odd: [] };
  }
  const batch = rowsBatch(gathered(merge), rows as RowValue[][]);
  if (!isShortMerge(merge, batch.length)) return undefined;
  const { parameters, nowMs: clockMs, strict } = values;
  const task = { merge, inputs: [batch], parameters: encodeParameters(parameters), memoryBytes: MERGE_BYTES_MAX };
  const { batches, odd } = runMerge({ ...task, clockMs, strict }, { cancelled: () => false });
  return { rows: batches.flatMap(rowsIn), odd };
}

/** The columns of the rows that a merge takes. */
function gathered(merge: MergeNode): readonly PlanColumn[] {
  return merge.kind === 'Gather' || merge.kind === 'Rows' ? merge.columns : gathered(merge.input);
}

function rowsIn(batch: Uint8Array): readonly (readonly unknown[])[] {
  const { length, columns } = decodeColumns(batch);
  const values = columns.map(columnValues);
  return Array.from({ length }, (_, row) => values.map((column) => column[row]));
}
