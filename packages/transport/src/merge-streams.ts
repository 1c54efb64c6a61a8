/**
 * Several streams as one, in the order in which their elements come. One element a stream is asked for ahead.
 *
 * Results wait in a list of their own: Promise.race over the streams would keep every result of the fast ones until the
 * slowest has its next, because the promise of that one refers to all of them.
 */
interface Arrival<T> {
  readonly index: number;
  readonly result: IteratorResult<T, void> | undefined;
  readonly error: unknown;
}

/** Leaving it leaves all of the streams. */
export async function* mergeStreams<T>(
  streams: readonly AsyncGenerator<T, void, undefined>[],
): AsyncGenerator<T, void, undefined> {
  const arrived: Arrival<T>[] = [];
  let wake: (() => void) | undefined;
  let open = streams.length;
  const arrive = (arrival: Arrival<T>): void => {
    arrived.push(arrival);
    wake?.();
  };
  const ask = (index: number): void => {
    streams[index]!.next().then(
      (result) => arrive({ index, result, error: undefined }),
      (error: unknown) => arrive({ index, result: undefined, error }),
    );
  };
  for (const index of streams.keys()) ask(index);
  try {
    while (open > 0) {
      const next = arrived.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const { index, result, error } = next;
      if (result === undefined) throw error;
      if (result.done === true) open -= 1;
      else {
        ask(index);
        yield result.value;
      }
    }
  } finally {
    await Promise.allSettled(streams.map((stream) => stream.return()));
  }
}
