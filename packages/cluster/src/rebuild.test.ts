import { restored } from './rebuild.ts';
import { type ControlState, step } from './step.ts';
import {
  after,
  creates as create,
  deploys,
  freshState as fresh,
  joins as join,
  memberNamed as member,
} from './testing/values.ts';

const primaries = ({ table }: ControlState): string[] => table.owners.map(([index]) => table.members[index!]!.id);

/** A grid of a and b with two maps, as both knew it when its coordinator (in a) died. */
const HELD = after(fresh('old'), join('a'), join('b'), create('x'), create('y'));

describe('a coordinator that lost its grid', () => {
  const rebuilt = after(fresh('new'), join('a', 'two'), join('b', 'one', HELD));

  it('goes on with what a living member holds: owners, maps, and who is in it', () => {
    expect(rebuilt.table.gridId).toBe('old');
    expect(rebuilt.table.owners).toEqual(HELD.table.owners.map(([owner]) => (owner === 0 ? [] : [owner])));
    expect(rebuilt.catalog.maps).toEqual(HELD.catalog.maps);
    expect(rebuilt.table.members).toEqual([member('a', 'two'), member('b')]);
    expect(rebuilt.table.awaited).toEqual([]);
  });

  it('B1: gives nothing twice: versions, epochs and map ids go on above what it may have given unheard', () => {
    expect(rebuilt.table.tableVersion).toBeGreaterThan(HELD.table.tableVersion + 1000);
    expect(rebuilt.catalog.catalogVersion).toBeGreaterThan(HELD.catalog.catalogVersion + 1000);
    const { maps } = step(rebuilt, create('z')).catalog;
    expect(maps.at(-1)!.id).toBeGreaterThan(HELD.catalog.mapIdFloor + 1000);
  });

  it('S2: has lost its own partitions, which are gone, and no others; they begin anew above the epochs it may have given', () => {
    const own = primaries(HELD).flatMap((owner, partition) => (owner === 'a' ? [partition] : []));
    expect(rebuilt.table.lost).toEqual(own);
    expect(rebuilt.table.epochs).toEqual(HELD.table.epochs);
    const { table } = step(rebuilt, { kind: 'recover', partitions: own });
    expect(table.owners).toEqual(HELD.table.owners);
    for (const partition of own) expect(table.epochs[partition]).toBeGreaterThan(HELD.table.epochs[partition]! + 1000);
  });

  it('awaits the members that have not come yet, until they come or it gives up', () => {
    const three = after(fresh('old', 3), join('a'), join('b'), join('c'));
    const first = after(fresh('new', 3), join('a', 'two'), join('b', 'one', three));
    expect(first.table.awaited).toEqual(['c']);
    expect(after(first, join('c', 'one', three)).table.awaited).toEqual([]);
    const givenUp = after(first, { kind: 'stopAwaiting' });
    expect(givenUp.table).toMatchObject({ awaited: [], tableVersion: first.table.tableVersion + 1 });
    expect(after(givenUp, { kind: 'stopAwaiting' })).toBe(givenUp);
  });

  it('takes in a member that was started again, too, before or after another tells of the grid', () => {
    const three = after(fresh('old', 3), join('a'), join('b'), join('c'));
    const state = after(fresh('new', 3), join('a', 'two'), join('b', 'two'), join('c', 'one', three));
    expect(state.table.members).toEqual([member('a', 'two'), member('b', 'two'), member('c')]);
    expect(state.table.owners).toEqual(three.table.owners.map(([owner]) => (owner === 2 ? [owner] : [])));
  });

  it('begins anew where nobody holds anything', () => {
    const waiting = after(fresh('old'), join('a'));
    const state = after(fresh('new'), join('a', 'two'), join('b', 'one', waiting));
    expect(state.table).toMatchObject({ gridId: 'new', members: [{ id: 'a' }, { id: 'b' }] });
    expect(state.table.owners).toHaveLength(16);
  });

  it('B2: refuses by name what it cannot go on with', () => {
    const refused = (state: ControlState, held: ControlState) => () => step(state, join('b', 'one', held));
    const conflict = expect.objectContaining({ code: 'GRID_CONFLICT', hint: expect.any(String) });
    const complete = after(fresh('new'), join('a', 'two'), join('d'));
    expect(refused(complete, HELD)).toThrow(conflict);
    expect(refused(complete, HELD)).toThrow(/'b' holds grid old.*grid new, which is complete/);
    const others = after(fresh('new', 2, 32), join('a', 'two'));
    expect(refused(others, HELD)).toThrow(/16 partitions.*started for 32/);
    const unknown = after(fresh('new'), join('z'));
    expect(refused(unknown, HELD)).toThrow(/a, b.*'z' does not belong/);
  });

  it('goes on above a member that knows more than its file', () => {
    const older = after(fresh('old'), join('a'), join('b'), create('x'));
    const state = after(older, join('a', 'two'), join('b', 'one', HELD));
    expect(state.catalog.maps.map(({ name }) => name)).toEqual(['x', 'y']);
    expect(step(state, create('z')).catalog.maps.at(-1)!.id).toBeGreaterThan(HELD.catalog.mapIdFloor);
  });
});

describe('a grid that is taken over', () => {
  it('has its modules by their hashes: their bundles are with its members', () => {
    const held = after(HELD, deploys());
    const rebuilt = after(fresh('new'), join('a', 'two'), join('b', 'one', held));
    expect(rebuilt.catalog.modules).toEqual(held.catalog.modules);
  });

  it('is one grid in both of its values', () => {
    const { table, catalog } = after(fresh('new'), join('a', 'two'), join('b', 'one', HELD));
    expect([table.gridId, catalog.gridId]).toEqual(['old', 'old']);
  });
});

describe('a grid that comes back from disk', () => {
  it('awaits everybody, in a newer table and the same catalog', () => {
    const { table, catalog } = restored(HELD);
    expect(table).toEqual({ ...HELD.table, awaited: ['a', 'b'], tableVersion: HELD.table.tableVersion + 1 });
    expect(catalog).toBe(HELD.catalog);
  });
});
