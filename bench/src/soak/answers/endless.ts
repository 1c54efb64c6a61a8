/** User code that never ends, in a module of its own: its limit is a short one, and its thread is killed. */
import { defineJob, defineProcessor } from '@ashlar/api';

export const spin = defineProcessor(() => {
  for (;;);
});

export const spinAll = defineJob<unknown, unknown, number>({
  map: () => {
    for (;;);
  },
  reduce: () => 0,
});
