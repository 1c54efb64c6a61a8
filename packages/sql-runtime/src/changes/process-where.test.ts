import type { CatalogedMap } from '@ashlar/cluster';
import type { ProcessorCall, ProcessorCalls } from '@ashlar/compute-runtime';
import { GridError, HybridClock, type MapId } from '@ashlar/core';
import { encodeKey, encodeParameters } from '@ashlar/serialization';
import type { ChangedRows, ChangeTask } from '@ashlar/sql-executor';
import type { MemberStore } from '@ashlar/storage';
import { ProcessWhere } from './process-where.ts';

const MAP: CatalogedMap = { id: 1 as MapId, name: 'm', affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };
const TASK = {
  ...{ kind: 'process', scan: { mapId: 1, map: 'm', columns: [] }, assignments: [], partitions: [0] },
  ...{ parameters: encodeParameters([]), clockMs: 0, strict: true, ambiguousTexts: [] },
} as unknown as ChangeTask;

function rowsOf(count: number): ChangedRows {
  const keys = Array.from({ length: count }, (_, key) => encodeKey(key));
  const ends = new Uint32Array(count);
  keys.forEach((key, index) => {
    ends[index] = (ends[index - 1] ?? 0) + key.length;
  });
  return {
    ...{ count, partitions: new Uint32Array(count), versions: new Float64Array(count), keyEnds: ends },
    ...{ keys: Buffer.concat(keys), valueEnds: new Uint32Array(0), values: new Uint8Array(0) },
    ...{ oldBytes: 0, odd: [], keysFound: [] },
  };
}

/** Every call is answered as `answer` says. */
function processing(count: number, answer: (call: ProcessorCall, index: number) => void): Promise<unknown> {
  let calls = 0;
  const processors = { submitWhenFree: (call: ProcessorCall) => answer(call, calls++) } as unknown as ProcessorCalls;
  const where = new ProcessWhere({
    ...{ store: {} as MemberStore, processors, clock: new HybridClock() },
    ownership: { stamp: 0 as never, check: () => undefined },
    scan: async () => [rowsOf(count)],
  });
  const processor = { module: 'm', exportName: 'p', args: new Uint8Array(0) };
  return where.run(TASK, MAP, processor, { signal: new AbortController().signal, trace: undefined });
}

describe('a call that was sealed and lost with its partition', () => {
  const lose = ({ caller, position }: ProcessorCall): void =>
    caller.onError(position, new GridError('IN_DOUBT', 'the partition was lost'));

  it('X5: has an unknown outcome, and IN_DOUBT reaches nobody', async () => {
    await expect(processing(1, lose)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false });
  });

  it('X5: is told so beside calls that were applied', async () => {
    const answer = (call: ProcessorCall, index: number): void =>
      index === 0 ? call.caller.onResult(call.position, new Uint8Array(0), 0, 0) : lose(call);
    await expect(processing(3, answer)).rejects.toMatchObject({
      code: 'PARTIAL',
      details: { affected: 1, cause: 'OUTCOME_UNKNOWN' },
    });
  });
});
