import { defineJob } from '@ashlar/api';

interface Account {
  readonly balance: number;
  readonly brand: string;
}

interface Sum {
  readonly count: number;
  readonly sum: number;
  readonly brands: readonly string[];
}

export const totals = defineJob<Account, { above: number }, Sum, Sum>({
  map: (rows, { above }) => {
    const balances = rows.numbers('balance');
    const brands = rows.column('brand') as string[];
    let sum = 0;
    const seen = new Set<string>();
    for (let row = 0; row < rows.count; row++) {
      if (!(balances[row]! > above)) continue;
      sum += balances[row]!;
      seen.add(brands[row]!);
    }
    return { count: rows.count, sum, brands: [...seen] };
  },
  reduce: (partials) => ({
    count: partials.reduce((all, one) => all + one.count, 0),
    sum: partials.reduce((all, one) => all + one.sum, 0),
    brands: [...new Set(partials.flatMap((one) => one.brands))].sort(),
  }),
});

export const keys = defineJob<Account, void, unknown[], unknown[]>({
  map: (rows) => [...rows.entries()].map(([key, value]) => [key, (value as Account).balance, rows.partitionId]),
  reduce: (partials) => partials.flat(),
});

/** Reads a column forever, until its signal says stop or somebody stops it. */
export const endless = defineJob<Account, { polite: boolean }, number, number>({
  map: (rows, { polite }, { signal, progress }) => {
    for (let round = 0; ; round++) {
      rows.numbers('balance');
      progress(0.5);
      if (polite && signal.aborted) return round;
    }
  },
  reduce: () => 0,
});

export const fails = defineJob<Account, void, number, number>({
  map: () => {
    throw new Error('no totals');
  },
  reduce: () => 0,
});
