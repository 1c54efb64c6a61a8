/** User code of the soak: processors that write whole rows and move sums, jobs that check all rows. */
import { defineJob, defineMap, defineProcessor } from '@ashlar/api';
import { type CheckedRow, rowOf, whatIsWrong } from '../rows.ts';

export const Rows = defineMap<number, CheckedRow>('rows');

/** Cash and goods of one entry: together they never change. */
export interface Pocket {
  readonly cash: number;
  readonly goods: number;
}

export const Pockets = defineMap<number, Pocket>('pockets');
/** Two accounts a pair, in one partition. */
export const Accounts = defineMap<readonly [pair: number, side: number], { readonly balance: number }>('accounts', {
  affinityParts: 1,
});
/** Links of a chain, written in turn: a link has the round of the one before, or the round before that. */
export const Chain = defineMap<number, { readonly link: number; readonly round: number }>('chain');

/** Stores write `n` of the key. */
export const rewrite = defineProcessor<CheckedRow, { n: number }, number>((entry, { n }) => {
  const wrong = entry.exists ? whatIsWrong(entry.key, entry.value) : undefined;
  if (wrong !== undefined) throw new Error(`the processor was given key ${String(entry.key)}: ${wrong}`);
  entry.value = rowOf(entry.key as number, n);
  return n;
});

/** Turns cash into goods. */
export const shift = defineProcessor<Pocket, { by: number }, number>((entry, { by }) => {
  const { cash, goods } = entry.value!;
  entry.value = { cash: cash - by, goods: goods + by };
  return cash + goods;
});

export interface Inspection {
  /** Key and write of every row, one after the other. */
  readonly found: readonly number[];
  readonly faults: readonly string[];
}

/** Every row twice: as a whole entry, and by its columns. */
export const inspect = defineJob<CheckedRow, unknown, Inspection>({
  map: (rows) => {
    const found: number[] = [];
    const faults: string[] = [];
    const [keys, writes, sums] = [rows.numbers('key'), rows.numbers('n'), rows.numbers('x')];
    let row = 0;
    for (const [key, value] of rows.entries()) {
      const wrong = whatIsWrong(key, value);
      if (wrong !== undefined) faults.push(`key ${String(key)}: ${wrong}`);
      if (keys[row] !== value.key || writes[row] !== value.n || sums[row] !== value.x) {
        faults.push(
          `key ${String(key)}: columns tell ${keys[row]}, ${writes[row]}, ${sums[row]}; bytes write ${value.n}`,
        );
      }
      found.push(value.key, value.n);
      row += 1;
    }
    return { found, faults };
  },
  reduce: (parts) => ({
    found: parts.flatMap((part) => part.found),
    faults: parts.flatMap((part) => part.faults).slice(0, 5),
  }),
});

/** Sum of all pockets, or of all accounts. */
export const total = defineJob<Pocket & { readonly balance: number }, { paths: readonly string[] }, number>({
  map: (rows, { paths }) => {
    let sum = 0;
    for (const path of paths) for (const number of rows.numbers(path)) sum += number;
    return sum;
  },
  reduce: (parts) => parts.reduce((sum, part) => sum + part, 0),
});
