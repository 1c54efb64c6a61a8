import { createHash } from 'node:crypto';
import { READY_MODULE } from '@ashlar/api';
import { bundleHash } from '@ashlar/cluster';
import { BUNDLE } from '@ashlar/cluster/testing';
import { LISTENER_MAP } from '@ashlar/compute-runtime';
import { GridError, type MemberId } from '@ashlar/core';
import { MemberMetrics, NO_TRACING } from '@ashlar/observe';
import { encodeValue } from '@ashlar/serialization';
import type { DeployRequest, ProcessWhereRequest, RunJobPartRequest, RunJobRequest } from '@ashlar/transport';
import { callContext, SELF, type TestGridOptions, testGrid } from '../testing/test-grid.ts';
import { type ComputeDependencies, type ComputeParts, computeService } from './compute-service.ts';

const OTHER = 'b' as MemberId;
const NO_BYTES = new Uint8Array(0);
const NO_TEXT = Uint8Array.of(0xff, 0xfe);
const context = callContext();
const PROCESSOR = { name: 'add', kind: 'processor', map: '' };
const LISTENER = { name: 'watch', kind: 'listener', map: 'orders' };

function deployment(changes: Partial<DeployRequest> = {}): DeployRequest {
  const rest = { limits: { wallMs: 0, heapBytes: 0 }, exports: [PROCESSOR] };
  return { name: 'code', hash: bundleHash(BUNDLE), bundle: Buffer.from(BUNDLE), ...rest, ...changes };
}

/** What is not deployed, for a reason of its own. */
const REFUSED: readonly (readonly [what: string, changes: Partial<DeployRequest>])[] = [
  ['whose bytes are others than its hash says', { hash: bundleHash('another') }],
  ['that is no text', { bundle: NO_TEXT, hash: createHash('sha256').update(NO_TEXT).digest('hex') }],
  ['of a kind that is none', { exports: [{ ...PROCESSOR, kind: 'trigger' }] }],
  ['with a limit that is none', { limits: { wallMs: -1, heapBytes: 0 } }],
];

const PROCESS: ProcessWhereRequest = {
  ...{ map: 'm', where: 'a > $1', parameters: encodeValue([1]), module: READY_MODULE, exportName: 'increment' },
  ...{ arguments: encodeValue([2]), sessionVersion: 6, strict: true },
};
const JOB: RunJobRequest = { module: 'code', exportName: 'sum', map: 'm', arguments: NO_BYTES, sessionVersion: 0 };
const JOB_PART: RunJobPartRequest = {
  ...{ module: 'code', exportName: 'sum', map: 'm', mapId: 1, arguments: NO_BYTES, partitions: [0] },
  ...{ snapshotId: 1, version: 1 },
};

const opened: ComputeParts[] = [];

afterEach(async () => {
  for (const { close } of opened.splice(0)) await close();
});

/** The service of member `a`: conditions are planned and run as the test says. */
async function bench(options: TestGridOptions = {}) {
  const grid = await testGrid(options);
  const { control, store } = grid;
  const planned: (readonly [map: string, condition: string, signal: AbortSignal])[] = [];
  const ran: Parameters<ComputeDependencies['changes']['process']>[] = [];
  const condition = { parameterCount: 1, notices: ['of the plan'] };
  const parts = {
    ...{ control, store, tracing: NO_TRACING, metrics: new MemberMetrics(), userPools: {}, modules: {} },
    config: { limits: { snapshotMaxAgeMs: 1000 } },
  };
  const made = computeService({
    parts,
    deliveries: { relay: { undelivered: 0 } },
    needMap: () => Promise.reject(new Error('nothing is to be needed')),
    changes: {
      process: async (...given: Parameters<ComputeDependencies['changes']['process']>) => {
        ran.push(given);
        given[2].odd.add([{ what: 'of a row', rows: 0 }]);
        return { affected: 3, version: 8 };
      },
    },
    planCondition: async (...given: (typeof planned)[number]) => {
      planned.push(given);
      return condition;
    },
  } as unknown as ComputeDependencies);
  opened.push(made);
  return { ...grid, service: made.service, jobPart: made.jobPart, planned, ran, condition };
}

async function all<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const answer of answers) taken.push(answer);
  return taken;
}

