import { GridError, type MapId, type MemberId } from '@ashlar/core';
import { EmbeddedCoordinator } from './embedded-coordinator.ts';
import { GridView } from './grid-view.ts';
import { ManualCoordinator } from './testing/manual-coordinator.ts';
import { after, creates, deploys, drops, freshState, joins, MemoryKeeper } from './testing/values.ts';

const A = 'a' as MemberId;

async function complete(expectedMembers = 2) {
  const newGridId = (): string => 'grid';
  const keeper = new MemoryKeeper();
  const coordinator = new EmbeddedCoordinator({ ...{ partitionCount: 16, expectedMembers, newGridId, keeper } });
  const failures: unknown[] = [];
  const view = new GridView(A, coordinator, (error) => failures.push(error));
  for (const name of ['a', 'b'].slice(0, expectedMembers)) await coordinator.submit(joins(name));
  return { coordinator, view, failures };
}

describe('a view of the grid', () => {
  it('G1: tells of each value what it begins with, and its own changes', async () => {
    const { coordinator, view } = await complete();
    const told: [string, number, number | undefined][] = [];
    view.onTable((now, before) => told.push(['table', now.tableVersion, before?.tableVersion]));
    view.onCatalog((now, before) => told.push(['catalog', now.catalogVersion, before?.catalogVersion]));
    await coordinator.submit(creates('x'));
    await coordinator.submit(joins('b', 'two'));
    await coordinator.submit(creates('x'));
    expect(told).toEqual([
      ['table', 2, undefined],
      ['catalog', 0, undefined],
      ['catalog', 1, 0],
      ['table', 3, 2],
    ]);
  });

  it('keeps a follower that throws from no other', async () => {
    const { coordinator, view, failures } = await complete();
    const seen: number[] = [];
    view.onCatalog(({ catalogVersion }) => {
      if (catalogVersion > 0) throw new Error('no');
    });
    view.onCatalog(({ catalogVersion }) => seen.push(catalogVersion));
    await coordinator.submit(creates('x'));
    expect([seen, failures.length]).toEqual([[0, 1], 1]);
  });

  it('G2: goes back in neither value, and over to another grid whatever its versions', () => {
    const old = after(freshState(), joins('a'), joins('b'), creates('x'), creates('y'));
    const coordinator = new ManualCoordinator(old);
    const view = new GridView(A, coordinator);
    coordinator.catalogs.tell({ ...old.catalog, catalogVersion: 1, maps: [] });
    coordinator.tables.tell({ ...old.table, tableVersion: 1, members: [] });
    expect([view.catalog, view.table]).toEqual([old.catalog, old.table]);
    const other = freshState('other');
    coordinator.catalogs.tell(other.catalog);
    coordinator.tables.tell(other.table);
    expect([view.catalog, view.table, view.isComplete]).toEqual([other.catalog, other.table, false]);
  });

  it('serves a partition for those who know it to be its own, from its present epoch on', async () => {
    const { coordinator, view } = await complete();
    const [own] = view.ownPartitions;
    expect([view.isMine(own!), view.serves(own!, 2), view.serves(own!, 1)]).toEqual([true, true, false]);
    await coordinator.submit(joins('a', 'two'));
    expect([view.isMine(own!), view.serves(own!, 2), view.serves(own!, 3)]).toEqual([false, false, false]);
    await coordinator.submit({ kind: 'recover', partitions: [own!] });
    expect([view.serves(own!, 3), view.serves(own!, 4), view.epochOf(own!)]).toEqual([false, true, 2]);
    const others = view.table.owners.findIndex(([owner]) => owner === 1);
    expect([view.isMine(others), view.serves(others, 99), view.serves(99, 99)]).toEqual([false, false, false]);
  });

  it('G5: serves nobody who has a newer table, before it has it itself', async () => {
    const known = after(freshState(), joins('a'), joins('b'));
    const coordinator = new ManualCoordinator(known);
    const view = new GridView(A, coordinator);
    const [own] = view.ownPartitions;
    const { tableVersion } = view.table;
    expect(view.waitForTable(tableVersion, {})).toBeUndefined();
    expect([view.serves(own!, tableVersion), view.serves(own!, tableVersion + 1)]).toEqual([true, false]);
    const { table } = known;
    coordinator.newest = { ...known, table: { ...table, tableVersion: tableVersion + 1 } };
    await view.waitForTable(tableVersion + 1, {});
    expect(view.serves(own!, tableVersion + 1)).toBe(true);
    await view.waitForTable(tableVersion + 2, {});
    expect(view.serves(own!, tableVersion + 2)).toBe(false);
    coordinator.refresh = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'away'));
    const inVain = view.waitForTable(tableVersion + 2, { deadlineMs: performance.now() + 1 });
    await expect(inVain).rejects.toMatchObject({ code: 'LEASE_EXPIRED', retryable: true });
  });
});

