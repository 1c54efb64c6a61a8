import type { Epoch } from '@ashlar/core';
import { assertTableFollows, joined, notAwaiting, recovered, type TableState, withMember } from './table-state.ts';
import { after, freshState, joins, memberNamed } from './testing/values.ts';

const EMPTY = freshState('grid', 2, 256).table;
const ONE = joined(EMPTY, memberNamed('a'));
const TWO = joined(ONE, memberNamed('b'));

describe('a table', () => {
  it('has owners when the expected members have joined', () => {
    expect([ONE.owners, ONE.epochs, ONE.tableVersion]).toEqual([[], [], 1]);
    expect([TWO.owners.length, TWO.epochFloor, TWO.tableVersion]).toEqual([256, 1, 2]);
    expect(new Set(TWO.epochs)).toEqual(new Set([1]));
  });

  it('T2: begins above the epochs that were given before', () => {
    const table = joined(joined({ ...EMPTY, epochFloor: 7 }, memberNamed('a')), memberNamed('b'));
    expect([table.epochFloor, table.epochs[0]]).toEqual([8, 8]);
  });

  it('T3: that is complete takes nobody else, by name', () => {
    expect(() => joined(TWO, memberNamed('c'))).toThrow(/complete.*2 members/);
  });

  it('T3: has lost what a process held when another joins under its name, and nothing else', () => {
    const table = withMember(TWO, memberNamed('b', 'two'));
    const held = TWO.owners.flatMap(([primary], partition) => (primary === 1 ? [partition] : []));
    expect([table.lost, table.epochs]).toEqual([held, TWO.epochs]);
    table.owners.forEach((owners, partition) => {
      expect(owners).toEqual(held.includes(partition) ? [] : TWO.owners[partition]);
    });
    const again = withMember(table, memberNamed('b', 'three'));
    expect([again.lost, again.owners]).toEqual([held, table.owners]);
    expect(withMember(again, memberNamed('a', 'two')).lost).toHaveLength(256);
  });

  it('T2: begins lost partitions anew where placement has them, those that are named, at new epochs', () => {
    const lost = withMember(TWO, memberNamed('b', 'two'));
    const [first, ...others] = lost.lost;
    const one = recovered(lost, [first!, lost.owners.findIndex(({ length }) => length > 0)]);
    expect([one.lost, one.owners[first!], one.epochs[first!], one.epochFloor]).toEqual([others, [1], 2, 2]);
    const all = recovered(one, others);
    expect([all.lost, all.owners]).toEqual([[], TWO.owners]);
    expect(new Set(all.epochs)).toEqual(new Set([1, 2, 3]));
    expect(recovered(all, [0])).toBe(all);
  });

  it('gives a new process of an incomplete grid no epoch', () => {
    expect(withMember(ONE, memberNamed('a', 'two'))).toMatchObject({ epochs: [], epochFloor: 0, tableVersion: 2 });
  });

  it('awaits a member until it comes or is given up', () => {
    const awaiting: TableState = { ...TWO, awaited: [memberNamed('a').id, memberNamed('b').id] };
    const came = withMember(awaiting, memberNamed('a'));
    expect([came.awaited, came.epochs]).toEqual([['b'], TWO.epochs]);
    expect(notAwaiting(came)).toMatchObject({ awaited: [], tableVersion: came.tableVersion + 1 });
    expect(notAwaiting(TWO)).toBe(TWO);
  });
});

describe('what follows a table', () => {
  const next = withMember(TWO, memberNamed('b', 'two'));

  it('T1: has the next version where a step changes it, and is the same value where none does', () => {
    const awaiting: TableState = { ...TWO, awaited: [memberNamed('a').id, memberNamed('b').id] };
    const steps: readonly (readonly [TableState, (table: TableState) => TableState, number])[] = [
      [EMPTY, (table) => joined(table, memberNamed('a')), 1],
      [ONE, (table) => joined(table, memberNamed('a')), 0],
      [ONE, (table) => joined(table, memberNamed('a', 'two')), 1],
      [ONE, (table) => joined(table, memberNamed('b')), 1],
      [TWO, (table) => joined(table, memberNamed('b')), 0],
      [TWO, (table) => withMember(table, memberNamed('b', 'two')), 1],
      [awaiting, (table) => withMember(table, memberNamed('a')), 1],
      [awaiting, (table) => withMember(table, memberNamed('a', 'two')), 1],
      [awaiting, notAwaiting, 1],
      [TWO, notAwaiting, 0],
      [withMember(TWO, memberNamed('b', 'two')), (table) => recovered(table, table.lost), 1],
      [TWO, (table) => recovered(table, [0]), 0],
    ];
    for (const [before, change, rises] of steps) {
      const table = change(before);
      expect(table.tableVersion - before.tableVersion).toBe(rises);
      if (rises === 0) expect(table).toBe(before);
      else expect(() => assertTableFollows(table, before)).not.toThrow();
    }
  });

  it('T1: stays as it was where a member is refused', () => {
    expect(() => joined(TWO, memberNamed('c'))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(TWO).toEqual(joined(ONE, memberNamed('b')));
  });

  it('is what steps make', () => {
    expect(() => assertTableFollows(next, TWO)).not.toThrow();
    expect(after(freshState(), joins('a'), joins('b')).table.owners).toHaveLength(16);
  });

  it.each<[string, TableState, RegExp]>([
    ['another grid', { ...next, gridId: 'other' }, /T1/],
    ['a version passed over', { ...next, tableVersion: next.tableVersion + 1 }, /T1/],
    ['a lower floor', { ...next, epochFloor: 0 }, /T2/],
    ['an epoch that falls', { ...next, epochs: next.epochs.map(() => 0 as Epoch) }, /T2/],
    ['an epoch above the floor', { ...next, epochs: next.epochs.map(() => 9 as Epoch) }, /T2/],
    [
      'an epoch without a new owner',
      { ...next, epochFloor: 2, epochs: next.epochs.map(() => 2 as Epoch) },
      /T2.*epoch 2 after 1/,
    ],
    ['what a new process took over', { ...next, owners: TWO.owners, lost: [] }, /T3.*another process/],
    ['lost partitions that somebody owns', { ...next, owners: TWO.owners }, /T3/],
    ['no epochs', { ...next, epochs: [] }, /T2/],
    ['other owners', { ...next, owners: next.owners.map(() => [0]) }, /T3/],
  ])('is not one with %s', (_, table, broken) => {
    expect(() => assertTableFollows(table, TWO)).toThrow(broken);
  });
});
