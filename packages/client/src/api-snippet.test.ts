/** The snippet of the README, type-checked; what can be run against a fake member is run in client.test.ts. */
import { connect, defineMap, GridError, ready } from './index.ts';
import * as fraud from './testing/fraud.processors.ts';

const Accounts = defineMap<string, fraud.Account>('accounts');

declare function recheck(): Promise<void>;

/** Never called: its types are the test. */
async function snippet(value: fraud.Account, signal: AbortSignal): Promise<void> {
  const grid = await connect({ seeds: ['127.0.0.1:7710'] });
  const accounts = grid.map(Accounts);

  await accounts.put('a1', { brand: 'x', balance: 100, owner: { id: 7 } }, { ttlMs: 60_000 });
  const account = await accounts.get('a1');
  account?.balance.toFixed(2);
  const entry = await accounts.getEntry('a1');
  if (entry) await accounts.replace('a1', { ...entry.value, balance: 90 }, { ifVersion: entry.version });

  const totals = await grid.sql<{ brand: string; total: number }>`
    SELECT brand, sum(balance) AS total FROM accounts WHERE owner.id = ${7} GROUP BY brand`.all();
  totals[0]?.total.toFixed(2);
  for await (const row of grid.sql('SELECT * FROM accounts WHERE balance > $1', [10])) console.log(row['brand']);

  await grid.deploy('./fraud.processors.ts', { name: 'fraud' });
  const left: number = await accounts.process('a1', fraud.debit, { amount: 5 });
  const { affected } = await accounts.processWhere('balance < $1', [0], fraud.flag);
  const histogram: readonly number[] = await grid.run(fraud.histogram, { map: Accounts }, { signal });
  const raised: number = await accounts.process('a1', ready.increment, { path: 'balance', by: 1 });
  console.log(left, affected, histogram, raised);

  for await (const event of accounts.subscribe({ where: 'balance < 0', from: 'now', onSlow: 'lag' }))
    if (event.type === 'update') console.log(event.key, event.oldValue?.balance, event.value.balance, event.token);

  try {
    await accounts.put('b', value);
  } catch (error) {
    if (GridError.is(error, 'OUTCOME_UNKNOWN')) await recheck();
  }
}

/** What must not compile. */
async function mistakes(): Promise<void> {
  const grid = await connect();
  const accounts = grid.map(Accounts);
  // @ts-expect-error a key of another type
  await accounts.get(7);
  // @ts-expect-error a value without its fields
  await accounts.put('a', { brand: 'x' });
  // @ts-expect-error arguments of another shape
  await accounts.process('a', fraud.debit, { sum: 5 });
  // @ts-expect-error no such option
  accounts.subscribe({ onSlow: 'drop' });
  const untyped = grid.map('anything');
  // @ts-expect-error a value of no type
  (await untyped.get(1))?.balance;
}

it('type-checks', () => {
  expect([snippet, mistakes].map((example) => typeof example)).toEqual(['function', 'function']);
});
