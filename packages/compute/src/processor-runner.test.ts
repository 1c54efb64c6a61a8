/** Batches whose workers end in every way: the pool is a script that plays the worker's part on the frame. */
import { GridError } from '@ashlar/core';
import type { RunOptions, WorkerPools } from '@ashlar/workers';
import { BatchPacker } from './batch-packer.ts';
import type { ModuleRegistry } from './module-registry.ts';
import type { ProcessorOutcomes } from './processor-batch.ts';
import { ABSENT, Action, Phase, ProcessorFrame } from './processor-frame.ts';
import { ProcessorRunner } from './processor-runner.ts';
import type { ProcessorTask } from './run-processors.ts';

/** What a worker does with a frame; a rejection is its death. */
type Play = (frame: ProcessorFrame, options: RunOptions, depth: number) => void | Promise<void>;

const timeout = new GridError('USER_CODE_TIMEOUT', 'too long');
const REGISTRY = {
  resolve: (module: string, exportName: string) => {
    if (module !== 'known') throw new GridError('UNKNOWN_MODULE', `no ${module}.${exportName}`);
    return {
      name: module,
      hash: 'h',
      text: new SharedArrayBuffer(0),
      exports: [],
      limits: { wallMs: 7, memoryMax: 9 },
    };
  },
} as unknown as ModuleRegistry;

/** Completes the next `count` calls: each adds 1 to the one byte of its entry. */
function complete(frame: ProcessorFrame, count: number): void {
  frame.phase = Phase.RUNNING;
  for (let done = 0; done < count; done++) {
    const call = frame.completed;
    const at = frame.outputStart + call;
    frame.bytes[at] = latest(frame, call) + 1;
    frame.complete(call, Action.SET, Number.NaN, at, at + 1, ABSENT, ABSENT);
  }
}

/** The byte that a call finds: of the last call before it on its entry, else of the entry itself. */
function latest(frame: ProcessorFrame, call: number): number {
  const entry = frame.entryOf(call);
  for (let before = call - 1; before >= 0; before--) {
    if (frame.entryOf(before) === entry) return frame.bytes[frame.newValueStart(before)]!;
  }
  return frame.bytes[frame.valueStart(entry)]!;
}

const finish: Play = (frame) => complete(frame, frame.callCount - frame.completed);

/** Begins a batch; attempts of it are played one after the other. @param entryOf  the entry of each call */
function start(entryOf: readonly number[], plays: readonly Play[], module = 'known') {
  const attempts: { readonly calls: number; readonly bytes: number }[] = [];
  const pools = {
    run: (depth: number, kind: string, task: ProcessorTask, options: RunOptions) => {
      expect(kind).toBe('processors');
      const frame = new ProcessorFrame(task.frame).open();
      attempts.push({ calls: frame.callCount, bytes: task.frame.byteLength });
      const play = plays[attempts.length - 1];
      const result = (async () => play?.(frame, options, depth))();
      return { result, post: () => undefined, kill: () => undefined };
    },
  } as unknown as WorkerPools;
  const batch = new BatchPacker().begin(module, 'run');
  for (let entry = 0; entry <= Math.max(...entryOf); entry++) {
    batch.addEntry(Uint8Array.of(entry), 0, 1);
    batch.setValue(entry, Uint8Array.of(entry * 10), 0, 1, Number.NaN);
  }
  for (const entry of entryOf) batch.addCall(entry, undefined, 0, 0, 0, 0);
  return { running: new ProcessorRunner(pools, REGISTRY).start(batch, { depth: 1 }), attempts };
}

/** As start(), to its end. */
async function run(entryOf: readonly number[], plays: readonly Play[], module?: string) {
  const { running, attempts } = start(entryOf, plays, module);
  await running.finished;
  return { outcomes: running.outcomes, attempts };
}

function codesOf(outcomes: ProcessorOutcomes): unknown[] {
  return Array.from({ length: outcomes.callCount }, (_, call) => outcomes.error(call)?.code);
}

function storedIn(outcomes: ProcessorOutcomes, entry: number): number | undefined {
  const { action, bytes, valueStart } = outcomes.entry(entry);
  return action === 'set' ? bytes[valueStart] : undefined;
}

