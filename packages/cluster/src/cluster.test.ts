import type { MemberId } from '@ashlar/core';
import fc from 'fast-check';
import { DEFAULT_MAP_SETTINGS } from './catalog.ts';
import { type ControlState, type JoinedMember, step } from './control-state.ts';
import { type ControlKeeper, EmbeddedCoordinator } from './embedded-coordinator.ts';
import { assignPartitions } from './placement.ts';

const names = (count: number): MemberId[] => Array.from({ length: count }, (_, index) => `member-${index}` as MemberId);
const member = (name: string, incarnation = 'one'): JoinedMember => ({
  id: name as MemberId,
  address: `127.0.0.1:${name.length}`,
  httpAddress: '127.0.0.1:1',
  zone: 'host',
  incarnation,
});
const memoryKeeper = (): ControlKeeper & { kept: ControlState | undefined } => ({
  kept: undefined,
  load() {
    return this.kept;
  },
  save(kept) {
    this.kept = kept;
  },
});
const coordinator = (expectedMembers: number, keeper: ControlKeeper = memoryKeeper()): EmbeddedCoordinator =>
  new EmbeddedCoordinator({ partitionCount: 256, expectedMembers, newGridId: () => 'grid', keeper });

describe('placement', () => {
  it('gives every member its share of primaries, none more than one partition over', () => {
    for (const count of [1, 2, 3, 5, 7]) {
      const owners = assignPartitions(names(count), 256, 1);
      const shares = new Array<number>(count).fill(0);
      for (const [primary] of owners) shares[primary!]!++;
      expect(Math.max(...shares)).toBeLessThanOrEqual(Math.ceil(256 / count));
    }
  });

  it('does not depend on the order of the members', () => {
    const byName = (members: MemberId[]) => assignPartitions(members, 256, 2).map((row) => row.map((i) => members[i]));
    const members = names(5);
    expect(byName([...members].reverse())).toEqual(byName(members));
  });

  it('names different members for the copies of a partition', () => {
    for (const owners of assignPartitions(names(3), 64, 5)) expect(new Set(owners).size).toBe(3);
  });

  it('moves few partitions between the members that stay when one joins', () => {
    const before = assignPartitions(names(4), 256, 1);
    const after = assignPartitions(names(5), 256, 1);
    const movedBetweenOld = after.filter(([to], partition) => to !== 4 && to !== before[partition]![0]).length;
    expect(movedBetweenOld).toBeLessThan(256 / 8);
  });

  it('refuses to place partitions on nobody', () => {
    expect(() => assignPartitions([], 256, 1)).toThrow('no members');
  });
});

describe('the embedded coordinator', () => {
  it('makes the table when the expected members have joined, and keeps it', async () => {
    const two = coordinator(2);
    expect((await two.submit({ kind: 'join', member: member('a') })).owners).toHaveLength(0);
    const complete = await two.submit({ kind: 'join', member: member('b') });
    expect(complete.owners).toHaveLength(256);
    expect(complete.epochs[0]).toBe(1);
    await expect(two.submit({ kind: 'join', member: member('c') })).rejects.toThrow('complete');
  });

  it('gives a restarted member its partitions back at a new epoch, and nobody else one', async () => {
    const two = coordinator(2);
    await two.submit({ kind: 'join', member: member('a') });
    const before = await two.submit({ kind: 'join', member: member('b') });
    const after = await two.submit({ kind: 'join', member: member('b', 'two') });
    after.owners.forEach(([primary], partition) => {
      expect(after.epochs[partition]! - before.epochs[partition]!).toBe(primary === 1 ? 1 : 0);
    });
  });

  it('never gives an epoch twice, also over its own death', async () => {
    const keeper = memoryKeeper();
    const first = await coordinator(1, keeper).submit({ kind: 'join', member: member('a') });
    const second = await coordinator(1, keeper).submit({ kind: 'join', member: member('a', 'two') });
    expect(second.gridId).toBe(first.gridId);
    expect(second.epochs[0]).toBeGreaterThan(first.epochs[0]!);
  });

  it('tells every watcher of every change in order, and of nothing else', async () => {
    const one = coordinator(1);
    const seen: number[] = [];
    const stop = one.watch((state) => seen.push(state.catalogVersion));
    await one.submit({ kind: 'createMap', name: 'a', options: DEFAULT_MAP_SETTINGS });
    await one.submit({ kind: 'createMap', name: 'a', options: DEFAULT_MAP_SETTINGS });
    await one.submit({ kind: 'createMap', name: 'b', options: DEFAULT_MAP_SETTINGS });
    stop();
    await one.submit({ kind: 'dropMap', name: 'a' });
    expect(seen).toEqual([1, 2]);
  });

  it('refuses a map under other options than it has, by name', async () => {
    const one = coordinator(1);
    await one.submit({ kind: 'createMap', name: 'a', options: DEFAULT_MAP_SETTINGS });
    const other = { ...DEFAULT_MAP_SETTINGS, affinityParts: 1 };
    await expect(one.submit({ kind: 'createMap', name: 'a', options: other })).rejects.toMatchObject({
      code: 'MAP_CONFLICT',
      details: { option: 'affinityParts' },
    });
  });

  it.each(['', ' ', 'a b', '-a', '/a', 'a'.repeat(129), 'a\u0000'])('refuses the map name %j', async (name) => {
    const attempt = coordinator(1).submit({ kind: 'createMap', name, options: DEFAULT_MAP_SETTINGS });
    await expect(attempt).rejects.toMatchObject({ code: 'INVALID_NAME' });
  });

  it('takes names that mean something to JavaScript as names', async () => {
    const one = coordinator(1);
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const state = await one.submit({ kind: 'createMap', name, options: DEFAULT_MAP_SETTINGS });
      expect(state.maps.at(-1)).toMatchObject({ name });
    }
  });
});

describe('control state over random commands', () => {
  const command = fc.oneof(
    fc.record({
      kind: fc.constant('join' as const),
      member: fc.constantFrom(member('a'), member('b'), member('a', 'two')),
    }),
    fc.record({
      kind: fc.constant('createMap' as const),
      name: fc.constantFrom('x', 'y', 'z'),
      options: fc.constant(DEFAULT_MAP_SETTINGS),
    }),
    fc.record({ kind: fc.constant('dropMap' as const), name: fc.constantFrom('x', 'y') }),
  );

  it('S1-S3: versions rise by one, epochs never fall, map ids are never given twice', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let state: ControlState = coordinator(2).state;
        const given = new Map<number, string>();
        for (const next of commands) {
          const before = state;
          state = step(state, next);
          const steps = state.tableVersion - before.tableVersion + state.catalogVersion - before.catalogVersion;
          expect(steps).toBe(state === before ? 0 : 1);
          before.epochs.forEach((epoch, partition) => {
            expect(state.epochs[partition]).toBeGreaterThanOrEqual(epoch);
          });
          for (const { id, name } of state.maps) expect(given.set(id, given.get(id) ?? name).get(id)).toBe(name);
        }
      }),
    );
  });
});
