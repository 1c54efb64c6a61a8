import type { Epoch, ReplicaId } from '@ashlar/core';
import type { Note } from '@ashlar/replication';
import { ReplicationCounts } from './replication-counts.ts';

const [EPOCH, REPLICA] = [7 as Epoch, 'b#1' as ReplicaId];

function counted(...notes: readonly Note[]): ReplicationCounts {
  const counts = new ReplicationCounts();
  for (const note of notes) counts.noted(note);
  return counts;
}

describe('what replication notes', () => {
  it('is counted by why copies left, and how many joined', () => {
    const counts = counted(
      { kind: 'shrinking', partition: 1, without: REPLICA, why: 'silent' },
      { kind: 'shrinking', partition: 2, without: REPLICA, why: 'silent' },
      { kind: 'shrinking', partition: 2, without: REPLICA, why: 'lagging' },
      { kind: 'grown', partition: 1, by: REPLICA },
    );
    expect([counts.joined, [...counts.left]]).toEqual([
      1,
      [
        ['silent', 2],
        ['lagging', 1],
      ],
    ]);
  });

  it('is a failure where something went wrong, and none where a primary takes over', () => {
    const counts = counted(
      { kind: 'refusedEpoch', partition: 1, from: REPLICA, epoch: EPOCH },
      { kind: 'transferCut', partition: 1, to: REPLICA, reason: 'busy' },
      { kind: 'fault', partition: 1, by: REPLICA, error: new Error('promotion M3') },
      { kind: 'clockGap', gapMs: 900 },
      { kind: 'suspended', isSuspended: true },
      { kind: 'suspended', isSuspended: false },
      { kind: 'elected', partition: 1, epoch: EPOCH, afterMs: 3 },
      { kind: 'deposed', partition: 1, epoch: EPOCH },
    );
    expect(Object.fromEntries(counts.failures)).toEqual({
      ...{ 'old-epoch': 1, 'transfer-cut': 1, contradiction: 1, 'clock-gap': 1, expired: 1 },
    });
  });
});
