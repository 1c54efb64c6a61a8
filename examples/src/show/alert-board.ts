/** The subscription to alerts and what the terminal shows of it while transactions stream in. */

import type { Grid } from '@ashlar/api';
import { formatCount, formatQuantity, type LiveBlock, type Screen, startLiveBlock } from '@ashlar/terminal';
import type { FeedItem } from '../fraud/feed.ts';
import { type Alert, Alerts } from '../fraud/model.ts';
import { type AlertId, alertId } from '../fraud/reference.ts';
import { nowMs } from '../fraud/sender.ts';

const LATEST_MAX = 5;
const DRAW_EVERY_MS = 100;

/** From the put of a transaction until its alert was here, milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

export class AlertBoard {
  /** The alerts that came, each once. */
  readonly alerts = new Map<AlertId, Alert>();
  readonly #screen: Screen;
  readonly #block: LiveBlock;
  readonly #total: number;
  readonly #latencies: { readonly txId: number; readonly ms: number }[] = [];
  readonly #failure = Promise.withResolvers<never>();
  readonly #stopped = new AbortController();
  #sent = 0;
  #latest: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: Screen, total: number) {
    this.#screen = screen;
    this.#total = total;
    this.#block = startLiveBlock(screen);
    this.#failure.promise.catch(() => {}); // seen by during()
  }

  /** Resolves once the subscription stands: alerts from then on are seen. */
  async subscribe(grid: Grid, signal: AbortSignal): Promise<void> {
    const ready = Promise.withResolvers<void>();
    const listening = AbortSignal.any([signal, this.#stopped.signal]);
    void this.#listen(grid, listening, ready.resolve).catch(this.#failure.reject);
    await Promise.race([ready.promise, this.#failure.promise]);
    this.#timer = setInterval(() => this.#block.draw(this.#lines()), DRAW_EVERY_MS);
  }

  /** Waits for some work, or for the subscription to fail. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failure.promise]);
  }

  sent(item: FeedItem): void {
    if (item.kind === 'transaction') this.#sent += 1;
  }

  /** From put to alert, for the transactions `from` to `to` (not included); 0 where none of them raised an alert. */
  latencyMs(from: number, to: number): Latency {
    const of = this.#latencies.filter(({ txId }) => txId >= from && txId < to);
    const sorted = of.map(({ ms }) => ms).toSorted((one, other) => one - other);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50: at(0.5), p99: at(0.99) };
  }

  /** Ends the subscription and the display. Idempotent. */
  stop(): void {
    clearInterval(this.#timer);
    this.#stopped.abort();
    this.#block.stop();
  }

  async #listen(grid: Grid, signal: AbortSignal, onReady: () => void): Promise<void> {
    try {
      for await (const { value } of grid.map(Alerts).subscribe({ types: ['insert'], onReady, signal })) {
        if (value !== undefined) this.#take(value);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #take(alert: Alert): void {
    this.#latencies.push({ txId: alert.txId, ms: nowMs() - alert.sentAtMs });
    this.alerts.set(alertId(alert.txId, alert.rule), alert);
    const { at, rule, customerId, terminalId, amount } = alert;
    const who = `customer ${String(customerId).padStart(5)}  terminal ${String(terminalId).padStart(5)}`;
    this.#latest.push(`${at.toISOString().slice(0, 16)}  ${rule.padEnd(8)}  ${who}  ${amount.toFixed(2).padStart(8)}`);
    if (this.#latest.length > LATEST_MAX) this.#latest.shift();
  }

  #lines(): string[] {
    const { bold, yellow } = this.#screen.colours;
    const sent = `${formatCount(this.#sent)} of ${formatCount(this.#total)} transactions sent`;
    return [
      `  ${sent}, ${bold(formatQuantity(this.alerts.size, 'alert'))}`,
      ...this.#latest.map((line) => `  ${yellow(line)}`),
    ];
  }
}
