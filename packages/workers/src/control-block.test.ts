import { ControlBlock } from './control-block.ts';

describe('a control block', () => {
  let main: ControlBlock;
  let worker: ControlBlock;

  beforeEach(() => {
    main = new ControlBlock();
    worker = new ControlBlock(main.shared);
  });

  it('tells the other side which task runs, from its begin to its end (control-block B1)', () => {
    expect(main.running).toBe(0);
    worker.begin(7);
    expect(main.running).toBe(7);
    worker.end();
    expect(main.running).toBe(0);
  });

  it('shows every step as a change of progress', () => {
    const seen = new Set([main.progress]);
    for (let step = 0; step < 3; step++) {
      worker.beat();
      seen.add(main.progress);
    }
    expect(seen.size).toBe(4);
  });

  it('cancels the task that is named, and not the one that comes after it', () => {
    worker.begin(7);
    expect(worker.isCancelled(7)).toBe(false);
    main.cancel(7);
    expect(worker.isCancelled(7)).toBe(true);
    worker.end();
    worker.begin(8);
    expect(worker.isCancelled(8)).toBe(false);
  });

  it('keeps its words apart', () => {
    main.cancel(3);
    worker.beat();
    worker.begin(5);
    expect([main.running, main.progress, worker.isCancelled(3)]).toEqual([5, 1, true]);
    worker.end();
    expect([main.running, main.progress, worker.isCancelled(3)]).toEqual([0, 1, true]);
  });
});
