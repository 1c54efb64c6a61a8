/** Calls of the soak: what a small grid under full load may refuse is counted, everything else that fails is a fault. */
import { GridError } from '@ashlar/client';
import { SoakFault, type Tally } from '../tally.ts';

/** Nothing was applied. */
const REFUSALS: ReadonlySet<string> = new Set([
  'OUT_OF_MEMORY',
  'LOG_FULL',
  'OVERLOADED',
  'QUERY_MEMORY_EXCEEDED',
  'SNAPSHOT_EXPIRED',
]);
/** It may have been applied, as a whole or, where the call says so, in part. */
const UNSURE: ReadonlySet<string> = new Set(['DEADLINE_EXCEEDED', 'OUTCOME_UNKNOWN', 'PARTIAL', 'PARTIAL_COMMIT']);

export type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unsure' };

/** The surroundings of every task. */
export interface Call {
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

export async function attempt<T>({ tally, signal }: Call, what: string, run: () => Promise<T>): Promise<Outcome<T>> {
  try {
    const value = await run();
    tally.add(what);
    return { kind: 'done', value };
  } catch (error) {
    if (error instanceof SoakFault || !GridError.is(error)) throw error;
    if (signal.aborted) return { kind: 'unsure' };
    const isRefused = REFUSALS.has(error.code);
    if (!isRefused && !UNSURE.has(error.code)) {
      throw new SoakFault(`${what}: ${error.code}: ${error.message}`, { hint: error.hint, details: error.details });
    }
    tally.add(`refused: ${error.code}`);
    return { kind: isRefused ? 'refused' : 'unsure' };
  }
}

/** For what may be repeated: until it is known to be done. A loaded grid may refuse it for a while, or lose track of it. */
export async function untilDone<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!GridError.is(error) || !(REFUSALS.has(error.code) || UNSURE.has(error.code))) throw error;
    }
  }
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
