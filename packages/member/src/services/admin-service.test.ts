import { setImmediate as nextTurn } from 'node:timers/promises';
import { completions, drops, joins } from '@ashlar/cluster/testing';
import {
  GridError,
  MapDroppedError,
  type MapId,
  type MemberId,
  type PartitionId,
  type ReplicaId,
  type Version,
} from '@ashlar/core';
import { Ownership } from '@ashlar/partitions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import type { AdminService, Figure, GridCalls, HelloRequest } from '@ashlar/transport';
import { callContext, SELF, type TestGridOptions, testGrid } from '../testing/test-grid.ts';
import { type AdminDependencies, adminService, PROTOCOL } from './admin-service.ts';

const OTHER = 'b' as MemberId;
const LIMITS = { keyBytesMax: 1, valueBytesMax: 2, messageBytesMax: 3, batchesMax: 4, batchBytesMax: 5 };
const HELLO: HelloRequest = { protocolMin: PROTOCOL.min, protocolMax: PROTOCOL.max, caller: 'a client' };
const context = callContext();

/** The service of member `a`; member `b` has a map of 5 entries and 50 bytes unless `sizeAtOther` says another thing. */
async function bench(options: TestGridOptions = { members: [SELF, OTHER] }) {
  const grid = await testGrid(options);
  const other = { size: async (): Promise<{ entries: number; bytes: number }> => ({ entries: 5, bytes: 50 }) };
  const asked: { member: string; request: object; timeoutMs: number | undefined }[] = [];
  const cleared: { map: string; deadlineMs: number | undefined }[] = [];
  const figures: Figure[] = [{ name: 'ashlar_gets_total', labels: [], value: 1 }];
  const made = { figures: 0 };
  const present = { now: () => 77 };
  const calls = {
    to: (member: MemberId) => ({
      admin: {
        mapSize: (request: { map: string; grid: boolean; mapId: number }, call: { timeoutMs?: number }) => {
          asked.push({ member, request, timeoutMs: call.timeoutMs });
          return member === SELF ? service.mapSize(request, context) : other.size();
        },
      },
    }),
  } as unknown as GridCalls;
  const deps: AdminDependencies = {
    ...{
      control: grid.control,
      ownership: new Ownership(grid.control),
      calls,
      store: grid.store,
      clock: present,
      incarnation: 'one',
      limits: LIMITS,
    },
    address: () => '127.0.0.1:5',
    figures: async () => {
      made.figures++;
      return figures;
    },
    clearMap: async ({ name }, { deadlineMs }) => {
      cleared.push({ map: name, deadlineMs });
      return { affected: 4, version: 9 } as Awaited<ReturnType<AdminDependencies['clearMap']>>;
    },
  };
  const service: AdminService = adminService(deps);
  return { ...grid, present, service, other, asked, cleared, made };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('getting to know a grid', () => {
  it('tells who is asked, how the grid stands, and what may be sent', async () => {
    const { service, control } = await bench();
    expect(await service.hello(HELLO, context)).toMatchObject({
      ...{ memberId: SELF, incarnation: 'one', gridId: 'grid', partitionCount: 4, limits: LIMITS },
      table: { tableVersion: control.table.tableVersion },
    });
    expect(await service.ping(context)).toEqual({ memberId: SELF, address: '127.0.0.1:5', version: 77 });
  });

  it.each([
    [PROTOCOL.min, PROTOCOL.max, true],
    [PROTOCOL.max, PROTOCOL.max + 7, true],
    [0, PROTOCOL.min, true],
    [PROTOCOL.max + 1, PROTOCOL.max + 7, false],
    [0, PROTOCOL.min - 1, false],
  ])('is possible with a protocol that both speak: %d to %d, %s', async (protocolMin, protocolMax, isSpoken) => {
    const { service } = await bench();
    const answer = service.hello({ ...HELLO, protocolMin, protocolMax }, context);
    if (isSpoken) await expect(answer).resolves.toMatchObject({ memberId: SELF });
    else await expect(answer).rejects.toMatchObject({ code: 'UNSUPPORTED_PROTOCOL', hint: expect.any(String) });
  });

  it('is possible before the grid is complete; nothing that all of it is needed for is', async () => {
    const { service } = await bench({ members: [SELF, OTHER], joined: 1 });
    expect(await service.hello(HELLO, context)).toMatchObject({ table: { owners: [] } });
    expect(await service.getTable(context)).toMatchObject({ awaited: [] });
    const name = { map: 'm' };
    const needing = [
      () => service.listMaps(context),
      () => service.mapSize({ ...name, grid: true }, context),
      () => service.clear(name, context),
      () => service.dropMap(name, context),
    ];
    for (const call of needing) await expect(call()).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
  });

  it('goes on with every newer table', async () => {
    const { service, coordinator, control } = await bench({ members: [SELF, OTHER], joined: 1 });
    const abort = new AbortController();
    const stream = service.watchTable({ ...context, signal: abort.signal })[Symbol.asyncIterator]();
    expect(await stream.next()).toMatchObject({ value: { owners: [] } });
    const next = stream.next();
    await coordinator.submit(joins(OTHER));
    expect(control.isComplete).toBe(true);
    expect(await next).toMatchObject({
      value: { tableVersion: control.table.tableVersion, owners: control.table.owners },
    });
    abort.abort();
    expect(await stream.next()).toMatchObject({ done: true });
  });
});

describe('the size of a map', () => {
  it('is that of the member that is asked, or the sum over all members', async () => {
    const { service, control, createMap, put, asked } = await bench();
    const mapId = await createMap('m');
    put(mapId, 0, 'x', 'y');
    const own = await service.mapSize({ map: 'm', grid: false }, context);
    expect(own).toEqual({ entries: 2, bytes: expect.any(Number) });
    const whole = await service.mapSize({ map: 'm', grid: true }, context);
    expect(whole).toEqual({ entries: 7, bytes: own.bytes + 50 });
    const { tableVersion, owners } = control.table;
    const of = (index: number) => owners.flatMap(([primary], partition) => (primary === index ? [partition] : []));
    expect(asked).toEqual(
      [SELF, OTHER].map((member, index) => {
        const request = { map: 'm', grid: false, mapId, decided: true, partitions: of(index), tableVersion };
        return { member, request, timeoutMs: 5000 };
      }),
    );
  });

  it('is counted anew where a partition has changed hands meanwhile', async () => {
    const { service, createMap, other, asked } = await bench();
    await createMap('m');
    const answers = ['STALE_EPOCH', 'LEASE_EXPIRED'] as const;
    other.size = async () => {
      const refusal = answers[asked.filter(({ member }) => member === OTHER).length - 1];
      if (refusal !== undefined) throw new GridError(refusal, 'its partitions are on their way');
      return { entries: 3, bytes: 30 };
    };
    expect(await service.mapSize({ map: 'm', grid: true }, context)).toMatchObject({ entries: 3 });
    expect(asked.filter(({ member }) => member === OTHER)).toHaveLength(3);
  });

  it("is that of the partitions that are asked for, if they were the member's all the time", async () => {
    const { service, store, control, clock, present, createMap, put, loseAndRegain } = await bench({ members: [SELF] });
    present.now = () => clock.now();
    const mapId = await createMap('m');
    put(mapId, 0, 'x', 'y');
    put(mapId, 1, 'z');
    const asked = () => ({ map: 'm', grid: false, decided: true, tableVersion: control.table.tableVersion });
    expect(await service.mapSize({ ...asked(), partitions: [0, 2] }, context)).toMatchObject({ entries: 2 });
    const batch = store.begin();
    const [key, value] = [encodeKey('late'), encodeValue(1)];
    batch.put(mapId, 0 as PartitionId, key, 0, key.length, batch.value(value, 0, value.length));
    batch.seal();
    const size = service.mapSize({ ...asked(), partitions: [0] }, context);
    await nextTurn();
    loseAndRegain(0);
    await expect(size).rejects.toMatchObject({ code: 'STALE_EPOCH' });
  });

  it('is nothing where no map has the name', async () => {
    const { service } = await bench();
    for (const grid of [true, false]) {
      expect(await service.mapSize({ map: 'none', grid }, context)).toEqual({ entries: 0, bytes: 0 });
    }
  });

  it('is that of the map that was meant, not of another that took its name', async () => {
    const { service, coordinator, createMap } = await bench();
    const mapId = await createMap('m');
    await coordinator.submit(drops('m'));
    await createMap('m');
    const size = service.mapSize({ map: 'm', grid: false, mapId }, context);
    await expect(size).rejects.toMatchObject({ code: 'MAP_DROPPED' });
  });

  it('is nothing at a member that could not open the map yet: it holds nothing of it', async () => {
    const { service, store, createMap } = await bench();
    const mapId = await createMap('m');
    store.dropMap(mapId);
    expect(await service.mapSize({ map: 'm', grid: false }, context)).toEqual({ entries: 0, bytes: 0 });
    expect(await service.mapSize({ map: 'm', grid: false, mapId }, context)).toEqual({ entries: 0, bytes: 0 });
    expect(await service.listMaps(context)).toMatchObject({ maps: [{ name: 'm', entries: 5 }] });
  });

  it('fails as a whole with the member that cannot be asked', async () => {
    const { service, createMap, other } = await bench();
    await createMap('m');
    other.size = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'b is gone'));
    await expect(service.mapSize({ map: 'm', grid: true }, context)).rejects.toMatchObject({
      code: 'MEMBER_UNREACHABLE',
    });
    await expect(service.listMaps(context)).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
  });
});

