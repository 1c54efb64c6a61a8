import { GridError } from '@ashlar/core';
import { handlerErrorToWire, userErrorToWire } from './thrown.ts';

const PLACE = { module: 'bank', exportName: 'debit' };
const LONG = 'x'.repeat(100_000);
const LENGTH_MAX = 8_192;

/** An object whose every property throws. */
const trap = new Proxy(
  {},
  {
    get: () => {
      throw new Error('trap');
    },
  },
);

describe('what user code throws', () => {
  it('has a code of its own in the details, a text or a number, and nothing else', () => {
    const codeOf = (code: unknown) => userErrorToWire({ message: 'm', code }, PLACE).details?.['errorCode'];
    expect([codeOf('E_LOW'), codeOf(17)]).toEqual(['E_LOW', 17]);
    for (const odd of [undefined, null, true, {}, ['a'], Symbol('s'), () => 'E']) expect(codeOf(odd)).toBeUndefined();
  });

  it('says USER_CODE_FAILED, whatever it claims to be', () => {
    for (const thrown of [{ code: 'STALE_EPOCH' }, new GridError('STALE_EPOCH', 'mine'), trap]) {
      expect(userErrorToWire(thrown, PLACE).code).toBe('USER_CODE_FAILED');
    }
  });

  it('is bounded in each of its texts', () => {
    const { message, details } = userErrorToWire({ name: LONG, message: LONG, stack: LONG, code: LONG }, PLACE);
    for (const text of ['errorName', 'errorMessage', 'errorStack', 'errorCode']) {
      expect(details?.[text]).toHaveLength(LENGTH_MAX);
    }
    expect(message.length).toBeLessThan(3 * LENGTH_MAX);
    expect(userErrorToWire(LONG, PLACE).details?.['errorMessage']).toHaveLength(LENGTH_MAX);
  });

  it('has no stack where none is a text', () => {
    expect(userErrorToWire({ message: 'm', stack: 5 }, PLACE).details).not.toHaveProperty('errorStack');
    expect(userErrorToWire('text', PLACE).details).not.toHaveProperty('errorStack');
  });

  it('reads what a function carries, too', () => {
    const thrown = Object.assign(() => undefined, { message: 'of a function' });
    expect(userErrorToWire(thrown, PLACE).details?.['errorMessage']).toBe('of a function');
  });

  it('that cannot be printed is said to be so', () => {
    expect(userErrorToWire(trap, PLACE).details?.['errorMessage']).toBe('a value that cannot be printed');
    const unprintable = { toString: () => ({}) };
    expect(userErrorToWire(unprintable, PLACE).details?.['errorMessage']).toBe('a value that cannot be printed');
  });
});

describe('the failure of a handler', () => {
  it('is ours as it is', () => {
    const error = new GridError('SNAPSHOT_EXPIRED', 'gone', { hint: 'again', details: { partitionId: 3 } });
    expect(handlerErrorToWire(error)).toEqual(error.toWire());
  });

  it('is a bug of ours otherwise, with the place where it happened', () => {
    const bug = new TypeError('undefined is no function');
    expect(handlerErrorToWire(bug)).toEqual({
      code: 'INTERNAL',
      message: 'undefined is no function',
      details: { errorStack: bug.stack },
    });
  });

  it('may be anything', () => {
    expect(handlerErrorToWire('text')).toEqual({ code: 'INTERNAL', message: 'text', details: undefined });
    expect(handlerErrorToWire(undefined)).toMatchObject({ code: 'INTERNAL', message: 'undefined' });
    expect(handlerErrorToWire(trap)).toMatchObject({ code: 'INTERNAL', message: 'a value that cannot be printed' });
  });
});
