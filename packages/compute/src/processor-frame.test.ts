/** A batch as it crosses to a worker: packed, written into a frame, and read there by another view of the same memory. */
import fc from 'fast-check';
import { BatchPacker } from './batch-packer.ts';
import { ABSENT, Action, frameBytes, Phase, ProcessorFrame } from './processor-frame.ts';

interface Entry {
  readonly key: Uint8Array;
  /** Undefined: there is no entry. */
  readonly value: Uint8Array | undefined;
  readonly ttlMs: number;
}

interface Call {
  readonly entry: number;
  /** Undefined: called without. */
  readonly args: Uint8Array | undefined;
  readonly nowMs: number;
  readonly seed: number;
}

function pack(packer: BatchPacker, entries: readonly Entry[], calls: readonly Call[]): BatchPacker {
  packer.begin('module', 'run');
  for (const { key, value, ttlMs } of entries) {
    const index = packer.addEntry(key, 0, key.length);
    if (value !== undefined) packer.setValue(index, value, 0, value.length, ttlMs);
  }
  for (const { entry, args, nowMs, seed } of calls) packer.addCall(entry, args, 0, args?.length ?? 0, nowMs, seed);
  return packer;
}

/** Frames are whole words. */
const WORD = 8;
const memoryOf = (bytes: number) => new SharedArrayBuffer(bytes - (bytes % WORD));

function framed(packer: BatchPacker, outputBytes = 0): ProcessorFrame {
  const frame = new ProcessorFrame(memoryOf(frameBytes(packer, outputBytes) + WORD));
  frame.fill(packer);
  return frame;
}

/** The view that the worker makes of what it is sent. */
const arrived = (frame: ProcessorFrame): ProcessorFrame => new ProcessorFrame(frame.shared).open();

function bytesAt(frame: ProcessorFrame, start: number, end: number): number[] | undefined {
  return start === ABSENT ? undefined : [...frame.bytes.subarray(start, end)];
}

function entriesIn(frame: ProcessorFrame): unknown[] {
  return Array.from({ length: frame.entryCount }, (_, entry) => ({
    key: bytesAt(frame, frame.keyStart(entry), frame.keyEnd(entry)),
    value: bytesAt(frame, frame.valueStart(entry), frame.valueEnd(entry)),
    ttlMs: frame.ttlMs(entry),
  }));
}

function callsIn(frame: ProcessorFrame): unknown[] {
  return Array.from({ length: frame.callCount }, (_, call) => ({
    entry: frame.entryOf(call),
    args: bytesAt(frame, frame.argsStart(call), frame.argsEnd(call)),
    nowMs: frame.nowMs(call),
    seed: frame.seedOf(call),
  }));
}

const bytes = fc.uint8Array({ maxLength: 40 });
const entry: fc.Arbitrary<Entry> = fc
  .record({ key: bytes, value: fc.option(bytes, { nil: undefined }), ttlMs: fc.constantFrom(Number.NaN, 0, 1.5, 1e15) })
  .map((one) => (one.value === undefined ? { ...one, ttlMs: Number.NaN } : one));
const batch = fc.array(entry, { minLength: 1, maxLength: 150 }).chain((entries) =>
  fc.record({
    entries: fc.constant(entries),
    calls: fc.array(
      fc.record({
        entry: fc.nat(entries.length - 1),
        args: fc.option(bytes, { nil: undefined }),
        nowMs: fc.constantFrom(0, 1_700_000_000_000.5),
        seed: fc.integer(),
      }),
      { maxLength: 150 },
    ),
  }),
);

