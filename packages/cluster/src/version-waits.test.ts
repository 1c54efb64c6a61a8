import { GridError } from '@ashlar/core';
import { VersionWaits } from './version-waits.ts';

/** @param answers  what the coordinator says, question by question: a version, or why it cannot be asked */
function bench(...answers: (number | GridError)[]) {
  return benchOf(false, ...answers);
}

function benchOf(isAnswerFinal: boolean, ...answers: (number | GridError)[]) {
  let version = 1;
  let asked = 0;
  const waits = new VersionWaits({
    ...{ what: 'catalog', isAnswerFinal },
    version: () => version,
    refresh: async () => {
      const answer = answers[Math.min(asked++, answers.length - 1)]!;
      if (answer instanceof GridError) throw answer;
      if (answer > version) waits.reached((version = answer));
    },
    whose: "member 'a'",
  });
  const comes = (now: number): void => waits.reached((version = now));
  return { waits, comes, asked: () => asked };
}

const away = new GridError('MEMBER_UNREACHABLE', 'the coordinator is away');

describe('who waits for a version of the catalog', () => {
  it('is let through when it comes by itself, and nobody is asked', async () => {
    const { waits, comes, asked } = bench(9);
    const [two, three] = [waits.wait(2, {}), waits.wait(3, {})];
    let isThrough = false;
    void three.then(() => {
      isThrough = true;
    });
    comes(2);
    await two;
    expect(isThrough).toBe(false);
    comes(5);
    await three;
    expect(asked()).toBe(0);
  });

  it('is let through when the coordinator tells it, asked again where it is away or behind itself', async () => {
    const { waits, asked } = bench(away, 1, 2);
    await waits.wait(2, {});
    expect(asked()).toBe(3);
  });

  it('W2: asks with all others together', async () => {
    const { waits, asked } = bench(1, 4);
    await Promise.all([2, 3, 4, 4, 4].map((version) => waits.wait(version, {})));
    expect(asked()).toBe(2);
  });

  it('W1: is refused when its time is over, with why, and may try again', async () => {
    const { waits } = bench(away);
    const deadlineMs = performance.now() + 80;
    await expect(waits.wait(2, { deadlineMs })).rejects.toMatchObject({
      ...{ code: 'LEASE_EXPIRED', retryable: true, details: { wanted: 2, has: 1 }, cause: away },
      message: "member 'a' does not follow catalog 2 yet",
    });
  });

  it('W1: is let through by a word that is final, not by a failure to get one', async () => {
    const { waits, asked } = benchOf(true, away, 1);
    await waits.wait(9, {});
    expect(asked()).toBe(2);
  });

  it('is let go when its caller leaves, also one that has left already', async () => {
    const { waits, comes } = bench(1);
    const leaving = new AbortController();
    const waiting = waits.wait(2, { signal: leaving.signal });
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(waits.wait(2, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
    comes(2);
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 40])(
    'W1: waits on where its time is further than timers reach: %d',
    async (deadlineMs) => {
      const { waits, comes, asked } = bench(1);
      const waiting = waits.wait(2, { deadlineMs });
      while (asked() === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      comes(2);
      await waiting;
    },
  );

  it('W3: is refused at once where as many wait as may', async () => {
    const { waits, comes } = bench(1);
    const waiting = Array.from({ length: 65_536 }, () => waits.wait(2, {}));
    await expect(waits.wait(2, {})).rejects.toMatchObject({ code: 'OVERLOADED' });
    comes(2);
    await Promise.all(waiting);
  });
});
