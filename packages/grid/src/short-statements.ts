/**
 * Statements that read the entry of a key, asked as operations on that key: they share the batches, the queues and the retries of
 * key-value calls, and no stream is opened for them.
 *
 *   text -> known as by-key from its first answer? -> operation to the owner of its key -> rows
 *                '-- no, or the member says so ----> the stream of statements (sql-result.ts)
 *
 * short-statements Q1  Whatever does not fit takes the stream, which tells results and errors of every kind: texts that are new,
 *                      keys that are none, parameters that cannot be sent, what a member did not answer in a moment.
 * short-statements Q2  A text whose operations are not answered is sent by the stream more and more often before it is tried
 *                      again.
 */
import { types } from 'node:util';
import type { ColumnBatch, ResultColumn } from '@ashlar/api';
import { distinctNames, GridError } from '@ashlar/core';
import type { CallLimits, Router } from '@ashlar/routing';
import {
  type ByKey,
  type Key,
  SHORT_TEXT_MAX,
  type ShortAnswer,
  type ShortHeader,
  type StatementColumn,
  shortAnswerOf,
  shortRequestValue,
  typeOfCell,
} from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import { setField } from './row-fields.ts';

/** Texts that are remembered; the one that was learnt first goes first. */
const ROUTES_MAX = 1000;
/** Statements of a text that take the stream at most before it is tried again. */
const SKIPS_MAX = 256;
/** Numbers in a text, parameters aside: statements that differ in them have one plan, mostly. */
const NUMBERS = /(?<![$\w])\d+(?:\.\d+)?/g;

interface KnownHeader extends ShortHeader {
  /** The fields of rows: the names of the columns, each once. */
  readonly names: readonly string[];
}

/** How a text is asked. */
interface Route {
  readonly byKey: ByKey;
  header: KnownHeader | undefined;
  /** Statements that take the stream before it is tried again, and how many that were at its last failure. */
  skips: number;
  lastSkips: number;
}

export interface ShortStatement {
  readonly text: string;
  readonly parameters: readonly unknown[];
  readonly strict: boolean;
}

export class ShortStatements {
  readonly #router: Router;
  readonly #routes = new Map<string, Route>();
  /** Keys that stand for none: statements that have their key in the text go to all members in turn. */
  #turn = 0;

  constructor(router: Router) {
    this.#router = router;
  }

  /** The header of a statement's result says that it is by key. */
  learn(text: string, byKey: ByKey): void {
    if (text.length > SHORT_TEXT_MAX) return;
    const name = nameOf(text, byKey.parameter);
    if (this.#routes.has(name)) return;
    if (this.#routes.size >= ROUTES_MAX) this.#routes.delete(this.#routes.keys().next().value!);
    this.#routes.set(name, { byKey, header: undefined, skips: 0, lastSkips: 0 });
  }

  /**
   * @returns undefined (or resolves with it): it takes the stream, nothing was asked
   * @throws (rejects with) GridError: as the statement fails on the stream
   */
  ask(
    statement: ShortStatement,
    limits: CallLimits & { readonly timeoutMs: number },
  ): Promise<ShortRows | undefined> | undefined {
    const route = this.#routeOf(statement.text);
    if (route === undefined || !(limits.timeoutMs > 0)) return undefined;
    if (route.skips > 0) {
      route.skips--;
      return undefined;
    }
    const { parameters } = statement;
    if (!Array.isArray(parameters) || parameters.includes(undefined)) return undefined;
    const key = this.#keyOf(route.byKey, parameters);
    return key === undefined ? undefined : this.#ask(route, key, statement, limits);
  }

  async #ask(route: Route, key: Key, statement: ShortStatement, limits: CallLimits): Promise<ShortRows | undefined> {
    const map = this.#router.map(route.byKey.map, undefined);
    const value = shortRequestValue({ ...statement, header: route.header?.number ?? 0 });
    let answered: unknown;
    try {
      answered = await this.#router.call(OPCODE.STATEMENT, map, key, value, undefined, limits);
    } catch (error) {
      if (UNSENT.has(GridError.wrap(error).code)) return undefined;
      throw error;
    }
    if (answered === undefined) {
      route.lastSkips = Math.min(SKIPS_MAX, route.lastSkips * 2 + 1);
      route.skips = route.lastSkips;
      return undefined;
    }
    route.lastSkips = 0;
    const answer = shortAnswerOf(answered);
    const told = answer.header;
    const header =
      told === undefined ? route.header : { ...told, names: distinctNames(told.columns.map(nameOfColumn)) };
    if (header?.number !== answer.number) return undefined;
    route.header = header;
    return new ShortRows(header, answer);
  }

  #routeOf(text: string): Route | undefined {
    if (this.#routes.size === 0 || text.length > SHORT_TEXT_MAX) return undefined;
    return this.#routes.get(text) ?? this.#routes.get(nameOf(text, 0));
  }

  #keyOf({ parameter }: ByKey, parameters: readonly unknown[]): Key | undefined {
    if (parameter === 0) return ++this.#turn;
    const given = parameters[parameter - 1];
    return isKey(given) ? given : undefined;
  }
}

