/** Jobs over members that are told what to answer: what comes of whole, short, lost and refused parts. */
import { DEFAULT_MAP_SETTINGS, EmbeddedCoordinator, GridView, NO_KEEPER } from '@ashlar/cluster';
import { GridError, type MemberId, type PartitionId, type Version } from '@ashlar/core';
import { NO_TRACING } from '@ashlar/observe';
import type { JobOutput, JobPartOutput, RunJobPartRequest } from '@ashlar/transport';
import { JobCoordinator, type JobHolding } from './job-coordinator.ts';
import { JobPartRunner } from './job-part-runner.ts';
import { wholeJobPart } from './whole-job-part.ts';

const [A, B] = ['a', 'b'] as [MemberId, MemberId];
const PARTITIONS = 4;
const CALL = { signal: new AbortController().signal, trace: undefined };
const REQUEST = {
  ...{ module: 'm', exportName: 'count', map: 'orders', arguments: new Uint8Array(0), sessionVersion: 0 },
};
const bytes = (n: number): Uint8Array => Uint8Array.of(n);

class Holding implements JobHolding {
  bytes = 0;
  isClosed = false;
  take(more: number): undefined {
    this.bytes += more;
  }
  count(more: number): void {
    this.bytes += more;
  }
  giveBack(less: number): void {
    this.bytes -= less;
  }
  close(): void {
    this.isClosed = true;
  }
}

async function gridOfTwo(): Promise<GridView> {
  const options = { partitionCount: PARTITIONS, expectedMembers: 2, newGridId: () => 'g', keeper: NO_KEEPER };
  const coordinator = new EmbeddedCoordinator(options);
  for (const id of [A, B]) {
    const member = { id, address: `127.0.0.1:${id}`, httpAddress: '', zone: '', incarnation: 'one' };
    await coordinator.submit({ kind: 'join', member });
  }
  await coordinator.submit({ kind: 'createMap', name: 'orders', options: DEFAULT_MAP_SETTINGS });
  const exports = [{ name: 'count', kind: 'job', map: '' }];
  const module = { name: 'm', hash: await hashOf('//'), bundle: '//', exports, wallMs: 0, heapBytes: 0 };
  await coordinator.submit({ kind: 'putModule', module });
  return new GridView(A, coordinator);
}

async function hashOf(text: string): Promise<string> {
  const { bundleHash } = await import('@ashlar/cluster');
  return bundleHash(text);
}

/** @param partOf  what a member answers to its part */
async function bench(partOf: (member: MemberId, request: RunJobPartRequest) => AsyncGenerator<JobPartOutput>) {
  const control = await gridOfTwo();
  const released: string[] = [];
  const holding = new Holding();
  const coordinator = new JobCoordinator({
    ...{ control, tracing: NO_TRACING, held: { open: () => holding } },
    calls: { to: (member) => ({ members: { runJobPart: (request) => partOf(member, request) } }) },
    snapshots: {
      open: async (parts) => ({
        ...{ version: 7 as Version, ids: new Map([...parts.keys()].map((member, index) => [member, index])) },
        ...{ isIdle: false, releaseAt: (member) => released.push(member), release: () => void released.push('all') },
      }),
    },
    runner: { reduce: async ({ partials }) => bytes(partials.reduce((sum, one) => sum + (one?.[0] ?? 0), 0)) },
  });
  const run = async (): Promise<JobOutput[]> => {
    const outputs: JobOutput[] = [];
    for await (const output of coordinator.run(REQUEST, CALL)) outputs.push(output);
    return outputs;
  };
  return { run, released, holding };
}

async function* wholePart(_: MemberId, { partitions }: RunJobPartRequest): AsyncGenerator<JobPartOutput> {
  yield { kind: 'progress', share: 1 };
  for (const _partition of partitions) yield { kind: 'partial', bytes: bytes(3) };
  yield { kind: 'end', partials: partitions.length };
}

