import type { GridError } from '@ashlar/core';
import { type Turn, type TurnLimits, Turns } from './turns.ts';

const forever: TurnLimits = { timeoutMs: 1e9, deadlineMs: Number.POSITIVE_INFINITY };
const within = (ms: number): TurnLimits => ({ timeoutMs: ms, deadlineMs: performance.now() + ms });

function codeOf(run: () => unknown): unknown {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as GridError).code;
  }
}

describe('turns', () => {
  it('are given at once while there is room, then in the order in which they were asked for', async () => {
    const turns = new Turns('calls', () => 2);
    const held = [turns.enter(forever), turns.enter(forever)] as Turn[];
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      const turn = await turns.enter(forever);
      order.push(n);
      return turn;
    });
    expect(turns.waitingCount).toBe(3);
    held[0]!.leave();
    held[0]!.leave();
    (await waiting[0]!).leave();
    held[1]!.leave();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(turns.waitingCount).toBe(0);
  });

  it('T2: who waits leaves by its signal, its deadline, or close; nobody else loses a turn by it', async () => {
    const turns = new Turns('calls', () => 1);
    const held = turns.enter(forever) as Turn;
    const abort = new AbortController();
    const cancelled = turns.enter({ ...forever, signal: abort.signal });
    const late = turns.enter(within(5));
    const next = turns.enter(forever);
    const last = turns.enter(forever) as Promise<Turn>;
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', details: { underWay: 1 } });
    held.leave();
    await next;
    const closing = expect(last).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    turns.close();
    await closing;
    expect(codeOf(() => turns.enter(forever))).toBe('CLIENT_CLOSED');
  });

  it('refuse a signal that has fired only where it would wait', () => {
    const turns = new Turns('calls', () => 1);
    const signal = AbortSignal.abort();
    expect(codeOf(() => turns.enter({ ...forever, signal }))).toBe('none');
    expect(codeOf(() => turns.enter({ ...forever, signal }))).toBe('CANCELLED');
  });

  it('T1: end with the deadline of a holder that forgot them', async () => {
    const turns = new Turns('open results', () => 1);
    turns.enter(within(20));
    const turn = await turns.enter(forever);
    expect(turns.waitingCount).toBe(0);
    turn.leave();
  });

  it('are more when the grid grows', async () => {
    let max = 1;
    const turns = new Turns('calls', () => max);
    const held = turns.enter(forever) as Turn;
    const waiting = [turns.enter(forever), turns.enter(forever)];
    max = 3;
    held.leave();
    expect(await Promise.all(waiting)).toHaveLength(2);
  });

  it('are refused beyond what may wait', async () => {
    const turns = new Turns('calls', () => 1);
    turns.enter(forever);
    const waiting = Array.from({ length: 100_000 }, () => turns.enter(forever) as Promise<Turn>);
    const settled = Promise.allSettled(waiting);
    expect(codeOf(() => turns.enter(forever))).toBe('OVERLOADED');
    turns.close();
    const codes = new Set((await settled).map((one) => (one.status === 'rejected' ? one.reason.code : 'ran')));
    expect([...codes]).toEqual(['CLIENT_CLOSED']);
  });
});
