import type { ControlState } from '@ashlar/cluster';
import { after, creates, deploys, freshState, joins } from '@ashlar/cluster/testing';
import { heldBytes, heldOf, NOTHING, newerThan, updateOf, updatesOf, valuesOf } from './control-values.ts';

const GRID = after(freshState(), joins('a'), joins('b'), creates('x'), deploys());
const has = ({ table, catalog }: ControlState) => ({
  ...{ gridId: table.gridId, tableVersion: table.tableVersion, catalogVersion: catalog.catalogVersion },
});
const brings = (update: { readonly table: Uint8Array; readonly catalog: Uint8Array }): boolean[] => [
  ...[update.table.length > 0, update.catalog.length > 0],
];

describe('table and catalog on their way to members', () => {
  it('come back as they were, each of them, written once', () => {
    const update = updateOf(GRID, undefined);
    expect(valuesOf(update)).toEqual(GRID);
    expect(updateOf(GRID, undefined).table).toBe(update.table);
    expect(valuesOf({ table: NOTHING, catalog: update.catalog })).toEqual({ table: undefined, catalog: GRID.catalog });
  });

  it('are told where they are another value than the last, and each feed begins with both', async () => {
    const states = [GRID, after(GRID, joins('a', 'two')), after(GRID, joins('a', 'two'), creates('y')), GRID];
    const feed = async function* () {
      yield* states;
    };
    const told: boolean[][] = [];
    for await (const update of updatesOf(feed())) told.push(brings(update));
    expect(told[0]).toEqual([true, true]);
    const changed = after(states[1]!, creates('y'));
    expect(brings(updateOf(changed, states[1]))).toEqual([false, true]);
    expect(brings(updateOf(states[1]!, GRID))).toEqual([true, false]);
  });

  it('are told to who asks where they are newer, and whole to who is of another grid', () => {
    expect(brings(newerThan(GRID, has(GRID)))).toEqual([false, false]);
    expect(brings(newerThan(after(GRID, creates('y')), has(GRID)))).toEqual([false, true]);
    expect(brings(newerThan(after(GRID, joins('a', 'two')), has(GRID)))).toEqual([true, false]);
    expect(brings(newerThan(GRID, { ...has(GRID), gridId: 'another' }))).toEqual([true, true]);
    expect(brings(newerThan(GRID, { gridId: '', tableVersion: 0, catalogVersion: 0 }))).toEqual([true, true]);
  });

  it('that a member holds come with it as it joins again', () => {
    expect(heldOf(heldBytes(GRID))).toEqual(GRID);
    expect([heldOf(undefined), heldOf(NOTHING)]).toEqual([undefined, undefined]);
  });

  it.each([Uint8Array.of(0xc1), Uint8Array.of(1), Buffer.from('text')])('that cannot be read are refused', (bytes) => {
    const damaged = expect.objectContaining({ code: 'CORRUPT_DATA' });
    expect(() => valuesOf({ table: bytes, catalog: NOTHING })).toThrow(damaged);
    expect(() => valuesOf({ table: NOTHING, catalog: bytes })).toThrow(damaged);
    expect(() => heldOf(bytes)).toThrow(damaged);
  });
});
