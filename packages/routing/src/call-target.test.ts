import { getEventListeners } from 'node:events';
import { GridError } from '@ashlar/core';
import { encodeRefusal, encodeValue } from '@ashlar/serialization';
import { type KvAnswers, OPCODE, STATUS } from '@ashlar/transport';
import { checkTimeout, refusalOf, resultOf, SingleCall } from './call-target.ts';

/** Two answers: `first` as its value (undefined: none), then the number 2. */
function answersWith(first: unknown, changes: Partial<KvAnswers> = {}): KvAnswers {
  const [a, b] = [first === undefined ? new Uint8Array(0) : encodeValue(first), encodeValue(2)];
  const values = new Uint8Array([...a, ...b]);
  return {
    ...{
      statuses: Uint8Array.of(STATUS.TRUE, STATUS.FALSE),
      values,
      valueEnds: Uint32Array.of(a.length, values.length),
    },
    ...changes,
  } as KvAnswers;
}

describe('what a call resolves to', () => {
  it.each([OPCODE.GET, OPCODE.GET_AND_PUT, OPCODE.GET_AND_REMOVE, OPCODE.PROCESS])(
    'its value, or undefined where there is none (opcode %d)',
    (opcode) => {
      expect(resultOf(opcode, answersWith({ n: 1 }), 0)).toEqual({ n: 1 });
      expect(resultOf(opcode, answersWith({ n: 1 }), 1)).toBe(2);
      expect(resultOf(opcode, answersWith(undefined), 0)).toBeUndefined();
      expect(resultOf(opcode, answersWith(undefined, { valueEnds: undefined }), 0)).toBeUndefined();
    },
  );

  it('a value of null is a value', () => {
    expect(resultOf(OPCODE.GET, answersWith(null), 0)).toBeNull();
  });

  it('the entry with its version, and its deadline where it has one', () => {
    const versions = Float64Array.of(7, 8);
    const entry = (expires: Float64Array | undefined) =>
      resultOf(OPCODE.GET_ENTRY, answersWith('v', { versions, expiresAtMs: expires }), 0);
    expect(entry(undefined)).toEqual({ value: 'v', version: 7, expiresAtMs: undefined });
    expect(entry(Float64Array.of(0, 5))).toEqual({ value: 'v', version: 7, expiresAtMs: undefined });
    expect(entry(Float64Array.of(5, 0))).toEqual({ value: 'v', version: 7, expiresAtMs: 5 });
    expect(resultOf(OPCODE.GET_ENTRY, answersWith('v', { versions }), 1)).toBeUndefined();
  });

  it('whether it was done', () => {
    expect(resultOf(OPCODE.PUT_IF_ABSENT, answersWith(undefined), 0)).toBe(true);
    expect(resultOf(OPCODE.REMOVE, answersWith(undefined), 1)).toBe(false);
    expect(resultOf(OPCODE.PUT, answersWith(undefined), 0)).toBeUndefined();
  });

  it('a refusal of user code comes whole; one that cannot be read is told as such', () => {
    const thrown = new GridError('PROCESSOR_REFUSED', 'm.e refused', { refusal: { code: 'POOR', details: { n: 1 } } });
    const values = encodeRefusal(thrown);
    const answers = answersWith(undefined, { values, valueEnds: Uint32Array.of(values.length) });
    expect(refusalOf(answers, 0)).toMatchObject({ code: 'PROCESSOR_REFUSED', refusal: { code: 'POOR' } });
    const broken = answersWith(undefined, { values: Uint8Array.of(0xc1), valueEnds: Uint32Array.of(1) });
    expect(refusalOf(broken, 0)).toBeInstanceOf(GridError);
    expect(refusalOf(answersWith(undefined, { valueEnds: undefined }), 0)).toBeInstanceOf(GridError);
  });
});

describe('a single call', () => {
  const call = (signal?: AbortSignal) => {
    const outcome = Promise.withResolvers<unknown>();
    const target = new SingleCall(OPCODE.GET, 100, 50, undefined, outcome.resolve, outcome.reject);
    if (signal !== undefined) target.watch(signal);
    return { target, outcome: outcome.promise };
  };

  it('ends once, with the first of what comes', async () => {
    const { target, outcome } = call();
    expect([target.deadlineMs, target.done]).toEqual([150, false]);
    target.answer(0, answersWith('first'), 0);
    target.answer(0, answersWith('second'), 0);
    target.fail(0, new GridError('OVERLOADED', 'late'));
    expect([await outcome, target.done]).toEqual(['first', true]);
  });

  it('fails where its answer cannot be read', async () => {
    const { target, outcome } = call();
    target.answer(0, answersWith(undefined, { values: Uint8Array.of(0xc1), valueEnds: Uint32Array.of(1) }), 0);
    await expect(outcome).rejects.toMatchObject({ code: 'CORRUPT_DATA' });
  });

  it('is given up with its signal, at which nothing of it stays', async () => {
    const abort = new AbortController();
    const answered = call(abort.signal);
    answered.target.answer(0, answersWith(1), 0);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    const { target, outcome } = call(abort.signal);
    abort.abort();
    await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(target.done).toBe(true);
    await expect(call(abort.signal).outcome).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('has a time that it ends by', () => {
    expect(checkTimeout(1)).toBe(1);
    expect(checkTimeout(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    for (const none of [0, -1, Number.NaN]) {
      expect(() => checkTimeout(none)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});
