import type { MemberId, PartitionId, Version } from '@ashlar/core';
import { OddTally } from '@ashlar/expressions';
import { encodeValue } from '@ashlar/serialization';
import type { FragmentNode } from '@ashlar/sql-plan';
import type { CallOptions, FragmentOutput, FragmentRequest, GridCalls } from '@ashlar/transport';
import { buildTablesOf, callFragment } from './fragment-calls.ts';
import type { FragmentStats } from './fragment-runner.ts';
import { fragmentBodyOf } from './peer-plans.ts';

const SCAN: FragmentNode = { kind: 'Scan', map: 'm', mapId: 7, alias: 'm', columns: [], filter: undefined };
const bytes = (...numbers: number[]): Uint8Array => Uint8Array.of(...numbers);

/** A member that keeps what it is asked and answers with these outputs. */
function memberOf(...outputs: FragmentOutput[]) {
  const asked: { request: FragmentRequest; options: CallOptions | undefined }[] = [];
  const members = {
    async *runFragment(request: FragmentRequest, options?: CallOptions) {
      asked.push({ request, options });
      yield* outputs;
    },
  };
  const calls = { to: () => ({ members }) } as unknown as GridCalls;
  return { asked, calls };
}

describe("a member's part of a stage", () => {
  it('goes there with its plan, its tables and the table of the caller, and its batches come back', async () => {
    const body = encodeValue({ rowsScanned: 9, rowsOut: 2, tasks: 1, odd: [] });
    const { asked, calls } = memberOf(
      { kind: 'batch', bytes: bytes(1) },
      { kind: 'scanned' },
      { kind: 'batch', bytes: bytes(2) },
      { kind: 'end', rows: 2, body, batches: 2 },
    );
    const stats: FragmentStats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
    const { signal } = new AbortController();
    const trace = { traceparent: 't', tracestate: '' };
    let scanned = 0;
    const buildTables = [
      { stage: 4, batches: [bytes(5), bytes(6)] },
      { stage: 2, batches: [] },
      { stage: 3, batches: [bytes(7)] },
    ];
    const call = {
      ...{ member: 'b' as MemberId, fragment: { kind: 'Distinct', input: SCAN } as FragmentNode, buildTables },
      ...{ partitions: [1 as PartitionId], snapshotId: 8, version: 9 as Version, onScanned: () => scanned++ },
      statement: {
        ...{ parameters: [], parameterBytes: bytes(3), clockMs: 5, strict: true, odd: new OddTally() },
        ...{ seen: 0 as Version, signal, trace },
      },
    };
    const batches: Uint8Array[] = [];
    const deps = { calls, control: { table: { tableVersion: 11 } }, memoryBytes: 1000 };
    for await (const batch of callFragment(call, stats, deps)) batches.push(batch);
    expect([batches, scanned, stats]).toEqual([
      [bytes(1), bytes(2)],
      1,
      { rowsScanned: 9, rowsOut: 2, tasks: 1, odd: [] },
    ]);
    const [{ request, options }] = asked as [(typeof asked)[number]];
    expect(request).toMatchObject({ partitions: [1], snapshotId: 8, version: 9, tableVersion: 11, memoryBytes: 1000 });
    expect(options).toEqual({ signal, trace });
    const plan = fragmentBodyOf(request.plan);
    expect(plan).toMatchObject({ fragment: { kind: 'Distinct' }, mapId: 7, clockMs: 5, strict: true });
    expect(buildTablesOf(plan.buildStages, request.buildTables)).toEqual(buildTables);
  });

  it('that lacks a batch to join with is not begun', () => {
    expect(buildTablesOf([-1], [])).toEqual([]);
    expect(buildTablesOf([2, -1], [])).toEqual([{ stage: 2, batches: [] }]);
    expect(() => buildTablesOf([2, -1, 2, 2], [bytes(1)])).toThrow('1 of 2 batches');
  });
});
