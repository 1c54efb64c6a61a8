import { type Decimal, defineProcessor } from '@ashlar/api';

interface Account {
  readonly balance: number;
  readonly amount?: Decimal;
}

export const deposit = defineProcessor<Account, { amount: number }, number>((entry, { amount }) => {
  const balance = (entry.value?.balance ?? 0) + amount;
  entry.value = { ...entry.value, balance };
  return balance;
});

export const read = defineProcessor<Account, void, unknown>((entry) => ({
  key: entry.key,
  exists: entry.exists,
  value: entry.value,
  ttlMs: entry.ttlMs,
  now: entry.now,
}));

export const close = defineProcessor<Account>((entry) => entry.remove());

export const touch = defineProcessor<Account, { ttlMs: number }>((entry, { ttlMs }) => {
  entry.ttlMs = ttlMs;
});

export const changeInPlace = defineProcessor<{ balance: number }, void, number>((entry) => {
  entry.value!.balance += 1;
  return entry.value!.balance;
});

export const dice = defineProcessor<Account, void, number[]>((entry) => [entry.random(), entry.random()]);

/** Does what its arguments say, for the tests of misbehaviour. */
export const misbehave = defineProcessor<Account, { how: string; amount?: number }, unknown>(
  (entry, { how, amount }) => {
    entry.value = { balance: (entry.value?.balance ?? 0) + (amount ?? 1) };
    switch (how) {
      case 'throw':
        throw Object.assign(new RangeError('no more'), { code: 'E_LIMIT' });
      case 'throwNull':
        throw null;
      case 'loop':
        for (;;);
      case 'exit':
        process.exit(1);
        break;
      case 'heap': {
        const kept: unknown[] = [];
        for (;;) kept.push(new Array(1000).fill(kept.length));
      }
      case 'promise':
        return Promise.reject(new Error('later'));
      case 'function':
        return () => 1;
      case 'storeFunction':
        entry.value = { balance: () => 1 } as never;
        return 1;
      case 'large':
        return 'x'.repeat(3 << 20);
      default:
        return entry.value.balance;
    }
  },
);

/** Returns what changes the entry while it is written, after the call returned. */
export const changeLate = defineProcessor<Account, { change: 'set' | 'remove' | 'ttl'; own: boolean }, unknown>(
  (entry, { change, own }) => {
    if (own) entry.value = { balance: 2 };
    return {
      get changed() {
        if (change === 'set') entry.value = { balance: 99 };
        else if (change === 'remove') entry.remove();
        else entry.ttlMs = 1234;
        return change;
      },
    };
  },
);
