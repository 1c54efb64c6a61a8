/**
 * Statements that come with key-value operations: what reads a few entries by their keys is answered where it stands, as a get is.
 *
 *   request -> planned before? -> by keys that are here? -> read, projected, written as one value: this turn
 *                '----------- else: planned, or read where the key is, within SHORT_MS -> later, or not at all
 *
 * short-statements R1  What is not answered here was not run: its caller takes the stream, which answers it as ever.
 * short-statements R2  A plan is used as Statements uses it: of the present catalog, and only while what it rests on is so,
 *                      looked at after the statement has come. Permissions, parameters, metrics, spans, notices and errors
 *                      are the same.
 * short-statements R3  A statement keeps its batch open for SHORT_MS at most, and no more than UNDER_WAY_MAX do so at once.
 */
import type { GridView } from '@ashlar/cluster';
import { GridError, type TraceContext } from '@ashlar/core';
import { canonicalNumber, Interval, noticesOf, type OddCount, OddRows, OddTally } from '@ashlar/expressions';
import type { MemberMetrics, Tracing } from '@ashlar/observe';
import {
  beginShortAnswer,
  encodeKey,
  type Key,
  SHORT_TEXT_MAX,
  type ShortRequest,
  shortAnswerValue,
  ValueWriter,
} from '@ashlar/serialization';
import type { EntryPlace, GetRow } from '@ashlar/sql-executor';
import { type Plan, withPosition } from '@ashlar/sql-plan';
import type { Planning } from '../planning.ts';
import { ambiguousTexts, bothKeysNotice, keysMeant } from '../quoted-keys.ts';
import { type KeyReader, TOLD_TEXTS_MAX } from './key-reads.ts';
import { checkParameterCount } from './parameters.ts';
import type { PlainRow } from './plain-row.ts';
import { KEYS_MAX, type ShortPlan, shortPlanOf, shortResult } from './short-plan.ts';
import type { RunContext } from './statement-types.ts';
import { attributesOf } from './statements.ts';

const SHORT_MS = 50;
const UNDER_WAY_MAX = 256;
/** Longer documents are read in a worker. */
const VALUES_BYTES_MAX = 1 << 20;
const NO_NOTICES: readonly string[] = [];

/** Who asks. */
export interface ShortCall extends Pick<RunContext, 'require' | 'deadlineMs'> {
  readonly trace: TraceContext | undefined;
}

/** Entries of this member. */
export interface EntryLook {
  /** Where the entry of a key lies, until the next look; 'unknown': it is not here, or nobody knows yet. */
  look(map: string, key: Uint8Array): EntryPlace | undefined | 'unknown';
}

/** bytes[start, end): good until the next statement is answered. */
export interface WrittenAnswer {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export interface ShortDependencies {
  readonly control: Pick<GridView, 'requireComplete'>;
  readonly planning: Pick<Planning, 'plan' | 'planNow'>;
  readonly keys: KeyReader & EntryLook;
  readonly metrics: Pick<MemberMetrics, 'queries' | 'queriesByKey' | 'queryFailures' | 'queryLatency'>;
  readonly tracing: Tracing;
}

export class ShortStatements {
  readonly #deps: ShortDependencies;
  readonly #writer = new ValueWriter();
  /** Plans that are being asked for, of the statements that came together (short-statements R2). */
  readonly #planning = new Map<string, Promise<Plan>>();
  #underWay = 0;

  constructor(deps: ShortDependencies) {
    this.#deps = deps;
  }

  /**
   * @returns undefined: it takes the stream (short-statements R1)
   * @throws (or rejects with) GridError: the statement's own, with its place in the text
   */
  answer(request: ShortRequest, call: ShortCall): WrittenAnswer | undefined | Promise<WrittenAnswer | undefined> {
    if (request.text.length > SHORT_TEXT_MAX) return undefined;
    const plan = this.#deps.planning.planNow(request.text);
    if (plan === undefined) return this.#later(request, call);
    const short = shortPlanOf(plan);
    if (short === undefined) return undefined;
    const answer = this.#answerNow(short, request, call);
    return answer === 'unknown' ? this.#later(request, call) : answer;
  }

