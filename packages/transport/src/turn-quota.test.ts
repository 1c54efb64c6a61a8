import { TurnQuota } from './turn-quota.ts';

const MIB = 1 << 20;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Takes, and tells in which order what waited may go. */
function taker() {
  const quota = new TurnQuota();
  const gone: string[] = [];
  const take = (name: string, bytes: number): void => {
    const waiting = quota.take(bytes);
    if (waiting === undefined) gone.push(name);
    else void waiting.then(() => gone.push(name));
  };
  return { take, gone };
}

describe('what streams send in one turn of the event loop', () => {
  it('goes at once while it is little', () => {
    const { take, gone } = taker();
    for (const name of ['a', 'b', 'c']) take(name, MIB / 4);
    expect(gone).toEqual(['a', 'b', 'c']);
  });

  it('waits for a later turn beyond that, first come first served', async () => {
    const { take, gone } = taker();
    take('a', MIB / 2);
    take('large', MIB);
    // It would fit, and is behind one that does not.
    take('small', 1);
    expect(gone).toEqual(['a']);
    await turn();
    expect(gone).toEqual(['a', 'large']);
    await turn();
    expect(gone).toEqual(['a', 'large', 'small']);
  });

  it('is never too much for a turn of its own', async () => {
    const { take, gone } = taker();
    take('a', 1);
    take('huge', 64 * MIB);
    await turn();
    expect(gone).toEqual(['a', 'huge']);
  });

  it('begins anew with each turn', async () => {
    const { take, gone } = taker();
    for (let round = 0; round < 3; round++) {
      take(`${round}`, MIB);
      await turn();
    }
    expect(gone).toEqual(['0', '1', '2']);
  });
});
