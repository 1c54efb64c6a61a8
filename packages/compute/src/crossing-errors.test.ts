import { Decimal } from '@ashlar/api';
import { GridError } from '@ashlar/core';
import { answeredOrRefused, crossed, crossing, jobAnswer } from './crossing-errors.ts';

const BALANCE = Decimal.parse('1.50');

function refused(): GridError {
  const refusal = { code: 'POOR', details: { balance: BALANCE, wide: 2n ** 70n } };
  return new GridError('PROCESSOR_REFUSED', 'm.e refused', { details: { module: 'm', exportName: 'e' }, refusal });
}

describe('an error of user code that goes to another thread', () => {
  it('keeps what it refused with, decimals too', () => {
    const there = crossed(structuredClone(crossing(refused())));
    expect(there).toMatchObject({ code: 'PROCESSOR_REFUSED', message: 'm.e refused', details: { module: 'm' } });
    expect(there.refusal).toEqual({ code: 'POOR', details: { balance: BALANCE, wide: 2n ** 70n } });
    expect((there.refusal!.details as { balance: Decimal }).balance.plus(BALANCE).toString()).toBe('3.00');
  });

  it('that refused nothing keeps code, message, hint and details', () => {
    const error = new GridError('PROCESSOR_ASYNC', 'it threw', { hint: 'look', details: { module: 'm' } });
    const there = crossed(structuredClone(crossing(error)));
    expect(there).toMatchObject({
      code: 'PROCESSOR_ASYNC',
      message: 'it threw',
      hint: 'look',
      details: { module: 'm' },
    });
    expect(there.refusal).toBeUndefined();
  });
});

describe('the answer of a job', () => {
  it('is what it gave, or throws what its code refused with', async () => {
    const bytes = Uint8Array.of(1);
    expect(jobAnswer(structuredClone(await answeredOrRefused(Promise.resolve(bytes))))).toEqual(bytes);
    const answer = structuredClone(await answeredOrRefused(Promise.reject(refused())));
    expect(() => jobAnswer(answer)).toThrow(expect.objectContaining({ code: 'PROCESSOR_REFUSED' }));
  });

  it('fails with any other error as it is', async () => {
    const failures = [new GridError('OVERLOADED', 'no'), new TypeError('no')];
    for (const failure of failures) await expect(answeredOrRefused(Promise.reject(failure))).rejects.toBe(failure);
  });
});
