/** A processor that never ends, in a module of its own: its limit is a short one. */
import { defineProcessor } from '@ashlar/api';
import type { Pocket } from './user-code.ts';

/** Changes the pocket first: nothing of it may be seen. */
export const stumble = defineProcessor<Pocket>((entry) => {
  entry.value = { cash: 1_000_000, goods: 1_000_000 };
  for (;;);
});
