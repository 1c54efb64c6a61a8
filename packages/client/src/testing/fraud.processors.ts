/** What an application would deploy; used by the tests of the client. */
import { defineJob, defineListener, defineMap, defineProcessor, Refusal, writePut } from '@ashlar/api';

export interface Account {
  readonly brand: string;
  readonly balance: number;
  readonly owner: { readonly id: number };
}

const Audit = defineMap<string, { readonly balance: number }>('audit');

/** Takes an amount from an account; answers what is left. */
export const debit = defineProcessor<Account, { readonly amount: number }, number>((entry, { amount }) => {
  if (entry.value === undefined) return 0;
  entry.value = { ...entry.value, balance: entry.value.balance - amount };
  return entry.value.balance;
});

/** As debit, but refuses to take more than there is. */
export const withdraw = defineProcessor<Account, { readonly amount: number }, number>((entry, { amount }) => {
  const { value } = entry;
  const missing = amount - (value?.balance ?? 0);
  if (value === undefined || missing > 0) throw new Refusal('INSUFFICIENT_FUNDS', { missing });
  entry.value = { ...value, balance: value.balance - amount };
  return entry.value.balance;
});

/** Marks an account by its brand. */
export const flag = defineProcessor<Account>((entry) => {
  if (entry.value !== undefined) entry.value = { ...entry.value, brand: 'flagged' };
});

/** How many accounts there are by hundreds of balance. */
export const histogram = defineJob<Account, { readonly width?: number }, readonly number[]>({
  map: (rows, { width = 100 }) => [...rows.numbers('balance')].map((balance) => Math.floor(balance / width)),
  reduce: (partials) => partials.flat(),
});

/** Keeps the last balance of every account. */
export const audit = defineListener<string, Account>({
  map: 'accounts',
  after: (events) =>
    events.flatMap((event) =>
      event.value === undefined ? [] : [writePut(Audit, event.key, { balance: event.value.balance })],
    ),
});
