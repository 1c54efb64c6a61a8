import { deathOf, QUERY_DEATHS, USER_DEATHS } from '../src/deaths.ts';
import { userErrorToWire } from '../src/index.ts';

describe('the death of a worker', () => {
  const outOfMemory = Object.assign(new Error('limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
  const exited = new Error('worker exited with code: 1');

  it('is told in the words of its pool', () => {
    expect([outOfMemory, exited].map((error) => deathOf(error, USER_DEATHS).code)).toEqual([
      'USER_CODE_OUT_OF_MEMORY',
      'USER_CODE_FAILED',
    ]);
    expect([outOfMemory, exited].map((error) => deathOf(error, QUERY_DEATHS).code)).toEqual([
      'QUERY_MEMORY_EXCEEDED',
      'WORKER_LOST',
    ]);
    expect(deathOf(null, USER_DEATHS).message).toBe('user code ended its worker thread: null');
  });
});

describe('what user code throws', () => {
  const place = { module: 'bank', exportName: 'debit' };

  it('keeps name, message, stack and code in the details, and never becomes a code of ours', () => {
    const thrown = Object.assign(new RangeError('low'), { code: 'STALE_EPOCH' });
    expect(userErrorToWire(thrown, place)).toMatchObject({
      code: 'USER_CODE_FAILED',
      message: 'bank.debit threw RangeError: low',
      details: { ...place, errorName: 'RangeError', errorMessage: 'low', errorCode: 'STALE_EPOCH' },
    });
  });

  it.each([
    ['nothing', undefined],
    ['a text', 'low'],
    ['a symbol', Symbol('low')],
    ['an object without a prototype', Object.create(null) as object],
    [
      'a trap',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('trap');
          },
        },
      ),
    ],
    [
      'a revoked proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
    ],
  ])('may be anything: %s', (_name, thrown) => {
    expect(userErrorToWire(thrown, place).message).toMatch(/^bank\.debit threw Error: /);
  });
});
