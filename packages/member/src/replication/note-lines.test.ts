/** What is logged of replication: one line for all partitions that something befell together. */
import type { ReplicaId } from '@ashlar/core';
import { noteLines } from './note-lines.ts';

const OTHER = 'b#1' as ReplicaId;

describe('lines of what was noted in a turn', () => {
  it('count the partitions that have the rest in common', () => {
    const silent = Array.from({ length: 30 }, (_, partition) => ({
      ...({ kind: 'shrinking', without: OTHER, why: 'silent' } as const),
      partition,
    }));
    expect(noteLines([...silent, { kind: 'shrinking', partition: 40, without: OTHER, why: 'lagging' }])).toEqual([
      {
        level: 'warn',
        facts: { member: 'b', why: 'silent', partitions: 30, first: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
        message: 'copies are out of sync',
      },
      {
        level: 'warn',
        facts: { member: 'b', why: 'lagging', partitions: 1, first: [40] },
        message: 'copies are out of sync',
      },
    ]);
  });

  it('are errors where copies contradict each other, with what was said', () => {
    const fault = { kind: 'fault', by: OTHER, error: new Error('promotion M3: differs') } as const;
    expect(noteLines([1, 2].map((partition) => ({ ...fault, partition })))).toEqual([
      {
        level: 'error',
        facts: { member: 'b', why: 'promotion M3: differs', partitions: 2, first: [1, 2] },
        message: 'logs of partitions contradict each other, or cannot be read',
      },
    ]);
  });

  it('say what befell the member as a whole', () => {
    expect(noteLines([{ kind: 'suspended', isSuspended: true }])).toEqual([
      { level: 'warn', facts: {}, message: 'the grid takes this member for dead: it registers again' },
    ]);
    expect(noteLines([])).toEqual([]);
  });
});
