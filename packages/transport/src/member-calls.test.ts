/** What both twins of a member's calls keep (member-calls M1 to M5): over a socket, and within the process. */
import { getEventListeners } from 'node:events';
import { GridError, type MemberId, type PartitionTable } from '@ashlar/core';
import { connectMember } from './connection.ts';
import { type GridCalls, gridCalls, localCalls, type MemberCalls } from './index.ts';
import type {
  CallContext,
  FragmentOutput,
  FragmentRequest,
  GridServices,
  JobPartOutput,
  PartInput,
  PartOutput,
  PartState,
  PartStep,
} from './services.ts';
import { FakeMember } from './testing/index.ts';

type Services = { -readonly [K in keyof GridServices]: GridServices[K] };

interface Twin {
  readonly calls: MemberCalls;
  readonly services: Services;
  readonly close: () => Promise<void>;
}

async function remoteTwin(): Promise<Twin> {
  const member = new FakeMember('a');
  const connection = connectMember(await member.start(), { peer: 'a' });
  const close = async (): Promise<void> => {
    connection.close();
    await member.stop();
  };
  return { calls: connection, services: member.services, close };
}

async function localTwin(): Promise<Twin> {
  const { services } = new FakeMember('a');
  return { calls: localCalls(() => services), services, close: async () => undefined };
}

const NO_BYTES = new Uint8Array(0);
const FRAGMENT: FragmentRequest = {
  plan: Uint8Array.of(1, 2),
  partitions: [3, 4],
  snapshotId: 5,
  version: 6,
  parameters: Uint8Array.of(7),
  buildTables: [Uint8Array.of(8), Uint8Array.of(9)],
  memoryBytes: 10,
  tableVersion: 11,
};
const PART = {
  ...{ module: 'm', exportName: 'e', map: 'x', mapId: 1, arguments: NO_BYTES, partitions: [0], snapshotId: 1 },
  version: 2,
};
const INTERNAL = 'internal error of the member';
const never = new Promise<never>(() => undefined);

async function collect<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all;
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never came to be');
}

