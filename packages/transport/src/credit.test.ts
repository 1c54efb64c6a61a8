import { getEventListeners } from 'node:events';
import { Credit } from './credit.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whether a promise has settled by now. */
async function isSettled(work: Promise<unknown>): Promise<boolean> {
  let settled = false;
  work.then(
    () => (settled = true),
    () => (settled = true),
  );
  await turn();
  return settled;
}

describe('the credit of a stream', () => {
  const { signal } = new AbortController();

  it('is there until it is used, and may be overdrawn by the last message', async () => {
    const credit = new Credit(10);
    await credit.available(signal);
    credit.use(9);
    await credit.available(signal);
    credit.use(100);
    const next = credit.available(signal);
    credit.grant(99);
    expect(await isSettled(next)).toBe(false);
    credit.grant(1);
    await next;
  });

  it('that is used up for good ends the stream: it would wait for ever', async () => {
    const credit = new Credit(1);
    credit.use(1);
    const next = credit.available(signal);
    credit.finish();
    await expect(next).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.any(String) });
    await expect(credit.available(signal)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('that is left when no more comes is used', async () => {
    const credit = new Credit(1);
    credit.finish();
    await credit.available(signal);
  });

  it('is returned when the caller owes less, or will grant no more', async () => {
    const credit = new Credit(10);
    credit.use(8);
    const returned = credit.returned(5, signal);
    credit.grant(3);
    expect(await isSettled(returned)).toBe(false);
    credit.grant(1);
    await returned;
    const left = new Credit(0);
    const never = left.returned(5, signal);
    left.finish();
    await never;
  });

  it('is waited for until the call is over, and leaves nothing at its signal for the times it was', async () => {
    const abort = new AbortController();
    const credit = new Credit(0);
    for (let round = 0; round < 20; round++) {
      const next = credit.available(abort.signal);
      credit.grant(1);
      await next;
      credit.use(1);
    }
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    const waiting = [credit.available(abort.signal)];
    abort.abort();
    await expect(waiting[0]).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(credit.available(abort.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(credit.returned(5, abort.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
