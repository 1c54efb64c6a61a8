import { encodeKey, encodeValue } from '@ashlar/serialization';
import type { WriteBatch } from '@ashlar/storage';
import { ChangeBench, HeldCommits, MAP } from '../testing/change-bench.ts';
import { SeenBatches } from './seen-batches.ts';

/** Batches that are sealed and undecided, of one key each. */
function bench(count: number) {
  const committer = new HeldCommits();
  const grid = new ChangeBench({ committer });
  const { writes } = grid;
  const own = writes.begin();
  const sealed = Array.from({ length: count }, (_, key): WriteBatch => {
    const batch = writes.begin();
    const [bytes, value] = [encodeKey(key), encodeValue(key)];
    batch.put(MAP.id, grid.partitionOf(key), bytes, 0, bytes.length, batch.value(value, 0, value.length));
    writes.submit(batch);
    return batch;
  });
  return { committer, own, sealed };
}

/** What `promise` has answered by now; undefined: nothing. */
async function answered<T>(promise: Promise<T>): Promise<T | undefined> {
  const turn = new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
  return Promise.race([promise, turn]);
}

describe('undecided batches that a statement has looked at', () => {
  it('are none where everything is decided, or its own: it waits for nothing', async () => {
    const { own } = bench(0);
    const seen = new SeenBatches();
    seen.note(undefined, own);
    seen.note(own, own);
    expect([seen.isEmpty, await seen.haveStayed()]).toEqual([true, true]);
  });

  it('are waited for, all of them, before what was derived from them is answered', async () => {
    const { committer, own, sealed } = bench(3);
    const seen = new SeenBatches();
    for (const batch of [...sealed, ...sealed]) seen.note(batch, own);
    const stayed = seen.haveStayed();
    expect([seen.isEmpty, await answered(stayed)]).toEqual([false, undefined]);
    committer.waiting.shift()!.commit();
    expect(await answered(stayed)).toBeUndefined();
    committer.commitAll();
    expect(await stayed).toBe(true);
  });

  it('have not stayed where one of them is lost, however many are not', async () => {
    for (const kept of [0, 1, 2]) {
      const { committer, own, sealed } = bench(3);
      const seen = new SeenBatches();
      for (const batch of sealed) seen.note(batch, own);
      const stayed = seen.haveStayed();
      for (const batch of committer.waiting.splice(0, kept)) batch.commit();
      committer.dropAll();
      expect(await stayed).toBe(false);
    }
  });

  it('that were decided since it looked tell at once what became of them', async () => {
    const { committer, own, sealed } = bench(2);
    const seen = new SeenBatches();
    for (const batch of sealed) seen.note(batch, own);
    committer.commitAll();
    expect(await seen.haveStayed()).toBe(true);
  });
});
