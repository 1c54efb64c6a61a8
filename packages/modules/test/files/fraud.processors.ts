import { createHash } from 'node:crypto';
import { Decimal, defineJob, defineListener, defineProcessor, writePut } from '@ashlar/api';
import { half } from './half.ts';

interface Account {
  readonly balance: number;
}

export const debit = defineProcessor<Account, { amount: number }, number>((entry, { amount }) => {
  const balance = (entry.value?.balance ?? 0) - amount;
  entry.value = { balance };
  return half(balance);
});
export const digest = defineProcessor<Account, void, string>((entry) =>
  createHash('sha256').update(String(entry.key)).digest('hex'),
);
export const histogram = defineJob<Account, void, number>({
  map: (rows) => rows.count,
  reduce: (counts) => counts.length,
});
export const audit = defineListener<string, Account>({
  map: 'accounts',
  after: (events) => events.map((event) => writePut({ name: 'audit', options: {} }, event.key, event.type)),
});
export const one = Decimal.parse('1');
