import { jest } from '@jest/globals';
import { LATE_MS, LateWaits } from './late-waits.ts';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

/** Waits, and how often somebody looked after them. */
function bench() {
  const looks: boolean[] = [];
  const waits: LateWaits = new LateWaits(
    () => performance.now(),
    () => looks.push(waits.isAnyLate),
  );
  return { waits, looks };
}

describe('who waits for an answer', () => {
  it('is late after a while, and the answer is passed on as it comes', async () => {
    const { waits, looks } = bench();
    const answer = Promise.withResolvers<string>();
    const told = waits.for(answer.promise);
    expect(waits.isAnyLate).toBe(false);
    await jest.advanceTimersByTimeAsync(LATE_MS);
    expect([waits.isAnyLate, looks]).toEqual([true, [true]]);
    answer.resolve('here');
    expect(await told).toBe('here');
    expect(waits.isAnyLate).toBe(false);
  });

  it('is told of a failure, and not late any more', async () => {
    const { waits } = bench();
    const answer = Promise.withResolvers<string>();
    const told = waits.for(answer.promise);
    const failed = expect(told).rejects.toThrow('lost');
    await jest.advanceTimersByTimeAsync(LATE_MS);
    answer.reject(new Error('lost'));
    await failed;
    expect(waits.isAnyLate).toBe(false);
  });

  it('counts from when it began, however many were answered meanwhile', async () => {
    const { waits } = bench();
    const never = waits.for(new Promise(() => undefined));
    never.catch(() => undefined);
    for (let round = 0; round < 10; round++) {
      await jest.advanceTimersByTimeAsync(LATE_MS / 5);
      await waits.for(Promise.resolve());
    }
    expect(waits.isAnyLate).toBe(true);
  });

  it('for whatever comes is late from the first moment, until it does not wait any more', () => {
    const { waits } = bench();
    const end = waits.always();
    expect(waits.isAnyLate).toBe(true);
    end();
    expect(waits.isAnyLate).toBe(false);
  });

  it('is looked after by one timer, which ends with the last of them (L1)', async () => {
    const { waits, looks } = bench();
    const ends = [waits.always(), waits.always()];
    expect(jest.getTimerCount()).toBe(1);
    await jest.advanceTimersByTimeAsync(LATE_MS);
    for (const end of ends) end();
    await jest.advanceTimersByTimeAsync(LATE_MS);
    expect([jest.getTimerCount(), looks]).toEqual([0, [true, false]]);
  });
});
