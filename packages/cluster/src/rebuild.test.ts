import type { MemberId } from '@ashlar/core';
import fc from 'fast-check';
import { DEFAULT_MAP_SETTINGS } from './catalog.ts';
import {
  type ControlCommand,
  type ControlState,
  emptyState,
  type JoinedMember,
  step,
  tableOf,
} from './control-state.ts';
import { type ControlKeeper, EmbeddedCoordinator } from './embedded-coordinator.ts';
import { checkedState } from './state-check.ts';

const member = (name: string, incarnation = 'one'): JoinedMember => ({
  ...{ id: name as MemberId, address: `127.0.0.1:${name}`, httpAddress: '', zone: 'z', incarnation },
});
const join = (name: string, incarnation = 'one', held?: ControlState): ControlCommand => ({
  ...{ kind: 'join', member: member(name, incarnation), held },
});
const create = (name: string): ControlCommand => ({ kind: 'createMap', name, options: DEFAULT_MAP_SETTINGS });
const fresh = (gridId: string, expectedMembers = 2, partitionCount = 16): ControlState =>
  emptyState({ ...{ gridId, partitionCount, expectedMembers }, epochFloor: 0, mapIdFloor: 0 });
const after = (state: ControlState, ...commands: ControlCommand[]): ControlState => commands.reduce(step, state);
const primaries = ({ owners, members }: ControlState): string[] => owners.map(([index]) => members[index!]!.id);

/** A grid of a and b with two maps, as both knew it when its coordinator (in a) died. */
const HELD = after(fresh('old'), join('a'), join('b'), create('x'), create('y'));

describe('a coordinator that lost its grid', () => {
  const rebuilt = after(fresh('new'), join('a', 'two'), join('b', 'one', HELD));

  it('goes on with what a living member holds: owners, maps, and who is in it', () => {
    expect(rebuilt.gridId).toBe('old');
    expect(rebuilt.owners).toEqual(HELD.owners);
    expect(rebuilt.maps).toEqual(HELD.maps);
    expect(rebuilt.members).toEqual([member('a', 'two'), member('b')]);
    expect(rebuilt.awaited).toEqual([]);
  });

  it('B1: gives nothing twice: versions, epochs and map ids go on above what it may have given unheard', () => {
    expect(rebuilt.tableVersion).toBeGreaterThan(HELD.tableVersion + 1000);
    expect(rebuilt.catalogVersion).toBeGreaterThan(HELD.catalogVersion + 1000);
    const { maps } = step(rebuilt, create('z'));
    expect(maps.at(-1)!.id).toBeGreaterThan(HELD.mapIdFloor + 1000);
  });

  it('S2: raises the epochs of its own partitions, which are gone, and those of no others', () => {
    for (const [partition, owner] of primaries(rebuilt).entries()) {
      if (owner === 'b') expect(rebuilt.epochs[partition]).toBe(HELD.epochs[partition]);
      else expect(rebuilt.epochs[partition]).toBeGreaterThan(HELD.epochs[partition]! + 1000);
    }
  });

  it('awaits the members that have not come yet, until they come or it gives up', () => {
    const three = after(fresh('old', 3), join('a'), join('b'), join('c'));
    const first = after(fresh('new', 3), join('a', 'two'), join('b', 'one', three));
    expect(tableOf(first).awaited).toEqual(['c']);
    expect(after(first, join('c', 'one', three)).awaited).toEqual([]);
    const givenUp = after(first, { kind: 'stopAwaiting' });
    expect(givenUp).toMatchObject({ awaited: [], tableVersion: first.tableVersion + 1 });
    expect(after(givenUp, { kind: 'stopAwaiting' })).toBe(givenUp);
  });

  it('takes in a member that was started again, too, before or after another tells of the grid', () => {
    const three = after(fresh('old', 3), join('a'), join('b'), join('c'));
    const state = after(fresh('new', 3), join('a', 'two'), join('b', 'two'), join('c', 'one', three));
    expect(state.members).toEqual([member('a', 'two'), member('b', 'two'), member('c')]);
    expect(state.owners).toEqual(three.owners);
  });

  it('begins anew where nobody holds anything', () => {
    const waiting = after(fresh('old'), join('a'));
    const state = after(fresh('new'), join('a', 'two'), join('b', 'one', waiting));
    expect(state).toMatchObject({ gridId: 'new', members: [{ id: 'a' }, { id: 'b' }] });
    expect(state.owners).toHaveLength(16);
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
    expect(state.maps.map(({ name }) => name)).toEqual(['x', 'y']);
    expect(step(state, create('z')).maps.at(-1)!.id).toBeGreaterThan(HELD.mapIdFloor);
  });
});

