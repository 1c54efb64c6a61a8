import { GridError } from '@ashlar/core';
import type { LogRoom } from '@ashlar/storage';
import { LackOfRoom, LogWait } from './log-room.ts';

const FULL = new GridError('LOG_FULL', 'the log is full');
const never = new AbortController().signal;

/** Listeners that let go of so many bytes at every look. */
function listeners(heldBytes: number, stepBytes: number) {
  const looks: LogRoom[] = [];
  const look = (): LogRoom => {
    const room = { bytesMax: 1000, heldBytes: Math.max(0, heldBytes), consumed: looks.length * stepBytes };
    heldBytes -= stepBytes;
    looks.push(room);
    return room;
  };
  return { look, looks };
}

describe('a statement that lacks room in the logs', () => {
  it('reckons what all of it needs by what it had staged', () => {
    expect(new LackOfRoom(FULL, 100, 10, 1000).bytesWanted).toBe(10_500);
    expect(new LackOfRoom(FULL, 0, 0, 1000).bytesWanted).toBe(0);
  });

  it('waits until listeners have let go of as much', async () => {
    const { look, looks } = listeners(1000, 100);
    await new LogWait(look, undefined).until(new LackOfRoom(FULL, 500, 105, 105), never);
    const { heldBytes } = looks.at(-1)!;
    expect(heldBytes).toBeLessThanOrEqual(475);
    expect(looks.length).toBeGreaterThan(5);
  });

  it('is refused at once where there can never be so much, and told what to set', async () => {
    const wait = new LogWait(listeners(0, 0).look, undefined);
    const lack = new LackOfRoom(FULL, 900, 10, 100);
    expect([wait.neverFits(lack), wait.piecesFor(lack)]).toEqual([true, 38]);
    await expect(wait.until(lack, never)).rejects.toMatchObject({
      code: 'LOG_FULL',
      retryable: true,
      hint: expect.stringContaining('memory.maxBytes'),
      details: { bytesWanted: 9450, limitBytes: 1000 },
    });
  });

  it('fails when no listener gets on, when its time does for no further attempt, and when it is given up', async () => {
    const stuck = listeners(1000, 0);
    const lack = new LackOfRoom(FULL, 500, 1, 1);
    await expect(new LogWait(stuck.look, undefined, 30).until(lack, never)).rejects.toBe(FULL);
    await expect(new LogWait(listeners(10_000, 1).look, 40).until(lack, never)).rejects.toBe(FULL);
    const stopped = new GridError('LOG_FULL', 'in quarantine', { details: { isStopped: true } });
    await expect(new LogWait(stuck.look, 60_000).until(new LackOfRoom(stopped, 500, 1, 1), never)).rejects.toBe(
      stopped,
    );
    const slow = new LackOfRoom(FULL, 500, 1, 1, 60_000);
    const plenty = listeners(0, 0);
    await expect(new LogWait(plenty.look, 50_000).until(slow, never)).rejects.toBe(FULL);
    const abort = new AbortController();
    const waiting = new LogWait(stuck.look, undefined).until(lack, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