describe('a job', () => {
  it('reduces a partial result of every partition, and tells how far it is', async () => {
    const { run, released, holding } = await bench(wholePart);
    const outputs = await run();
    expect(outputs.at(-1)).toEqual({ kind: 'result', bytes: bytes(3 * PARTITIONS) });
    expect(outputs.filter(({ kind }) => kind === 'progress').at(-1)).toEqual({ kind: 'progress', share: 1 });
    expect(released.sort()).toEqual(['a', 'all', 'b']);
    expect(holding.isClosed).toBe(true);
  });

  it.each([
    [
      'lacks a partial result',
      'INTERNAL',
      async function* (): AsyncGenerator<JobPartOutput> {
        yield { kind: 'end', partials: 1 };
      },
    ],
    [
      'breaks off',
      'CONNECTION_LOST',
      async function* (): AsyncGenerator<JobPartOutput> {
        yield { kind: 'partial', bytes: bytes(1) };
      },
    ],
    [
      'has fewer than its partitions',
      'INTERNAL',
      async function* (): AsyncGenerator<JobPartOutput> {
        yield { kind: 'end', partials: 0 };
      },
    ],
    [
      'is refused',
      'PROCESSOR_REFUSED',
      async function* (): AsyncGenerator<JobPartOutput> {
        yield { kind: 'progress', share: 0 };
        throw new GridError('PROCESSOR_REFUSED', 'no');
      },
    ],
  ] as const)('whose part on one member %s fails with %s, and lets snapshot and memory go', async (_, code, part) => {
    const { run, released, holding } = await bench((member, request) =>
      member === B ? part() : wholePart(member, request),
    );
    await expect(run()).rejects.toMatchObject({ code });
    expect(released).toContain('all');
    expect(holding.isClosed).toBe(true);
  });
});

describe('a part of a job', () => {
  const request: RunJobPartRequest = {
    ...{ module: 'm', exportName: 'count', map: 'orders', mapId: 1, arguments: new Uint8Array(0) },
    ...{ partitions: [0, 1], snapshotId: 5, version: 7 },
  };

  async function partOf(isLost: () => boolean) {
    const holding = new Holding();
    const runner = new JobPartRunner({
      ...{ control: await gridOfTwo(), tracing: NO_TRACING, held: { open: () => holding }, snapshotMaxAgeMs: 1000 },
      needMap: async (id, name) => ({ ...DEFAULT_MAP_SETTINGS, id, name }),
      snapshots: {
        touch: () => true,
        checkHeld: () => {
          if (isLost()) throw new GridError('STALE_EPOCH', 'lost');
        },
      } as never,
      runner: {
        map: async ({ partitionIds }: { readonly partitionIds: readonly PartitionId[] }, options) => {
          options?.onProgress?.(0.5);
          await options?.hold?.(2);
          return partitionIds.map(() => bytes(1));
        },
      },
    });
    const outputs: JobPartOutput[] = [];
    for await (const output of runner.run(request, CALL)) outputs.push(output);
    return { outputs, holding };
  }

  it('says how many partial results it sent, and holds nothing afterwards', async () => {
    const { outputs, holding } = await partOf(() => false);
    expect(outputs.filter(({ kind }) => kind === 'partial')).toHaveLength(2);
    expect(outputs.at(-1)).toEqual({ kind: 'end', partials: 2 });
    expect([holding.isClosed, holding.bytes]).toEqual([true, 0]);
  });

  it('whose partition was lost while it was read gives no partial result', async () => {
    let looks = 0;
    await expect(partOf(() => ++looks > 1)).rejects.toMatchObject({ code: 'STALE_EPOCH' });
  });
});

describe("a member's part", () => {
  const PARTIAL: JobPartOutput = { kind: 'partial', bytes: bytes(1) };

  async function partialsOf(...outputs: JobPartOutput[]): Promise<number> {
    async function* stream(): AsyncGenerator<JobPartOutput> {
      yield* outputs;
    }
    let partials = 0;
    for await (const { output } of wholeJobPart(B, stream())) if (output.kind === 'partial') partials += 1;
    return partials;
  }

  it('of a job is whole when it has as many partial results as its end says', async () => {
    expect(await partialsOf({ kind: 'progress', share: 0.5 }, PARTIAL, { kind: 'end', partials: 1 })).toBe(1);
    await expect(partialsOf(PARTIAL, { kind: 'end', partials: 2 })).rejects.toMatchObject({ code: 'INTERNAL' });
    await expect(partialsOf(PARTIAL)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});
