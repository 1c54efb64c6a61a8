/**
 * Coordinates INSERT, UPDATE, DELETE over the members that hold the entries.
 *
 *   one member  -> one call: staged and committed there
 *   several     -> staged on all, then committed on all (staged-statement.ts)
 *
 * Each member commits at one point. There is no transaction over members: a member or link that is lost between staging and
 * commit leaves a statement applied in part, and it says so (PARTIAL_COMMIT).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CatalogedMap, DEFAULT_MAP_SETTINGS, type GridView } from '@ashlar/cluster';
import {
  type CallScope,
  GridError,
  type MemberId,
  type MemberOutcome,
  type PartitionId,
  refuseSystemMap,
  requirePrimary,
  type Version,
} from '@ashlar/core';
import { childrenOf, type Expr, interpret, OddTally, type RowValue } from '@ashlar/expressions';
import { answerMarginMs, type EntryLimits, isTooLargeForLogs, toldOfSnapshot, twiceAtMost } from '@ashlar/partitions';
import { encodeKey, encodeValue, type Key, partitionOf } from '@ashlar/serialization';
import { assign, atPath, type ChangeTask } from '@ashlar/sql-executor';
import type { InsertPlan, ModifyPlan } from '@ashlar/sql-plan';
import type { GridSnapshots } from '../grid-snapshots.ts';
import type { QueryCoordinator, Statement } from '../query-coordinator.ts';
import { ambiguousTexts, keyValue, refuseBothKeys } from '../quoted-keys.ts';
import { PART_KEEP_MS } from './change-part.ts';
import type { ChangeOutcome, ChangeRequest, InsertRows, ProcessorRequest, RowChange } from './change-request.ts';
import type { FoundRows, PartHandle } from './part-handle.ts';
import { RefusedCalls } from './refused-calls.ts';
import { runStaged } from './staged-statement.ts';

/** Least time that a statement which waits for listeners keeps for the way back over two members. */
const ANSWER_MARGIN_MIN_MS = 300;

/** How long a statement may wait; undefined: its caller set no time. */
function waitMsOf({ deadlineMs }: Statement): number | undefined {
  if (deadlineMs === undefined) return undefined;
  const leftMs = deadlineMs - performance.now();
  return Math.max(0, leftMs - Math.max(ANSWER_MARGIN_MIN_MS, answerMarginMs(leftMs)));
}

function insertOf({ name, id }: CatalogedMap, rows: InsertRows, statement: Statement): RowChange {
  return { kind: 'insert', map: name, mapId: id, rows: { ...rows, waitMs: waitMsOf(statement) } };
}

/** Attempts of an INSERT whose map is dropped again and again, or whose member is slow to hear of the drop. */
const INSERT_TRIES = 8;
/** Pause before the second attempt; it doubles before each further one. */
const INSERT_PAUSE_MS = 2;

interface PlacedTask {
  readonly member: MemberId;
  readonly task: ChangeTask;
}

interface PlacedChange<Change = RowChange> {
  readonly member: MemberId;
  readonly change: Change;
}

interface EncodedRow {
  readonly partition: PartitionId;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The entries that are meant: a scan with its filter, and where they can be. */
export type ChangeTarget = Pick<ModifyPlan, 'scan' | 'partitions'>;

export interface ChangeCoordinatorDependencies {
  readonly control: GridView;
  readonly snapshots: GridSnapshots;
  readonly queries: QueryCoordinator;
  readonly limits: EntryLimits;
  /** In one call, on this member or another. */
  readonly run: (member: MemberId, request: ChangeRequest, call: CallScope) => Promise<ChangeOutcome>;
  /** One member's part, this one's or another's. @throws GridError MEMBER_UNREACHABLE */
  readonly open: (member: MemberId, change: RowChange, call: CallScope) => PartHandle;
}

export class ChangeCoordinator {
  readonly #deps: ChangeCoordinatorDependencies;

  constructor(deps: ChangeCoordinatorDependencies) {
    this.#deps = deps;
  }

