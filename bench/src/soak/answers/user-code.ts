/** User code of the soak of known answers: a job, processors, and a listener that reads before it writes. */
import { defineJob, defineListener, defineMap, defineProcessor, writePut } from '@ashlar/api';

export interface Fixed {
  readonly n: number;
  /** Group: n modulo 5. */
  readonly g: number;
  readonly t: string;
}

/** Never written to while questions are asked. */
export const FIXED_COUNT = 50;
export const FixedRows = defineMap<number, Fixed>('fixed');
/** The entries that each caller writes, asks for and removes. */
export const Own = defineMap<string, { readonly v: number; readonly c: number }>('own');
/** The map whose entries the listener copies. */
export const Source = defineMap<readonly [caller: number, turn: number], number>('source');
export const Copy = defineMap<readonly [caller: number, turn: number], { turn: number; n: number; seen: number }>(
  'copy',
);

/** Sum and number of all rows, by whole entries and by their columns. */
export const sums = defineJob<Fixed, unknown, readonly number[]>({
  map: (rows) => {
    let [count, sum, columns] = [0, 0, 0];
    for (const [, value] of rows.entries()) {
      count += 1;
      sum += value.n;
    }
    for (const n of rows.numbers('n')) columns += n;
    return [count, sum, columns];
  },
  reduce: (parts) => [0, 1, 2].map((at) => parts.reduce((sum, part) => sum + part[at]!, 0)),
});

export const look = defineProcessor<Fixed, undefined, number>((entry) => entry.value!.n);

export const raise = defineProcessor<{ v: number; c: number }>((entry) => {
  const { v, c } = entry.value!;
  entry.value = { v: v + 1, c };
});

/** Asks for an entry of the fixed map, by get and by a processor: calls of many events wait for their answers at once. */
export const mirror = defineListener({
  map: Source,
  after: (events, grid) =>
    Promise.all(
      events.map(async ({ key, value }) => {
        const asked = (value ?? 0) % FIXED_COUNT;
        const [found, seen] = await Promise.all([
          grid.map(FixedRows).get(asked),
          grid.map(FixedRows).process(asked, look, undefined),
        ]);
        return writePut(Copy, key, { turn: value ?? -1, n: found?.n ?? -1, seen });
      }),
    ),
});
