/** The coordinator's contract (coordinator.ts) as tests: the same for every engine, from two handles on one history. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GridError } from '@ashlar/core';
import { bundleHash } from '../bundles.ts';
import type { CatalogState } from '../catalog-state.ts';
import type { Coordinator } from '../coordinator.ts';
import type { TableState } from '../table-state.ts';
import { BUNDLE, creates, deploys, drops, joins, memberNamed } from './values.ts';

/** Two handles on the history of one grid that awaits two members, a and b. An embedded one gives the same handle twice. */
export interface CoordinatorBench {
  readonly one: Coordinator;
  readonly other: Coordinator;
  close(): Promise<void> | void;
}

const HASH = bundleHash(BUNDLE);

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(1);
}

/** @param make  a new grid of 16 partitions that has nothing yet */
export function describeCoordinator(name: string, make: () => Promise<CoordinatorBench>): void {
  describe(`${name}, as every coordinator,`, () => {
    let bench: CoordinatorBench;
    let one: Coordinator;
    let other: Coordinator;

    beforeEach(async () => {
      bench = await make();
      ({ one, other } = bench);
    });

    afterEach(() => bench.close());

    const complete = async (): Promise<void> => {
      await one.submit(joins('a'));
      await other.submit(joins('b'));
    };

    it('makes one grid of those who join, by whichever handle', async () => {
      await complete();
      const { table } = await one.refresh();
      expect(table).toMatchObject({ partitionCount: 16, members: [memberNamed('a'), memberNamed('b')], awaited: [] });
      expect(table.owners).toHaveLength(16);
      expect((await other.refresh()).table).toEqual(table);
    });

    it('O1: knows what it answered, and answers what holds the change', async () => {
      await complete();
      const { catalog } = await other.submit(creates('x'));
      expect(catalog.maps.map((map) => map.name)).toEqual(['x']);
      expect(other.state.catalog).toEqual(catalog);
    });

    it('O2: a refresh is as new as what was answered at the other handle', async () => {
      await complete();
      for (const map of ['x', 'y', 'z']) {
        await one.submit(creates(map));
        const { catalog } = await other.refresh();
        expect(catalog.maps.at(-1)!.name).toBe(map);
        expect(other.state.catalog).toEqual(catalog);
      }
    });

    it('loses none of the changes that are made at once', async () => {
      await complete();
      const names = Array.from({ length: 12 }, (_, index) => `map-${index}`);
      await Promise.all(names.map((map, index) => (index % 2 === 0 ? one : other).submit(creates(map))));
      const { catalog } = await one.refresh();
      expect(catalog.maps.map((map) => map.name).sort()).toEqual([...names].sort());
      expect(new Set(catalog.maps.map(({ id }) => id)).size).toBe(names.length);
      expect(catalog.catalogVersion).toBe(names.length);
    });

    it('O3: tells each value when it changes, in order, and nothing twice', async () => {
      await complete();
      const [tables, catalogs] = [[] as TableState[], [] as CatalogState[]];
      const stops = [
        other.watchTable((table) => tables.push(table)),
        other.watchCatalog((catalog) => catalogs.push(catalog)),
      ];
      for (const map of ['x', 'y']) await one.submit(creates(map));
      await one.submit(creates('y'));
      await until(() => catalogs.at(-1)?.maps.length === 2);
      const { table } = await one.submit(joins('b', 'two'));
      await until(() => tables.at(-1)?.tableVersion === table.tableVersion);
      expect(tables).toEqual([table]);
      const versions = catalogs.map(({ catalogVersion }) => catalogVersion);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      for (const stop of stops) stop();
      await one.submit(drops('x'));
      await other.refresh();
      expect(catalogs.at(-1)!.maps).toHaveLength(2);
    });

    it('O3: gives back the value that a change leaves alone as the object that it was', async () => {
      await complete();
      await other.refresh();
      const { table } = other.state;
      await other.submit(deploys());
      expect(other.state.table).toBe(table);
      const { catalog } = other.state;
      await one.submit(joins('a', 'two'));
      await other.refresh();
      expect(other.state.catalog).toBe(catalog);
    });

    it('O4: gives the bundle of a module by its hash, and it is no part of the catalog', async () => {
      await complete();
      const { catalog } = await one.submit(deploys());
      expect(JSON.stringify(catalog)).not.toContain(BUNDLE);
      await other.refresh();
      expect(other.state.catalog.modules).toMatchObject([{ hash: HASH, bundleCharacters: BUNDLE.length }]);
      expect([await one.bundle(HASH), await other.bundle(HASH), other.bundleAtHand(HASH)]).toEqual([
        ...[BUNDLE, BUNDLE, BUNDLE],
      ]);
    });

    it('O4: lets go of a bundle that no module refers to', async () => {
      await complete();
      await one.submit(deploys());
      await one.submit(deploys({ name: 'twin' }));
      await one.submit({ kind: 'removeModule', name: 'audit' });
      await other.refresh();
      expect(await other.bundle(HASH)).toBe(BUNDLE);
      await one.submit(deploys({ name: 'twin', bundle: '2;' }));
      await other.refresh();
      for (const handle of [one, other]) {
        expect(handle.bundleAtHand(HASH)).toBeUndefined();
        await expect(handle.bundle(HASH)).rejects.toMatchObject({ code: 'BUNDLE_MISSING', retryable: true });
      }
    });

    it('refuses by name what a step refuses, and nothing has changed', async () => {
      await complete();
      await one.submit(creates('x'));
      const before = (await one.refresh()).catalog;
      for (const handle of [one, other]) {
        const refusals = [creates('x', { ttlMs: 5 }), creates('a b'), deploys({ hash: 'f'.repeat(64) })];
        const codes = await Promise.all(
          refusals.map((command) => handle.submit(command).catch((error: unknown) => GridError.wrap(error).code)),
        );
        expect(codes).toEqual(['MAP_CONFLICT', 'INVALID_NAME', 'INVALID_ARGUMENT']);
      }
      expect((await other.refresh()).catalog).toEqual(before);
      await expect(other.submit(joins('c'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });
}
