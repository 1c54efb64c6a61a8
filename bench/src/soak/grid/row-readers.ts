/** Readers of the rows by every way there is, each against what the ledger knew when the read began. */
import type { Grid, GridMap } from '@ashlar/client';
import type { Random } from '@ashlar/core';
import type { CheckedRow } from '../rows.ts';
import { SoakFault } from '../tally.ts';
import { attempt, type Call, type Outcome, pause } from './attempt.ts';
import type { Ledger, LedgerView } from './ledger.ts';
import { inspect, Rows } from './user-code.ts';

const GETS = 64;
/** A listing that is read slowly holds its snapshot while everything goes on. */
const SLOW_ROWS = 200;
const SLOW_PAUSE_MS = 60;
const EVERY_FIELD = '"key", n, x, label, fill';
/** Rows whose checksum does not fit their fields. */
const TORN = 'sum(CASE WHEN x = "key" * 31 + n * 7 + length(fill) THEN 0 ELSE 1 END)';

export class RowReader {
  readonly #grid: Grid;
  readonly #rows: GridMap<number, CheckedRow>;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #call: Call;

  constructor(grid: Grid, ledger: Ledger, random: Random, call: Call) {
    this.#grid = grid;
    this.#rows = grid.map(Rows);
    this.#ledger = ledger;
    this.#random = random;
    this.#call = call;
  }

  /** SELECTs of every shape, one after the other. */
  async select(): Promise<void> {
    const shapes = [this.#selectAll, this.#selectSome, this.#selectOne, this.#selectGroups, this.#selectTwice];
    while (!this.#call.signal.aborted) await shapes[this.#random.below(shapes.length)]!.call(this);
  }

  async get(): Promise<void> {
    while (!this.#call.signal.aborted) {
      const view = this.#ledger.view();
      const keys = Array.from({ length: GETS }, () => this.#random.below(this.#ledger.keyCount));
      const outcome = await attempt(this.#call, 'gets of many', () => this.#rows.getAll(keys));
      if (outcome.kind !== 'done') continue;
      outcome.value.forEach((value, at) => {
        if (value !== undefined) this.#check(view, keys[at], value, 'getAll');
      });
      await pause(5, this.#call.signal);
    }
  }

  /** Holds a snapshot for a second or so, and reads it row by row. */
  async list(): Promise<void> {
    while (!this.#call.signal.aborted) {
      await attempt(this.#call, 'listings that held their snapshot', () => this.#listSlowly());
      await pause(200, this.#call.signal);
    }
  }

  async #listSlowly(): Promise<void> {
    const view = this.#ledger.view();
    const seen = new Set<number>();
    let sentAtFirst: Int32Array | undefined;
    for await (const { key, value } of this.#rows.entries()) {
      // The snapshot is open by now: no write that is sent from here on is in it.
      sentAtFirst ??= this.#ledger.sent.slice();
      this.#check(view, key, value, 'a listing', sentAtFirst);
      this.#once(seen, key, 'a listing');
      if (seen.size % SLOW_ROWS === 0) await pause(SLOW_PAUSE_MS, this.#call.signal);
      if (this.#call.signal.aborted) return;
    }
    this.#ledger.checkAll(view, seen, 'a listing');
  }

  /** Jobs that look at every row beside the data. */
  async inspect(): Promise<void> {
    while (!this.#call.signal.aborted) {
      const view = this.#ledger.view();
      const outcome = await attempt(this.#call, 'jobs', () => this.#grid.run(inspect, { map: Rows }));
      if (outcome.kind === 'done') {
        const { found, faults } = outcome.value;
        if (faults.length > 0) throw new SoakFault(`torn or freed row, by a job: ${faults[0]}`, { faults });
        const seen = new Set<number>();
        for (let at = 0; at < found.length; at += 2) {
          this.#ledger.checkWrite(view, found[at]!, found[at + 1]!, 'a job');
          this.#once(seen, found[at]!, 'a job');
        }
        this.#call.tally.add('rows checked', seen.size);
        this.#ledger.checkAll(view, seen, 'a job');
      }
      await pause(150, this.#call.signal);
    }
  }

  /* ---- Statements ---------------------------------------------------------------------------------------------------- */

  #ask<Row>(text: string, parameters: readonly unknown[] = []): Promise<Outcome<Row[]>> {
    return attempt(this.#call, 'statements', () => this.#grid.sql<Row>(text, parameters).all());
  }

  async #selectAll(): Promise<void> {
    const view = this.#ledger.view();
    const outcome = await this.#ask<CheckedRow>(`SELECT ${EVERY_FIELD} FROM rows`);
    if (outcome.kind !== 'done') return;
    const seen = new Set<number>();
    for (const row of outcome.value) {
      this.#check(view, row.key, row, 'SELECT');
      this.#once(seen, row.key, 'SELECT');
    }
    this.#ledger.checkAll(view, seen, 'SELECT');
  }

  async #selectSome(): Promise<void> {
    const view = this.#ledger.view();
    const [rest, most, label] = [this.#random.below(3), this.#random.below(60_000), `label ${this.#random.below(16)}`];
    const where = 'n % 3 = $1 AND (x < $2 OR label = $3)';
    const text = `SELECT __key AS k, ${EVERY_FIELD} FROM rows WHERE ${where}`;
    const outcome = await this.#ask<CheckedRow & { readonly k: number }>(text, [rest, most, label]);
    if (outcome.kind !== 'done') return;
    for (const { k, ...row } of outcome.value) {
      this.#check(view, k, row, 'SELECT WHERE');
      if (row.n % 3 === rest && (row.x < most || row.label === label)) continue;
      throw new SoakFault(`key ${k} does not meet its condition`, { row, rest, most, label });
    }
  }

  async #selectOne(): Promise<void> {
    const view = this.#ledger.view();
    const key = this.#random.below(this.#ledger.keyCount);
    const outcome = await this.#ask<CheckedRow>(`SELECT ${EVERY_FIELD} FROM rows WHERE __key = $1`, [key]);
    if (outcome.kind !== 'done') return;
    for (const row of outcome.value) this.#check(view, key, row, 'SELECT by key');
  }

  /** The members look at the checksum themselves, in columns. */
  async #selectGroups(): Promise<void> {
    const text = `SELECT label, count(*) AS rows, ${TORN} AS torn FROM rows GROUP BY label`;
    const outcome = await this.#ask<{ label: string; rows: number; torn: number }>(text);
    if (outcome.kind !== 'done') return;
    for (const group of outcome.value) {
      if (Number(group.torn) !== 0) throw new SoakFault('torn row, by GROUP BY', group);
      this.#call.tally.add('rows checked', Number(group.rows));
    }
  }

  /** Two scans of one statement see the same write of every key. */
  async #selectTwice(): Promise<void> {
    const text =
      'SELECT a."key" AS k, a.n AS one, b.n AS other FROM rows a JOIN rows b ON a."key" = b."key" WHERE a.n <> b.n';
    const outcome = await this.#ask(text);
    if (outcome.kind !== 'done' || outcome.value.length === 0) return;
    throw new SoakFault('one statement sees two writes of a key', { rows: outcome.value.slice(0, 5) });
  }

  #check(view: LedgerView, key: unknown, value: unknown, by: string, most?: Int32Array): void {
    this.#ledger.check(view, key, value, by, most);
    this.#call.tally.add('rows checked');
  }

  #once(seen: Set<number>, key: number, by: string): void {
    if (seen.has(key)) throw new SoakFault(`a row came twice, by ${by}: key ${key}`);
    seen.add(key);
  }
}
