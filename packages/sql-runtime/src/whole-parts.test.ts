import type { MemberId } from '@ashlar/core';
import { encodeValue } from '@ashlar/serialization';
import type { FragmentOutput } from '@ashlar/transport';
import type { FragmentStats } from './fragment-runner.ts';
import { wholeFragment } from './whole-parts.ts';

const MEMBER = 'b' as MemberId;
const BATCH: FragmentOutput = { kind: 'batch', bytes: Uint8Array.of(1) };

async function* streamOf<T>(...outputs: T[]): AsyncGenerator<T> {
  yield* outputs;
}

function endOf(batches: number): FragmentOutput {
  return { kind: 'end', rows: 0, body: encodeValue({ rowsScanned: 7, rowsOut: 2, tasks: 1 }), batches };
}

async function batchesOf(...outputs: FragmentOutput[]): Promise<{ batches: number; rowsScanned: number }> {
  const stats: FragmentStats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
  let batches = 0;
  for await (const _ of wholeFragment(MEMBER, streamOf(...outputs), stats)) batches += 1;
  return { batches, rowsScanned: stats.rowsScanned };
}

describe("a member's part", () => {
  it('of a statement is whole when it has as many batches as its end says', async () => {
    expect(await batchesOf(BATCH, BATCH, endOf(2))).toEqual({ batches: 2, rowsScanned: 7 });
    expect(await batchesOf(endOf(0))).toEqual({ batches: 0, rowsScanned: 7 });
  });

  it('of a statement that lacks a batch, or its end, fails the statement', async () => {
    await expect(batchesOf(BATCH, endOf(2))).rejects.toMatchObject({
      code: 'INTERNAL',
      details: { received: 1, sent: 2 },
    });
    await expect(batchesOf(BATCH, BATCH, endOf(1))).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(batchesOf(BATCH)).rejects.toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
    await expect(batchesOf()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('of a statement says when nothing more is read there, before the batches that are left', async () => {
    const seen: string[] = [];
    const outputs = streamOf<FragmentOutput>(BATCH, { kind: 'scanned' }, BATCH, endOf(2));
    const stats: FragmentStats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
    for await (const _ of wholeFragment(MEMBER, outputs, stats, () => seen.push('scanned'))) seen.push('batch');
    expect(seen).toEqual(['batch', 'scanned', 'batch']);
  });
});
