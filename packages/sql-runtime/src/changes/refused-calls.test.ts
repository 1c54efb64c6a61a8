import { GridError } from '@ashlar/core';
import { RefusedCalls } from './refused-calls.ts';

function refusal(code: string): GridError {
  const details = { module: 'm', exportName: 'e' };
  return new GridError('PROCESSOR_REFUSED', 'm.e refused', { details, refusal: { code, details: { n: 1 } } });
}

describe('refusals of a processor over many entries', () => {
  it('that are all there is are PROCESSOR_REFUSED with the first, the count and the keys', () => {
    const refused = new RefusedCalls();
    refused.add(refusal('POOR'), () => 'a');
    refused.add(refusal('CLOSED'), () => 'b');
    expect(refused.error(0)).toMatchObject({
      code: 'PROCESSOR_REFUSED',
      refusal: { code: 'POOR', details: { n: 1 } },
      details: { module: 'm', exportName: 'e', refusalCode: 'POOR', affected: 0, refused: 2, refusedKeys: ['a', 'b'] },
    });
  });

  it('beside entries that were changed are PARTIAL, which names what is done', () => {
    const refused = new RefusedCalls();
    refused.add(refusal('POOR'), () => 'a');
    expect(refused.error(3, ['member a'])).toMatchObject({
      code: 'PARTIAL',
      hint: expect.any(String),
      refusal: { code: 'POOR' },
      details: { cause: 'PROCESSOR_REFUSED', affected: 3, refused: 1, applied: ['member a'] },
    });
    expect(refused.error(3).details).not.toHaveProperty('applied');
  });

  it('that another member tells of are counted with those here; any other failure is not a refusal', () => {
    const [here, there] = [new RefusedCalls(), new RefusedCalls()];
    here.add(refusal('POOR'), () => 'a');
    for (const key of ['b', 'c']) there.add(refusal('CLOSED'), () => key);
    expect(here.addTold(GridError.from(there.error(0).toWire()))).toBe(true);
    expect(here.facts).toEqual({ refused: 3, refusedKeys: ['a', 'b', 'c'] });
    expect(here.error(0).refusal).toMatchObject({ code: 'POOR' });
    expect(here.addTold(new GridError('STALE_EPOCH', 'moved'))).toBe(false);
    expect(here.addTold(new GridError('PARTIAL', 'half', { details: { refused: 5 } }))).toBe(false);
    expect(here.count).toBe(3);
  });

  it('name at most a thousand keys, here and told, and ask for no other as text', () => {
    const refused = new RefusedCalls();
    let asked = 0;
    for (let index = 0; index < 999; index++) refused.add(refusal('POOR'), () => `${asked++}`);
    const told = new GridError('PROCESSOR_REFUSED', 'no', {
      details: { refused: 500, refusedKeys: Array.from({ length: 500 }, (_, index) => `t${index}`) },
      refusal: { code: 'POOR', details: {} },
    });
    refused.addTold(told);
    refused.add(refusal('POOR'), () => `${asked++}`);
    const { refusedKeys, refused: count } = refused.facts as { refusedKeys: string[]; refused: number };
    expect([count, refusedKeys.length, refusedKeys.at(-1), asked]).toEqual([1500, 1000, 't0', 999]);
  });

  it('have no facts where there are none', () => {
    expect(new RefusedCalls().facts).toEqual({});
  });
});
