/** Waits until the listener has scored what was sent, by the states it keeps. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Grid } from '@ashlar/api';
import { stallAlarm } from './sender.ts';

const POLL_MS = 50;

interface Sums {
  readonly seen: number | null;
  readonly late?: number | null;
}

/**
 * Resolves when customers and terminals have seen every transaction, and terminals every confirmation.
 *
 * @returns events that came too far out of order for a sure judgement
 * @throws GridError DEADLINE_EXCEEDED when the listener stands still; the signal's reason
 */
export async function untilScored(
  grid: Grid,
  transactions: number,
  confirmations: number,
  signal: AbortSignal,
): Promise<number> {
  const stalled = stallAlarm();
  for (;;) {
    const customers = await grid.sql<Sums>('SELECT sum(seen) AS seen FROM customers', [], { signal }).first();
    const terminals = await grid
      .sql<Sums>('SELECT sum(seen) + sum(confirmed) AS seen, sum(late) AS late FROM terminals', [], { signal })
      .first();
    const late = Number(terminals?.late ?? 0);
    const atCustomers = Number(customers?.seen ?? 0);
    const atTerminals = Number(terminals?.seen ?? 0) + late;
    if (atCustomers >= transactions && atTerminals >= transactions + confirmations) return late;
    stalled(atCustomers + atTerminals);
    await sleep(POLL_MS, undefined, { signal });
  }
}
