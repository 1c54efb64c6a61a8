import type { PartitionTable } from '@ashlar/core';
import type { MemberConnection } from '@ashlar/transport';
import { jest } from '@jest/globals';
import { TableRefresher } from './table-refresher.ts';

const OURS = 'ours';

function table(gridId: string, tableVersion = 1): PartitionTable {
  return { gridId, tableVersion } as PartitionTable;
}

/** Members that give what they are told to, a clock that stands still unless timers run, and what was taken. */
function bench() {
  const asked: string[] = [];
  const taken: PartitionTable[] = [];
  const clock = { nowMs: 10_000 };
  const connections: MemberConnection[] = [];
  const member = (name: string, answer: () => Promise<PartitionTable>, upSinceMs?: number) => {
    const getTable = (): Promise<PartitionTable> => {
      asked.push(name);
      return answer();
    };
    const connection = { admin: { getTable }, upSinceMs } as unknown as MemberConnection & { upSinceMs?: number };
    connections.push(connection);
    return connection;
  };
  const refresher = new TableRefresher({
    connections: () => connections,
    nowMs: () => clock.nowMs,
    gridId: () => OURS,
    take: (one) => void taken.push(one),
  });
  /** A question from its occasion to its answer. */
  const refreshed = async (): Promise<void> => {
    const question = refresher.refresh();
    await jest.advanceTimersByTimeAsync(1000);
    await question;
  };
  return { asked, taken, clock, member, refresher, refreshed };
}

const nobody = (): Promise<PartitionTable> => Promise.reject(new Error('nobody there'));

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe('asking for the newest table', () => {
  it('serves all occasions of a moment, and those until the answer comes, with one question', async () => {
    const { asked, taken, member, refresher } = bench();
    const answer = Promise.withResolvers<PartitionTable>();
    member('a', () => answer.promise);
    const occasions = [refresher.refresh(), refresher.refresh()];
    await jest.advanceTimersByTimeAsync(1000);
    occasions.push(refresher.refresh());
    answer.resolve(table(OURS));
    await Promise.all(occasions);
    expect([asked, taken]).toEqual([['a'], [table(OURS)]]);
  });

  it('asks again at an occasion after the answer', async () => {
    const { asked, member, refreshed } = bench();
    member('a', async () => table(OURS));
    await refreshed();
    await refreshed();
    expect(asked).toEqual(['a', 'a']);
  });

  it('goes on to the next member where one does not answer, and stops at the first that does', async () => {
    const { asked, taken, member, refreshed } = bench();
    member('a', nobody);
    member('b', async () => table(OURS, 7));
    member('c', async () => table(OURS, 8));
    await refreshed();
    expect([asked, taken]).toEqual([['a', 'b'], [table(OURS, 7)]]);
  });

  it('does not wait for one that is slow to answer: the next one is asked meanwhile (table-refresher R1)', async () => {
    const { asked, taken, member, refresher } = bench();
    member('a', () => new Promise(() => undefined));
    member('b', async () => table(OURS, 7));
    const question = refresher.refresh();
    await jest.advanceTimersByTimeAsync(119);
    expect([asked, taken]).toEqual([['a'], []]);
    await jest.advanceTimersByTimeAsync(1);
    await question;
    expect([asked, taken]).toEqual([['a', 'b'], [table(OURS, 7)]]);
  });

  it('takes the table of another grid only where no member of ours is left, the first of them', async () => {
    const { taken, member, refreshed } = bench();
    member('x', async () => table('theirs', 90));
    member('y', async () => table('another', 91));
    await refreshed();
    member('a', async () => table(OURS, 3));
    await refreshed();
    expect(taken).toEqual([table('theirs', 90), table(OURS, 3)]);
  });

  it('takes nothing where nobody answers, and can be asked again', async () => {
    const { taken, member, refreshed } = bench();
    await refreshed();
    member('a', nobody);
    await refreshed();
    member('b', async () => table(OURS));
    await refreshed();
    expect(taken).toEqual([table(OURS)]);
  });

  it('of those that ask all the time is done once a while', async () => {
    const { asked, clock, member, refresher, refreshed } = bench();
    member('a', async () => table(OURS));
    await refreshed();
    refresher.refreshIfDue(clock.nowMs);
    refresher.refreshIfDue(clock.nowMs + 50);
    await jest.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveLength(1);
    refresher.refreshIfDue(clock.nowMs + 1000);
    await jest.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveLength(2);
  });
});