describe('the list of maps', () => {
  it('leaves out what is dropped while it is counted', async () => {
    const { service, createMap, other } = await bench();
    await createMap('m');
    const gone = await createMap('n');
    let asked = 0;
    other.size = async () => {
      if (++asked === 2) throw new MapDroppedError('n', { mapId: gone, now: 0 });
      return { entries: 5, bytes: 50 };
    };
    expect(await service.listMaps(context)).toMatchObject({ maps: [{ name: 'm', entries: 5 }] });
  });

  it('is made once for all who ask at once, and so are figures', async () => {
    const { service, createMap, asked, made } = await bench();
    await createMap('m');
    const answers = await Promise.all(Array.from({ length: 50 }, () => service.listMaps(context)));
    expect(new Set(answers).size).toBe(1);
    expect(asked).toHaveLength(2);
    const stats = await Promise.all(Array.from({ length: 50 }, () => service.stats(context)));
    expect(stats[0]).toMatchObject({ memberId: SELF, figures: [{ name: 'ashlar_gets_total' }] });
    expect(made.figures).toBe(1);
  });
});

describe('a map that is emptied or dropped', () => {
  it('is emptied under the deadline of who asked', async () => {
    const { service, createMap, cleared } = await bench();
    await createMap('m');
    expect(await service.clear({ map: 'm' }, callContext({ deadlineMs: 5 }))).toEqual({ removed: 4, version: 9 });
    expect(cleared).toEqual([{ map: 'm', deadlineMs: 5 }]);
  });

  it('is empty where there is none', async () => {
    const { service, cleared } = await bench();
    expect(await service.clear({ map: 'none' }, context)).toEqual({ removed: 0, version: 77 });
    expect(cleared).toEqual([]);
  });

  it('is gone from catalog and store when that is answered; again it was not there', async () => {
    const { service, control, store, createMap } = await bench();
    const mapId = await createMap('m');
    expect(await service.dropMap({ map: 'm' }, context)).toEqual({ existed: true, mapId });
    expect([control.maps.size, store.hasMap(mapId)]).toEqual([0, false]);
    expect(await service.dropMap({ map: 'm' }, context)).toEqual({ existed: false, mapId: 0 });
  });

  it('is not said to be absent while nobody can tell', async () => {
    const { service, coordinator } = await bench();
    coordinator.refresh = () => Promise.reject(new GridError('CONNECTION_LOST', 'nobody there'));
    const unknown = [
      () => service.mapSize({ map: 'm', grid: true }, context),
      () => service.clear({ map: 'm' }, context),
      () => service.dropMap({ map: 'm' }, context),
    ];
    for (const call of unknown) await expect(call()).rejects.toEqual(code('MEMBER_UNREACHABLE'));
  });

  it('keeps its entries when its columns go', async () => {
    const { service, store, createMap, put } = await bench();
    const mapId: MapId = await createMap('m');
    put(mapId, 0, 'x');
    await service.dropColumns({ map: 'm' }, context);
    await service.dropColumns({ map: 'none' }, context);
    expect(store.entryCount(mapId)).toBe(1);
  });
});