describe('names and ids', () => {
  it('that are not known are asked for once', async () => {
    const known = after(freshState(), joins('a'), joins('b'));
    const coordinator = new ManualCoordinator(known);
    const view = new GridView(A, coordinator);
    coordinator.newest = after(known, creates('made'), deploys());
    expect(await view.mapNamed('made')).toMatchObject({ id: 1 });
    expect(await view.moduleNamed('audit')).toMatchObject({ generation: 2 });
    expect(await view.mapWithId(1 as MapId, 'made')).toMatchObject({ name: 'made' });
    expect(coordinator.refreshes).toBe(1);
    await expect(view.mapNamed('mad')).rejects.toMatchObject({
      code: 'UNKNOWN_MAP',
      hint: expect.stringMatching('made'),
    });
    await expect(view.moduleNamed('audid')).rejects.toMatchObject({ code: 'UNKNOWN_MODULE' });
    await expect(view.mapWithId(7 as MapId, 'late')).rejects.toMatchObject({ code: 'LEASE_EXPIRED' });
    coordinator.newest = after(coordinator.newest, drops('made'));
    await view.refresh();
    await expect(view.mapWithId(1 as MapId, 'made')).rejects.toMatchObject({ code: 'MAP_DROPPED' });
  });

  it('of a map that is not there make it, with the settings that are given', async () => {
    const { view } = await complete();
    const settings = { affinityParts: 1, ttlMs: 5, maxIdleMs: 0 };
    expect(await view.mapFor('m', settings, true)).toMatchObject(settings);
    expect(await view.mapFor('m', { ...settings, ttlMs: 0 }, false)).toMatchObject(settings);
    await expect(view.mapFor('m', { ...settings, ttlMs: 0 }, true)).rejects.toMatchObject({ code: 'MAP_CONFLICT' });
  });

  it('are not made in a grid that is not complete', async () => {
    const { coordinator, view } = await complete();
    expect(coordinator.state).toEqual({ table: view.table, catalog: view.catalog });
    const incomplete = new GridView(A, new ManualCoordinator(freshState()));
    await expect(incomplete.submit(creates('x'))).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
    expect(() => incomplete.requireComplete()).toThrow(expect.objectContaining({ code: 'GRID_INCOMPLETE' }));
  });
});

describe('a caller with a version of the catalog', () => {
  it('G3: waits for nothing where it is here, and is refused where it does not come', async () => {
    const coordinator = new ManualCoordinator(after(freshState(), joins('a'), joins('b'), creates('x')));
    const view = new GridView(A, coordinator);
    expect([view.waitForCatalog(0, {}), view.waitForCatalog(1, {})]).toEqual([undefined, undefined]);
    const tooLate = view.waitForCatalog(9, { deadlineMs: performance.now() + 60 });
    await expect(tooLate).rejects.toMatchObject({ code: 'LEASE_EXPIRED' });
  });

  it('G3: goes on when it is followed, by all who follow the catalog', async () => {
    const known = after(freshState(), joins('a'), joins('b'));
    const coordinator = new ManualCoordinator(known);
    const view = new GridView(A, coordinator);
    const told: string[] = [];
    view.onCatalog(({ catalogVersion }) => told.push(`followed ${catalogVersion}`));
    const waiting = view.waitForCatalog(1, {})!.then(() => told.push('answered'));
    coordinator.newest = after(known, creates('x'));
    await waiting;
    expect(told).toEqual(['followed 0', 'followed 1', 'answered']);
  });

  it('G4: asks the coordinator once with all others who ask at the same time', async () => {
    const coordinator = new ManualCoordinator(after(freshState(), joins('a'), joins('b')));
    const view = new GridView(A, coordinator);
    await Promise.all(Array.from({ length: 100 }, () => view.refresh()));
    expect(coordinator.refreshes).toBe(2);
  });
});

describe('a bundle that is found', () => {
  it('is told to those who follow bundles before it is answered', async () => {
    const view = new GridView(A, new ManualCoordinator(freshState()));
    const told: string[] = [];
    view.onBundle((hash) => told.push(hash));
    told.push(await view.bundle('hash'));
    expect(told).toEqual(['hash', 'text']);
  });
});
