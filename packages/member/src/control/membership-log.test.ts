import { type ControlCommand, type ControlState, EmbeddedCoordinator, NO_KEEPER } from '@ashlar/cluster';
import type { MemberId } from '@ashlar/core';
import { linesOf } from './membership-log.ts';

const join = (id: string, incarnation = 'one', held?: ControlState): ControlCommand => ({
  kind: 'join',
  member: { id: id as MemberId, address: `${id}:1`, httpAddress: '', zone: '', incarnation },
  held,
});

/** The lines that are logged of these changes, a change a list. */
async function told(gridId: string, ...commands: ControlCommand[]) {
  const options = { partitionCount: 4, expectedMembers: 2, keeper: NO_KEEPER };
  const coordinator = new EmbeddedCoordinator({ ...options, newGridId: () => gridId });
  const lines: string[][] = [];
  for (const command of commands) {
    const before = coordinator.state;
    const after = await coordinator.submit(command);
    lines.push(linesOf(before.table, after.table).map(({ level, message }) => `${level} ${message}`));
  }
  return { lines, state: coordinator.state };
}

describe('what a member logs of its grid', () => {
  it('is who joined, when it is complete, and who was started again, once each', async () => {
    const { lines } = await told('g', join('a'), join('b'), join('a', 'two'), join('a', 'two'), join('b', 'two'));
    expect(lines).toEqual([
      ['info member joined'],
      ['info grid is complete', 'info member joined'],
      ['info member was started again', 'warn partitions are lost'],
      [],
      ['info member was started again', 'warn partitions are lost'],
    ]);
  });

  it('is that the grid was rebuilt, and which partitions are lost with the process that held them', async () => {
    const { state } = await told('old', join('a'), join('b'));
    const { lines } = await told('new', join('b', 'two'), join('a', 'one', state));
    expect(lines.at(-1)).toEqual([
      'warn grid is rebuilt from what a living member holds',
      'info grid is complete',
      'info member joined',
      'warn partitions are lost',
    ]);
  });

  it('is nothing of the state it begins with', async () => {
    const { state } = await told('g', join('a'), join('b'));
    expect(linesOf(undefined, state.table)).toEqual([]);
  });
});