describe('a coordinator that is started again with its file', () => {
  const keeper: ControlKeeper & { kept?: ControlState | undefined } = {
    load() {
      return this.kept === undefined ? undefined : checkedState(JSON.parse(JSON.stringify(this.kept)));
    },
    save(state) {
      this.kept = state;
    },
  };
  const start = () =>
    new EmbeddedCoordinator({ ...{ partitionCount: 16, expectedMembers: 2, keeper }, newGridId: () => 'grid' });

  it('has table and catalog as they were, and awaits its members', async () => {
    const first = start();
    for (const command of [join('a'), join('b'), create('x'), create('y'), { kind: 'dropMap', name: 'y' } as const]) {
      await first.submit(command);
    }
    const second = start();
    const { gridId, owners, epochs, maps, mapIdFloor, members } = first.state;
    expect(second.state).toMatchObject({ gridId, owners, epochs, maps, mapIdFloor, members, awaited: ['a', 'b'] });
    const state = await second.submit(join('a', 'two'));
    for (const [partition, owner] of primaries(state).entries()) {
      expect(state.epochs[partition]! - epochs[partition]!).toBe(owner === 'a' ? 1 : 0);
    }
    expect((await second.submit(join('b'))).awaited).toEqual([]);
    expect((await second.submit(create('y'))).maps.at(-1)!.id).toBe(mapIdFloor + 1);
  });
});

describe('a control state from a file or a wire', () => {
  it('comes back as it was', () => {
    expect(checkedState(JSON.parse(JSON.stringify(HELD)))).toEqual(HELD);
  });

  it.each<[string, (state: Record<string, unknown>) => unknown]>([
    ['no object', () => [1]],
    ['no grid id', (state) => ({ ...state, gridId: '' })],
    ['an epoch above its floor', (state) => ({ ...state, epochFloor: 0 })],
    ['a map id above its floor', (state) => ({ ...state, mapIdFloor: 1 })],
    ['a map twice', (state) => ({ ...state, maps: [HELD.maps[0], HELD.maps[0]] })],
    ['a map with odd options', (state) => ({ ...state, maps: [{ ...HELD.maps[0], affinityParts: -5 }] })],
    ['owners of some partitions', (state) => ({ ...state, owners: [[0]] })],
    ['an owner that is nobody', (state) => ({ ...state, owners: HELD.owners.map(() => [7]) })],
    ['a member twice', (state) => ({ ...state, members: [member('a'), member('a')] })],
    ['a member without an incarnation', (state) => ({ ...state, members: [member('a', ''), member('b')] })],
    ['an awaited member that is not known', (state) => ({ ...state, awaited: ['z'] })],
    ['a version that is no count', (state) => ({ ...state, tableVersion: 1.5 })],
    ['modules that are none', (state) => ({ ...state, modules: [{ name: 'm' }] })],
  ])('with %s is refused by name', (_, damage) => {
    const value = damage(JSON.parse(JSON.stringify(HELD)));
    expect(() => checkedState(value)).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }));
  });

  it('is read or refused, whatever it is, and never half', () => {
    const fields = Object.keys(HELD);
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue(), (field, value) => {
        try {
          checkedState({ ...HELD, [field]: value });
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPT_DATA' });
        }
      }),
    );
  });
});
