/** What a member answers a mutation with decides whether, and under which number, it is sent again. */
import { ERROR_CODES, type ErrorCode, GridError } from '@ashlar/core';
import { encodeKey } from '@ashlar/serialization';
import { isMutation, type KvBatch, OPCODE } from '@ashlar/transport';
import { putAll, type Router } from './index.ts';
import { get, put, RouterBench } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

/** Fails the first `times` sendings of each key's operation, of those that `which` names. */
function failing(code: ErrorCode, times: number, which: (batch: KvBatch, operation: number) => boolean = () => true) {
  const tries = new Map<string, number>();
  bench.sole.fail = (batch, operation) => {
    const start = operation === 0 ? 0 : batch.keyEnds[operation - 1]!;
    const key = Buffer.from(batch.keys.subarray(start, batch.keyEnds[operation]!)).toString('hex');
    const count = (tries.get(key) ?? 0) + 1;
    tries.set(key, count);
    return which(batch, operation) && count <= times ? new GridError(code, `said ${code}`) : undefined;
  };
}

/** The numbers under which the mutations of a batch were sent. */
function numbersOf({ firstRequest, requestOffsets, opcodes }: KvBatch): number[] {
  const numbers: number[] = [];
  let next = firstRequest;
  opcodes.forEach((opcode, operation) => {
    if (!isMutation(opcode)) return;
    numbers.push(requestOffsets === undefined ? next : firstRequest + requestOffsets[operation]!);
    next++;
  });
  return numbers;
}

/** Time passes only where the test says so: what is refused waits, and no deadline comes by itself. */
class StandingClock {
  #nowMs = performance.now();
  readonly nowMs = (): number => this.#nowMs;

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Operations on these keys, which are whole numbers. */
function isKey(...keys: readonly number[]) {
  const texts = keys.map((key) => Buffer.from(encodeKey(key)).toString('hex'));
  return ({ keys: bytes, keyEnds }: KvBatch, operation: number): boolean => {
    const start = operation === 0 ? 0 : keyEnds[operation - 1]!;
    return texts.includes(Buffer.from(bytes.subarray(start, keyEnds[operation]!)).toString('hex'));
  };
}

/** Answers come in the order of their batches: what was sent before a read is answered when that is. */
async function answeredBefore(router: Router): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await get(router, 1_000_000);
}

describe('a mutation that was never sealed', () => {
  it.each(['STALE_EPOCH', 'LEASE_EXPIRED', 'SHUTTING_DOWN'] as const)(
    '(%s) goes on under a new number',
    async (code) => {
      const router = await bench.connect();
      failing(code, 1);
      await put(router, 1, 'a');
      expect(bench.sole.batches.map(numbersOf)).toEqual([[1], [2]]);
      expect(bench.sole.batches.map(({ resent }) => resent)).toEqual([false, false]);
    },
  );

  it('and is not taken in its time is not in doubt', async () => {
    const clock = new StandingClock();
    const router = await bench.connect({ nowMs: clock.nowMs });
    failing('STALE_EPOCH', Number.POSITIVE_INFINITY, isKey(1));
    const refused = put(router, 1, 'a', { timeoutMs: 60 });
    refused.catch(() => undefined);
    await answeredBefore(router);
    clock.advance(60);
    await expect(refused).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(bench.sole.store.applied.size).toBe(0);
  });
});