describe('who holds which partition', () => {
  it('is told of a grid without copies: its owners, and who is there', async () => {
    const { service, control } = await bench();
    const { members, partitions, ...rest } = await service.getReplicas(context);
    expect(rest).toEqual({ memberId: SELF, tableVersion: control.table.tableVersion, backups: 0, minInSync: 1 });
    expect(members.map(({ id, incarnation, alive }) => [id, incarnation, alive])).toEqual([
      [SELF, 'one', true],
      [OTHER, 'one', true],
    ]);
    for (const [partition, { phase, epoch, primary, inSync }] of partitions.entries()) {
      const name = control.table.members[control.table.owners[partition]![0]!]!.id;
      expect([phase, epoch, primary, inSync]).toEqual(['serving', 1, name, [name]]);
    }
  });

  it('is told row by row where there are copies, also of processes that are gone', async () => {
    const { service, control, coordinator } = await bench({ members: [SELF, OTHER], backups: 1 });
    expect((await service.getReplicas(context)).partitions.map(({ phase }) => phase)).toEqual(
      Array(4).fill('promoting'),
    );
    const both = [`${SELF}#one`, `${OTHER}#one`] as ReplicaId[];
    await coordinator.transact({ id: 1, changes: completions(control.table, both) });
    await coordinator.submit(joins(OTHER, 'two'));
    const { partitions, members, backups } = await service.getReplicas(context);
    expect([backups, members.map(({ incarnation }) => incarnation)]).toEqual([1, ['one', 'two']]);
    for (const { phase, inSync, gone, wanted } of partitions) {
      expect([phase, [...inSync].sort(), gone, [...wanted].sort()]).toEqual([
        'serving',
        [SELF, OTHER],
        [OTHER],
        [SELF, OTHER],
      ]);
    }
  });

  it('is nobody before the grid is complete', async () => {
    const { service } = await bench({ members: [SELF, OTHER], joined: 1, backups: 1 });
    expect(await service.getReplicas(context)).toMatchObject({ members: [{ id: SELF, alive: true }], partitions: [] });
  });
});