describe.each([
  ['over a socket', remoteTwin],
  ['within the process', localTwin],
])('calls to a member %s', (_, open) => {
  let twin: Twin;
  let services: Services;
  let { members, admin } = {} as MemberCalls;

  beforeEach(async () => {
    twin = await open();
    services = twin.services;
    ({ members, admin } = twin.calls);
  });

  afterEach(() => twin.close());

  it('carry requests and answers as they are', async () => {
    let asked: FragmentRequest | undefined;
    services.members.runFragment = async function* (request) {
      asked = request;
      yield { kind: 'batch', bytes: Uint8Array.of(1, 2, 3) };
      yield { kind: 'end', rows: 3, body: Uint8Array.of(4), batches: 1 };
    };
    services.members.modifyRows = async ({ body, tableVersion }) => ({
      affected: body.length,
      version: tableVersion,
      body,
    });
    const outputs = await collect(members.runFragment(FRAGMENT));
    expect(plain(asked)).toMatchObject(plain(FRAGMENT) as object);
    expect(plain(outputs)).toEqual([
      { kind: 'batch', bytes: [1, 2, 3] },
      expect.objectContaining({ kind: 'end', rows: 3, body: [4], batches: 1 }),
    ]);
    const changed = await members.modifyRows({ body: Uint8Array.of(5, 6), tableVersion: 7 });
    expect(plain(changed)).toEqual({ affected: 2, version: 7, body: [5, 6] });
    await members.releaseSnapshot({ snapshotId: 1 });
    expect(await admin.hello({ protocolMin: 1, protocolMax: 1, caller: 'c' })).toMatchObject({ memberId: 'a' });
    for await (const table of admin.watchTable(undefined)) {
      expect(table).toMatchObject({ tableVersion: 1 });
      break;
    }
  });

  describe('M1: that fail', () => {
    const refusal = { code: 'POOR', details: { balance: 3n } };
    const failures: readonly [string, () => unknown, object][] = [
      [
        'say what was wrong, whole',
        () => new GridError('STALE_EPOCH', 'not here', { hint: 'ask b', details: { partition: 3, of: ['a', 'b'] } }),
        { code: 'STALE_EPOCH', message: 'not here', hint: 'ask b', details: { partition: 3, of: ['a', 'b'] } },
      ],
      [
        'say what user code refused with',
        () => new GridError('PROCESSOR_REFUSED', 'm.e refused', { details: { module: 'm', exportName: 'e' }, refusal }),
        { code: 'PROCESSOR_REFUSED', refusal, retryable: false },
      ],
      [
        'say where in a text',
        () => new GridError('SYNTAX_ERROR', 'no', { position: { offset: 3, line: 1, column: 4 } }),
        { position: { offset: 3, line: 1, column: 4 } },
      ],
      ['tell nothing of what is not ours', () => new Error('a secret'), { code: 'INTERNAL', message: INTERNAL }],
      ['tell nothing of what is no error at all', () => 'a secret', { code: 'INTERNAL', message: INTERNAL }],
      [
        'bound what they say',
        () => new GridError('UNKNOWN_MAP', 'y'.repeat(200_000)),
        { code: 'UNKNOWN_MAP', message: expect.stringMatching(/^y{500,1100}.{0,40}$/s) },
      ],
    ];

    it.each(failures)('%s: a unary call', async (_told, thrown, told) => {
      services.members.modifyRows = async () => {
        throw thrown();
      };
      const failure = await members.modifyRows({ body: NO_BYTES, tableVersion: 1 }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(GridError);
      expect(failure).toMatchObject(told);
    });

    it.each(failures)('%s: a stream, after what it had', async (_told, thrown, told) => {
      services.members.runFragment = async function* () {
        yield { kind: 'batch', bytes: Uint8Array.of(1) };
        throw thrown();
      };
      const outputs = members.runFragment(FRAGMENT);
      expect(await outputs.next()).toMatchObject({ done: false, value: { kind: 'batch' } });
      const failure = await outputs.next().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(GridError);
      expect(failure).toMatchObject(told);
      expect(await outputs.next()).toEqual({ done: true, value: undefined });
    });

    it('fail also where a handler throws before it is asked for anything', async () => {
      services.members.runJobPart = () => {
        throw new GridError('UNKNOWN_MODULE', 'none');
      };
      services.members.findPaths = () => {
        throw new GridError('UNKNOWN_MAP', 'none');
      };
      await expect(collect(members.runJobPart(PART))).rejects.toMatchObject({ code: 'UNKNOWN_MODULE' });
      await expect(members.findPaths({ mapId: 1 })).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    });
  });

  describe('M2: that are given up', () => {
    it('end with CANCELLED at once, and the handler hears of it', async () => {
      const heard: AbortSignal[] = [];
      services.admin.mapSize = (_request, { signal }) => {
        heard.push(signal);
        return never;
      };
      services.members.runJobPart = async function* (_request, { signal }) {
        heard.push(signal);
        yield await never;
      };
      const abort = new AbortController();
      const { signal } = abort;
      const size = admin.mapSize({ map: 'm', grid: false }, { signal });
      const part = members.runJobPart(PART, { signal }).next();
      await until(() => heard.length === 2);
      abort.abort();
      for (const call of [size, part]) await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
      await until(() => heard.every(({ aborted }) => aborted));
    });

    it('before they begin reach nobody', async () => {
      let calls = 0;
      services.admin.mapSize = async () => ({ entries: ++calls, bytes: 0 });
      const signal = AbortSignal.abort();
      await expect(admin.mapSize({ map: 'm', grid: false }, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
      await expect(members.runJobPart(PART, { signal }).next()).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(calls).toBe(0);
    });

    it('leave nothing at the signal of their caller once they are over', async () => {
      const { signal } = new AbortController();
      services.members.runJobPart = async function* () {
        yield { kind: 'end', partials: 0 };
      };
      await admin.ping(undefined, { signal });
      await collect(members.runJobPart(PART, { signal }));
      for await (const _ of members.runJobPart(PART, { signal })) break;
      services.admin.mapSize = () => Promise.reject(new Error('no'));
      await admin.mapSize({ map: 'm', grid: false }, { signal }).catch(() => undefined);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    it('by their time are DEADLINE_EXCEEDED, the handler knew when, and hears of it', async () => {
      let context: CallContext | undefined;
      services.admin.mapSize = (_request, given) => {
        context = given;
        return never;
      };
      const beganMs = performance.now();
      const size = admin.mapSize({ map: 'm', grid: false }, { timeoutMs: 60 });
      await expect(size).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', details: { timeoutMs: 60 } });
      expect(context!.deadlineMs!).toBeGreaterThan(beganMs);
      expect(context!.deadlineMs!).toBeLessThan(beganMs + 2000);
      await until(() => context!.signal.aborted);
    });

    it('by their time are OUTCOME_UNKNOWN where they may have changed something', async () => {
      Object.assign(services.members, { modifyRows: () => never, changeCatalog: () => never });
      const changes = members.modifyRows({ body: NO_BYTES, tableVersion: 1 }, { timeoutMs: 60 });
      await expect(changes).rejects.toMatchObject({
        ...{ code: 'OUTCOME_UNKNOWN', retryable: false, message: expect.stringContaining('not answered within 60 ms') },
        cause: { code: 'DEADLINE_EXCEEDED' },
      });
      const reads = members.changeCatalog({ body: NO_BYTES }, { timeoutMs: 60, onlyReads: true });
      await expect(reads).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
    });

    it('have no deadline where none was set, or one further than timers reach', async () => {
      const told: (number | undefined)[] = [];
      services.admin.mapSize = async (_request, { deadlineMs }) => {
        told.push(deadlineMs);
        return { entries: 0, bytes: 0 };
      };
      await admin.mapSize({ map: 'm', grid: false });
      await admin.mapSize({ map: 'm', grid: false }, { timeoutMs: 2 ** 31 - 1 });
      expect(told).toEqual([undefined, undefined]);
    });

    it('by their time in the middle of a stream are DEADLINE_EXCEEDED', async () => {
      services.members.runJobPart = async function* () {
        yield { kind: 'progress', share: 0.5 };
        await never;
      };
      const part = members.runJobPart(PART, { timeoutMs: 100 });
      expect(await part.next()).toMatchObject({ value: { share: 0.5 } });
      await expect(part.next()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    });
  });

  describe('M3: streams', () => {
    const BATCH_BYTES = 64 << 10;

    /** A fragment without end, and how far it has come. */
    function endless() {
      const seen = { batches: 0, isReturned: false };
      services.members.runFragment = async function* (): AsyncGenerator<FragmentOutput> {
        try {
          for (;;) {
            seen.batches++;
            yield { kind: 'batch', bytes: new Uint8Array(BATCH_BYTES) };
          }
        } finally {
          seen.isReturned = true;
        }
      };
      return seen;
    }

    it('wait for a reader that stands still', async () => {
      const seen = endless();
      const outputs = members.runFragment(FRAGMENT, { creditBytes: 4 * BATCH_BYTES });
      for (let read = 0; read < 20; read++) await outputs.next();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const standing = seen.batches;
      expect(standing).toBeLessThanOrEqual(20 + 8);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(seen.batches).toBe(standing);
      await outputs.return();
    });

    it('end when their reader leaves: the handler is returned, its signal fires', async () => {
      const seen = endless();
      const run = services.members.runFragment;
      let heard: AbortSignal | undefined;
      services.members.runFragment = (request, context) => {
        heard = context.signal;
        return run(request, context);
      };
      for await (const output of members.runFragment(FRAGMENT)) if (output.kind === 'batch') break;
      await until(() => seen.isReturned && heard?.aborted === true);
    });

    it('that end by themselves cancel nobody', async () => {
      let heard: AbortSignal | undefined;
      const wasAborted: (boolean | undefined)[] = [];
      services.members.runJobPart = async function* (_request, { signal }): AsyncGenerator<JobPartOutput> {
        heard = signal;
        yield { kind: 'partial', bytes: NO_BYTES };
        yield { kind: 'end', partials: 1 };
        wasAborted.push(heard.aborted);
      };
      expect((await collect(members.runJobPart(PART))).map(({ kind }) => kind)).toEqual(['partial', 'end']);
      expect(wasAborted).toEqual([false]);
    });

    it('run beside each other', async () => {
      services.members.runFragment = async function* ({ snapshotId }) {
        for (let index = 0; index < 50; index++) yield { kind: 'batch', bytes: Uint8Array.of(snapshotId, index) };
        yield { kind: 'end', rows: 0, body: NO_BYTES, batches: 50 };
      };
      const all = await Promise.all(
        [1, 2, 3].map((snapshotId) => collect(members.runFragment({ ...FRAGMENT, snapshotId }))),
      );
      for (const [index, outputs] of all.entries()) {
        expect(outputs).toHaveLength(51);
        const [first] = outputs as [FragmentOutput & { kind: 'batch' }];
        expect(first.bytes[0]).toBe(index + 1);
      }
    });
  });

  describe('of questions and answers', () => {
    const input = (step: PartStep): PartInput => ({ step, body: Uint8Array.of(1), tableVersion: 3 });
    const output = (state: PartState): PartOutput => ({ state, rows: 7, version: 8, body: NO_BYTES, leaseMs: 9 });
    let heard: PartStep[];
    let left: boolean;

    beforeEach(() => {
      heard = [];
      left = false;
      services.members.changePart = async function* (inputs) {
        try {
          for await (const { step } of inputs) {
            heard.push(step);
            if (step === 'release') throw new GridError('TYPE_MISMATCH', 'the row is odd', { details: { key: 'k' } });
            if (step === 'awaitRoom') await never;
            yield output(step === 'commit' ? 'committed' : 'staged');
            if (step === 'commit') return;
          }
        } finally {
          left = true;
        }
      };
    });

    it('answer each with one output, and are over when the member ends them', async () => {
      const call = members.changePart();
      for (const step of ['stage', 'keep', 'keep'] as const)
        expect(await call.ask(input(step), 'none')).toMatchObject({ state: 'staged', rows: 7, leaseMs: 9 });
      expect(await call.ask(input('commit'), 'write')).toMatchObject({ state: 'committed' });
      expect(heard).toEqual(['stage', 'keep', 'keep', 'commit']);
      await until(() => left);
      await expect(call.ask(input('keep'), 'none')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    });

    it('fail with the error of the member, whole, at the input that it refuses', async () => {
      const call = members.changePart();
      await call.ask(input('stage'), 'none');
      const refused = { code: 'TYPE_MISMATCH', details: { key: 'k' } };
      await expect(call.ask(input('release'), 'none')).rejects.toMatchObject(refused);
      await until(() => left);
      await expect(call.ask(input('keep'), 'none')).rejects.toMatchObject({ code: expect.any(String) });
    });

    it('tell the member when their caller leaves, while it is asked and while it is not', async () => {
      const resting = members.changePart();
      await resting.ask(input('stage'), 'none');
      resting.close();
      await until(() => left);
      await expect(resting.ask(input('commit'), 'write')).rejects.toMatchObject({ code: 'CANCELLED' });
      const asked = members.changePart();
      const answer = asked.ask(input('awaitRoom'), 'none');
      await until(() => heard.includes('awaitRoom'));
      asked.close();
      await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' });
      asked.close();
    });
  });

  it('M4: bring the trace they belong to, and none where there is none', async () => {
    const traces: unknown[] = [];
    services.members.findPaths = async (_request, { trace }) => {
      traces.push(trace);
      return { body: NO_BYTES };
    };
    services.members.runJobPart = async function* (_request, { trace }) {
      traces.push(trace);
      yield { kind: 'end', partials: 0 };
    };
    const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=1' };
    await members.findPaths({ mapId: 1 }, { trace });
    await members.findPaths({ mapId: 1 });
    await collect(members.runJobPart(PART, { trace }));
    expect(traces).toEqual([trace, undefined, trace]);
  });

  it('come from somebody who may', async () => {
    services.members.findPaths = async (_request, context) => {
      context.require('member', undefined);
      return { body: NO_BYTES };
    };
    await members.findPaths({ mapId: 1 });
  });
});

describe('the way to every member', () => {
  it('is the process where it is itself, a link where it is another, and none to whom the table does not know', async () => {
    const other = new FakeMember('b');
    const own = new FakeMember('a');
    const connection = connectMember(await other.start(), { peer: 'b' });
    const asked: string[] = [];
    const table: Pick<PartitionTable, 'members'> = { members: [] };
    const calls: GridCalls = gridCalls({
      self: 'a' as MemberId,
      table: () => table,
      services: () => own.services,
      peers: {
        to: (id) => {
          asked.push(id);
          if (id !== 'b') throw new GridError('STALE_EPOCH', 'no such member');
          return connection;
        },
      },
    });
    expect(await calls.to('a' as MemberId).admin.ping(undefined)).toMatchObject({ memberId: 'a' });
    expect(await calls.to('b' as MemberId).admin.ping(undefined)).toMatchObject({ memberId: 'b' });
    expect(() => calls.to('c' as MemberId)).toThrow(expect.objectContaining({ code: 'STALE_EPOCH' }));
    expect(asked).toEqual(['b', 'c']);
    connection.close();
    await other.stop();
  });
});

/** Bytes as arrays: a buffer or a view, they say the same. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}
