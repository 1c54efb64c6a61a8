/** What a batch comes to, whatever its calls did and however many frames it took. */
import { GridError } from '@ashlar/core';
import { encodeValue } from '@ashlar/serialization';
import { BatchPacker } from './batch-packer.ts';
import { ABSENT, Action, ProcessorFrame } from './processor-frame.ts';
import { CollectedOutcomes } from './processor-outcomes.ts';

interface Done {
  readonly action: Action;
  readonly ttlMs?: number;
  readonly value?: number;
  /** Bytes of a result or an error. */
  readonly result?: Uint8Array;
}

const KEEP: Done = { action: Action.KEEP };
const REMOVE: Done = { action: Action.REMOVE };
const set = (value: number, ttlMs?: number): Done => ({
  action: Action.SET,
  value,
  ...(ttlMs === undefined ? {} : { ttlMs }),
});

/** @param entryOf  the entry of each call */
function batchOf(entryOf: readonly number[]): BatchPacker {
  const packer = new BatchPacker().begin('module', 'run');
  for (let entry = 0; entry <= Math.max(...entryOf); entry++) packer.addEntry(Uint8Array.of(entry), 0, 1);
  for (const entry of entryOf) packer.addCall(entry, undefined, 0, 0, 0, 0);
  return packer;
}

/** A frame in which a worker has done this to calls 0, 1 ... of it. */
function frameOf(batch: BatchPacker, done: readonly Done[]): ProcessorFrame {
  const frame = new ProcessorFrame(new SharedArrayBuffer(64 << 10));
  frame.fill(batch);
  let at = frame.outputStart;
  const write = (bytes: Uint8Array | undefined): readonly [number, number] => {
    if (bytes === undefined) return [ABSENT, ABSENT];
    frame.bytes.set(bytes, at);
    at += bytes.length;
    return [at - bytes.length, at];
  };
  done.forEach(({ action, ttlMs = Number.NaN, value, result }, call) => {
    const stored = write(value === undefined ? undefined : Uint8Array.of(value));
    const answer = write(result);
    frame.complete(call, action, ttlMs, ...stored, ...answer);
  });
  return frame;
}

/** A frame from its worker to its end; its calls are calls firstCall and on of the batch. */
function take(outcomes: CollectedOutcomes, frame: ProcessorFrame, firstCall: number, isReusable: boolean): void {
  outcomes.begin(frame, firstCall);
  outcomes.grow();
  outcomes.end(isReusable);
}

/** The outcomes of one frame that did all calls. */
function outcomesOf(entryOf: readonly number[], done: readonly Done[]): CollectedOutcomes {
  const batch = batchOf(entryOf);
  const outcomes = new CollectedOutcomes(batch, () => undefined);
  take(outcomes, frameOf(batch, done), 0, true);
  return outcomes;
}

function entryOf(outcomes: CollectedOutcomes, entry: number): unknown {
  const { action, bytes, valueStart, valueEnd, ttlMs, isRenewed, lastChange } = outcomes.entry(entry);
  const value = action === 'set' ? [...bytes.subarray(valueStart, valueEnd)] : [];
  return { action, value, ttlMs, isRenewed, lastChange };
}

describe('an entry after its calls', () => {
  it.each<[string, readonly Done[], object]>([
    ['is kept where none changed it', [KEEP, KEEP], { action: 'keep', ttlMs: undefined, lastChange: -1 }],
    ['has the value of the last that stored one', [set(1), set(2), KEEP], { action: 'set', value: [2], lastChange: 1 }],
    ['is gone where the last removed it', [set(1), REMOVE, KEEP], { action: 'remove', isRenewed: true, lastChange: 1 }],
    [
      'is a new one where it was stored after',
      [REMOVE, set(3)],
      { action: 'set', value: [3], isRenewed: true, lastChange: 1 },
    ],
    ['keeps its deadline where none was set', [set(1)], { ttlMs: undefined, isRenewed: false }],
    [
      'has the deadline that was set last',
      [set(1, 10), { ...KEEP, ttlMs: 20 }],
      { action: 'set', value: [1], ttlMs: 20, lastChange: 1 },
    ],
    ['keeps the deadline of an earlier call', [set(1, 10), set(2)], { value: [2], ttlMs: 10, lastChange: 1 }],
    [
      'loses the deadline with the entry',
      [set(1, 10), REMOVE, set(2)],
      { value: [2], ttlMs: undefined, isRenewed: true },
    ],
    [
      'is not changed by calls that failed or refused',
      [
        { action: Action.FAILED, ttlMs: 5, value: 9 },
        { action: Action.REFUSED, ttlMs: 5, value: 9 },
      ],
      { action: 'keep', ttlMs: undefined, lastChange: -1 },
    ],
  ])('%s', (_what, done, wanted) => {
    expect(
      entryOf(
        outcomesOf(
          done.map(() => 0),
          done,
        ),
        0,
      ),
    ).toMatchObject(wanted);
  });

  it('has what was done to it, not to others', () => {
    const outcomes = outcomesOf([0, 1, 2, 0], [set(1), REMOVE, KEEP, set(4)]);
    expect([0, 1, 2].map((entry) => entryOf(outcomes, entry))).toMatchObject([
      { action: 'set', value: [4], isRenewed: false },
      { action: 'remove' },
      { action: 'keep' },
    ]);
  });
});

