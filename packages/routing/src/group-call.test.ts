import { getEventListeners } from 'node:events';
import { GridError } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { type KvAnswers, OPCODE, STATUS } from '@ashlar/transport';
import type { CallLimits } from './call-target.ts';
import { GroupCall } from './group-call.ts';

const PATIENCE_MS = 100;

/** A clock that stands, and groups that live by it. */
function bench() {
  const clock = { nowMs: 1000 };
  const group = (opcode: number, count: number, limits: CallLimits = {}): GroupCall => {
    const keys = Array.from({ length: count }, (_, index) => index);
    const times = { defaultTimeoutMs: PATIENCE_MS, nowMs: () => clock.nowMs };
    const made = new GroupCall(opcode, 'the group', limits, times, keys);
    for (const _ of keys) made.ask();
    return made;
  };
  return { clock, group };
}

/** One answer: TRUE, with this value. */
function answer(value: unknown): KvAnswers {
  const values = encodeValue(value);
  return { statuses: Uint8Array.of(STATUS.TRUE), values, valueEnds: Uint32Array.of(values.length) } as KvAnswers;
}

const UNREADABLE = {
  ...{ statuses: Uint8Array.of(STATUS.TRUE), values: Uint8Array.of(0xc1), valueEnds: Uint32Array.of(1) },
} as KvAnswers;
const overloaded = (): GridError => new GridError('OVERLOADED', 'too much');

describe('a group call', () => {
  it('resolves, once all were asked and answered, to the results in the order of asking', async () => {
    const { group } = bench();
    const reads = group(OPCODE.GET, 3);
    reads.answer(2, answer('c'), 0);
    reads.answer(0, answer('a'), 0);
    reads.close();
    expect(reads.done).toBe(false);
    reads.answer(1, answer('b'), 0);
    expect([reads.done, await reads.finished]).toEqual([true, ['a', 'b', 'c']]);
  });

  it('is not over while more may be asked for', async () => {
    const { group } = bench();
    const reads = group(OPCODE.GET, 1);
    reads.answer(0, answer('a'), 0);
    expect(reads.done).toBe(false);
    reads.close();
    expect(await reads.finished).toEqual(['a']);
  });

  it('of nothing is over when it is closed; puts keep nothing of what they were answered', async () => {
    const { group } = bench();
    const [none, puts] = [group(OPCODE.GET, 0), group(OPCODE.PUT, 2)];
    none.close();
    puts.answer(0, answer('old'), 0);
    puts.answer(1, answer('old'), 0);
    puts.close();
    expect([await none.finished, await puts.finished]).toEqual([[], []]);
  });

  it('counts an answer that comes twice once: it waits for each of its operations', async () => {
    const { group } = bench();
    const puts = group(OPCODE.PUT, 2);
    puts.close();
    puts.answer(0, answer('old'), 0);
    puts.answer(0, answer('old'), 0);
    expect(puts.done).toBe(false);
    puts.answer(1, answer('old'), 0);
    await puts.finished;
  });

  it('waits for all before it fails, so that the error tells what became of each', async () => {
    const { group } = bench();
    const puts = group(OPCODE.PUT, 3);
    puts.close();
    puts.fail(1, overloaded(), undefined);
    puts.answer(0, answer(1), 0);
    expect(puts.done).toBe(false);
    puts.answer(2, answer(1), 0);
    await expect(puts.finished).rejects.toMatchObject({
      ...{ code: 'PARTIAL', details: { doneKeys: ['0', '2'], notDoneKeys: ['1'], cause: 'OVERLOADED' } },
    });
  });

  it('with an answer that cannot be read fails, and names its key among those in doubt', async () => {
    const { group } = bench();
    const processed = group(OPCODE.PROCESS, 2);
    processed.close();
    processed.answer(0, UNREADABLE, 0);
    processed.answer(1, answer('b'), 0);
    await expect(processed.finished).rejects.toMatchObject({ code: 'PARTIAL', details: { unknownKeys: ['0'] } });
  });

  it('names keys that it was given one by one', async () => {
    const made = new GroupCall(OPCODE.PUT, 'putAll', {}, { defaultTimeoutMs: PATIENCE_MS, nowMs: () => 0 });
    expect([made.askFor('a'), made.askFor('b')]).toEqual([0, 1]);
    made.close();
    made.fail(0, overloaded(), encodeKey('a'));
    made.fail(1, overloaded(), encodeKey('b'));
    await expect(made.finished).rejects.toMatchObject({ code: 'OVERLOADED', details: { keys: ['"a"', '"b"'] } });
  });
});

