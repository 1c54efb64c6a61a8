/** A subscriber to all rows: every event is whole, each key's events come in the order of its writes, none is missed. */
import { type EntryEvent, type Grid, GridError } from '@ashlar/client';
import { type CheckedRow, whatIsWrong } from '../rows.ts';
import { SoakFault } from '../tally.ts';
import type { Call } from './attempt.ts';
import type { Ledger } from './ledger.ts';
import { Rows } from './user-code.ts';

/** Before the first event of a key. */
const UNKNOWN = -1;
/** The log holds no more what a slow reader has not read: it begins anew. */
const GONE: ReadonlySet<string> = new Set(['SEQUENCE_GONE', 'SLOW_CONSUMER']);

export class RowEvents {
  readonly #grid: Grid;
  readonly #ledger: Ledger;
  readonly #call: Call;
  /** The write that the events so far leave of each key; 0: none. */
  readonly #state: Int32Array;

  constructor(grid: Grid, ledger: Ledger, call: Call) {
    this.#grid = grid;
    this.#ledger = ledger;
    this.#call = call;
    this.#state = new Int32Array(ledger.keyCount);
  }

  async run(): Promise<void> {
    const { signal, tally } = this.#call;
    while (!signal.aborted) {
      this.#state.fill(UNKNOWN);
      try {
        for await (const event of this.#grid.map(Rows).subscribe({ signal })) this.#take(event);
      } catch (error) {
        if (signal.aborted) return;
        if (!GridError.is(error) || !GONE.has(error.code)) throw error;
        tally.add('subscriptions begun anew');
      }
    }
  }

  #take(event: EntryEvent<number, CheckedRow>): void {
    const { key, type, value, oldValue } = event;
    for (const row of [value, oldValue]) {
      const wrong = row === undefined ? undefined : whatIsWrong(key, row);
      if (wrong !== undefined) throw new SoakFault(`torn or freed row, by an event: key ${key}: ${wrong}`, { type });
    }
    const before = this.#state[key]!;
    const told = oldValue?.n ?? 0;
    const now = value?.n ?? 0;
    const facts = { type, before, told, now, sent: this.#ledger.sent[key] };
    if (before !== UNKNOWN && before !== told)
      throw new SoakFault(`an event of key ${key} is missing or came twice`, facts);
    if (now !== 0 && now <= told) throw new SoakFault(`an event of key ${key} goes back`, facts);
    if (now > this.#ledger.sent[key]!) throw new SoakFault(`future row, by an event: key ${key}`, facts);
    this.#state[key] = now;
    this.#call.tally.add(type === 'expire' ? 'expiries seen' : 'events checked');
  }
}
