import { SessionKeeper } from './session-keeper.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function keeper() {
  const asked: PromiseWithResolvers<number>[] = [];
  const kept = new SessionKeeper(1, () => {
    const answer = Promise.withResolvers<number>();
    asked.push(answer);
    return answer.promise;
  });
  return { kept, asked };
}

describe('the session of a router', () => {
  it('goes on under a new one when the grid forgot it: asked for once, with numbers of its own', async () => {
    const { kept, asked } = keeper();
    const before = kept.numbers;
    before.take(5, 0);
    kept.renew(1);
    kept.renew(1);
    expect(asked).toHaveLength(1);
    asked[0]!.resolve(2);
    await turn();
    expect(kept.numbers).not.toBe(before);
    expect([kept.numbers.session, kept.numbers.lowest, before.lowest]).toEqual([2, 1, 1]);
    kept.renew(1);
    expect(asked).toHaveLength(1);
    kept.renew(2);
    expect(asked).toHaveLength(2);
  });

  it('is asked for again by whoever meets the forgotten one after nobody answered', async () => {
    const { kept, asked } = keeper();
    kept.renew(1);
    asked[0]!.reject(new Error('nobody there'));
    await turn();
    expect(kept.numbers.session).toBe(1);
    kept.renew(1);
    expect(asked).toHaveLength(2);
  });

  it('of a grid that is gone stays in doubt, also after another took its place', async () => {
    const { kept, asked } = keeper();
    kept.giveUp();
    expect([kept.isLost(1), kept.isLost(2)]).toEqual([true, false]);
    kept.renew(1);
    asked[0]!.resolve(2);
    await turn();
    expect([kept.isLost(1), kept.isLost(2)]).toEqual([true, false]);
  });
});
