/**
 * Fraud detection in a grid that runs already (`npx ashlar start`): puts a listener beside the data, subscribes to its
 * alerts, streams card transactions.
 *
 *   node --conditions=@ashlar/source examples/src/fraud/main.ts [host:port]
 */
import { connect, type GridMap } from '@ashlar/client';
import { type FeedItem, feed } from './feed.ts';
import { Alerts, Customers, Terminals, type Transaction, Transactions } from './model.ts';

await using grid = await connect({ seeds: [process.argv[2] ?? '127.0.0.1:7710'] });
const transactions = grid.map(Transactions);
for (const map of [transactions, grid.map(Customers), grid.map(Terminals), grid.map(Alerts)]) await map.clear();
await grid.deploy(new URL('./fraud.processors.ts', import.meta.url), { name: 'fraud' });

const stop = new AbortController();
const ready = Promise.withResolvers<void>();
const watching = watch(stop.signal, ready.resolve);
await ready.promise;

let batch: FeedItem[] = [];
for (const item of feed({ transactions: 20_000, seed: 7 })) {
  batch.push(item);
  if (batch.length < 100) continue;
  await Promise.all(batch.map((sent) => send(transactions, sent)));
  batch = [];
}
await Promise.all(batch.map((sent) => send(transactions, sent)));

await new Promise((resolve) => setTimeout(resolve, 1000));
stop.abort();
console.log(`${await watching} alerts for ${await transactions.size()} transactions`);
await grid.undeploy('fraud');

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

/** A transaction, or the same one a week later with the mark of a fraud. */
function send(map: GridMap<readonly [number, number], Transaction>, item: FeedItem): Promise<void> {
  const { txId, customerId, terminalId, amount, atMs } = item.transaction;
  const transaction = { customerId, terminalId, amount, at: new Date(atMs), sentAtMs: Date.now() };
  if (item.kind === 'transaction') return map.put([customerId, txId], transaction);
  return map.put([customerId, txId], { ...transaction, confirmedAt: new Date(item.confirmedAtMs) });
}
