/**
 * The simulated transactions as a grid gets them: in event time, each fraud followed a week later by its confirmation
 * (the chargeback), which comes as a second put of the same transaction.
 */
import { DAY_MS } from './model.ts';
import { type SimulatedTransaction, type SimulationOptions, simulate } from './simulation.ts';

export type FeedItem =
  | { readonly kind: 'transaction'; readonly transaction: SimulatedTransaction }
  | { readonly kind: 'confirmation'; readonly transaction: SimulatedTransaction; readonly confirmedAtMs: number };

export const CONFIRMATION_DELAY_MS = 7 * DAY_MS;

/** The next `count` transactions of a feed and the confirmations between them; the feed goes on where they end. */
export function* nextTransactions(items: Iterator<FeedItem>, count: number): Generator<FeedItem> {
  for (let left = count; left > 0; ) {
    const { value, done } = items.next();
    if (done === true) return;
    if (value.kind === 'transaction') left -= 1;
    yield value;
  }
}

/** Ends with the last transaction; frauds of the last week stay unconfirmed. */
export function* feed(options: SimulationOptions): Generator<FeedItem> {
  const unconfirmed: SimulatedTransaction[] = [];
  let next = 0;
  for (const transaction of simulate(options)) {
    for (; next < unconfirmed.length; next += 1) {
      const fraud = unconfirmed[next]!;
      const confirmedAtMs = fraud.atMs + CONFIRMATION_DELAY_MS;
      if (confirmedAtMs > transaction.atMs) break;
      yield { kind: 'confirmation', transaction: fraud, confirmedAtMs };
    }
    yield { kind: 'transaction', transaction };
    if (transaction.scenario !== 0) unconfirmed.push(transaction);
  }
}
