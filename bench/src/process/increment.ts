/** The deployed processor: adds to one field of a document. */
import { defineProcessor } from '@ashlar/api';

export interface Counter {
  readonly owner: string;
  readonly count: number;
}

export const increment = defineProcessor<Counter, { readonly by: number }, number>((entry, { by }) => {
  const counter = entry.value!;
  const count = counter.count + by;
  entry.value = { ...counter, count };
  return count;
});