describe('a batch in a frame', () => {
  it('arrives as it was packed, also by a packer that packed others before', () => {
    const packer = new BatchPacker();
    fc.assert(
      fc.property(batch, ({ entries, calls }) => {
        const frame = arrived(framed(pack(packer, entries, calls)));
        expect(entriesIn(frame)).toEqual(
          entries.map(({ key, value, ttlMs }) => ({ key: [...key], value: value && [...value], ttlMs })),
        );
        expect(callsIn(frame)).toEqual(calls.map((call) => ({ ...call, args: call.args && [...call.args] })));
      }),
      { numRuns: 50 },
    );
  });

  it('tells an entry with an empty value from none, and empty arguments from none', () => {
    const none = new Uint8Array(0);
    const frame = arrived(
      framed(
        pack(
          new BatchPacker(),
          [
            { key: none, value: none, ttlMs: Number.NaN },
            { key: none, value: undefined, ttlMs: Number.NaN },
          ],
          [
            { entry: 0, args: none, nowMs: 0, seed: 0 },
            { entry: 1, args: undefined, nowMs: 0, seed: 0 },
          ],
        ),
      ),
    );
    expect([0, 1].map((index) => frame.valueStart(index) === ABSENT)).toEqual([false, true]);
    expect([0, 1].map((call) => frame.argsStart(call) === ABSENT)).toEqual([false, true]);
  });

  it('of packed traces has those of its own calls alone', () => {
    const packer = new BatchPacker().begin('module', 'run');
    packer.setTraces([{ traceparent: 'a', tracestate: '' }], [1]);
    packer.begin('module', 'run');
    expect([packer.traces, packer.traceOf]).toEqual([[], []]);
  });

  it('that does not hold it is not filled', () => {
    const packer = pack(new BatchPacker(), [{ key: new Uint8Array(100), value: undefined, ttlMs: 0 }], []);
    const frame = new ProcessorFrame(memoryOf(frameBytes(packer, 0) - WORD));
    expect(() => frame.fill(packer)).toThrow('a frame holds its batch');
  });
});

describe('the outcomes in a frame', () => {
  const CALLS = [0, 1, 2].map((seed) => ({ entry: 0, args: Uint8Array.of(seed), nowMs: 5, seed }));
  const ENTRIES = [{ key: Uint8Array.of(1, 2), value: Uint8Array.of(3), ttlMs: 7 }];

  it('are those of the calls that are completed, in their order (processor-frame F1)', () => {
    const main = framed(pack(new BatchPacker(), ENTRIES, CALLS), 64);
    const worker = arrived(main);
    const at = worker.outputStart;
    expect(main.completed).toBe(0);
    worker.bytes.set([9, 8, 7], at);
    worker.complete(0, Action.SET, 250, at, at + 2, at + 2, at + 3);
    expect(main.completed).toBe(1);
    worker.complete(1, Action.REMOVE, Number.NaN, ABSENT, ABSENT, ABSENT, ABSENT);
    worker.complete(2, Action.REFUSED, Number.NaN, ABSENT, ABSENT, at, at + 1);
    expect(main.completed).toBe(3);
    expect([0, 1, 2].map((call) => main.action(call))).toEqual([Action.SET, Action.REMOVE, Action.REFUSED]);
    expect([0, 1, 2].map((call) => main.newTtlMs(call))).toEqual([250, Number.NaN, Number.NaN]);
    expect(bytesAt(main, main.newValueStart(0), main.newValueEnd(0))).toEqual([9, 8]);
    expect(bytesAt(main, main.resultStart(0), main.resultEnd(0))).toEqual([7]);
    expect(bytesAt(main, main.newValueStart(1), main.newValueEnd(1))).toBeUndefined();
    expect(bytesAt(main, main.resultStart(2), main.resultEnd(2))).toEqual([9]);
  });

  it('lie behind what was sent, and change nothing of it', () => {
    const main = framed(pack(new BatchPacker(), ENTRIES, CALLS), 64);
    const [entries, calls] = [entriesIn(main), callsIn(main)];
    const worker = arrived(main);
    worker.bytes.fill(255, worker.outputStart);
    for (const call of [0, 1, 2]) {
      worker.complete(call, Action.SET, 1, worker.outputStart, worker.outputStart + 9, ABSENT, ABSENT);
    }
    expect([entriesIn(main), callsIn(main)]).toEqual([entries, calls]);
  });

  it('are none of a batch that was in the frame before', () => {
    const packer = new BatchPacker();
    const frame = framed(pack(packer, ENTRIES, CALLS), 64);
    frame.complete(0, Action.SET, 1, 0, 0, 0, 0);
    frame.phase = Phase.ENDED;
    frame.outputNeeded = 500;
    frame.fill(pack(packer, ENTRIES, CALLS.slice(1)));
    expect([frame.completed, frame.phase, frame.outputNeeded, frame.callCount]).toEqual([0, Phase.WAITING, 0, 2]);
  });

  it('and the phase are seen by both sides', () => {
    const main = framed(pack(new BatchPacker(), ENTRIES, CALLS));
    const worker = arrived(main);
    worker.phase = Phase.RUNNING;
    worker.outputNeeded = 77;
    expect([main.phase, main.outputNeeded]).toEqual([Phase.RUNNING, 77]);
  });
});
