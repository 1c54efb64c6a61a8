/**
 * A statement: sent when its result is first asked for, read once, batch by batch under credit.
 *
 * sql-result Q1  What only reads is asked of another member when a link breaks before the first row was handed over. Once it is also
 *                sent again where its snapshot ended, or a member that it read went, before anything of it was handed over:
 *                all() hands over everything or nothing. What writes is sent again only where no member was told to commit.
 * sql-result Q2  Leaving a loop early cancels the statement.
 * sql-result Q4  It waits its turn among the client's statements until it is sent, and among its open results until it is
 *                read.
 * sql-result Q3  A result that lacks a batch, or its end, is an error, never a short result.
 * sql-result Q5  One whose text is known to read by a key goes as an operation on it (short-statements.ts), beside its turns; where that
 *                is not answered it is sent as any other, within the same time.
 */
import type { ColumnBatch, ResultColumn, SqlResult, SqlTypeName } from '@ashlar/api';
import { CancelledError, DeadlineExceededError, distinctNames, GridError, OutcomeUnknownError } from '@ashlar/core';
import { isAboutThird, nobodyThere, pause, type Router } from '@ashlar/routing';
import {
  COLUMN_TYPES,
  columnValues,
  decodeColumns,
  type StatementColumn,
  type StatementEnd,
  type StatementOutput,
} from '@ashlar/serialization';
import { type MemberConnection, PartCount } from '@ashlar/transport';
import type { CallTurns } from './call-turns.ts';
import { parameterBytes } from './checks.ts';
import { onlyReads } from './only-reads.ts';
import { setField } from './row-fields.ts';
import type { TimedLimits } from './scoped-limits.ts';
import type { ShortRows, ShortStatements } from './short-statements.ts';
import type { Turn } from './turns.ts';

export interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
  /** Its limits from now on; asked once, when it is sent. @throws GridError: it must not be sent any more */
  readonly limits: () => TimedLimits;
  readonly strict: boolean;
}

const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 200;
/** With less time left nobody is asked again: the last error says more than a deadline would. */
const ASK_LEAST_MS = 50;
const SQL_TYPES: ReadonlySet<string> = new Set(COLUMN_TYPES.filter((type) => type !== 'any' && type !== 'null'));

type Header = StatementOutput & { readonly kind: 'header' };

interface Sent {
  readonly rowsMax: number;
  readonly limits: TimedLimits & { readonly deadlineMs: number };
  /** It was sent again: there is no third time. */
  readonly isSecond: boolean;
}

/** The snapshot that it reads is gone, as when a partition changes its primary. Nothing was changed. */
function hasExpired({ code }: GridError): boolean {
  return code === 'SNAPSHOT_EXPIRED';
}

export class GridSqlResult<Row> implements SqlResult<Row> {
  readonly #router: Router;
  readonly #turns: CallTurns;
  readonly #shorts: ShortStatements;
  readonly #statement: Statement;
  /** Its place among the open results. */
  #place: Turn | undefined;
  #outputs: AsyncGenerator<StatementOutput, void, undefined> | undefined;
  /** All rows, of a statement that went as an operation: there is no stream then. */
  #short: ShortRows | undefined;
  #header: Promise<Header> | undefined;
  /** How it was sent by a stream of its own; undefined: it was not. */
  #sent: Sent | undefined;
  /** Known at its end. */
  #affected: number | undefined;
  #isRead = false;
  /** Columns or notices of what was sent were handed over. */
  #isToldOf = false;
  #notices: readonly string[] = [];

  constructor(router: Router, turns: CallTurns, shorts: ShortStatements, statement: Statement) {
    this.#router = router;
    this.#turns = turns;
    this.#shorts = shorts;
    this.#statement = statement;
  }

  async all(): Promise<Row[]> {
    this.#claim();
    await this.#start(0);
    if (this.#short !== undefined) {
      this.#finish(this.#short);
      return this.#short.rows() as Row[];
    }
    try {
      return await this.#allRows();
    } catch (error) {
      await this.#sendAgain(error);
      return await this.#allRows();
    }
  }

  async #allRows(): Promise<Row[]> {
    const rows: Row[] = [];
    for await (const batch of this.#rest()) for (const row of rowsOf<Row>(batch)) rows.push(row);
    return rows;
  }

  async first(): Promise<Row | undefined> {
    for await (const batch of this.#read(1)) {
      if (batch.rowCount > 0) return rowsOf<Row>(batch).next().value as Row;
    }
    return undefined;
  }

