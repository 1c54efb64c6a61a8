import type { MapId } from '@ashlar/core';
import { bundleHash } from './bundles.ts';
import { assertCatalogFollows, bundleHashesOf, type CatalogState, DEFAULT_MAP_SETTINGS } from './catalog-state.ts';
import { type ControlCommand, step } from './step.ts';
import { BUNDLE, creates as create, drops as drop, freshState, deploys as put } from './testing/values.ts';

const EMPTY = freshState();
const next = (catalog: CatalogState, command: ControlCommand): CatalogState =>
  step({ ...EMPTY, catalog }, command).catalog;
const after = (...commands: ControlCommand[]): CatalogState => commands.reduce(next, EMPTY.catalog);
const idOf = ({ maps }: CatalogState, name: string): number => maps.find((map) => map.name === name)!.id;
const watched = ({ modules }: CatalogState): number => modules[0]!.exports[0]!.mapId;

describe('map ids', () => {
  it('C1: are new for a map that takes the name of a dropped one', () => {
    const first = after(create('a'));
    expect(idOf(after(create('a'), drop('a'), create('a')), 'a')).toBeGreaterThan(idOf(first, 'a'));
  });

  it('name what a drop means: a repeated one spares the map that took the name', () => {
    const first = after(create('a'));
    const second = after(create('a'), drop('a'), create('a'));
    expect(next(second, drop('a', idOf(first, 'a')))).toBe(second);
    expect(next(second, drop('a', idOf(second, 'a'))).maps).toEqual([]);
  });

  it('come from the coordinator, whatever the options of a map hold', () => {
    const { maps } = after(create('a', { id: 77, name: 'b', extra: true }));
    expect(maps).toEqual([{ id: 1, name: 'a', ...DEFAULT_MAP_SETTINGS }]);
  });

  it('are not given to a map under other options than the one of its name has', () => {
    expect(() => after(create('a'), create('a', { affinityParts: 1 }))).toThrow(
      expect.objectContaining({ code: 'MAP_CONFLICT', details: expect.objectContaining({ option: 'affinityParts' }) }),
    );
  });
});

describe('listeners', () => {
  it('C2: belong to the map that has their name when their module is deployed', () => {
    const state = after(create('orders'), put());
    expect(watched(state)).toBe(idOf(state, 'orders'));
  });

  it('C2: wait for the first map of their name where there is none', () => {
    expect(watched(after(put()))).toBe(0);
    const state = after(put(), create('others'), create('orders'));
    expect(watched(state)).toBe(idOf(state, 'orders'));
  });

  it('C2: do not go over to the next map of that name', () => {
    const first = after(create('orders'), put());
    const state = after(create('orders'), put(), drop('orders'), create('orders'));
    expect(watched(state)).toBe(idOf(first, 'orders'));
  });

  it('C2: are bound anew by a deployment, also of the same code', () => {
    const ended = after(create('orders'), put(), drop('orders'), create('orders'));
    const state = next(ended, put());
    expect(watched(state)).toBe(idOf(state, 'orders'));
    expect(state.modules[0]!.generation).toBeGreaterThan(ended.modules[0]!.generation);
  });

  it('C2: keep their map when the same code is deployed while it lives; the deployment counts all the same', () => {
    const state = after(create('orders'), put());
    const again = next(state, put());
    expect(watched(again)).toBe(watched(state));
    expect(again.modules[0]!.generation).toBeGreaterThan(state.modules[0]!.generation);
  });
});

describe('modules', () => {
  const of = (name: string, bundle: string) => put({ name, bundle, exports: [] });

  it('have a bundle by its hash, and its length', () => {
    const { modules } = after(put());
    expect(modules).toMatchObject([{ hash: bundleHash(BUNDLE), bundleCharacters: BUNDLE.length, generation: 1 }]);
    expect(modules[0]).not.toHaveProperty('bundle');
  });

  it('are as they were when the same code is deployed again, without listeners', () => {
    const state = after(of('m', '1;'));
    expect(next(state, of('m', '1;'))).toBe(state);
    expect(next(state, of('m', '2;'))).toMatchObject({ modules: [{ name: 'm', generation: 2 }] });
  });

  it('refer to the bundles that they run, each once', () => {
    const catalog = after(of('a', '1;'), of('b', '1;'), of('c', '2;'));
    expect(bundleHashesOf(catalog)).toEqual(new Set([bundleHash('1;'), bundleHash('2;')]));
  });

  it('have room for so many characters, a bundle of several modules counted once', () => {
    const half = 'x'.repeat(5 << 20);
    const twice = after(of('a', half), of('b', half));
    expect(twice.modules).toHaveLength(2);
    expect(() => next(twice, of('c', `${half}y`))).toThrow(
      expect.objectContaining({ code: 'OVERLOADED', hint: expect.stringContaining('undeploy') }),
    );
    expect(next(next(twice, of('b', 'y')), of('a', `${half}y`)).modules).toHaveLength(2);
  });
});

describe('what follows a catalog', () => {
  const before = after(create('a'));
  const made = next(before, create('b'));

  it('is what steps make', () => {
    expect(() => assertCatalogFollows(made, before)).not.toThrow();
  });

  it('C3: has the next version where a step changes it, and the same where none does; the floor of ids never falls', () => {
    const steps: readonly (readonly [ControlCommand, number, number])[] = [
      [create('a'), 1, 1],
      [create('a'), 0, 1],
      [put(), 1, 1],
      [create('orders'), 1, 2],
      [drop('orders', 1), 0, 2],
      [drop('orders'), 1, 2],
      [drop('orders'), 0, 2],
      [{ kind: 'removeModule', name: 'audit' }, 1, 2],
      [{ kind: 'removeModule', name: 'audit' }, 0, 2],
      [create('orders'), 1, 3],
      [drop('a'), 1, 3],
    ];
    let catalog = EMPTY.catalog;
    for (const [command, rises, floor] of steps) {
      const { catalogVersion } = catalog;
      catalog = next(catalog, command);
      expect([catalog.catalogVersion - catalogVersion, catalog.mapIdFloor]).toEqual([rises, floor]);
    }
  });

  it('C3: stays as it was where a step is refused', () => {
    const refused = [create('a', { affinityParts: 1 }), create('a', { ttlMs: 5 }), create('')];
    for (const command of refused) {
      expect(() => next(before, command)).toThrow(expect.objectContaining({ code: expect.any(String) }));
    }
    expect(before).toEqual(after(create('a')));
  });

  it.each<[string, CatalogState, RegExp]>([
    ['another grid', { ...made, gridId: 'other' }, /C3/],
    ['a version passed over', { ...made, catalogVersion: 9 }, /C3/],
    ['a lower floor', { ...made, mapIdFloor: 0 }, /C3/],
    ['an id given again', { ...made, maps: made.maps.map((map) => ({ ...map, id: 1 as MapId })) }, /C1/],
    ['an id above the floor', { ...made, maps: made.maps.map((map) => ({ ...map, id: 9 as MapId })) }, /C1/],
  ])('is not one with %s', (_, catalog, broken) => {
    expect(() => assertCatalogFollows(catalog, before)).toThrow(broken);
  });
});