  /** @returns undefined: it takes the stream; 'unknown': the key is asked for elsewhere */
  #answerNow(plan: ShortPlan, request: ShortRequest, call: ShortCall): WrittenAnswer | undefined | 'unknown' {
    const statement = new MeasuredStatement(request, call, this.#deps);
    try {
      const keys = this.#keysOf(plan, request, call);
      if (keys.length === 1 && plan.plain !== undefined) {
        const answer = this.#answerPlain(plan, plan.plain, encodeKey(keys[0]!), request);
        return answer === 'unknown' ? statement.left(answer) : statement.succeeded(answer);
      }
      const entries = new FoundEntries(plan, contextOf(request));
      for (const key of keys) {
        const bytes = encodeKey(key);
        const place = this.#deps.keys.look(plan.map, bytes);
        if (place === 'unknown') return statement.left(plan.kind === 'get' ? place : undefined);
        if (place !== undefined && !entries.add(bytes, place)) return statement.left(undefined);
      }
      return statement.succeeded(this.#write(plan, request, entries, this.#bothKeys(plan, keys, entries, request)));
    } catch (error) {
      return statement.failed(error);
    }
  }

  /** The row of one key, its cells copied. @returns undefined: it takes the stream */
  #answerPlain(
    { map, header }: ShortPlan,
    plain: PlainRow,
    key: Uint8Array,
    request: ShortRequest,
  ): WrittenAnswer | undefined | 'unknown' {
    const place = this.#deps.keys.look(map, key);
    if (place === 'unknown') return place;
    if (place !== undefined && place.valueEnd - place.valueStart > VALUES_BYTES_MAX) return undefined;
    const writer = this.#writer;
    beginShortAnswer(writer, header, request.header === header.number, place !== undefined);
    if (place !== undefined) plain.write(key, place, writer);
    return { bytes: writer.bytes, start: 0, end: writer.end };
  }

  /** Each key that it means, once. @throws GridError GRID_INCOMPLETE, INVALID_PARAMETER, PERMISSION_DENIED */
  #keysOf(plan: ShortPlan, { parameters }: ShortRequest, { require }: ShortCall): readonly Key[] {
    this.#deps.control.requireComplete();
    checkParameterCount('the statement', plan.parameterCount, parameters.length);
    require('read', plan.map);
    const [key, ...others] = plan.keys;
    if (others.length === 0) return keysMeant(key!, parameters);
    const keys = new Map<string, Key>();
    for (const expr of plan.keys) {
      for (const meant of keysMeant(expr, parameters))
        keys.set(Buffer.from(encodeKey(meant)).toString('latin1'), meant);
    }
    return [...keys.values()];
  }

