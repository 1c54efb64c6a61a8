import { type ControlCommand, DEFAULT_MAP_SETTINGS, EmbeddedCoordinator, NO_KEEPER } from '@ashlar/cluster';
import { GridError, type MemberId, MemberUnreachableError } from '@ashlar/core';
import { SpreadingCoordinator, type SpreadingOptions } from './spreading-coordinator.ts';

const [SELF, PEER] = ['a', 'b'] as [MemberId, MemberId];

async function bench(askToFollow: SpreadingOptions['askToFollow']) {
  const options = { partitionCount: 4, expectedMembers: 2, keeper: NO_KEEPER };
  const embedded = new EmbeddedCoordinator({ ...options, newGridId: () => 'g' });
  const warned: unknown[] = [];
  const log = { warn: (facts: unknown) => void warned.push(facts) } as unknown as SpreadingOptions['log'];
  const waits = { waitMs: 60, createWaitMs: 30, goneMs: 20, retryMs: 1 };
  const spreading = new SpreadingCoordinator(embedded, { self: SELF, log, askToFollow, waits });
  for (const id of [SELF, PEER]) {
    await spreading.submit({
      kind: 'join',
      member: { id, address: `127.0.0.1:${id}`, httpAddress: '', zone: '', incarnation: 'one' },
    });
  }
  return { spreading, warned };
}

const CREATE: ControlCommand = { kind: 'createMap', name: 'm', options: DEFAULT_MAP_SETTINGS };
const DROP: ControlCommand = { kind: 'dropMap', name: 'm' };
const lost = (): Promise<never> => Promise.reject(new GridError('CONNECTION_LOST', 'away'));

describe('a change of the catalog', () => {
  it('is answered when every other member follows it', async () => {
    const asked: [string, number][] = [];
    const held = Promise.withResolvers<void>();
    const { spreading } = await bench(async ({ id }, { catalogVersion }) => {
      asked.push([id, catalogVersion]);
      await held.promise;
    });
    let isAnswered = false;
    const change = spreading.submit(CREATE).then(() => {
      isAnswered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([asked, isAnswered]).toEqual([[[PEER, 1]], false]);
    held.resolve();
    await change;
  });

  it('asks again also where it changes nothing', async () => {
    const asked: number[] = [];
    const { spreading } = await bench(async (_, { catalogVersion }) => asked.push(catalogVersion));
    await spreading.submit(CREATE);
    await spreading.submit(CREATE);
    expect(asked).toEqual([1, 1]);
  });

  it('tries a member again whose link broke', async () => {
    let tries = 0;
    const { spreading } = await bench(() => (++tries < 3 ? lost() : Promise.resolve()));
    await spreading.submit(CREATE);
    expect(tries).toBe(3);
  });

  it('does not wait for a member that is gone', async () => {
    const { spreading, warned } = await bench(lost);
    await spreading.submit(CREATE);
    await spreading.submit(DROP);
    expect([spreading.state.catalog.maps, warned]).toEqual([[], []]);
  });

  it('asks a member once whose link has been down for long', async () => {
    let tries = 0;
    const { spreading } = await bench(() => {
      tries++;
      return Promise.reject(new MemberUnreachableError(PEER, '127.0.0.1:b', Date.now() - 60_000));
    });
    await spreading.submit(CREATE);
    await spreading.submit(DROP);
    expect(tries).toBe(2);
  });

  it('that a member does not confirm stands, and says so; only a new map is answered all the same', async () => {
    const { spreading, warned } = await bench(() => Promise.reject(new GridError('DEADLINE_EXCEEDED', 'slow')));
    await spreading.submit(CREATE);
    await expect(spreading.submit(DROP)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      details: { members: [PEER] },
    });
    expect([spreading.state.catalog.maps, warned.length]).toEqual([[], 2]);
  });

  it('that is refused asks nobody', async () => {
    const { spreading } = await bench(() => Promise.reject(new Error('asked')));
    await expect(spreading.submit({ ...CREATE, name: '' } as ControlCommand)).rejects.toMatchObject({
      code: 'INVALID_NAME',
    });
  });
});
