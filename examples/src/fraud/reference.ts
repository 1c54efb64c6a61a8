/** The rules on one thread over plain Maps, whose alerts the grid's are compared with. */
import { type FeedItem, feed } from './feed.ts';
import type { CustomerState, Rule, TerminalState, TerminalTransaction } from './model.ts';
import { judgeCustomer, judgeTerminal } from './rules.ts';
import type { SimulationOptions } from './simulation.ts';

/** "txId rule", as the key of an alert in a Set. */
export type AlertId = `${number} ${Rule}`;

export function alertId(txId: number, rule: Rule): AlertId {
  return `${txId} ${rule}`;
}

export class ReferenceRun {
  /** Every alert so far. */
  readonly alerts = new Set<AlertId>();
  readonly #customers = new Map<number, CustomerState>();
  readonly #terminals = new Map<number, TerminalState>();

  take(item: FeedItem): void {
    const { txId, customerId, terminalId, amount, atMs } = item.transaction;
    if (item.kind === 'confirmation') {
      this.#judgeTerminal(terminalId, { kind: 'confirmation', txId, confirmedAtMs: item.confirmedAtMs });
      return;
    }
    const { state, rule } = judgeCustomer(this.#customers.get(customerId), { txId, amount });
    this.#customers.set(customerId, state);
    if (rule !== undefined) this.alerts.add(alertId(txId, rule));
    const transaction: TerminalTransaction = { txId, customerId, amount, atMs, sentAtMs: 0 };
    this.#judgeTerminal(terminalId, { kind: 'transaction', transaction });
  }

  #judgeTerminal(terminalId: number, call: Parameters<typeof judgeTerminal>[1]): void {
    const { state, suspicious } = judgeTerminal(this.#terminals.get(terminalId), call);
    this.#terminals.set(terminalId, state);
    for (const { txId } of suspicious) this.alerts.add(alertId(txId, 'terminal'));
  }
}

/** All alerts of a simulation. */
export function referenceAlerts(options: SimulationOptions): ReadonlySet<AlertId> {
  const run = new ReferenceRun();
  for (const item of feed(options)) run.take(item);
  return run.alerts;
}
