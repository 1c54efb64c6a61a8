import { runInNewContext } from 'node:vm';
import { isError } from './is-error.ts';

describe('isError', () => {
  it.each([
    ['an Error', new Error('x')],
    ['one of a subclass', new RangeError('x')],
    ['one of another realm', runInNewContext('new TypeError("x")')],
    ['what an abort signal gives as its reason', AbortSignal.abort().reason],
  ])('takes %s', (_what, value) => expect(isError(value)).toBe(true));

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'Error'],
    ['an object that looks like one', { name: 'Error', message: 'x', stack: '' }],
  ])('does not take %s', (_what, value) => expect(isError(value)).toBe(false));
});
