import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CallerLeaves } from './caller-leaves.ts';

describe('waiting for a caller that may leave', () => {
  it('settles as what it waits for', async () => {
    const caller = new CallerLeaves(new AbortController().signal);
    expect(await caller.orElse(Promise.resolve(1))).toBe(1);
    await expect(caller.orElse(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('ends when the caller leaves, before and while it waits', async () => {
    const abort = new AbortController();
    const caller = new CallerLeaves(abort.signal);
    const waiting = caller.orElse(new Promise(() => undefined));
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(caller.orElse(Promise.reject(new Error('unheard')))).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('holds nothing of what it has waited for', async () => {
    const caller = new CallerLeaves(new AbortController().signal);
    const refs: WeakRef<object>[] = [];
    for (let count = 0; count < 100; count += 1) {
      const batch = { count };
      refs.push(new WeakRef(batch));
      await caller.orElse(Promise.resolve(batch));
    }
    await new Promise((resolve) => setImmediate(resolve));
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5);
  });
});
