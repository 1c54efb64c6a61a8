/**
 * Fraud detection in a grid that runs already (`npx ashlar start`): puts a listener beside the data, subscribes to its
 * alerts, streams card transactions.
 *
 *   node --conditions=@ashlar/source examples/src/fraud/main.ts [host:port]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@ashlar/client';
import { type FeedItem, feed } from './feed.ts';
import { Alerts, Customers, Terminals, Transactions } from './model.ts';
import { untilScored } from './scored.ts';
import { sendFeed } from './sender.ts';

const TRANSACTIONS = 20_000;

const grid = await connect({ seeds: [process.argv[2] ?? '127.0.0.1:7710'] });
try {
  await detectFraud();
} finally {
  await grid.close();
}

async function detectFraud(): Promise<void> {
  const transactions = grid.map(Transactions);
  for (const map of [transactions, grid.map(Customers), grid.map(Terminals), grid.map(Alerts)]) await map.clear();
  await grid.deploy(new URL('./fraud.processors.ts', import.meta.url), { name: 'fraud' });

  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const watching = watch(stop.signal, ready.resolve);
  await ready.promise;

  let confirmations = 0;
  const onSend = ({ kind }: FeedItem): void => {
    if (kind === 'confirmation') confirmations += 1;
  };
  await sendFeed(grid, feed({ transactions: TRANSACTIONS, seed: 7 }), { signal: stop.signal, onSend });
  await untilScored(grid, TRANSACTIONS, confirmations, stop.signal);
  // The last alerts are committed behind the state that raised them, and on their way to us.
  await sleep(500);
  stop.abort();
  console.log(`${await watching} alerts for ${await transactions.size()} transactions`);
  await grid.undeploy('fraud');
}

/** Prints alerts until the signal fires; answers how many came. */
async function watch(signal: AbortSignal, onReady: () => void): Promise<number> {
  let count = 0;
  try {
    for await (const { value } of grid.map(Alerts).subscribe({ types: ['insert'], onReady, signal })) {
      count += 1;
      if (value)
        console.log(`${value.at.toISOString()}  customer ${value.customerId}  ${value.amount}  (${value.rule})`);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return count;
}