describe('a call', () => {
  it('has changed its entry where it stored, removed or re-dated it', () => {
    const failed = { action: Action.FAILED, result: encodeValue({ code: 'INTERNAL', message: 'm' }) };
    const done = [set(1), REMOVE, KEEP, { ...KEEP, ttlMs: 5 }, failed, { action: Action.REFUSED }];
    const outcomes = outcomesOf([0, 0, 0, 0, 0, 0], done);
    expect(done.map((_, call) => outcomes.hasChanged(call))).toEqual([true, true, false, true, false, false]);
    expect(done.map((_, call) => outcomes.isRefused(call))).toEqual([false, false, false, false, false, true]);
    expect(done.map((_, call) => outcomes.error(call)?.code)).toEqual([
      ...[undefined, undefined, undefined, undefined],
      ...['INTERNAL', undefined],
    ]);
  });

  it('has its result, and none where it returned nothing', () => {
    const outcomes = outcomesOf([0, 0], [{ ...KEEP, result: encodeValue('done') }, KEEP]);
    const { bytes, start, end } = outcomes.result(0);
    expect(bytes.slice(start, end)).toEqual(encodeValue('done'));
    const none = outcomes.result(1);
    expect(none.end - none.start).toBe(0);
  });
});

describe('a frame that a worker still has', () => {
  it('tells the outcomes of the calls that it has completed, and no others (processor-outcomes O1)', () => {
    const batch = batchOf([0, 0, 1]);
    const outcomes = new CollectedOutcomes(batch, () => undefined);
    const frame = frameOf(batch, [set(1)]);
    outcomes.begin(frame, 0);
    expect([outcomes.grow(), outcomes.hasChanged(0)]).toEqual([1, true]);
    expect(entryOf(outcomes, 0)).toMatchObject({ value: [1], lastChange: 0 });
    frame.complete(1, Action.REMOVE, Number.NaN, ABSENT, ABSENT, ABSENT, ABSENT);
    expect([outcomes.grow(), outcomes.hasChanged(1)]).toEqual([2, true]);
    expect(entryOf(outcomes, 0)).toMatchObject({ action: 'remove', lastChange: 1 });
  });

  it('counts for nothing any more once its worker is gone', () => {
    const batch = batchOf([0, 1]);
    const outcomes = new CollectedOutcomes(batch, () => undefined);
    const frame = frameOf(batch, [set(1)]);
    outcomes.begin(frame, 0);
    outcomes.grow();
    outcomes.end(false);
    outcomes.addErrors(1, 2, new GridError('SHUTTING_DOWN', 'stopping'));
    frame.complete(1, Action.REMOVE, Number.NaN, ABSENT, ABSENT, ABSENT, ABSENT);
    expect([outcomes.grow(), outcomes.error(1)?.code]).toEqual([0, 'SHUTTING_DOWN']);
    expect(entryOf(outcomes, 1)).toMatchObject({ action: 'keep', lastChange: -1 });
  });

  it('is given back when both its worker and its reader are through, whoever is first (processor-outcomes O2)', () => {
    const batch = batchOf([0]);
    const given: ProcessorFrame[] = [];
    const outcomes = new CollectedOutcomes(batch, (frame) => given.push(frame));
    const frame = frameOf(batch, [set(1)]);
    outcomes.begin(frame, 0);
    outcomes.grow();
    outcomes.release();
    expect(given).toEqual([]);
    outcomes.end(true);
    outcomes.release();
    expect(given).toEqual([frame]);
  });
});

describe('a batch that took several frames, because a worker was killed', () => {
  const batch = batchOf([0, 1, 0, 1, 0]);
  const killed = new GridError('USER_CODE_TIMEOUT', 'too long');
  const unable = new GridError('CANCELLED', 'given up');

  /** Calls 0 and 1 are in the first frame, 2 was killed, 3 is in the second, 4 never ran. */
  function interrupted(onRelease: (frame: ProcessorFrame) => void = () => undefined) {
    const outcomes = new CollectedOutcomes(batch, onRelease);
    const first = frameOf(batch, [set(1), set(2)]);
    const second = frameOf(batch, [REMOVE]);
    take(outcomes, first, 0, false);
    outcomes.addErrors(2, 3, killed);
    take(outcomes, second, 3, true);
    outcomes.addErrors(4, 5, unable);
    return { outcomes, first, second };
  }

  it('has the outcome of every call, from its frame or from its error', () => {
    const { outcomes } = interrupted();
    expect([0, 1, 2, 3, 4].map((call) => outcomes.error(call))).toEqual([
      undefined,
      undefined,
      killed,
      undefined,
      unable,
    ]);
    expect([0, 1, 2, 3, 4].map((call) => outcomes.hasChanged(call))).toEqual([true, true, false, true, false]);
    expect([2, 4].map((call) => outcomes.isRefused(call))).toEqual([false, false]);
    expect(entryOf(outcomes, 0)).toMatchObject({ action: 'set', value: [1], lastChange: 0 });
    expect(entryOf(outcomes, 1)).toMatchObject({ action: 'remove', lastChange: 3 });
  });

  it('gives back, once, the frames whose workers ended by themselves alone (processor-frame F3)', () => {
    const released: ProcessorFrame[] = [];
    const { outcomes, second } = interrupted((frame) => released.push(frame));
    outcomes.release();
    outcomes.release();
    expect(released).toEqual([second]);
  });
});