  async execute(): Promise<{ readonly affected: number }> {
    for await (const _ of this.#read());
    return { affected: this.#affected ?? 0 };
  }

  async *batches(): AsyncGenerator<ColumnBatch, void, undefined> {
    yield* this.#read();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void, undefined> {
    for await (const batch of this.#read()) yield* rowsOf<Row>(batch);
  }

  async columns(): Promise<readonly ResultColumn[]> {
    const { columns } = await this.#start(0);
    this.#isToldOf = true;
    return this.#short?.columns ?? columns.map(resultColumn);
  }

  async notices(): Promise<readonly string[]> {
    await this.#start(0);
    this.#isToldOf = true;
    return this.#notices;
  }

  async *#read(rowsMax = 0): AsyncGenerator<ColumnBatch, void, undefined> {
    this.#claim();
    await this.#start(rowsMax);
    if (this.#short === undefined) {
      yield* this.#restOrAgain();
      return;
    }
    if (this.#short.rowCount > 0) yield this.#short;
    this.#finish(this.#short);
  }

  async *#restOrAgain(): AsyncGenerator<ColumnBatch, void, undefined> {
    let isHandedOver = false;
    try {
      for await (const batch of this.#rest()) {
        isHandedOver = true;
        yield batch;
      }
    } catch (error) {
      if (isHandedOver) throw error;
      await this.#sendAgain(error);
      yield* this.#rest();
    }
  }

  /** Nothing of it was handed over (sql-result Q1). @throws the error, where it is no use to send it again */
  async #sendAgain(error: unknown): Promise<void> {
    const sent = this.#sent;
    const failure = GridError.wrap(error);
    const isWorthIt = sent !== undefined && !sent.isSecond && !this.#isToldOf && onlyReads(this.#statement.text);
    if (!(isWorthIt && (hasExpired(failure) || (await this.#router.isPassing(failure))))) throw error;
    this.#sent = { ...sent, isSecond: true };
    this.#header = this.#sendAlone(sent.rowsMax, sent.limits);
    await this.#header;
  }

  #claim(): void {
    if (this.#isRead) {
      throw new GridError('INVALID_ARGUMENT', 'a result can be read once', { hint: 'keep the rows of all()' });
    }
    this.#isRead = true;
  }

  /** What comes behind the header. */
  async *#rest(): AsyncGenerator<ColumnBatch, void, undefined> {
    const header = (await this.#header)!;
    const columns = header.columns.map(resultColumn);
    const counts = header.columns.map(({ isCount }) => isCount === true);
    const outputs = this.#outputs!;
    const count = new PartCount('the result');
    try {
      for (;;) {
        const next = await this.#router.waiting(outputs.next());
        if (next.done === true) break;
        const output = next.value;
        if (output.kind === 'batch') {
          count.add();
          yield new Columns(columns, counts, output.bytes);
        } else if (output.kind === 'end') {
          count.end(output.batches);
          this.#router.observeVersion(output.version);
          this.#finish(output);
        }
      }
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.#place?.leave();
      await outputs.return();
    }
    if (this.#affected === undefined && !onlyReads(this.#statement.text))
      throw new OutcomeUnknownError('the statement');
    count.checkEnded();
  }

  #finish({ affected, notices }: Pick<StatementEnd, 'affected' | 'notices'>): void {
    this.#affected = affected;
    if (notices.length > 0) this.#notices = [...this.#notices, ...notices];
  }

  /** Sends it, once; resolves with its header. */
  #start(rowsMax: number): Promise<Header> {
    this.#header ??= this.#send(rowsMax);
    // Whoever asks for rows meets the failure.
    this.#header.catch(() => undefined);
    return this.#header;
  }

  async #send(rowsMax: number): Promise<Header> {
    const given = this.#statement.limits();
    const deadlineMs = performance.now() + given.timeoutMs;
    const asked = this.#shorts.ask(this.#statement, given);
    const short = asked === undefined ? undefined : await this.#told(asked, given);
    if (short === undefined) {
      const limits = { ...given, deadlineMs };
      this.#sent = { rowsMax, limits, isSecond: false };
      return this.#sendAlone(rowsMax, limits);
    }
    this.#short = short;
    this.#notices = short.header.notices;
    return { ...short.header, kind: 'header' };
  }

  /** The answer of an operation, whose failure is the statement's. */
  async #told(
    asked: Promise<ShortRows | undefined>,
    { signal, timeoutMs }: TimedLimits,
  ): Promise<ShortRows | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (signal?.aborted === true) throw new CancelledError('the statement');
      if (GridError.is(error, 'DEADLINE_EXCEEDED')) throw new DeadlineExceededError('the statement', timeoutMs);
      throw error;
    }
  }

  /** By a stream of its own. */
  async #sendAlone(rowsMax: number, limits: TimedLimits & { readonly deadlineMs: number }): Promise<Header> {
    const encoded = parameterBytes(this.#statement.parameters);
    const { results, statements } = this.#turns;
    const place = results.enter(limits);
    this.#place = place instanceof Promise ? await place : place;
    try {
      const entered = statements.enter(limits);
      const turn = entered instanceof Promise ? await entered : entered;
      try {
        return await this.#ask(encoded, rowsMax, limits);
      } finally {
        turn.leave();
      }
    } catch (error) {
      this.#place.leave();
      throw error;
    }
  }

  async #ask(
    encoded: Uint8Array,
    rowsMax: number,
    limits: TimedLimits & { readonly deadlineMs: number },
  ): Promise<Header> {
    const { text, strict } = this.#statement;
    const { signal, trace, deadlineMs } = limits;
    let hasBegunAnew = false;
    /** Who was asked since a member could not reach another one: the link between two may be cut, and others reach both. */
    const cutOff = new Set<MemberConnection>();
    let next: MemberConnection | undefined;
    for (let retryMs = RETRY_FIRST_MS; ; ) {
      const sessionVersion = this.#router.sessionVersion;
      const request = { text, parameters: encoded, sessionVersion, rowsMax, strict };
      const timeoutMs = Math.max(1, deadlineMs - performance.now());
      const options = { signal, timeoutMs, trace, onlyReads: onlyReads(text) };
      const connection: MemberConnection = next ?? this.#router.anyConnection();
      if (next !== undefined) cutOff.add(next);
      next = undefined;
      const outputs = connection.sql.execute(request, options);
      try {
        const first = await this.#router.waiting(outputs.next());
        if (first.done === true || first.value.kind !== 'header') {
          throw new GridError('INTERNAL', 'a result without a header');
        }
        this.#outputs = outputs;
        this.#notices = first.value.notices;
        if (first.value.byKey) this.#shorts.learn(text, first.value.byKey);
        return first.value;
      } catch (error) {
        const failure = this.#failure(error);
        if (signal?.aborted === true) throw new CancelledError('the statement');
        const beginsAnew: boolean = hasExpired(failure) && !hasBegunAnew;
        if (!(beginsAnew || (await this.#router.isPassing(failure)))) {
          if (isAboutThird(failure)) next = this.#router.otherConnection(cutOff.add(connection));
          if (next === undefined) throw failure;
          continue;
        }
        hasBegunAnew ||= beginsAnew;
        const leftMs = deadlineMs - performance.now();
        const isLast = leftMs <= retryMs + ASK_LEAST_MS;
        await pause(Math.max(0, isLast ? leftMs : retryMs));
        if (isLast) throw this.#overdue(failure, limits.timeoutMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  /** The error of a statement that no member took in its time. @param last  why */
  #overdue(last: GridError, timeoutMs: number): GridError {
    return last.code === 'CONNECTION_LOST' ? nobodyThere(this.#router.table, timeoutMs) : last;
  }

  /** A link that broke leaves in doubt only what may have changed something. */
  #failure(error: unknown): GridError {
    const failure = GridError.wrap(error);
    if (this.#router.isClosed) return new GridError('CLIENT_CLOSED', 'the client was closed');
    if (failure.code !== 'OUTCOME_UNKNOWN' || !onlyReads(this.#statement.text)) return failure;
    return new GridError('CONNECTION_LOST', 'the connection was lost; the statement only read', { cause: failure });
  }
}

function resultColumn({ name, type }: StatementColumn): ResultColumn {
  return { name, type: SQL_TYPES.has(type) ? (type as SqlTypeName) : 'unknown' };
}

/** One batch; columns become JavaScript values when they are asked for. */
class Columns implements ColumnBatch {
  readonly columns: readonly ResultColumn[];
  readonly rowCount: number;
  /** Columns that are counts: numbers, though they come as int8. */
  readonly #counts: readonly boolean[];
  readonly #decoded: ReturnType<typeof decodeColumns>;
  readonly #values: (readonly unknown[] | undefined)[] = [];

  constructor(columns: readonly ResultColumn[], counts: readonly boolean[], bytes: Uint8Array) {
    this.#counts = counts;
    this.#decoded = decodeColumns(bytes);
    this.columns = columns;
    this.rowCount = this.#decoded.length;
  }

  values(column: number): readonly unknown[] {
    const known = this.#values[column];
    if (known !== undefined) return known;
    const source = this.#decoded.columns[column];
    if (source === undefined) throw new RangeError(`column ${column} of ${this.columns.length}`);
    const values = this.#counts[column] === true ? columnValues(source).map(countOf) : columnValues(source);
    this.#values[column] = values;
    return values;
  }
}

function* rowsOf<Row>(batch: ColumnBatch): Generator<Row, void, undefined> {
  const names = distinctNames(batch.columns.map(({ name }) => name));
  const values = names.map((_, column) => batch.values(column));
  for (let row = 0; row < batch.rowCount; row++) {
    const object: Record<string, unknown> = {};
    for (let column = 0; column < names.length; column++) {
      setField(object, names[column]!, values[column]![row]);
    }
    yield object as Row;
  }
}

/** @throws GridError NUMERIC_OVERFLOW beyond 2^53 */
function countOf(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const count = Number(value);
  if (Number.isSafeInteger(count)) return count;
  throw new GridError('NUMERIC_OVERFLOW', `a count of ${value} is not an exact number`, {
    hint: 'cast it: count(*)::text',
  });
}