  modify(plan: ModifyPlan, statement: Statement, inPieces = false): Promise<ChangeOutcome> {
    return this.#overTasks(plan, plan, statement, async (tasks, texts) => {
      const changes = tasks.map(({ member, task }): PlacedChange => {
        return { member, change: { kind: 'change', task: { ...task, inPieces } } };
      });
      if (changes.length === 1) return this.#deps.run(changes[0]!.member, changes[0]!.change, statement);
      try {
        return await this.#staged(changes, statement, (found) => refuseBothKeys(keysIn(found), texts));
      } catch (error) {
        if (!inPieces || !isTooLargeForLogs(error)) throw error;
        return this.#eachForItself(changes, statement, 'PARTIAL_COMMIT');
      }
    });
  }

  /** Runs a processor on every entry that meets a condition, looked at again where it changed meanwhile. */
  process(condition: ChangeTarget, processor: ProcessorRequest, statement: Statement): Promise<ChangeOutcome> {
    const change = { kind: 'process', assignments: [] } as const;
    return this.#overTasks(condition, change, statement, async (tasks, texts) => {
      const { filter } = condition.scan;
      // What cannot be computed on one member must not leave the others changed; nor may a text change two keys.
      const mayFail = statement.strict || (filter !== undefined && !comparesOnly(filter));
      if (texts.length > 0 || (mayFail && tasks.length > 1)) {
        const checks = tasks.map(({ member, task }) => this.#deps.run(member, { kind: 'check', task }, statement));
        refuseBothKeys(await keysFoundBy(checks), texts);
      }
      const calls = tasks.map(({ member, task }): PlacedChange<ChangeRequest> => {
        return { member, change: { kind: 'process', task, processor } };
      });
      return this.#eachForItself(calls, statement, 'PARTIAL');
    });
  }

  /** Runs a change of what a snapshot of all members concerned shows. @throws GridError SNAPSHOT_EXPIRED: nothing was applied */
  async #overTasks(
    target: ChangeTarget,
    change: Pick<ChangeTask, 'kind' | 'assignments'>,
    statement: Statement,
    run: (tasks: readonly PlacedTask[], ambiguousTexts: readonly string[]) => Promise<ChangeOutcome>,
  ): Promise<ChangeOutcome> {
    refuseSystemMap(target.scan.map);
    return twiceAtMost(statement.signal, () => this.#onceOverTasks(target, change, statement, run));
  }

  async #onceOverTasks(
    target: ChangeTarget,
    { kind, assignments }: Pick<ChangeTask, 'kind' | 'assignments'>,
    statement: Statement,
    run: (tasks: readonly PlacedTask[], ambiguousTexts: readonly string[]) => Promise<ChangeOutcome>,
  ): Promise<ChangeOutcome> {
    const { control, queries, snapshots } = this.#deps;
    const { parameters, parameterBytes, clockMs, strict, seen, signal } = statement;
    const { scan } = target;
    const waits = queries.untilServed(target.partitions, scan, statement);
    if (waits !== undefined) await waits;
    const parts = queries.membersOf(target.partitions, scan, parameters);
    const texts = ambiguousTexts(scan.filter, parameters);
    const where = new Map(parts.map(({ member, partitions }) => [member, partitions]));
    const snapshot = await snapshots.open(where, seen, signal);
    try {
      const tasks = parts.map(({ member, partitions }) => {
        const snapshotId = snapshot.ids.get(member)!;
        const snapshotVersion = snapshot.version;
        const read = { partitions, snapshotId, snapshotVersion, parameters: parameterBytes, clockMs, strict };
        const common = { ...read, waitMs: waitMsOf(statement) };
        return { member, task: { kind, scan, assignments, ambiguousTexts: texts, ...common } };
      });
      const outcome = await run(tasks, texts);
      statement.odd.add(outcome.odd);
      return outcome;
    } catch (error) {
      throw toldOfSnapshot(error, control);
    } finally {
      snapshot.release();
    }
  }

  /** Stages the change on all members, then commits it on all. */
  #staged(
    changes: readonly PlacedChange[],
    statement: Statement,
    check?: (found: readonly FoundRows[]) => void,
    rowsOf?: (part: PartHandle) => number,
  ): Promise<ChangeOutcome> {
    const parts: PartHandle[] = [];
    try {
      for (const { member, change } of changes) parts.push(this.#deps.open(member, change, statement));
    } catch (error) {
      for (const part of parts) part.close();
      throw error;
    }
    return runStaged(parts, { check, rowsOf, keepMs: PART_KEEP_MS, signal: statement.signal });
  }

  /** Runs the change on each member in one call, whatever becomes of it on the others. */
  #eachForItself(
    changes: readonly PlacedChange<ChangeRequest>[],
    statement: Statement,
    code: 'PARTIAL' | 'PARTIAL_COMMIT',
  ): Promise<ChangeOutcome> {
    const { run } = this.#deps;
    return allOrPartial(
      changes.map(({ member, change }) => ({ member, outcome: run(member, change, statement) })),
      code,
    );
  }

  /**
   * Removes every entry of a map; at one point on each member, where listeners that hold the logs leave room for that.
   *
   * @throws MapDroppedError when it is dropped meanwhile: nothing of it is left then
   */
  clear({ name: map, id }: Pick<CatalogedMap, 'name' | 'id'>, statement: Statement): Promise<ChangeOutcome> {
    const scan = everyEntry(map, id);
    const facts = { parameterCount: 0, catalogVersion: 0, notices: [] };
    return this.modify(
      { kind: 'delete', map, mapId: id, scan, partitions: { kind: 'all' }, assignments: [], ...facts },
      statement,
      true,
    );
  }

  /**
   * An INSERT means whichever map has the name, and whoever serves its keys: where the map is dropped, or a partition moves, before
   * anything was applied, it is tried anew.
   */
  async insert(plan: InsertPlan, statement: Statement): Promise<ChangeOutcome> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#insertOnce(plan, statement);
      } catch (error) {
        const mayGoOn = GridError.is(error, 'MAP_DROPPED') || GridError.is(error, 'STALE_EPOCH');
        if (!mayGoOn || tries === INSERT_TRIES || statement.signal.aborted) throw error;
        await sleep(INSERT_PAUSE_MS * 2 ** (tries - 1));
      }
    }
  }

  async #insertOnce(plan: InsertPlan, statement: Statement): Promise<ChangeOutcome> {
    const { control, run } = this.#deps;
    const map = await control.mapFor(plan.map, DEFAULT_MAP_SETTINGS, false);
    const placed = this.#encoded(plan, map, statement);
    const waits = control.untilServed(new Set(placed.map(({ partition }) => partition)), statement);
    if (waits !== undefined) await waits;
    const byMember = this.#byMember(placed, plan);
    const changes = [...byMember].map(([member, rows]) => ({ member, change: insertOf(map, rows, statement) }));
    if (changes.length === 1) return run(changes[0]!.member, changes[0]!.change, statement);
    return this.#staged(changes, statement, undefined, ({ member }) => byMember.get(member)!.keys.length);
  }

  #encoded(plan: InsertPlan, map: CatalogedMap, statement: Statement): readonly EncodedRow[] {
    const { control, limits } = this.#deps;
    control.requireComplete();
    return plan.rows.map((row) => {
      const given = this.#keyOf(row, statement);
      const key = encodeKey(given);
      const value = encodeValue(documentOf(row, given, statement));
      limits.check(key.length, value.length);
      const partition = partitionOf(key, 0, key.length, map.affinityParts, control.partitionCount) as PartitionId;
      return { partition, key, value };
    });
  }

  /** @throws GridError PARTITION_LOST, MEMBER_UNREACHABLE: one of the partitions has no primary */
  #byMember(rows: readonly EncodedRow[], { onConflict }: InsertPlan): Map<MemberId, InsertRows> {
    const { table } = this.#deps.control;
    const placed = new Map<MemberId, { partitions: number[]; keys: Uint8Array[]; values: Uint8Array[] }>();
    for (const { partition, key, value } of rows) {
      const { id } = requirePrimary(table, partition);
      const own = placed.get(id) ?? { partitions: [], keys: [], values: [] };
      placed.set(id, own);
      own.partitions.push(partition);
      own.keys.push(key);
      own.values.push(value);
    }
    return new Map([...placed].map(([id, own]) => [id, { ...own, onConflict }]));
  }

  #keyOf(row: InsertPlan['rows'][number], statement: Statement) {
    const key = keyValue(valueOfExpr(row.key, statement));
    if (key !== undefined) return key;
    throw new GridError('INVALID_KEY', '__key must be text, a number, bytes or an array of those', {
      details: { offset: row.key.at },
    });
  }
}

