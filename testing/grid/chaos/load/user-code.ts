/** User code of a chaos run: a listener whose effects can be counted, and a processor that moves what one entry holds. */
import { defineListener, defineMap, defineProcessor, writePut } from '@ashlar/api';

/** Each is written once, under its own number. */
export const Causes = defineMap<number, { readonly n: number }>('causes');
/** Two an event of Causes, keyed so that an event that came twice, or a write that was applied twice, is seen. */
export const Effects = defineMap<readonly [cause: number, version: number, copy: number], number>('effects');

export const COPIES = 2;

export const effectOnce = defineListener({
  map: Causes,
  after: (events) =>
    events.flatMap(({ key, version, value }) =>
      Array.from({ length: COPIES }, (_, copy) => writePut(Effects, [key, version, copy], value?.n ?? -1)),
    ),
});

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

/** Turns cash into goods. */
export const shift = defineProcessor<Pocket, { by: number }, number>((entry, { by }) => {
  const { cash, goods } = entry.value!;
  entry.value = { cash: cash - by, goods: goods + by };
  return cash + goods;
});
