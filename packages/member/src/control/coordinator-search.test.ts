import { GridError } from '@ashlar/core';
import { firstCoordinator } from './coordinator-search.ts';

const away = (address: string) => new GridError('CONNECT_TIMEOUT', `no member answered at ${address}`);
const NOT_HERE = new GridError('INVALID_ARGUMENT', 'the coordinator is not in this member');

/** Asks members of which each address answers as told, one answer after the other, the last one for ever. */
function asking(answers: Readonly<Record<string, readonly (GridError | string)[]>>) {
  const asked: string[] = [];
  const ask = async (address: string): Promise<string> => {
    asked.push(address);
    const tries = asked.filter((one) => one === address).length;
    const answer = answers[address]![Math.min(tries, answers[address]!.length) - 1]!;
    if (answer instanceof GridError) throw answer;
    return answer;
  };
  return { asked, ask };
}

describe('the search for the coordinator', () => {
  it('asks all addresses in turn, and those again that did not answer', async () => {
    const { asked, ask } = asking({ a: [away('a')], b: [NOT_HERE], c: [away('c'), away('c'), 'found'] });
    expect(await firstCoordinator(['a', 'b', 'c', 'a'], 60_000, ask)).toBe('found');
    expect(asked).toEqual(['a', 'b', 'c', 'a', 'c', 'a', 'c']);
  });

  it('ends when its time is over, and names each address with its reason', async () => {
    const { ask } = asking({ a: [away('a')], b: [NOT_HERE] });
    const error: unknown = await firstCoordinator(['a', 'b'], 250, ask).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'CONNECT_TIMEOUT',
      message: expect.stringMatching(/within 250 ms.*a: no member answered at a; b: the coordinator is not in/),
      details: { addresses: ['a', 'b'], reasons: [expect.stringContaining('a: '), expect.stringContaining('b: ')] },
    });
  });

  it('ends at once when all have refused', async () => {
    const { asked, ask } = asking({ a: [NOT_HERE], b: [new GridError('PERMISSION_DENIED', 'another secret')] });
    const search = firstCoordinator(['a', 'b'], 60_000, ask);
    await expect(search).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('b: ') });
    expect(asked).toEqual(['a', 'b']);
  });

  it('gives a sole address all of the time, and its own error', async () => {
    const given: number[] = [];
    const error = away('a');
    const search = firstCoordinator(['a'], 50, async (_, timeoutMs) => {
      given.push(timeoutMs);
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      throw error;
    });
    await expect(search).rejects.toBe(error);
    expect(given).toHaveLength(1);
  });
});
