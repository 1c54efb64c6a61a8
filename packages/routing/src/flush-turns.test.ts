import { setImmediate as nextTurn } from 'node:timers/promises';
import { type FlushedQueue, FlushTurns } from './flush-turns.ts';

class FakeQueue implements FlushedQueue {
  isQuiet = true;
  isGathering = false;
  isHolding = false;
  flushed = 0;
  onFlush: () => void = () => {
    this.isGathering = false;
  };

  flush(): void {
    this.flushed += 1;
    this.onFlush();
  }
}

let queues: Map<string, FakeQueue>;
let turns: FlushTurns;

beforeEach(() => {
  queues = new Map([
    ['quiet', new FakeQueue()],
    ['busy', new FakeQueue()],
  ]);
  queues.get('busy')!.isQuiet = false;
  turns = new FlushTurns({ queues, clockMs: () => performance.now() });
});

afterEach(() => turns.close());

const flushedOf = (name: string): number => queues.get(name)!.flushed;
const afterThis = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

describe('the flushes of a router', () => {
  it('are one a turn: quiet queues when what runs is over, the others when the loop has turned (flush-turns F1)', async () => {
    for (const queue of queues.values()) queue.isGathering = true;
    expect(turns.schedule()).toBe(true);
    expect(turns.schedule()).toBe(false);
    expect(flushedOf('quiet')).toBe(0);
    await afterThis();
    expect([flushedOf('quiet'), flushedOf('busy')]).toEqual([1, 0]);
    await nextTurn();
    expect(flushedOf('busy')).toBe(1);
    expect(turns.schedule()).toBe(true);
  });

  it('end with the quiet queues where nothing else gathers', async () => {
    queues.get('quiet')!.isGathering = true;
    turns.schedule();
    await afterThis();
    expect(turns.schedule()).toBe(true);
  });

  it('come again while something is held, though nobody asks (flush-turns F2)', async () => {
    const busy = queues.get('busy')!;
    const sent = Promise.withResolvers<void>();
    Object.assign(busy, { isGathering: true, isHolding: true });
    busy.onFlush = () => {
      if (busy.flushed < 3) return;
      Object.assign(busy, { isGathering: false, isHolding: false });
      sent.resolve();
    };
    turns.schedule();
    await sent.promise;
    expect(busy.flushed).toBe(3);
  });

  it('do not come again once they are closed', async () => {
    const busy = queues.get('busy')!;
    Object.assign(busy, { isGathering: true, isHolding: true });
    busy.onFlush = () => turns.close();
    turns.schedule();
    await afterThis();
    await nextTurn();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(busy.flushed).toBe(1);
  });
});