/**
 * Codes of operations that could not be written, or sent to a map as it is declared here, or to the one member that was asked: of a
 * statement the stream says it, or goes to others.
 */
const UNSENT: ReadonlySet<string> = new Set([
  ...['INVALID_VALUE', 'VALUE_TOO_LARGE', 'INVALID_KEY', 'KEY_TOO_LARGE', 'INVALID_ARGUMENT'],
  ...['MAP_CONFLICT', 'MAP_DROPPED', 'MEMBER_UNREACHABLE', 'CONNECTION_LOST'],
]);

/** What else is a key shows when it is encoded. */
function isKey(given: unknown): given is Key {
  switch (typeof given) {
    case 'string':
    case 'number':
    case 'bigint':
      return true;
    default:
      return Array.isArray(given) || types.isUint8Array(given);
  }
}

function nameOfColumn({ name }: StatementColumn): string {
  return name;
}

/** What a text is remembered by. */
function nameOf(text: string, parameter: number): string {
  return parameter === 0 ? `\0${text.replace(NUMBERS, '0')}` : text;
}

/** The rows of a statement by key, as a result has them. */
export class ShortRows implements ColumnBatch {
  readonly header: KnownHeader;
  readonly rowCount: number;
  readonly affected: number;
  /** What came up with the rows. */
  readonly notices: readonly string[];
  readonly #cells: readonly unknown[];
  #columns: readonly ResultColumn[] | undefined;

  constructor(header: KnownHeader, { rowCount, cells, notices }: ShortAnswer) {
    if (cells.length !== rowCount * header.columns.length) {
      throw new GridError('CORRUPT_DATA', 'the answer of a statement has rows of another length than its header');
    }
    this.header = header;
    this.rowCount = rowCount;
    this.affected = rowCount;
    this.notices = notices;
    this.#cells = cells;
  }

  /** Columns without a type have that of their values, where these agree. */
  get columns(): readonly ResultColumn[] {
    this.#columns ??= this.header.columns.map(({ name, type }, index) => {
      const isOpen = type === 'any' || type === 'null';
      return { name, type: (isOpen ? this.#typeOf(index) : type) as ResultColumn['type'] };
    });
    return this.#columns;
  }

  values(column: number): readonly unknown[] {
    const width = this.header.columns.length;
    if (!(column >= 0 && column < width)) throw new RangeError(`column ${column} of ${width}`);
    return Array.from({ length: this.rowCount }, (_, row) => this.#cells[row * width + column]);
  }

  /** As objects. */
  rows(): object[] {
    const { names } = this.header;
    const width = names.length;
    const rows = new Array<object>(this.rowCount);
    for (let row = 0; row < rows.length; row++) {
      const object: Record<string, unknown> = {};
      const start = row * width;
      for (let column = 0; column < width; column++) setField(object, names[column]!, this.#cells[start + column]);
      rows[row] = object;
    }
    return rows;
  }

  #typeOf(column: number): string {
    const types = new Set(this.values(column).map(typeOfCell));
    types.delete(undefined);
    const [only] = types;
    return types.size === 1 ? only! : 'unknown';
  }
}
