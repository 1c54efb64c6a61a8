import type { MemberId, Sequence } from '@ashlar/core';
import { replicaIdOf } from '@ashlar/core';
import { Follower } from './follower.ts';
import { Peer } from './peer.ts';

const WINDOW = 100;
const at = (sequence: number): Sequence => sequence as Sequence;

function follower(): Follower {
  const peer = new Peer(replicaIdOf('b' as MemberId, '1'), WINDOW, 0);
  return new Follower(peer, 1, at(0), true, 0);
}

describe('a follower', () => {
  it('is charged for what is under way, until it holds it (W3)', () => {
    const one = follower();
    one.sentRun(at(2), 30, 0);
    one.sentRun(at(5), 50, 0);
    expect([one.peer.inFlightBytes, one.peer.creditBytes(WINDOW)]).toEqual([80, 20]);
    expect(one.acknowledged(at(3), 10)).toBe(true);
    expect([one.peer.inFlightBytes, one.held, one.hasUnacknowledged]).toEqual([50, 3, true]);
    expect(one.acknowledged(at(3), 10)).toBe(false);
    one.acknowledged(at(5), 20);
    expect([one.peer.inFlightBytes, one.hasUnacknowledged]).toEqual([0, false]);
  });

  it('is sent everything behind what it holds again (W2)', () => {
    const one = follower();
    one.sentRun(at(2), 30, 0);
    one.acknowledged(at(1), 5);
    one.rewind(50);
    expect([one.sent, one.peer.inFlightBytes]).toEqual([1, 0]);
    expect(() => one.sentRun(at(1), 10, 60)).toThrow('W1');
  });

  it('may hold more than it was sent (W1)', () => {
    const one = follower();
    one.acknowledged(at(9), 0);
    expect([one.held, one.sent]).toEqual([9, 9]);
  });

  it('lags from when it first lacked a record that it still lacks', () => {
    const one = follower();
    expect(one.lagMs(at(0), 0)).toBe(0);
    expect(one.lagMs(at(5), 100)).toBe(0);
    expect(one.lagMs(at(9), 150)).toBe(50);
    one.acknowledged(at(4), 160);
    expect(one.lagMs(at(9), 200)).toBe(100);
    one.acknowledged(at(5), 210);
    expect(one.lagMs(at(9), 220)).toBe(0);
    one.forgetLag();
    expect(one.lagMs(at(9), 300)).toBe(0);
  });

  it('takes a record that is longer than its credit alone', () => {
    const one = follower();
    expect(one.peer.creditBytes(10)).toBe(10);
    one.sentRun(at(1), 500, 0);
    expect(one.peer.creditBytes(10)).toBeLessThanOrEqual(0);
    one.acknowledged(at(1), 1);
    one.peer.freeBytes = 0;
    expect(one.peer.creditBytes(10)).toBe(0);
  });
});