/** @throws GridError that names the key and the path whose value cannot be computed */
function documentOf(row: InsertPlan['rows'][number], key: Key, statement: Statement): unknown {
  let document: unknown = {};
  for (const { path, value } of row.fields) {
    try {
      document = assign(document, path, valueOfExpr(value, statement));
    } catch (error) {
      throw atPath(error, 'INSERT', path, key);
    }
  }
  return document;
}

function valueOfExpr(expr: InsertPlan['rows'][number]['key'], { parameters, clockMs }: Statement): RowValue {
  return interpret(expr, () => null, { parameters, nowMs: clockMs });
}

/** What finds all entries of a map. */
export function everyEntry(map: string, mapId: number): ChangeTarget['scan'] {
  return { kind: 'Scan', map, mapId, alias: map, columns: [], filter: undefined };
}

function keysIn(found: readonly FoundRows[]): ReadonlySet<unknown> {
  return new Set(found.flatMap(({ keysFound }) => keysFound));
}

/**
 * The keys that checks found. What fails by what the entries hold, on any member, fails before another is changed.
 *
 * @throws the first failure, once all have ended: their snapshot goes then
 */
async function keysFoundBy(checks: readonly Promise<ChangeOutcome>[]): Promise<ReadonlySet<unknown>> {
  const found = new Set<unknown>();
  for (const check of await Promise.allSettled(checks)) {
    if (check.status === 'rejected') throw check.reason;
    for (const key of check.value.keysFound ?? []) found.add(key);
  }
  return found;
}