describe('following members', () => {
  /** A member that tells what it is given, and whether anybody listens. */
  function teller(connections: MemberConnection[], isUp = true) {
    const told: PartitionTable[] = [];
    let wake = (): void => undefined;
    const teller = {
      opened: 0,
      open: 0,
      tell(one: PartitionTable): void {
        told.push(one);
        wake();
      },
      async *watchTable(_: undefined, { signal }: { signal: AbortSignal }) {
        teller.opened += 1;
        teller.open += 1;
        signal.addEventListener('abort', () => wake());
        try {
          while (!signal.aborted) {
            if (told.length > 0) yield told.shift()!;
            else await new Promise<void>((resolve) => (wake = resolve));
          }
        } finally {
          teller.open -= 1;
        }
      },
    };
    const connection = { isUp, upSinceMs: 0, admin: { watchTable: teller.watchTable } };
    connections.push(connection as unknown as MemberConnection);
    return teller;
  }

  function followed() {
    const connections: MemberConnection[] = [];
    const taken: PartitionTable[] = [];
    const refresher = new TableRefresher({
      connections: () => connections,
      nowMs: () => 5000,
      gridId: () => OURS,
      take: (one) => void taken.push(one),
    });
    return { connections, taken, refresher };
  }

  it('hears of a table from whichever tells it first, and of other grids nothing (table-refresher R2)', async () => {
    const { connections, taken, refresher } = followed();
    const [a, b] = [teller(connections), teller(connections)];
    refresher.follow();
    refresher.follow();
    b.tell(table(OURS, 2));
    a.tell(table('theirs', 9));
    await jest.advanceTimersByTimeAsync(1);
    expect([taken, a.opened, b.opened]).toEqual([[table(OURS, 2)], 1, 1]);
    expect(refresher.isConfirmed(5000, 5000)).toBe(true);
  });

  it('opens nothing at members that are not connected, and leaves nothing open when nobody waits', async () => {
    const { connections, taken, refresher } = followed();
    const [a, gone] = [teller(connections), teller(connections, false)];
    refresher.follow();
    await jest.advanceTimersByTimeAsync(1);
    expect([a.open, gone.opened]).toEqual([1, 0]);
    refresher.rest();
    await jest.advanceTimersByTimeAsync(1);
    a.tell(table(OURS, 3));
    await jest.advanceTimersByTimeAsync(1000);
    expect([a.open, taken]).toEqual([0, []]);
    refresher.follow();
    await jest.advanceTimersByTimeAsync(1);
    expect([a.open, taken]).toEqual([1, [table(OURS, 3)]]);
    refresher.rest();
  });
});

describe('a table is confirmed', () => {
  it('by the answer of a member of ours, for a moment, and for what happened before it', async () => {
    const { clock, member, refresher, refreshed } = bench();
    member('a', async () => table(OURS), clock.nowMs - 1);
    expect(refresher.isConfirmed(0, clock.nowMs)).toBe(false);
    await refreshed();
    expect(refresher.isConfirmed(clock.nowMs, clock.nowMs)).toBe(true);
    expect(refresher.isConfirmed(clock.nowMs + 1, clock.nowMs + 1)).toBe(false);
    expect(refresher.isConfirmed(0, clock.nowMs + 60_000)).toBe(false);
  });

  it('no more once the member that sent it is gone, or has come back since', async () => {
    const { clock, member, refresher, refreshed } = bench();
    const connection = member('a', async () => table(OURS), clock.nowMs - 1) as { upSinceMs?: number };
    await refreshed();
    delete connection.upSinceMs;
    expect(refresher.isConfirmed(0, clock.nowMs)).toBe(false);
    connection.upSinceMs = clock.nowMs + 1;
    expect(refresher.isConfirmed(0, clock.nowMs + 1)).toBe(false);
  });

  it('never by the member of another grid, or by one that did not answer', async () => {
    const { clock, member, refresher, refreshed } = bench();
    member('a', nobody, clock.nowMs - 1);
    member('x', async () => table('theirs'), clock.nowMs - 1);
    await refreshed();
    expect(refresher.isConfirmed(0, clock.nowMs)).toBe(false);
  });
});