  /** Texts that mean two keys, both of which the map has. */
  #bothKeys(plan: ShortPlan, keys: readonly Key[], { count }: FoundEntries, { parameters }: ShortRequest): string[] {
    if (plan.kind === 'get') return keys.length > 1 && count === keys.length ? [String(keys[0])] : [];
    const has = (key: Key): boolean => typeof this.#deps.keys.look(plan.map, encodeKey(key)) === 'object';
    return ambiguousTexts(plan.filter, parameters)
      .slice(0, TOLD_TEXTS_MAX)
      .filter((text) => has(text) && has(canonicalNumber(text)!));
  }

  /** @returns undefined: what only the stream tells as it is, or a worker merges */
  #write(
    plan: ShortPlan,
    request: ShortRequest,
    { rows, context }: FoundEntries,
    bothKeys: readonly string[],
  ): WrittenAnswer | undefined {
    const result = shortResult(plan, rows, { ...context, strict: request.strict });
    if (result === undefined) return undefined;
    const { header, output } = plan;
    const cells: unknown[] = [];
    for (const row of result.rows) {
      for (let column = 0; column < output.length; column++) {
        const value = row[column];
        if (typeof value === 'object' && Interval.is(value)) return undefined;
        // The whole numbers of a batch have one zero.
        cells.push(value === 0 && output[column]!.type === 'int4' ? 0 : value);
      }
    }
    const notices = noticesFor(bothKeys, context.oddRows, result.odd);
    const answer = { notices, rowCount: result.rows.length, cells };
    const writer = this.#writer;
    writer.reset();
    writer.write(shortAnswerValue(header, request.header === header.number, answer));
    return writer;
  }

  /* ---- Not in this turn -------------------------------------------------------------------------------------------- */

  #later(request: ShortRequest, call: ShortCall): Promise<WrittenAnswer | undefined> | undefined {
    if (this.#underWay >= UNDER_WAY_MAX) return undefined;
    this.#underWay++;
    const planned = this.#deps.planning.planNow(request.text) ?? this.#planSoon(request.text);
    const abort = new AbortController();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const over = (): void => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        this.#underWay--;
      };
      // The plan is made to its end: the next one finds it.
      const timer = setTimeout(() => {
        over();
        abort.abort();
        resolve(undefined);
      }, SHORT_MS);
      this.#answerLater(planned, request, call, abort.signal).finally(over).then(resolve, reject);
    });
  }

  async #answerLater(
    planned: Plan | Promise<Plan>,
    request: ShortRequest,
    call: ShortCall,
    signal: AbortSignal,
  ): Promise<WrittenAnswer | undefined> {
    // An error in planning is told by the stream, in its own time.
    const plan = await Promise.resolve(planned).catch(() => undefined);
    const short = plan === undefined || signal.aborted ? undefined : shortPlanOf(plan);
    if (short === undefined) return undefined;
    const answer = this.#answerNow(short, request, call);
    if (answer !== 'unknown') return answer === undefined ? undefined : copied(answer);
    return this.#answerFrom(short, request, call, signal);
  }

  /** The entry of a get that another member has, or that is being decided. */
  async #answerFrom(
    plan: ShortPlan,
    request: ShortRequest,
    call: ShortCall,
    signal: AbortSignal,
  ): Promise<WrittenAnswer | undefined> {
    const statement = new MeasuredStatement(request, call, this.#deps);
    try {
      const keys = this.#keysOf(plan, request, call);
      const scope = { signal, deadlineMs: call.deadlineMs, trace: statement.trace };
      const found = await Promise.all(keys.map((key) => this.#deps.keys.get(plan.map, key, scope)));
      const entries = new FoundEntries(plan, contextOf(request));
      for (const [index, entry] of found.entries()) {
        if (entry === undefined) continue;
        const { value, version, expiresAtMs } = entry;
        const place = {
          valueBytes: value,
          valueStart: 0,
          valueEnd: value.length,
          version,
          expiresAt: expiresAtMs * 1000,
        };
        if (!entries.add(encodeKey(keys[index]!), place)) return statement.left(undefined);
      }
      const answer = this.#write(plan, request, entries, this.#bothKeys(plan, keys, entries, request));
      return statement.succeeded(answer === undefined ? undefined : copied(answer));
    } catch (error) {
      return statement.failed(error);
    }
  }

  /** Statements that come in one message share a plan that has to be looked at, or made. */
  #planSoon(text: string): Promise<Plan> {
    const known = this.#planning.get(text);
    if (known !== undefined) return known;
    const planned = this.#deps.planning.plan(text, new AbortController().signal);
    if (this.#planning.size === 0) process.nextTick(() => this.#planning.clear());
    this.#planning.set(text, planned);
    return planned;
  }
}

interface ShortContext {
  readonly parameters: readonly unknown[];
  readonly nowMs: number;
  readonly oddRows: OddRows | undefined;
}

function contextOf({ parameters, strict }: ShortRequest): ShortContext {
  return { parameters, nowMs: Date.now(), oddRows: strict ? undefined : new OddRows() };
}

/** What a statement has read. */
class FoundEntries {
  readonly rows: GetRow[] = [];
  readonly context: ShortContext;
  count = 0;
  readonly #reader: ShortPlan['reader'];
  #bytes = 0;

  constructor({ reader }: ShortPlan, context: ShortContext) {
    this.#reader = reader;
    this.context = context;
  }

  /** @returns false: it is too long to be read here @throws GridError: what the expressions throw */
  add(key: Uint8Array, place: EntryPlace): boolean {
    this.#bytes += place.valueEnd - place.valueStart;
    this.count++;
    if (this.#bytes > VALUES_BYTES_MAX || this.count > KEYS_MAX) return false;
    const row = this.#reader.read(key, place, this.context);
    if (row !== undefined) this.rows.push(row);
    return true;
  }
}

function noticesFor(
  bothKeys: readonly string[],
  oddRows: OddRows | undefined,
  merged: readonly OddCount[],
): readonly string[] {
  const isQuiet = bothKeys.length + merged.length === 0 && (oddRows === undefined || oddRows.isEmpty);
  if (isQuiet) return NO_NOTICES;
  const odd = new OddTally();
  odd.add(bothKeys.map((text) => ({ what: bothKeysNotice(text), rows: 0 })));
  odd.add(oddRows?.counts() ?? []);
  odd.add(merged);
  return noticesOf(odd.counts());
}

function copied({ bytes, start, end }: WrittenAnswer): WrittenAnswer {
  return { bytes: bytes.slice(start, end), start: 0, end: end - start };
}

/** Errors that are the statement's own; all others are the stream's to tell, or to get over. */
function isOwn(error: GridError): boolean {
  return (
    error.code === 'PERMISSION_DENIED' || error.code === 'INVALID_PARAMETER' || error.details?.['offset'] !== undefined
  );
}

/** A statement in metrics and traces, if it is answered. */
class MeasuredStatement {
  readonly #text: string;
  readonly #deps: ShortDependencies;
  readonly #startedMs = performance.now();
  readonly #span: ReturnType<Tracing['begin']>;

  constructor({ text }: ShortRequest, { trace }: ShortCall, deps: ShortDependencies) {
    this.#text = text;
    this.#deps = deps;
    this.#span = deps.tracing.begin('ashlar.sql', trace, attributesOf(text));
  }

  get trace(): TraceContext | undefined {
    return this.#span.trace;
  }

  succeeded<T>(answer: T | undefined): T | undefined {
    if (answer !== undefined) this.#count();
    this.#span.end();
    return answer;
  }

  /** It is answered otherwise. */
  left<T>(outcome: T): T {
    this.#span.end();
    return outcome;
  }

  /** @returns undefined: it takes the stream @throws GridError: the statement's own */
  failed(cause: unknown): undefined {
    const error = GridError.wrap(cause);
    this.#span.end(cause);
    if (!isOwn(error)) return undefined;
    this.#count();
    this.#deps.metrics.queryFailures++;
    throw withPosition(error, this.#text);
  }

  #count(): void {
    const { metrics } = this.#deps;
    metrics.queries++;
    metrics.queriesByKey++;
    metrics.queryLatency.record((performance.now() - this.#startedMs) * 1000);
  }
}