/** Kinds of expressions that never fail over rows that are read laxly: nothing is divided, called or matched with a pattern. */
const COMPARISONS: ReadonlySet<Expr['kind']> = new Set<Expr['kind']>([
  ...(['column', 'literal', 'parameter', 'compare', 'distinctFrom', 'in'] as const),
  ...(['and', 'or', 'not', 'isNull', 'isTruth'] as const),
]);

function comparesOnly(expr: Expr): boolean {
  return COMPARISONS.has(expr.kind) && childrenOf(expr).every(comparesOnly);
}

/**
 * The sum of all outcomes.
 *
 * @param code  of the error when some of it was applied; otherwise the error is a member's own
 */
async function allOrPartial(
  parts: readonly { readonly member: MemberId; readonly outcome: Promise<ChangeOutcome> }[],
  code: 'PARTIAL' | 'PARTIAL_COMMIT',
): Promise<ChangeOutcome> {
  const settled = await Promise.allSettled(parts.map(({ outcome }) => outcome));
  let affected = 0;
  let version = 0;
  const applied: string[] = [];
  const failures: GridError[] = [];
  const outcomes: MemberOutcome[] = [];
  const refused = new RefusedCalls();
  const odd = new OddTally();
  settled.forEach((result, index) => {
    const { member } = parts[index]!;
    let here: number;
    if (result.status === 'rejected') {
      const failure = GridError.wrap(result.reason);
      if (!refused.addTold(failure)) failures.push(failure);
      here = changedDespite(failure);
      outcomes.push(outcomeOf(member, failure, here));
    } else {
      here = result.value.affected;
      version = Math.max(version, result.value.version);
      odd.add(result.value.odd);
      outcomes.push({ member, outcome: 'applied', rows: here });
    }
    affected += here;
    if (here > 0) applied.push(member);
  });
  // Repeating is safe only if it is safe for each of them.
  const failure = failures.find(({ retryable }) => !retryable) ?? failures[0];
  if (failure === undefined && refused.count > 0) throw refused.error(affected, applied);
  if (failure === undefined) return { affected, version: version as Version, odd: odd.counts() };
  if (applied.length === 0) throw failure;
  throw new GridError(
    code,
    `the ${code === 'PARTIAL' ? 'call' : 'statement'} changed ${affected} entries on ${applied.join(', ')}, then failed: ${failure.message}`,
    {
      hint: 'find out what is left to do, and send the rest again',
      details: { affected, applied, cause: failure.code, ...refused.facts },
      outcomes,
      cause: failure,
    },
  );
}

/** Entries that a member has changed although it failed. */
function changedDespite({ code, details }: GridError): number {
  return code === 'PARTIAL' || code === 'PARTIAL_COMMIT' ? Number(details?.['affected'] ?? 0) : 0;
}

/** The outcome at a member that failed. Where its cause leaves the outcome unknown, nobody can say how many entries were changed. */
function outcomeOf(member: MemberId, { code, details }: GridError, changed: number): MemberOutcome {
  if ([code, details?.['cause']].includes('OUTCOME_UNKNOWN')) return { member, outcome: 'unknown', rows: undefined };
  if (changed > 0) return { member, outcome: 'inPart', rows: changed };
  return { member, outcome: 'notApplied', rows: undefined };
}
