import { seededRandom } from '@ashlar/core';
import { type Sleeper, TurnWakes } from './turn-wakes.ts';

class FakeSleeper implements Sleeper {
  wokenInTurn = 0;
  woken = 0;
  isNoticed = false;

  wake(): void {
    this.woken += 1;
    this.isNoticed = false;
  }

  wakeIfNoticed(): void {
    if (this.isNoticed) this.wake();
  }
}

let ends: (() => void)[];
let wakes: TurnWakes;

beforeEach(() => {
  ends = [];
  wakes = new TurnWakes((run) => ends.push(run));
});

/** A commit that concerns these, as the hub tells of it: each once until it is woken. */
function commit(...sleepers: readonly FakeSleeper[]): void {
  for (const sleeper of sleepers) {
    if (sleeper.isNoticed) continue;
    sleeper.isNoticed = true;
    wakes.wake(sleeper);
  }
  wakes.committed();
}

function endTurn(): void {
  expect(ends.length).toBeLessThanOrEqual(1);
  ends.shift()?.();
}

describe('wake-ups for commits', () => {
  it('come with the commit where commits are turns apart', () => {
    const sleeper = new FakeSleeper();
    for (let turn = 1; turn <= 5; turn++) {
      commit(sleeper);
      expect(sleeper.woken).toBe(turn);
      endTurn();
      expect(sleeper.woken).toBe(turn);
    }
  });

  it('come once more at the end of the turn, for all commits behind the first (turn-wakes T2)', () => {
    const sleepers = [new FakeSleeper(), new FakeSleeper()];
    for (let at = 0; at < 10; at++) commit(...sleepers);
    expect(sleepers.map(({ woken }) => woken)).toEqual([1, 1]);
    endTurn();
    expect(sleepers.map(({ woken }) => woken)).toEqual([2, 2]);
  });

  it('come once a turn while commits crowd, and with the commit again some turns after', () => {
    const sleeper = new FakeSleeper();
    commit(sleeper);
    commit(sleeper);
    endTurn();
    sleeper.woken = 0;
    let turns = 0;
    for (; sleeper.woken === turns; turns++) {
      commit(sleeper);
      if (sleeper.woken > turns) break;
      endTurn();
    }
    expect(turns).toBeGreaterThan(1);
    expect(turns).toBeLessThan(20);
  });

  it('come before the end of a long turn (turn-wakes T3)', () => {
    const sleeper = new FakeSleeper();
    for (let at = 0; at < 2000; at++) commit(sleeper);
    expect(sleeper.woken).toBe(1 + Math.floor(2000 / 256));
    expect(ends).toHaveLength(1);
    endTurn();
    expect(sleeper.isNoticed).toBe(false);
  });

  it('do not come for what was read meanwhile', () => {
    const sleeper = new FakeSleeper();
    commit(sleeper);
    commit(sleeper);
    sleeper.isNoticed = false;
    endTurn();
    expect(sleeper.woken).toBe(1);
  });

  it('reach whoever is noticed by the end of the turn, whatever the order (turn-wakes T1)', () => {
    const random = seededRandom(3);
    const sleepers = Array.from({ length: 5 }, () => new FakeSleeper());
    for (let step = 0; step < 5000; step++) {
      if (random.next() < 0.7) commit(...sleepers.filter(() => random.next() < 0.5));
      else {
        for (const sleeper of sleepers) sleeper.woken = 0;
        endTurn();
        expect(sleepers.some(({ isNoticed }) => isNoticed)).toBe(false);
        expect(Math.max(...sleepers.map(({ woken }) => woken))).toBeLessThanOrEqual(1);
      }
    }
  });
});
