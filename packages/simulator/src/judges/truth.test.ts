import type { ToyRecord } from '../grid/toy-copy.ts';
import { ABSENT } from '../history/operation.ts';
import { Truth } from './truth.ts';

const record = (sequence: number, given: Partial<ToyRecord> = {}): ToyRecord => ({
  ...{ partition: 0, sequence, epoch: 1, version: sequence * 10, key: 'k', before: sequence - 1, value: sequence },
  ...{ session: 1, request: sequence },
  ...given,
});

/** Three records of one key are committed. */
function truthOfThree(): Truth {
  const truth = new Truth(1);
  for (const one of [record(1, { before: ABSENT }), record(2), record(3)]) truth.committed('a#1', one);
  return truth;
}

describe('the truth', () => {
  it('takes the same record from every primary', () => {
    const truth = new Truth(1);
    const first = record(1);
    truth.committed('a#1', first);
    expect(() => truth.committed('b#1', first)).not.toThrow();
    expect([truth.lastOf(0), truth.at(0, 1), truth.committedCount]).toEqual([1, first, 1]);
  });

  it.each<[string, (truth: Truth) => void, RegExp]>([
    ['another record at a sequence', (truth) => truth.committed('b#1', record(2)), /^one-history/],
    ['a record behind a gap', (truth) => truth.committed('b#1', record(5)), /^one-history/],
    ['a request twice', (truth) => truth.committed('b#1', record(4, { request: 2 })), /^applied-once/],
    ['a version that falls', (truth) => truth.committed('b#1', record(4, { version: 30 })), /^versions-rise/],
    [
      'a version at which the partition was opened',
      (truth) => {
        truth.resolved('a#1', 0, 45, 100);
        truth.committed('b#1', record(4));
      },
      /^versions-rise/,
    ],
    [
      'a version that was handed out before',
      (truth) => {
        truth.handedOut('a#1', 0, 45, 100);
        truth.sealed('b#1', record(4, { epoch: 2 }), 100);
      },
      /^versions-rise/,
    ],
    ['a version above the ceiling', (truth) => truth.sealed('a#1', record(4), 39), /^under-ceiling/],
    ['what is told above the ceiling', (truth) => truth.handedOut('a#1', 0, 45, 44), /^under-ceiling/],
    [
      'two who seal in an epoch',
      (truth) => {
        truth.sealed('a#1', record(4), 100);
        truth.sealed('b#1', record(4, { version: 41 }), 100);
      },
      /^one-primary/,
    ],
    ['a value that was over before the call', (truth) => truth.read('a#1', 0, 'k', 1, 2), /^reads-committed/],
    ['a value that nobody wrote', (truth) => truth.read('a#1', 0, 'k', 9, 0), /^reads-committed/],
    ['a snapshot that lacks a record', (truth) => truth.sees('a#1', 0, 25, new Map([['k', 1]])), /^reads-committed/],
    ['a snapshot with too much', (truth) => truth.sees('a#1', 0, 25, new Map([['k', 3]])), /^reads-committed/],
  ])('does not pass %s', (_, contradict, invariant) => {
    expect(() => contradict(truthOfThree())).toThrow(invariant);
  });

  it('passes reads of what a key held during the call, and snapshots of what it held at a version', () => {
    const truth = truthOfThree();
    expect(() => {
      truth.read('a#1', 0, 'k', 3, 3);
      truth.read('a#1', 0, 'k', 1, 1);
      truth.read('a#1', 0, 'k', ABSENT, 0);
      truth.sees('a#1', 0, 25, new Map([['k', 2]]));
      truth.sees('a#1', 0, 9, new Map());
    }).not.toThrow();
  });

  it('lets a record be committed that was sealed before a read was answered', () => {
    const truth = truthOfThree();
    truth.sealed('a#1', record(4), 100);
    truth.handedOut('a#1', 0, 45, 100);
    expect(() => truth.committed('a#1', record(4))).not.toThrow();
  });

  it('begins anew with a partition that was lost, above what was told before', () => {
    const truth = truthOfThree();
    truth.handedOut('a#1', 0, 35, 100);
    truth.wasLost(0, 4);
    expect(truth.committed('a#1', record(4))).toBe(false);
    expect(truth.lastOf(0)).toBe(0);
    expect(() => truth.sealed('b#1', record(1, { epoch: 5, version: 34 }), 100)).toThrow(/^versions-rise/);
    expect(() => truth.committed('b#1', record(1, { epoch: 5, version: 36 }))).not.toThrow();
  });
});
