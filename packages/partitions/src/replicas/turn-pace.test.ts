import { TurnPace } from './turn-pace.ts';

/** Callbacks of one event loop, and what they left to be run behind them. */
class Loop {
  readonly turns: string[] = [];
  readonly pace: TurnPace;
  ms = 1000;
  #next: (() => void)[] = [];
  #soon: (() => void)[] = [];
  #at = '';
  /** What a turn causes. */
  onTurn: () => void = () => undefined;

  constructor() {
    const timers = {
      next: (run: () => void) => void this.#next.push(run),
      soon: (run: () => void) => void this.#soon.push(run),
    };
    const turn = (): void => {
      this.turns.push(this.#at);
      this.onTurn();
    };
    this.pace = new TurnPace(timers, () => this.ms, turn);
  }

  /** A callback, and the microtasks behind it. */
  callback(name: string, asks = 1): void {
    for (let ask = 0; ask < asks; ask++) {
      const before = this.turns.length;
      this.pace.ask();
      expect(this.turns).toHaveLength(before);
    }
    this.#at = `behind ${name}`;
    for (let run = this.#next.shift(); run !== undefined; run = this.#next.shift()) run();
  }

  end(): void {
    this.#at = 'end';
    const soon = this.#soon;
    this.#soon = [];
    for (const run of soon) run();
  }

  /** The next input comes after some time. */
  sleep(ms: number): void {
    this.end();
    this.ms += ms;
  }
}

describe('TurnPace', () => {
  it('follows a lone callback at once, with one turn for all that it asked (turn-pace T1)', () => {
    const loop = new Loop();
    for (const name of ['a', 'b', 'c']) {
      loop.callback(name, 3);
      loop.sleep(0.06);
    }
    expect(loop.turns).toEqual(['behind a', 'behind b', 'behind c']);
  });

  it('takes what comes right behind the first callback together, at the end (turn-pace T2)', () => {
    const loop = new Loop();
    for (const name of ['a', 'b', 'c']) loop.callback(name);
    loop.end();
    expect(loop.turns).toEqual(['behind a', 'end']);
  });

  it('shares one turn among all of a loop turn while callbacks come close together, then looks again (turn-pace T2)', () => {
    const loop = new Loop();
    for (const name of ['a', 'b']) loop.callback(name);
    loop.sleep(1);
    loop.turns.length = 0;
    for (let loopTurn = 1; loopTurn < 32; loopTurn++) {
      for (const name of ['a', 'b']) loop.callback(name);
      loop.sleep(1);
    }
    expect(loop.turns).toEqual(new Array(31).fill('end'));
    loop.callback('c');
    expect(loop.turns.at(-1)).toBe('behind c');
  });

  it('lets the event loop turn whatever asks again and again (turn-pace T2)', () => {
    const loop = new Loop();
    loop.onTurn = () => loop.pace.ask();
    loop.callback('a');
    expect(loop.turns.length).toBeLessThanOrEqual(2);
    const { length } = loop.turns;
    loop.end();
    expect(loop.turns).toHaveLength(length + 1);
    loop.end();
    expect(loop.turns).toHaveLength(length + 2);
  });
});