describe('accepting the loss of partitions', () => {
  const lost = async () => {
    const made = await bench({ members: [SELF, OTHER], backups: 1 });
    const [one, two] = [SELF, OTHER].map((id) => `${id}#one`) as [ReplicaId, ReplicaId];
    await made.coordinator.transact({ id: 1, changes: completions(made.control.table, [one, two]) });
    for (const id of [SELF, OTHER]) await made.coordinator.submit(joins(id, 'two'));
    made.time.pass(100);
    return made;
  };

  it('begins them anew, not before who held them has stopped for certain', async () => {
    const { service, control, time } = await lost();
    expect(control.table.lost).toEqual([0, 1, 2, 3]);
    await expect(service.recover({ partitions: [1] }, context)).rejects.toMatchObject({
      ...{ code: 'LEASE_HELD', details: { waitMs: expect.any(Number) } },
    });
    for (let number = 1; number <= 3; number++) {
      time.pass(600);
      for (const id of [SELF, OTHER]) await control.renew(`${id}#two` as ReplicaId, { number, ceiling: 1 as Version });
    }
    expect(await service.recover({ partitions: [1] }, context)).toEqual({ recovered: [1] });
    expect(control.table.lost).toEqual([0, 2, 3]);
    expect(await service.recover({ partitions: [] }, context)).toEqual({ recovered: [0, 2, 3] });
  });

  it('begins what another process held anew at once where there are no copies', async () => {
    const { service, control, coordinator } = await bench({ members: [SELF, OTHER] });
    const { owners } = control.table;
    await coordinator.submit(joins(OTHER, 'two'));
    const { lost } = control.table;
    expect(lost).toEqual([0, 1, 2, 3].filter((partition) => owners[partition]![0] === 1));
    expect((await service.getReplicas(context)).partitions.map(({ phase }) => phase)).toEqual(
      owners.map(([owner]) => (owner === 1 ? 'lost' : 'serving')),
    );
    expect(await service.recover({ partitions: [] }, context)).toEqual({ recovered: lost });
    expect(control.table.owners).toEqual(owners);
  });

  it('is refused of partitions that are not lost, with copies and without', async () => {
    const { service } = await lost();
    await expect(service.recover({ partitions: [1, 4] }, context)).rejects.toEqual(code('INVALID_ARGUMENT'));
    const plain = await bench();
    await expect(plain.service.recover({ partitions: [1] }, context)).rejects.toEqual(code('INVALID_ARGUMENT'));
    expect(await plain.service.recover({ partitions: [] }, context)).toEqual({ recovered: [] });
  });
});
