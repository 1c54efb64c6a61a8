import fc from 'fast-check';
import { type ControlCommand, type ControlState, isTableCommand, step } from './step.ts';
import type { TableState } from './table-state.ts';
import { after, BUNDLE, creates, deploys, drops, freshState, joins, moduleOf } from './testing/values.ts';

const GRID = after(freshState(), joins('a'), joins('b'), creates('orders'), deploys());

describe('a step', () => {
  it.each([
    ['a join of one that is there', joins('a')],
    ['a stop of awaiting nobody', { kind: 'stopAwaiting' } as const],
    ['a map that is there, as it is', creates('orders')],
    ['the drop of a map that is not there', drops('others')],
    ['the drop of a map by the id of another', drops('orders', 7)],
    ['the removal of a module that is not there', { kind: 'removeModule', name: 'others' } as const],
  ])('S1: that changes nothing gives back what it got: %s', (_, command) => {
    expect(step(GRID, command)).toBe(GRID);
  });

  it.each([
    ['a new process of a member', joins('a', 'two')],
    ['a new map', creates('others')],
    ['a drop', drops('orders')],
    ['a deployment', deploys({ bundle: '2;' })],
    ['an undeployment', { kind: 'removeModule', name: 'audit' } as const],
  ])('S2: changes one of the two values, and leaves the other the object that it was: %s', (_, command) => {
    const state = step(GRID, command);
    const [changed, left] = isTableCommand(command) ? (['table', 'catalog'] as const) : (['catalog', 'table'] as const);
    expect(state[changed]).not.toBe(GRID[changed]);
    expect(state[left]).toBe(GRID[left]);
  });

  it('leaves bundles out of both values', () => {
    expect(JSON.stringify(GRID)).not.toContain(BUNDLE);
    const { bundle, exports, ...facts } = moduleOf();
    expect(GRID.catalog.modules).toEqual([
      {
        ...facts,
        exports: [{ ...exports[0], mapId: 1 }],
        ...{ bundleCharacters: bundle.length, generation: 2 },
      },
    ]);
  });

  it.each(['', ' ', 'a b', '-a', '/a', 'a'.repeat(129), 'a\u0000'])('refuses the map name %j', (name) => {
    expect(() => step(GRID, creates(name))).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }));
  });

  it('takes names that mean something to JavaScript as names', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(step(GRID, creates(name)).catalog.maps.at(-1)).toMatchObject({ name });
    }
  });
});

/** The process that owns a partition. */
function processOf({ owners, members }: TableState, partition: number): string | undefined {
  const index = owners[partition]![0];
  return index === undefined ? undefined : `${members[index]!.id}#${members[index]!.incarnation}`;
}

describe('control state over random commands', () => {
  const command = fc.oneof(
    fc.constantFrom(joins('a'), joins('b'), joins('a', 'two'), joins('b', 'three')),
    fc.constantFrom<ControlCommand>(
      { kind: 'recover', partitions: [0, 1, 2, 3] },
      { kind: 'recover', partitions: [9] },
    ),
    fc.constantFrom(...['x', 'y', 'orders'].map((name) => creates(name))),
    fc.constantFrom(drops('x'), drops('orders')),
    fc.constantFrom(deploys(), deploys({ bundle: '2;' }), { kind: 'removeModule', name: 'audit' } as const),
  );

  it('S3: one version rises by one, epochs never fall, an owner that is new has a new epoch, ids are given once', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let state: ControlState = freshState();
        const given = new Map<number, string>();
        for (const next of commands) {
          const before = state;
          state = step(state, next);
          const [table, catalog] = [state.table, state.catalog];
          expect(table.tableVersion - before.table.tableVersion).toBe(table === before.table ? 0 : 1);
          expect(catalog.catalogVersion - before.catalog.catalogVersion).toBe(catalog === before.catalog ? 0 : 1);
          before.table.epochs.forEach((epoch, partition) => {
            const [is, was] = [processOf(table, partition), processOf(before.table, partition)];
            expect(table.epochs[partition]! - epoch).toBe(
              is === undefined || is === was ? 0 : table.epochFloor - epoch,
            );
            expect(table.epochs[partition]! > epoch).toBe(is !== undefined && is !== was);
            if (was !== undefined) expect([was, undefined]).toContain(is);
            expect(table.lost.includes(partition)).toBe(is === undefined);
          });
          for (const { id, name } of catalog.maps) expect(given.set(id, given.get(id) ?? name).get(id)).toBe(name);
        }
      }),
    );
  });

  it('is what the same commands in the same order always give', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        expect(after(freshState(), ...commands)).toEqual(after(freshState(), ...commands));
      }),
    );
  });
});
