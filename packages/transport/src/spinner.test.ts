import { SPIN_MAX_MS, SPIN_MS, type SpinLoop, Spinner } from './spinner.ts';

/** An event loop that turns when it is told to, and a clock that goes on by as much as a turn takes. */
class FakeLoop implements SpinLoop {
  ms = 1000;
  switches = 0;
  /** Times that `switches` was asked for. */
  looks = 0;
  #next: (() => void) | undefined;

  nowMs(): number {
    return this.ms;
  }

  nextTurn(turn: () => void): void {
    expect(this.#next).toBeUndefined();
    this.#next = turn;
  }

  involuntarySwitches(): number {
    this.looks++;
    return this.switches;
  }

  /** Whether somebody keeps it from sleeping. */
  get isKept(): boolean {
    return this.#next !== undefined;
  }

  /** @returns false: nobody keeps it turning */
  turn(tookMs = 0.01): boolean {
    this.ms += tookMs;
    const next = this.#next;
    this.#next = undefined;
    next?.();
    return next !== undefined;
  }

  /** Turns until nobody keeps it from sleeping. @returns how long that was */
  turnToEnd(): number {
    const began = this.ms;
    while (this.turn());
    return this.ms - began;
  }
}

function spinning(reason = '') {
  const loop = new FakeLoop();
  return { loop, spinner: new Spinner(loop, reason) };
}

/** One call that is answered while the loop turns. */
function hit({ loop, spinner }: ReturnType<typeof spinning>, tookMs = 0.01, switches = 0): void {
  spinner.watch(loop.ms);
  loop.turn();
  loop.ms += tookMs;
  loop.switches += switches;
  spinner.arrived(loop.ms);
}

/** Spins until it is known whether it stands still. */
function trial(on: ReturnType<typeof spinning>, tookMs?: number, switches?: number): void {
  for (let spin = 0; spin < 16; spin++) hit(on, tookMs, switches);
}

describe('a spinner', () => {
  it('turns only while somebody watches (S1)', () => {
    const { loop, spinner } = spinning();
    expect(loop.isKept).toBe(false);
    spinner.watch(loop.ms);
    expect(loop.turn()).toBe(true);
    spinner.rest(loop.ms);
    loop.turn();
    expect(loop.isKept).toBe(false);
    expect(spinner.figures()).toMatchObject({ spins: 1, hits: 0, misses: 0 });
  });

  it('gives up some time after the last byte, and that is a miss (S1)', () => {
    const { loop, spinner } = spinning();
    spinner.watch(loop.ms);
    loop.turn();
    spinner.watch(loop.ms);
    const spunMs = loop.turnToEnd();
    expect(spunMs).toBeGreaterThanOrEqual(SPIN_MS);
    expect(spunMs).toBeLessThan(SPIN_MS + 0.1);
    expect(spinner.figures()).toMatchObject({ spins: 1, hits: 0, misses: 1 });
  });

  it('turns for as long as it is asked to, within a bound (S1)', () => {
    for (const forMs of [0.05, 0.4, 60]) {
      const { loop, spinner } = spinning();
      spinner.watch(loop.ms, forMs);
      const spunMs = loop.turnToEnd();
      expect(spunMs).toBeGreaterThanOrEqual(Math.min(forMs, SPIN_MAX_MS));
      expect(spunMs).toBeLessThan(Math.min(forMs, SPIN_MAX_MS) + 0.1);
    }
  });

  it('ends with what it watched for, and one turn later the loop may sleep', () => {
    const on = spinning();
    hit(on);
    expect(on.loop.turn()).toBe(true);
    expect(on.loop.isKept).toBe(false);
    expect(on.spinner.figures()).toMatchObject({ spins: 1, hits: 1, misses: 0 });
  });

  it('goes on without asking for a second turn where calls follow each other', () => {
    const on = spinning();
    for (let call = 0; call < 5; call++) hit(on);
    expect(on.spinner.figures()).toMatchObject({ spins: 5, hits: 5 });
  });

  it('ends where a turn took long without bytes (S2)', () => {
    const { loop, spinner } = spinning();
    spinner.watch(loop.ms);
    loop.turn();
    loop.turn(0.15);
    expect(loop.isKept).toBe(false);
    expect(spinner.figures().misses).toBe(1);
  });

  it('lets more and more chances pass while it spins for nothing, and none after a hit (S3)', () => {
    const on = spinning();
    const passed: number[] = [];
    for (let miss = 0; miss < 5; miss++) {
      const { spins } = on.spinner.figures();
      let chances = 0;
      while (on.spinner.figures().spins === spins) {
        chances++;
        on.spinner.watch(on.loop.ms);
      }
      passed.push(chances - 1);
      on.loop.turnToEnd();
    }
    expect(passed).toEqual([0, 1, 3, 7, 15]);
    for (let chance = 0; chance < 31; chance++) on.spinner.watch(on.loop.ms);
    expect(on.loop.isKept).toBe(false);
    hit(on);
    const { spins } = on.spinner.figures();
    hit(on);
    expect(on.spinner.figures().spins).toBe(spins + 1);
  });

  it('stands still after a trial in which others wanted the core, longer each time (S4)', () => {
    const on = spinning();
    const { loop, spinner } = on;
    const stillMs: number[] = [];
    for (let time = 0; time < 12; time++) {
      trial(on, 0.01, 1);
      expect(spinner.figures()).toMatchObject({ still: true, preempted: time + 1 });
      const began = loop.ms;
      loop.turnToEnd();
      const { spins } = spinner.figures();
      while (spinner.figures().spins === spins) {
        spinner.watch(loop.ms);
        if (spinner.figures().spins === spins) loop.ms += 10;
      }
      spinner.rest(loop.ms);
      stillMs.push(loop.ms - began);
    }
    const tenths = stillMs.map((ms) => Math.round(ms / 100));
    expect(tenths).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
  });

  it('stands still where the loop is late by its own work (S4)', () => {
    const on = spinning();
    trial(on, 0.5);
    expect(on.spinner.figures()).toMatchObject({ still: true, preempted: 1 });
  });

  it('finds out that it loses its core for long, if rarely, as by a quota; and stands still for longer each time (S4)', () => {
    const on = spinning();
    const stillMs: number[] = [];
    for (let time = 0; time < 4; time++) {
      trial(on);
      expect(on.spinner.figures()).toMatchObject({ still: false, preempted: time });
      for (let spin = 0; spin < 2048; spin++) hit(on, spin === 1000 ? 50 : 0.01);
      expect(on.spinner.figures()).toMatchObject({ still: true, preempted: time + 1 });
      const began = on.loop.ms;
      while (on.spinner.figures().still) on.loop.ms += 10;
      stillMs.push(Math.round((on.loop.ms - began) / 100));
    }
    expect(stillMs).toEqual([1, 2, 4, 8]);
  });

  it('is not stopped by a disturbance now and then, and looks rarely once it has passed its trial (S4)', () => {
    const on = spinning();
    trial(on);
    expect(on.loop.looks).toBe(32);
    for (let spin = 0; spin < 4096; spin++) hit(on, spin % 1000 === 0 ? 3 : 0.01, spin % 100 === 0 ? 1 : 0);
    expect(on.loop.looks).toBe(32 + 32);
    expect(on.spinner.figures()).toMatchObject({ still: false, preempted: 0, hits: 4112 });
  });

  it('finds out while it is at it that the core is wanted by now (S4)', () => {
    const on = spinning();
    trial(on);
    for (let spin = 0; spin < 2048; spin++) hit(on, 0.01, 1);
    expect(on.spinner.figures()).toMatchObject({ still: true, preempted: 1 });
  });

  it('never turns where it must not (S5)', () => {
    const { loop, spinner } = spinning('the machine has one core');
    spinner.watch(loop.ms);
    spinner.arrived(loop.ms);
    spinner.rest(loop.ms);
    expect(loop.isKept).toBe(false);
    expect(spinner.figures()).toMatchObject({ allowed: false, reason: 'the machine has one core', spins: 0 });
  });
});
