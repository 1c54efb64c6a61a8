import { SharedCall } from './shared-call.ts';

/** Questions that are answered by hand, in the order in which they were asked. */
function bench() {
  const asked: PromiseWithResolvers<number>[] = [];
  const call = new SharedCall(() => {
    const question = Promise.withResolvers<number>();
    asked.push(question);
    return question.promise;
  });
  return { asked, call };
}

describe('a question that many have at once', () => {
  it('C1: is asked once, and once more for all who came while it was under way', async () => {
    const { asked, call } = bench();
    const first = call.call();
    const later = [call.call(), call.call(), call.call()];
    expect(asked).toHaveLength(1);
    asked[0]!.resolve(1);
    expect(await first).toBe(1);
    expect(asked).toHaveLength(2);
    asked[1]!.resolve(2);
    expect(await Promise.all(later)).toEqual([2, 2, 2]);
    const last = call.call();
    asked[2]!.resolve(3);
    expect([await last, asked.length]).toEqual([3, 3]);
  });

  it('that fails fails those who asked it, and nobody after them', async () => {
    const { asked, call } = bench();
    const first = call.call();
    const second = call.call();
    asked[0]!.reject(new Error('away'));
    await expect(first).rejects.toThrow('away');
    expect(asked).toHaveLength(2);
    asked[1]!.resolve(2);
    expect(await second).toBe(2);
  });

  it('C2: never has a second one under way, however its callers come', async () => {
    let underWay = 0;
    const call = new SharedCall(async () => {
      expect(++underWay).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
    });
    const calls: Promise<void>[] = [];
    for (let round = 0; round < 20; round++) {
      calls.push(call.call(), call.call());
      await Promise.race([calls.at(-1), Promise.resolve()]);
      calls.push(call.call());
      await calls.at(-2);
      calls.push(call.call());
    }
    await Promise.all(calls);
  });
});
