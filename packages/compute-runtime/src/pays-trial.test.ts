/** What stays on because it pays. */
import { PaysTrial } from './pays-trial.ts';

const STRETCH = 256;
const TRIAL = 8;
const STAY = 64;

/** Tasks of ten calls, one every so many milliseconds. */
class Load {
  readonly trial = new PaysTrial();
  now = 0;

  /** @returns in how many of the tasks it was on */
  run(stretches: number, onMs: number, offMs: number): number {
    let on = 0;
    for (let task = 0; task < stretches * STRETCH; task++) {
      if (this.trial.isOn) on++;
      this.now += this.trial.isOn ? onMs : offMs;
      this.trial.ended(10, this.now);
    }
    return on;
  }
}

describe('a way of working', () => {
  it('is on half of the time while it is tried, and stays where it is faster', () => {
    const load = new Load();
    load.trial.ended(10, 0);
    expect(load.run(TRIAL, 1, 1.2)).toBe((TRIAL / 2) * STRETCH);
    expect(load.run(STAY, 1, 1.2)).toBe(STAY * STRETCH);
  });

  it.each([
    ['slower', 1.2, 1],
    ['as fast', 1, 1],
  ])('stays off where it is %s', (_, onMs, offMs) => {
    const load = new Load();
    load.trial.ended(10, 0);
    load.run(TRIAL, onMs, offMs);
    expect(load.run(STAY, onMs, offMs)).toBe(0);
  });

  it('is tried again after a while, when it may have become faster', () => {
    const load = new Load();
    load.trial.ended(10, 0);
    load.run(TRIAL + STAY, 1.2, 1);
    expect(load.run(TRIAL, 1, 1.2)).toBe((TRIAL / 2) * STRETCH);
    expect(load.run(STAY, 1, 1.2)).toBe(STAY * STRETCH);
  });

  it('is not judged by stretches in which nobody called, or something else was under way', () => {
    const load = new Load();
    load.trial.ended(10, 0);
    load.run(0.5, 1, 1.2);
    load.now += 1000;
    load.trial.ended(10, load.now);
    load.run(0.5, 1, 1.2);
    load.trial.interrupt();
    load.trial.ended(10, load.now);
    load.run(TRIAL, 1, 1.2);
    expect(load.run(STAY, 1, 1.2)).toBe(STAY * STRETCH);
  });
});
