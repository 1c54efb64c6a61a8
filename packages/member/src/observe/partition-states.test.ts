import type { TableState } from '@ashlar/cluster';
import type { PartitionPhase } from '@ashlar/core';
import { noticesOf, partitionStates } from './partition-states.ts';

function table(rows: readonly (readonly [PartitionPhase, number])[], backups = 2, minInSync = 2): TableState {
  const partitions = rows.map(([phase, copies]) => ({ phase, inSync: Array.from({ length: copies }, () => 'm#1') }));
  const lost = rows.flatMap(([phase], partition) => (phase === 'lost' ? [partition] : []));
  return { owners: rows.map(() => []), lost, backups, minInSync, replicas: { partitions } } as unknown as TableState;
}

describe('the partitions of a grid', () => {
  it('are whole where every copy that is wanted is in sync, and say nothing', () => {
    const whole = table([
      ['serving', 3],
      ['serving', 3],
    ]);
    expect(partitionStates(whole)).toEqual({ whole: 2, degraded: 0, readOnly: 0, promoting: 0, lost: 0 });
    expect(noticesOf(whole)).toEqual([]);
  });

  it('are told where copies are missing, a primary is, or all are', () => {
    const rows = [
      ['serving', 3],
      ['serving', 2],
      ['serving', 1],
      ['promoting', 3],
      ['lost', 1],
    ] as const;
    expect(partitionStates(table(rows))).toEqual({ whole: 1, degraded: 2, readOnly: 1, promoting: 1, lost: 1 });
    expect(noticesOf(table(rows))).toEqual([
      '1 of 5 partitions are lost: see ashlar recover',
      '1 of 5 partitions take no writes: fewer than 2 copies are in sync',
      '1 of 5 partitions wait for a primary',
      '2 of 5 partitions have fewer copies in sync than 3',
    ]);
  });

  it('are as they are where nothing is replicated', () => {
    const plain = {
      owners: [[0], [1]],
      lost: [],
      backups: 0,
      minInSync: 1,
      replicas: undefined,
    } as unknown as TableState;
    expect(partitionStates(plain)).toEqual({ whole: 2, degraded: 0, readOnly: 0, promoting: 0, lost: 0 });
    expect(noticesOf(plain)).toEqual([]);
  });
});