describe('the time of a group call', () => {
  it('without a timeout of its own begins anew with what it is fed and answered', () => {
    const { clock, group } = bench();
    const puts = group(OPCODE.PUT, 1000);
    clock.nowMs += PATIENCE_MS - 1;
    puts.feed();
    clock.nowMs += PATIENCE_MS - 1;
    expect(puts.isOverdue).toBe(false);
    for (let position = 0; position < 200; position++) puts.answer(position, answer(1), 0);
    clock.nowMs += PATIENCE_MS - 1;
    expect(puts.isOverdue).toBe(false);
    clock.nowMs += 2;
    expect(puts.isOverdue).toBe(true);
  });

  it('that its caller names is fixed', () => {
    const { clock, group } = bench();
    const puts = group(OPCODE.PUT, 1000, { timeoutMs: 50 });
    clock.nowMs += 49;
    puts.feed();
    for (let position = 0; position < 200; position++) puts.answer(position, answer(1), 0);
    expect([puts.deadlineMs, puts.timeoutMs, puts.isOverdue]).toEqual([1050, 50, false]);
    clock.nowMs += 2;
    expect(puts.isOverdue).toBe(true);
  });

  it('is a positive number', () => {
    const { group } = bench();
    for (const timeoutMs of [0, -1, Number.NaN]) {
      expect(() => group(OPCODE.GET, 1, { timeoutMs })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });

  it('when it is over, what was not sent is not done, and what was never asked for is counted', async () => {
    const { group } = bench();
    const puts = group(OPCODE.PUT, 2, { timeoutMs: 50 });
    puts.answer(0, answer(1), 0);
    puts.giveUp(1);
    puts.skip(3);
    puts.close();
    await expect(puts.finished).rejects.toMatchObject({
      ...{ code: 'PARTIAL', details: { done: 1, notDone: 4, unknown: 0, asked: 5, cause: 'DEADLINE_EXCEEDED' } },
    });
  });

  it('that passes for a reason fails with the reason', async () => {
    const { group } = bench();
    const reads = group(OPCODE.GET, 1);
    const why = new GridError('GRID_INCOMPLETE', 'members are missing');
    reads.giveUp(0, why);
    reads.skip(1, why);
    reads.close();
    await expect(reads.finished).rejects.toMatchObject({ code: 'GRID_INCOMPLETE', details: { failed: 2, asked: 2 } });
  });
});

describe('a group call that is given up', () => {
  it('tells what was done until then and drops what comes; nothing of it stays at its signal', async () => {
    const { group } = bench();
    const abort = new AbortController();
    const puts = group(OPCODE.PUT, 3, { signal: abort.signal });
    puts.answer(0, answer(1), 0);
    puts.fail(1, overloaded(), undefined);
    abort.abort();
    puts.answer(2, answer(1), 0);
    puts.fail(2, overloaded(), undefined);
    puts.close();
    await expect(puts.finished).rejects.toMatchObject({
      ...{ code: 'CANCELLED', details: { doneKeys: ['0'], notDoneKeys: ['1'], unknownKeys: ['2'] } },
    });
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  it('before it began asks for nothing', async () => {
    const { group } = bench();
    const reads = group(OPCODE.GET, 0, { signal: AbortSignal.abort() });
    expect(reads.done).toBe(true);
    await expect(reads.finished).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('after it was answered stays answered, and has left its signal', async () => {
    const { group } = bench();
    const abort = new AbortController();
    const reads = group(OPCODE.GET, 1, { signal: abort.signal });
    reads.answer(0, answer('a'), 0);
    reads.close();
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    abort.abort();
    expect(await reads.finished).toEqual(['a']);
  });

  it('with the error of its caller’s iterable ends with that, the first that there is', async () => {
    const { group } = bench();
    const puts = group(OPCODE.PUT, 1);
    const thrown = new Error('of the iterable');
    puts.abandon(thrown);
    puts.abandon(new Error('later'));
    puts.close();
    await expect(puts.finished).rejects.toBe(thrown);
  });
});
