/** Writers of rows, by every way there is, each of its own keys, one call at a time. */
import type { Grid, GridMap } from '@ashlar/client';
import type { Random } from '@ashlar/core';
import { type CheckedRow, rowOf } from '../rows.ts';
import { SoakFault } from '../tally.ts';
import { attempt, type Call, type Outcome } from './attempt.ts';
import type { Ledger } from './ledger.ts';
import { Rows, rewrite } from './user-code.ts';

const TTL_MAX_MS = 400;
const GROUP = 40;

export class RowWriter {
  readonly #grid: Grid;
  readonly #rows: GridMap<number, CheckedRow>;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #keys: number[];
  readonly #call: Call;

  /** @param keys  that nobody else writes */
  constructor(grid: Grid, ledger: Ledger, random: Random, keys: readonly number[], call: Call) {
    this.#grid = grid;
    this.#rows = grid.map(Rows);
    this.#ledger = ledger;
    this.#random = random;
    this.#keys = [...keys];
    this.#call = call;
  }

  async run(): Promise<void> {
    while (!this.#call.signal.aborted && this.#keys.length > 0) await this.#write();
  }

  #write(): Promise<void> {
    const key = this.#keys[this.#random.below(this.#keys.length)]!;
    const dice = this.#random.below(100);
    if (dice < 35) return this.#put(key);
    if (dice < 55) return this.#putFor(key);
    if (dice < 65) return this.#remove(key);
    if (dice < 70) return this.#takeOut(key);
    if (dice < 80) return this.#process(key);
    if (dice < 85) return this.#update(key);
    if (dice < 92) return this.#replace(key);
    return this.#putAll();
  }

  async #put(key: number): Promise<void> {
    const n = this.#ledger.next(key);
    this.#settle(key, n, await attempt(this.#call, 'puts', () => this.#rows.put(key, rowOf(key, n))), true);
  }

  /** With a time to live. */
  async #putFor(key: number): Promise<void> {
    const ttlMs = 1 + this.#random.below(TTL_MAX_MS);
    const n = this.#ledger.next(key);
    const was = this.#ledger.isThere(key);
    this.#ledger.mayGo(key);
    const put = (): Promise<void> => this.#rows.put(key, rowOf(key, n), { ttlMs });
    const { kind } = await attempt(this.#call, 'puts that expire', put);
    if (kind === 'done') this.#ledger.storedFor(key, n, ttlMs);
    else if (kind === 'unsure') this.#giveUp(key);
    else if (was) this.#ledger.stays(key);
  }

  async #remove(key: number): Promise<void> {
    const n = this.#ledger.next(key);
    const was = this.#ledger.isThere(key);
    this.#ledger.mayGo(key);
    const outcome = await attempt(this.#call, 'removes', () => this.#rows.remove(key));
    if (outcome.kind === 'done') {
      if (was && !outcome.value) throw new SoakFault(`missing row, by remove: key ${key}`);
      this.#ledger.removed(key, n);
    } else if (outcome.kind === 'unsure') this.#giveUp(key);
    else if (was) this.#ledger.stays(key);
  }

  async #takeOut(key: number): Promise<void> {
    const view = this.#ledger.view();
    const n = this.#ledger.next(key);
    const was = this.#ledger.isThere(key);
    this.#ledger.mayGo(key);
    const outcome = await attempt(this.#call, 'removes', () => this.#rows.getAndRemove(key));
    if (outcome.kind === 'done') {
      if (outcome.value !== undefined) this.#ledger.check(view, key, outcome.value, 'getAndRemove');
      else if (was) throw new SoakFault(`missing row, by getAndRemove: key ${key}`);
      this.#ledger.removed(key, n);
    } else if (outcome.kind === 'unsure') this.#giveUp(key);
    else if (was) this.#ledger.stays(key);
  }

  async #process(key: number): Promise<void> {
    const n = this.#ledger.next(key);
    const outcome = await attempt(this.#call, 'rows written by processors', () =>
      this.#rows.process(key, rewrite, { n }),
    );
    this.#settle(key, n, outcome, this.#ledger.isThere(key));
  }

  async #update(key: number): Promise<void> {
    const n = this.#ledger.next(key);
    const was = this.#ledger.isThere(key);
    const { x, label, fill } = rowOf(key, n);
    const statement = 'UPDATE rows SET n = $2, x = $3, label = $4, fill = $5 WHERE __key = $1';
    const run = () => this.#grid.sql(statement, [key, n, x, label, fill]).execute();
    const outcome = await attempt(this.#call, 'rows written by statements', run);
    if (outcome.kind !== 'done' || outcome.value.affected === 1) this.#settle(key, n, outcome, was);
    else if (was) throw new SoakFault(`missing row, by UPDATE: key ${key}`);
  }

  async #replace(key: number): Promise<void> {
    const read = await attempt(this.#call, 'gets', () => this.#rows.getEntry(key));
    if (read.kind !== 'done' || read.value === undefined) return;
    const n = this.#ledger.next(key);
    const was = this.#ledger.isThere(key);
    const condition = { ifVersion: read.value.version };
    const outcome = await attempt(this.#call, 'conditional replaces', () =>
      this.#rows.replace(key, rowOf(key, n), condition),
    );
    if (outcome.kind !== 'done' || outcome.value) this.#settle(key, n, outcome, was);
    else if (this.#ledger.isThere(key))
      throw new SoakFault(`the only writer of key ${key} met another version`, condition);
  }

  async #putAll(): Promise<void> {
    const start = this.#random.below(this.#keys.length);
    const keys = [...new Set(Array.from({ length: GROUP }, (_, at) => this.#keys[(start + at) % this.#keys.length]!))];
    const writes = keys.map((key) => [key, this.#ledger.next(key)] as const);
    const entries = writes.map(([key, n]) => [key, rowOf(key, n)] as const);
    const { kind } = await attempt(this.#call, 'groups put', () => this.#rows.putAll(entries));
    for (const [key, n] of writes) {
      if (kind === 'done') this.#ledger.stored(key, n);
      else if (kind === 'unsure') this.#giveUp(key);
      else this.#ledger.unsure(key);
    }
  }

  /** @param stays  whether the row has no deadline now: processors, statements and replace leave the one that was there */
  #settle(key: number, n: number, { kind }: Outcome<unknown>, stays: boolean): void {
    if (kind === 'unsure') this.#giveUp(key);
    if (kind !== 'done') return;
    if (stays) this.#ledger.stored(key, n);
    else this.#ledger.storedSomehow(key, n);
  }

  /** A write may still be on its way: another one behind it could be overtaken. */
  #giveUp(key: number): void {
    this.#ledger.unsure(key);
    this.#keys.splice(this.#keys.indexOf(key), 1);
    this.#call.tally.add('keys given up');
  }
}
