import fc from 'fast-check';
import { checkedCatalog, checkedState, checkedTable } from './state-check.ts';
import { after, creates, deploys, freshState, joins, memberNamed } from './testing/values.ts';

const HELD = after(freshState(), joins('a'), joins('b'), creates('x'), creates('y'), deploys());
const copied = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const DAMAGED = expect.objectContaining({ code: 'CORRUPT_DATA' });

type Fields = Record<string, unknown>;

describe('a table and a catalog from a file or a wire', () => {
  it('come back as they were', () => {
    expect(checkedState(copied(HELD))).toEqual(HELD);
    expect([checkedTable(copied(HELD.table)), checkedCatalog(copied(HELD.catalog))]).toEqual([
      HELD.table,
      HELD.catalog,
    ]);
  });

  it('keep no fields that are not theirs', () => {
    expect(checkedTable({ ...HELD.table, extra: 1 })).toEqual(HELD.table);
    expect(checkedCatalog({ ...HELD.catalog, extra: 1 })).toEqual(HELD.catalog);
  });

  it('are of one grid', () => {
    expect(() => checkedState({ ...HELD, table: { ...HELD.table, gridId: 'other' } })).toThrow(/two grids/);
  });
});

describe('a table', () => {
  it.each<[string, (table: Fields) => unknown]>([
    ['no object', () => [1]],
    ['no grid id', (table) => ({ ...table, gridId: '' })],
    ['an epoch above its floor', (table) => ({ ...table, epochFloor: 0 })],
    ['owners of some partitions', (table) => ({ ...table, owners: [[0]] })],
    ['an owner that is nobody', (table) => ({ ...table, owners: HELD.table.owners.map(() => [7]) })],
    ['a member twice', (table) => ({ ...table, members: [memberNamed('a'), memberNamed('a')] })],
    ['a member without an incarnation', (table) => ({ ...table, members: [memberNamed('a', ''), memberNamed('b')] })],
    ['an awaited member that is not known', (table) => ({ ...table, awaited: ['z'] })],
    ['a version that is no count', (table) => ({ ...table, tableVersion: 1.5 })],
  ])('with %s is refused by name', (_, damage) => {
    expect(() => checkedTable(damage({ ...copied(HELD.table) }))).toThrow(DAMAGED);
  });
});

describe('a table with copies', () => {
  const { table: COPIED } = after(freshState('grid', 2, 16, 1), joins('a'), joins('b'));
  const rows = COPIED.replicas!;

  it('comes back as it was, with owners that follow from its rows whatever came with it', () => {
    expect(checkedTable(copied(COPIED))).toEqual(COPIED);
    const odd = {
      ...copied(COPIED),
      owners: COPIED.owners.map(() => [1]),
      epochs: COPIED.epochs.map(() => 0),
      lost: [2],
    };
    expect(checkedTable(odd)).toEqual(COPIED);
  });

  it.each<[string, unknown]>([
    ['rows of another version', { ...rows, version: rows.version + 1 }],
    ['rows of other partitions', { ...rows, partitions: rows.partitions.slice(1) }],
    ['a process that did not join', { ...rows, members: [{ replica: 'a#two', isAlive: true }] }],
    ['rows that are none', []],
  ])('with %s is refused by name', (_, replicas) => {
    expect(() => checkedTable({ ...copied(COPIED), replicas })).toThrow(DAMAGED);
  });
});

describe('a catalog', () => {
  const [map, module] = [HELD.catalog.maps[0]!, HELD.catalog.modules[0]!];

  it.each<[string, (catalog: Fields) => unknown]>([
    ['no object', () => 'text'],
    ['no grid id', (catalog) => ({ ...catalog, gridId: undefined })],
    ['a map id above its floor', (catalog) => ({ ...catalog, mapIdFloor: 1 })],
    ['a map twice', (catalog) => ({ ...catalog, maps: [map, map] })],
    ['a map with odd options', (catalog) => ({ ...catalog, maps: [{ ...map, affinityParts: -5 }] })],
    ['modules that are none', (catalog) => ({ ...catalog, modules: [{ name: 'm' }] })],
    ['a module twice', (catalog) => ({ ...catalog, modules: [module, module] })],
    ['a hash that is a path', (catalog) => ({ ...catalog, modules: [{ ...module, hash: '../coordinator' }] })],
    ['a bundle without a length', (catalog) => ({ ...catalog, modules: [{ ...module, bundleCharacters: undefined }] })],
    [
      'a listener of a map to come',
      (catalog) => ({
        ...catalog,
        mapIdFloor: 2,
        modules: [{ ...module, exports: [{ ...module.exports[0], mapId: 3 }] }],
      }),
    ],
    ['a version below 0', (catalog) => ({ ...catalog, catalogVersion: -1 })],
  ])('with %s is refused by name', (_, damage) => {
    expect(() => checkedCatalog(damage({ ...copied(HELD.catalog) }))).toThrow(DAMAGED);
  });
});

describe('whatever a value holds', () => {
  it('V1: it is read or refused, and never half', () => {
    for (const [check, held] of [
      [checkedTable, HELD.table],
      [checkedCatalog, HELD.catalog],
    ] as const) {
      fc.assert(
        fc.property(fc.constantFrom(...Object.keys(held)), fc.jsonValue(), (field, value) => {
          try {
            check({ ...held, [field]: value });
          } catch (error) {
            expect(error).toMatchObject({ code: 'CORRUPT_DATA' });
          }
        }),
      );
    }
  });
});