describe('deploying a module', () => {
  it('is answered once it stands in the catalog, with its limits, and is listed from then on', async () => {
    const { service, control } = await bench();
    const request = deployment({ limits: { wallMs: 700, heapBytes: 64 << 20 } });
    expect(await service.deploy(request, context)).toEqual({ module: 'code', hash: request.hash });
    expect(control.moduleIfKnown('code')).toMatchObject({ hash: request.hash, wallMs: 700, heapBytes: 64 << 20 });
    expect(await service.listModules(context)).toMatchObject({
      modules: [{ name: 'code', hash: request.hash, exports: [{ name: 'add', kind: 'processor', state: '' }] }],
    });
  });

  it('takes the place of what had the name', async () => {
    const { service } = await bench();
    await service.deploy(deployment(), context);
    const bundle = 'export const watch = 2; // ü';
    const next = deployment({ bundle: Buffer.from(bundle), hash: bundleHash(bundle), exports: [] });
    await service.deploy(next, context);
    expect(await service.listModules(context)).toEqual({ modules: [{ name: 'code', hash: next.hash, exports: [] }] });
  });

  it('with a listener makes the map of checkpoints first; the listener waits for a map of its own', async () => {
    const { service, control } = await bench();
    await service.deploy(deployment(), context);
    expect(control.maps.has(LISTENER_MAP)).toBe(false);
    await service.deploy(deployment({ name: 'audit', exports: [LISTENER] }), context);
    expect(control.maps.has(LISTENER_MAP)).toBe(true);
    const { modules } = await service.listModules(context);
    expect(modules.find(({ name }) => name === 'audit')!.exports).toMatchObject([{ ...LISTENER, state: 'waiting' }]);
    expect(control.maps.has('orders')).toBe(false);
  });

  it('with a listener to a map that the grid keeps for itself is refused, and leaves nothing', async () => {
    const { service, control } = await bench();
    const exports = [PROCESSOR, { ...LISTENER, map: LISTENER_MAP }];
    const refused = service.deploy(deployment({ exports }), context);
    await expect(refused).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    expect([control.maps.size, await service.listModules(context)]).toEqual([0, { modules: [] }]);
  });

  it.each(REFUSED)('%s is refused, and leaves nothing', async (_what, changes) => {
    const { service } = await bench();
    const refused = service.deploy(deployment(changes), context);
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await service.listModules(context)).toEqual({ modules: [] });
  });
});

describe('undeploying a module', () => {
  it('tells whether it was there', async () => {
    const { service, control } = await bench();
    await service.deploy(deployment(), context);
    expect(await service.undeploy({ name: 'code' }, context)).toEqual({ existed: true });
    expect(control.moduleIfKnown('code')).toBeUndefined();
    expect(await service.undeploy({ name: 'code' }, context)).toEqual({ existed: false });
  });

  it('tells nothing where nobody can be asked: the module may be there', async () => {
    const { service, coordinator } = await bench();
    coordinator.refresh = () => Promise.reject(new GridError('CONNECTION_LOST', 'gone'));
    const asked = service.undeploy({ name: 'code' }, context);
    await expect(asked).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
  });
});

describe('processing entries over a condition', () => {
  it('plans the condition, runs it within its call, and tells the notices of both', async () => {
    const { service, createMap, planned, ran, condition } = await bench();
    await createMap('m');
    const trace = { traceparent: '00-a-b-01', tracestate: '' };
    const call = callContext({ deadlineMs: 99, trace });
    const answer = await service.processWhere(PROCESS, call);
    expect(answer).toEqual({ affected: 3, version: 8, notices: ['of the plan', 'of a row'] });
    expect(planned).toEqual([['m', 'a > $1', call.signal]]);
    const [target, processor, statement] = ran[0]!;
    expect(target).toBe(condition);
    expect(processor).toEqual({ module: READY_MODULE, exportName: 'increment', args: PROCESS.arguments });
    expect(statement).toMatchObject({ parameters: [1], strict: true, seen: 6, deadlineMs: 99, trace });
    expect(statement.signal).toBe(call.signal);
    expect(statement.parameterBytes).toEqual(PROCESS.parameters);
  });

  it('needs the module that is named, unless the processor is ready-made', async () => {
    const { service, createMap, planned, ran } = await bench();
    await createMap('m');
    const request = { ...PROCESS, module: 'code', exportName: 'add' };
    await expect(service.processWhere(request, context)).rejects.toMatchObject({ code: 'UNKNOWN_MODULE' });
    expect(planned).toEqual([]);
    await service.deploy(deployment(), context);
    await service.processWhere(request, context);
    expect(ran.map(([, { module }]) => module)).toEqual(['code']);
  });

  it('needs a map that is there', async () => {
    const { service, planned } = await bench();
    await expect(service.processWhere(PROCESS, context)).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    expect(planned).toEqual([]);
  });

  it.each([
    ['fewer than the condition asks for', NO_BYTES],
    ['no list', encodeValue({ a: 1 })],
  ])('runs nothing where the parameters are %s', async (_what, parameters) => {
    const { service, createMap, ran } = await bench();
    await createMap('m');
    const call = service.processWhere({ ...PROCESS, parameters }, context);
    await expect(call).rejects.toMatchObject({ code: 'INVALID_PARAMETER' });
    expect(ran).toEqual([]);
  });
});

describe('running a job', () => {
  it('needs its module and its map', async () => {
    const { service, jobPart, createMap } = await bench();
    await createMap('m');
    const isUnknown = { code: 'UNKNOWN_MODULE' };
    await expect(all(service.runJob(JOB, context))).rejects.toMatchObject(isUnknown);
    await expect(all(jobPart(JOB_PART, context))).rejects.toMatchObject(isUnknown);
    await service.deploy(deployment(), context);
    const elsewhere = service.runJob({ ...JOB, map: 'none' }, context);
    await expect(all(elsewhere)).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
  });
});

describe('a grid that awaits members', () => {
  it('runs and changes nothing, and lists what it has', async () => {
    const { service } = await bench({ members: [SELF, OTHER], joined: 1 });
    for (const call of [
      () => service.deploy(deployment(), context),
      () => service.deploy(deployment({ exports: [LISTENER] }), context),
      () => service.undeploy({ name: 'code' }, context),
      () => service.processWhere(PROCESS, context),
      () => all(service.runJob(JOB, context)),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
    }
    expect(await service.listModules(context)).toEqual({ modules: [] });
  });
});