describe('a mutation that was sealed and lost with its partition', () => {
  it('goes on under its own number', async () => {
    const router = await bench.connect();
    failing('IN_DOUBT', 2);
    await put(router, 1, 'a');
    expect(bench.sole.batches.map(numbersOf)).toEqual([[1], [1], [1]]);
    expect(bench.sole.batches.map(({ resent }) => resent)).toEqual([false, true, true]);
    expect([...bench.sole.store.applied.values()]).toEqual([1]);
  });

  it('keeps it where its session ends while it waits: whoever is asked again knows it by its number', async () => {
    const router = await bench.connect();
    failing('IN_DOUBT', 1, ({ resent }) => !resent);
    let isExpired = false;
    const inDoubt = bench.sole.fail!;
    bench.sole.fail = (batch, operation) => {
      if (!batch.resent || isExpired) return inDoubt(batch, operation);
      isExpired = true;
      return new GridError('SESSION_EXPIRED', 'said SESSION_EXPIRED');
    };
    await put(router, 1, 'a');
    expect(bench.sole.batches.map(numbersOf)).toEqual([[1], [1], [1]]);
    expect([...bench.sole.store.applied.values()]).toEqual([1]);
  });

  it('is answered as the first sending was, where that is known', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    await put(router, 1, 'old');
    const { store } = bench.sole;
    bench.sole.fail = (batch) => {
      bench.sole.fail = undefined;
      // Applied by another primary, which has its log.
      store.window.set(`${batch.session}/${batch.firstRequest}`, { status: 0 });
      return new GridError('IN_DOUBT', 'the partition was lost');
    };
    expect(await router.call(OPCODE.PUT_IF_ABSENT, map, 2, 'b', undefined, undefined)).toBe(false);
    expect(store.applied.size).toBe(1);
  });

  it('is OUTCOME_UNKNOWN where nobody can tell in its time, and never IN_DOUBT', async () => {
    const clock = new StandingClock();
    const router = await bench.connect({ nowMs: clock.nowMs });
    failing('IN_DOUBT', Number.POSITIVE_INFINITY, isKey(1, 2));
    const calls = Promise.allSettled([
      put(router, 1, 'a', { timeoutMs: 60 }),
      putAll(router, router.map('m', undefined), [[2, 'b']] as const, undefined, { timeoutMs: 60 }),
    ]);
    await answeredBefore(router);
    clock.advance(60);
    for (const outcome of await calls) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'OUTCOME_UNKNOWN', retryable: false } });
    }
  });

  it('keeps its number while other calls are numbered, and gives it up when it is answered', async () => {
    const router = await bench.connect();
    const [firstByte] = encodeKey('held');
    let isHeld = true;
    bench.sole.fail = ({ keys, keyEnds }, operation) => {
      const isText = keys[operation === 0 ? 0 : keyEnds[operation - 1]!] === firstByte;
      return isHeld && isText ? doubt() : undefined;
    };
    const held = router.call(OPCODE.PUT, router.map('m', undefined), 'held', 'x', undefined, undefined);
    const beside = put(router, 5, 'beside');
    await beside;
    await put(router, 6, 'later');
    await put(router, 7, 'later');
    expect(bench.sole.batches.at(-1)!.lowestUnanswered).toBe(1);
    isHeld = false;
    await held;
    await put(router, 8, 'last');
    const last = bench.sole.batches.at(-1)!;
    expect(last.lowestUnanswered).toBe(last.firstRequest);
    expect(Math.max(...bench.sole.store.applied.values())).toBe(1);
  });

  it('keeps it also when the link breaks under the rest of its batch', async () => {
    const router = await bench.connect();
    const { port } = bench.sole;
    failing('IN_DOUBT', 1, (batch) => !batch.resent);
    const calls = [put(router, 1, 'a'), put(router, 2, 'b'), put(router, 3, 'c')];
    await Promise.all(calls);
    await bench.sole.stop();
    await bench.sole.start(port);
    await put(router, 4, 'd');
    expect(Math.max(...bench.sole.store.applied.values())).toBe(1);
    expect(bench.sole.store.applied.size).toBe(4);
  });

  it('of a group keeps its own number beside others that go on under new ones', async () => {
    const router = await bench.connect();
    let isFirst = true;
    bench.sole.fail = (_, operation) => {
      if (!isFirst) return undefined;
      return operation % 2 === 0 ? doubt() : new GridError('STALE_EPOCH', 'never sealed');
    };
    bench.sole.beforeAnswer = () => {
      isFirst = false;
      return undefined;
    };
    const keys = Array.from({ length: 6 }, (_, key) => key);
    await Promise.all(keys.map((key) => put(router, key, key)));
    const [first, ...rest] = bench.sole.batches;
    expect(numbersOf(first!)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(rest.flatMap((batch) => (batch.resent ? numbersOf(batch) : [])).sort()).toEqual([1, 3, 5]);
    expect(rest.flatMap((batch) => (batch.resent ? [] : numbersOf(batch))).sort()).toEqual([7, 8, 9]);
    expect(bench.sole.store.applied.size).toBe(6);
  });

  it('keeps no number once its caller has gone, also where it is refused again after that (failure-split F3)', async () => {
    const router = await bench.connect();
    failing('IN_DOUBT', 2, isKey(1));
    const leaving = new AbortController();
    bench.sole.beforeAnswer = (batch) => {
      if (batch.resent) leaving.abort();
      return undefined;
    };
    await expect(put(router, 1, 'a', { signal: leaving.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    for (const key of [2, 3]) await put(router, key, 'later');
    const last = bench.sole.batches.at(-1)!;
    expect(last.lowestUnanswered).toBe(last.firstRequest);
  });

  it('makes a read that hung on it read again', async () => {
    const router = await bench.connect();
    await put(router, 1, 'a');
    failing('IN_DOUBT', 1);
    expect(await get(router, 1)).toBe('a');
    expect(bench.sole.batches).toHaveLength(3);
  });
});

describe('any other failure', () => {
  const REPEATED: ReadonlySet<string> = new Set([
    ...['STALE_EPOCH', 'LEASE_EXPIRED', 'SHUTTING_DOWN', 'GRID_INCOMPLETE', 'IN_DOUBT', 'NOT_ENOUGH_IN_SYNC'],
    // Refused before anything is looked at: of a session, of a map, of its affinity parts.
    ...['SESSION_EXPIRED', 'MAP_DROPPED', 'MAP_CONFLICT'],
  ]);
  const others = Object.keys(ERROR_CODES).filter((code) => !REPEATED.has(code)) as ErrorCode[];

  it.each(others)('%s is told and never sent again', async (code) => {
    const router = await bench.connect();
    failing(code, 1);
    await expect(put(router, 1, 'a')).rejects.toMatchObject({ code });
    expect(bench.sole.batches).toHaveLength(1);
  });
});

function doubt(): GridError {
  return new GridError('IN_DOUBT', 'the partition was lost');
}
