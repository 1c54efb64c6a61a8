import { NO_TRACING, type TracedWork, tracedCall, tracedStream } from './tracing.ts';

const TRACE = { traceparent: '00-1-2-01', tracestate: '' };

/** A span that keeps how it ended. */
function span() {
  const ends: unknown[] = [];
  const work: TracedWork = { trace: TRACE, end: (error) => void ends.push(error) };
  return { work, ends };
}

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number++) yield number;
}

describe('work in a span', () => {
  it('T1: where nobody makes spans has the trace of who asked', () => {
    expect(NO_TRACING.begin('x', TRACE, {}).trace).toBe(TRACE);
    expect(NO_TRACING.begin('x', undefined, {}).trace).toBeUndefined();
  });

  it('gets the trace of the span, which ends with it', async () => {
    const { work, ends } = span();
    expect(await tracedCall(work, async (trace) => trace)).toBe(TRACE);
    expect(ends).toEqual([undefined]);
  });

  it('that fails ends its span with the failure, which goes on', async () => {
    const { work, ends } = span();
    const failure = new Error('no');
    await expect(tracedCall(work, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(ends).toEqual([failure]);
  });
});

describe('a stream in a span', () => {
  it('ends it with its last element', async () => {
    const { work, ends } = span();
    const taken: number[] = [];
    for await (const number of tracedStream(
      () => work,
      () => numbers(3),
    )) {
      expect(ends).toEqual([]);
      taken.push(number);
    }
    expect([taken, ends]).toEqual([[0, 1, 2], [undefined]]);
  });

  it('ends it when its reader leaves, and lets go of what it reads', async () => {
    const { work, ends } = span();
    let isLeft = false;
    const source = async function* (): AsyncGenerator<number> {
      try {
        yield* numbers(100);
      } finally {
        isLeft = true;
      }
    };
    for await (const _number of tracedStream(() => work, source)) break;
    expect([isLeft, ends]).toEqual([true, [undefined]]);
  });

  it('ends it with the failure', async () => {
    const { work, ends } = span();
    const failure = new Error('no');
    const source = async function* (): AsyncGenerator<number> {
      yield 1;
      throw failure;
    };
    const stream = tracedStream(() => work, source);
    await stream.next();
    await expect(stream.next()).rejects.toBe(failure);
    expect(ends).toEqual([failure]);
  });

  it('begins no span where its reader leaves before it has read: nobody would end it', async () => {
    let begun = 0;
    const begin = (): TracedWork => {
      begun++;
      return span().work;
    };
    const stream = tracedStream(begin, () => numbers(1));
    await stream.return();
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(begun).toBe(0);
  });
});