describe('a batch', () => {
  it('whose worker ends in order takes one frame, within the limits of its module', async () => {
    const limits: unknown[] = [];
    const { outcomes, attempts } = await run(
      [0, 1, 0],
      [
        (frame, { wallMs, memoryMax }, depth) => {
          limits.push(wallMs, memoryMax, depth);
          complete(frame, 3);
        },
      ],
    );
    expect(attempts).toHaveLength(1);
    expect(limits).toEqual([7, 9, 1]);
    expect(codesOf(outcomes)).toEqual([undefined, undefined, undefined]);
    expect([storedIn(outcomes, 0), storedIn(outcomes, 1)]).toEqual([2, 11]);
  });

  it('goes on behind the call that killed its worker, from what the calls before it left', async () => {
    const { outcomes, attempts } = await run(
      [0, 0, 0, 1],
      [
        (frame) => {
          complete(frame, 1);
          throw timeout;
        },
        finish,
      ],
    );
    expect(attempts.map(({ calls }) => calls)).toEqual([4, 2]);
    expect(codesOf(outcomes)).toEqual([undefined, 'USER_CODE_TIMEOUT', undefined, undefined]);
    expect([storedIn(outcomes, 0), storedIn(outcomes, 1)]).toEqual([2, 11]);
    expect(outcomes.error(1)).toMatchObject({
      message: 'known.run: too long',
      details: { module: 'known', exportName: 'run' },
    });
  });

  it('ends, though each of its calls kills a worker (processor-runner R1, R2)', async () => {
    const deadly: Play = (frame) => {
      complete(frame, 0);
      throw timeout;
    };
    const { outcomes, attempts } = await run([0, 0, 1], [deadly, deadly, deadly]);
    expect(attempts.map(({ calls }) => calls)).toEqual([3, 2, 1]);
    expect(codesOf(outcomes)).toEqual(Array(3).fill('USER_CODE_TIMEOUT'));
    expect(storedIn(outcomes, 0)).toBeUndefined();
  });

  it('blames nobody for a kill that its call outran', async () => {
    const { outcomes, attempts } = await run(
      [0, 0],
      [
        (frame, { onKill }) => {
          complete(frame, 0);
          onKill?.();
          complete(frame, 1);
          throw timeout;
        },
        finish,
      ],
    );
    expect(attempts.map(({ calls }) => calls)).toEqual([2, 1]);
    expect(codesOf(outcomes)).toEqual([undefined, undefined]);
    expect(storedIn(outcomes, 0)).toBe(2);
  });

  it('fails to its end by a death that no call has caused', async () => {
    const { outcomes, attempts } = await run(
      [0, 0, 0],
      [
        (frame) => {
          complete(frame, 1);
          throw new GridError('SHUTTING_DOWN', 'stopping');
        },
      ],
    );
    expect(attempts).toHaveLength(1);
    expect(codesOf(outcomes)).toEqual([undefined, 'SHUTTING_DOWN', 'SHUTTING_DOWN']);
  });

  it('fails whole where its module does not load', async () => {
    const { outcomes, attempts } = await run(
      [0, 1],
      [
        (frame) => {
          frame.phase = Phase.LOADING;
          throw timeout;
        },
      ],
    );
    expect(attempts).toHaveLength(1);
    expect(codesOf(outcomes)).toEqual(['USER_CODE_TIMEOUT', 'USER_CODE_TIMEOUT']);
  });

  it('of a module that is not known never reaches a worker, and does not reject', async () => {
    const { outcomes, attempts } = await run([0, 0], [], 'unknown');
    expect(attempts).toEqual([]);
    expect(codesOf(outcomes)).toEqual(['UNKNOWN_MODULE', 'UNKNOWN_MODULE']);
  });

  it('gets a larger frame for the outcome that did not fit, and does not repeat the calls before it', async () => {
    const wanted = 300 << 10;
    const { outcomes, attempts } = await run(
      [0, 0],
      [
        (frame) => {
          complete(frame, 1);
          frame.outputNeeded = wanted;
        },
        finish,
      ],
    );
    expect(attempts.map(({ calls }) => calls)).toEqual([2, 1]);
    expect(attempts[1]!.bytes).toBeGreaterThan(wanted);
    expect(storedIn(outcomes, 0)).toBe(2);
  });

  it('fails the call whose outcome no frame may hold, and goes on', async () => {
    const { outcomes } = await run(
      [0, 0, 0],
      [
        (frame) => {
          complete(frame, 1);
          frame.outputNeeded = (64 << 20) + 1;
        },
        finish,
      ],
    );
    expect(codesOf(outcomes)).toEqual([undefined, 'VALUE_TOO_LARGE', undefined]);
    expect(storedIn(outcomes, 0)).toBe(2);
  });

  it('tells what its calls left while others run, and keeps it when one of those kills the worker', async () => {
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const { running } = start(
      [0, 0, 1, 0],
      [
        async (frame) => {
          complete(frame, 2);
          await first.promise;
          throw timeout;
        },
        async (frame) => {
          await second.promise;
          complete(frame, 1);
        },
      ],
    );
    const { outcomes } = running;
    expect([running.look(), storedIn(outcomes, 0)]).toEqual([2, 2]);
    first.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect([running.look(), outcomes.error(2)?.code, storedIn(outcomes, 0)]).toEqual([3, 'USER_CODE_TIMEOUT', 2]);
    second.resolve();
    await running.finished;
    expect([running.look(), storedIn(outcomes, 0)]).toEqual([4, 3]);
  });
});
