/** Act 4: card transactions stream in, a listener scores them beside the data, the terminal subscribes to the alerts. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  formatCount,
  formatDuration,
  formatQuantity,
  formatRate,
  formatShare,
  renderTable,
  type Screen,
} from '@ashlar/terminal';
import { type FeedItem, feed, nextTransactions } from '../fraud/feed.ts';
import { Alerts, Customers, Terminals, Transactions } from '../fraud/model.ts';
import { QualityCounter, type ScenarioQuality } from '../fraud/quality.ts';
import { ReferenceRun } from '../fraud/reference.ts';
import { untilScored } from '../fraud/scored.ts';
import { sendFeed, stallAlarm } from '../fraud/sender.ts';
import { AlertBoard, type Latency } from './alert-board.ts';
import { headline, type Stage } from './stage.ts';

export interface FraudFigures {
  readonly transactions: number;
  readonly confirmations: number;
  /** Time of the transactions sent at full speed, from the first put until everything was scored. */
  readonly seconds: number;
  readonly transactionsPerSecond: number;
  readonly alerts: number;
  readonly scenarios: readonly ScenarioQuality[];
  /** Latency at full speed, when as much waits to be scored as the sender allows. */
  readonly latencyMs: Latency;
  /** Figures at a pace that the listener keeps up with, so that little waits. */
  readonly paced: PacedFigures;
  /** Whether the alerts are exactly those of the same rules on one thread. */
  readonly agreesWithReference: boolean;
  /** Events that came too far out of order for a sure judgement. */
  readonly late: number;
}

export interface PacedFigures {
  readonly transactions: number;
  readonly seconds: number;
  /** The pace reached; PACED_PER_SECOND was wanted. */
  readonly transactionsPerSecond: number;
  readonly latencyMs: Latency;
}

const PACED_PER_SECOND = 5000;
/** Four seconds of them. */
const PACED_MAX = 20_000;
/** At most this share of all transactions is paced. */
const PACED_SHARE = 1 / 4;
const POLL_MS = 50;
/** The alerts are complete when none has come for this long. */
const QUIET_MS = 250;

export async function fraud(stage: Stage): Promise<FraudFigures> {
  const { options, screen, grid, signal } = stage;
  headline(screen, 'subscribe', 'examples/src/fraud: a listener beside the data, alerts as they happen');
  for (const map of [Transactions, Customers, Terminals, Alerts]) await grid.map(map.name).clear({ signal });
  await grid.deploy(new URL('../fraud/fraud.processors.ts', import.meta.url), { name: 'fraud', signal });
  const board = new AlertBoard(screen, options.transactions);
  const reference = new ReferenceRun();
  const quality = new QualityCounter();
  let confirmations = 0;
  const items = feed(options);
  const paced = Math.min(PACED_MAX, Math.floor(options.transactions * PACED_SHARE));
  const fast = options.transactions - paced;
  /** Sends some more of the feed and waits until all is scored; answers the seconds and how many events came too late. */
  const send = async (count: number, total: number, perSecond?: number) => {
    const startedMs = performance.now();
    const onSend = (item: FeedItem): void => {
      reference.take(item);
      if (item.kind === 'confirmation') confirmations += 1;
      else quality.note(item.transaction);
      board.sent(item);
    };
    await board.during(sendFeed(grid, nextTransactions(items, count), { signal, onSend, perSecond }));
    const sentMs = performance.now();
    const late = await board.during(untilScored(grid, total, confirmations, signal));
    const sentSeconds = (sentMs - startedMs) / 1000;
    return { late, sentSeconds, seconds: (performance.now() - startedMs) / 1000 };
  };
  await board.subscribe(grid, signal);
  try {
    const { seconds } = await send(fast, fast);
    const { late, sentSeconds } = await send(paced, options.transactions, PACED_PER_SECOND);
    await board.during(quiet(stage, board));
    const { transactions } = options;
    const figures: FraudFigures = {
      transactions,
      confirmations,
      seconds,
      transactionsPerSecond: Math.round(fast / seconds),
      alerts: board.alerts.size,
      scenarios: quality.judge(board.alerts.values()),
      latencyMs: board.latencyMs(0, fast),
      paced: {
        transactions: paced,
        seconds: sentSeconds,
        transactionsPerSecond: Math.round(paced / sentSeconds),
        latencyMs: board.latencyMs(fast, transactions),
      },
      agreesWithReference: sameKeys(board.alerts, reference.alerts),
      late,
    };
    board.stop();
    tell(screen, figures);
    return figures;
  } finally {
    board.stop();
  }
}

/** Waits until the alerts in the grid are all here, and no more come. */
async function quiet({ grid, signal }: Stage, board: AlertBoard): Promise<void> {
  let sinceMs = performance.now();
  let before = -1;
  const stalled = stallAlarm();
  for (;;) {
    const stored = await grid.map(Alerts).size({ signal });
    stalled(stored - board.alerts.size);
    if (stored !== before || board.alerts.size !== stored) sinceMs = performance.now();
    before = stored;
    if (performance.now() - sinceMs >= QUIET_MS) return;
    await sleep(POLL_MS, undefined, { signal });
  }
}

function sameKeys(one: ReadonlyMap<string, unknown>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one.keys()].every((key) => other.has(key));
}

function tell(screen: Screen, figures: FraudFigures): void {
  const text = (name: string) => ({ name, type: 'text' as const });
  const count = (name: string) => ({ name, type: 'int8' as const });
  const columns = [text('scenario'), text('rule'), count('frauds'), count('found'), count('recall')];
  columns.push(count('alerts'), count('right'), count('precision'));
  const rows = figures.scenarios.map(({ scenario, what, rule, frauds, found, recall, alerts, right, precision }) => [
    `${scenario}  ${what}`,
    rule,
    formatCount(frauds),
    formatCount(found),
    formatShare(recall),
    formatCount(alerts),
    formatCount(right),
    formatShare(precision),
  ]);
  const { transactions, seconds, transactionsPerSecond, alerts, latencyMs, paced, agreesWithReference } = figures;
  screen.line(renderTable({ columns, rows }, { colours: screen.colours, types: false, indent: 2 }));
  screen.line(
    `  ${formatQuantity(transactions, 'transaction')}, ${formatQuantity(alerts, 'alert')}; from put to alert:`,
  );
  const fast = formatQuantity(transactions - paced.transactions, 'transaction');
  const speed = `${formatRate(transactionsPerSecond)} (${fast} in ${formatDuration(seconds * 1000)})`;
  screen.line(`    at full speed, ${speed}: ${latencyText(latencyMs)}`);
  screen.line(`    at a steady ${formatRate(paced.transactionsPerSecond)}: ${latencyText(paced.latencyMs)}`);
  screen.line(
    agreesWithReference
      ? `  ${screen.colours.green('the same alerts')} as the same rules on one thread`
      : `  ${screen.colours.red('NOT the same alerts')} as the same rules on one thread`,
  );
}

function latencyText({ p50, p99 }: Latency): string {
  return `p50 ${formatDuration(p50)}, p99 ${formatDuration(p99)}`;
}
