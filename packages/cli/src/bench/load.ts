/**
 * A load of gets and puts against one map: a fixed number of operations under way, each followed by the next.
 *
 *   caller 1   get --------> put -> get --->          a caller awaits its operation, then starts another
 *   caller n   put -> get -----> get -> put
 *
 * Latencies are what the caller waits, batching and queueing included.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { GridError, type GridMap } from '@ashlar/api';

export interface LoadPlan {
  readonly keys: number;
  readonly valueBytes: number;
  readonly inFlight: number;
  /** Operations of 100 that read. */
  readonly reads: number;
  readonly durationMs: number;
}

/** Result of one kind of operation. Latencies in nanoseconds. */
export interface Tally {
  readonly latencies: RecordableHistogram;
  operations: number;
}

export interface LoadResult {
  readonly gets: Tally;
  readonly puts: Tally;
  /** By code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly durationMs: number;
}

type BenchMap = Pick<GridMap<number, Uint8Array>, 'get' | 'put' | 'putAll'>;

const FILL_BATCH = 4096;
/** Not measured: connections, caches and compilers get warm. */
const WARM_UP_SHARE = 0.1;
const WARM_UP_MAX_MS = 1000;
const HISTOGRAM = { lowest: 1, highest: 3_600_000_000_000, figures: 3 } as const;

/** Stores every key once. */
export async function fill(map: BenchMap, { keys, valueBytes }: LoadPlan, signal: AbortSignal): Promise<void> {
  const value = makeValue(valueBytes);
  for (let from = 0; from < keys; from += FILL_BATCH) {
    if (signal.aborted) throw new GridError('CANCELLED', 'filling the map was cancelled');
    const count = Math.min(FILL_BATCH, keys - from);
    // Not given up: a put that arrives after the drop would make the map anew.
    await map.putAll(Array.from({ length: count }, (_, index) => [from + index, value] as const));
  }
}

/**
 * Runs the load until its time is over or the signal fires; a failed operation is counted, and its caller goes on.
 *
 * @param random  from 0 up to 1
 * @param onTick  about ten times a second
 */
export async function runLoad(
  map: BenchMap,
  plan: LoadPlan,
  signal: AbortSignal,
  random: () => number,
  onTick: (soFar: LoadResult) => void,
): Promise<LoadResult> {
  const value = makeValue(plan.valueBytes);
  const errors = new Map<string, number>();
  let gets = newTally();
  let puts = newTally();
  let startedMs = performance.now();
  let isOver = false;
  const soFar = (): LoadResult => ({ gets, puts, errors, durationMs: performance.now() - startedMs });
  const caller = async (): Promise<void> => {
    while (!isOver) {
      const isRead = random() * 100 < plan.reads;
      const tally = isRead ? gets : puts;
      const key = Math.floor(random() * plan.keys);
      const begunMs = performance.now();
      try {
        await (isRead ? map.get(key) : map.put(key, value));
        tally.latencies.record(Math.max(1, Math.round((performance.now() - begunMs) * 1e6)));
        tally.operations += 1;
      } catch (error) {
        const { code } = GridError.wrap(error);
        errors.set(code, (errors.get(code) ?? 0) + 1);
        await setImmediate(); // a refusal may come at once: timers must get their turn
      }
    }
  };
  const begin = (): void => {
    gets = newTally();
    puts = newTally();
    errors.clear();
    startedMs = performance.now();
  };
  const ticking = setInterval(() => onTick(soFar()), 100);
  const callers = Array.from({ length: plan.inFlight }, caller);
  try {
    await pause(Math.min(WARM_UP_MAX_MS, plan.durationMs * WARM_UP_SHARE), signal);
    begin();
    await pause(plan.durationMs, signal);
    return soFar();
  } finally {
    isOver = true;
    clearInterval(ticking);
    await Promise.all(callers);
  }
}

function newTally(): Tally {
  return { latencies: createHistogram(HISTOGRAM), operations: 0 };
}

/** Ends early when the signal fires. */
async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, durationMs);
  const stop = (): void => resolve();
  signal.addEventListener('abort', stop, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
}

/** Bytes that do not compress into nothing. */
function makeValue(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 131 + (index >> 8)) & 0xff);
}
