/**
 * Closed systems of transfers over both members: whatever moves, the sum is the same at every snapshot.
 *
 *   pockets    cash and goods of one entry: processors, statements, conditional replaces, and a processor that is killed
 *   accounts   two entries of one partition: putAll of both
 *   chain      links written in turn: a snapshot shows no link ahead of the one before it
 */
import { type Grid, GridError, type GridMap } from '@ashlar/client';
import type { Random } from '@ashlar/core';
import { SoakFault } from '../tally.ts';
import { attempt, type Call, pause, untilDone } from './attempt.ts';
import { stumble } from './stumble.ts';
import { Accounts, Chain, type Pocket, Pockets, shift, total } from './user-code.ts';

const POCKETS = 300;
const PAIRS = 200;
const LINKS = 48;
const OPENING = 100;
const STUMBLE_EVERY_MS = 2000;

export class ClosedSums {
  readonly #grid: Grid;
  readonly #other: Grid;
  readonly #random: Random;
  readonly #call: Call;
  /** Rounds of the chain whose last link is answered. */
  #rounds = 0;

  /** @param other  a client of its own, for half of the questions */
  constructor(grid: Grid, other: Grid, random: Random, call: Call) {
    this.#grid = grid;
    this.#other = other;
    this.#random = random;
    this.#call = call;
  }

  async open(): Promise<void> {
    const pockets = Array.from({ length: POCKETS }, (_, key) => [key, { cash: OPENING, goods: OPENING }] as const);
    const accounts = Array.from({ length: PAIRS * 2 }, (_, at) => [[at >> 1, at & 1], { balance: OPENING }] as const);
    const links = Array.from({ length: LINKS }, (_, link) => [link, { link, round: 0 }] as const);
    await untilDone(() => this.#grid.map(Pockets).putAll(pockets));
    await untilDone(() => this.#grid.map(Accounts).putAll(accounts as never));
    await untilDone(() => this.#grid.map(Chain).putAll(links));
  }

  tasks(): readonly Promise<void>[] {
    const { signal } = this.#call;
    const forever = async (run: () => Promise<unknown>, pauseMs = 0): Promise<void> => {
      while (!signal.aborted) {
        await run();
        if (pauseMs > 0) await pause(pauseMs, signal);
      }
    };
    return [
      ...Array.from({ length: 3 }, () => forever(() => this.#movePocket())),
      ...Array.from({ length: 2 }, (_, mover) => this.#moveAccounts(mover, 2)),
      forever(() => this.#updatePockets(), 50),
      forever(() => this.#stumble(), STUMBLE_EVERY_MS),
      this.#forge(),
      forever(() => this.#askSums(this.#grid)),
      forever(() => this.#askSums(this.#other)),
      forever(() => this.#askJobs(), 250),
      forever(() => this.#askChain(), 20),
    ];
  }

  /* ---- Transfers ----------------------------------------------------------------------------------------------------- */

  async #movePocket(): Promise<void> {
    const pockets = this.#grid.map(Pockets);
    const key = this.#random.below(POCKETS);
    const by = this.#random.below(20) - 10;
    if (this.#random.below(2) === 0) await this.#replacePocket(pockets, key, by);
    else {
      const outcome = await attempt(this.#call, 'transfers', () => pockets.process(key, shift, { by }));
      if (outcome.kind === 'done' && outcome.value !== OPENING * 2) {
        throw new SoakFault(`pocket ${key} held ${outcome.value} before a transfer`, { opening: OPENING * 2 });
      }
    }
  }

  async #replacePocket(pockets: GridMap<number, Pocket>, key: number, by: number): Promise<void> {
    const read = await attempt(this.#call, 'gets', () => pockets.getEntry(key));
    if (read.kind !== 'done') return;
    if (read.value === undefined) throw new SoakFault(`missing row, by getEntry: pocket ${key}`);
    const { value, version } = read.value;
    if (value.cash + value.goods !== OPENING * 2) throw new SoakFault(`pocket ${key} does not add up`, { ...value });
    const moved = { cash: value.cash - by, goods: value.goods + by };
    await attempt(this.#call, 'transfers', () => pockets.replace(key, moved, { ifVersion: version }));
  }

  async #updatePockets(): Promise<void> {
    const text = 'UPDATE pockets SET cash = cash - $1, goods = goods + $1 WHERE cash % 7 = $2';
    const parameters = [this.#random.below(9), this.#random.below(7)];
    await attempt(this.#call, 'transfers by UPDATE', () => this.#grid.sql(text, parameters).execute());
  }

  async #moveAccounts(mover: number, movers: number): Promise<void> {
    const { signal } = this.#call;
    const accounts = this.#grid.map(Accounts);
    for (let turn = 0; !signal.aborted; turn++) {
      const pair = mover + movers * (turn % (PAIRS / movers));
      const left = this.#random.below(OPENING * 2);
      const both = [
        [[pair, 0], { balance: left }],
        [[pair, 1], { balance: OPENING * 2 - left }],
      ] as const;
      await attempt(this.#call, 'transfers', () => accounts.putAll(both));
    }
  }

  /** A call that changes its entry and is killed: nothing of it may be seen. */
  async #stumble(): Promise<void> {
    const { signal, tally } = this.#call;
    const key = this.#random.below(POCKETS);
    const call = this.#grid.map(Pockets).process(key, stumble, undefined);
    const outcome = await call.then(() => 'an answer').catch((error: unknown) => error);
    if (signal.aborted) return;
    if (!GridError.is(outcome as Error, 'USER_CODE_TIMEOUT')) {
      throw new SoakFault('a processor without end did not end by its limit', { outcome: String(outcome) });
    }
    tally.add('threads killed and restarted');
  }

  async #forge(): Promise<void> {
    const { signal, tally } = this.#call;
    const chain = this.#grid.map(Chain);
    for (let round = 1; ; round++) {
      for (let link = 0; link < LINKS; link++) {
        for (let isDone = false; !isDone; ) {
          if (signal.aborted) return;
          const outcome = await attempt(this.#call, 'links forged', () => chain.put(link, { link, round }));
          isDone = outcome.kind === 'done';
          if (outcome.kind === 'unsure') return tally.add('chains given up');
        }
      }
      this.#rounds = round;
    }
  }

  /* ---- Questions ----------------------------------------------------------------------------------------------------- */

  async #askSums(grid: Grid): Promise<void> {
    const [pockets, accounts] = [POCKETS * OPENING * 2, PAIRS * 2 * OPENING];
    await this.#askSum(grid, 'SELECT count(*) AS n, sum(cash + goods) AS total FROM pockets', POCKETS, pockets);
    await this.#askSum(grid, 'SELECT count(*) AS n, sum(balance) AS total FROM accounts', PAIRS * 2, accounts);
    const filtered =
      'SELECT count(*) AS n, sum(p.cash) + sum(q.goods) AS total FROM pockets p JOIN pockets q ON p.__key = q.__key';
    await this.#askSum(grid, filtered, POCKETS, pockets);
  }

  async #askSum(grid: Grid, text: string, rows: number, sum: number): Promise<void> {
    const ask = () => grid.sql<{ n: number; total: number | bigint }>(text).all();
    const outcome = await attempt(this.#call, 'sums by statements', ask);
    if (outcome.kind !== 'done') return;
    const { n, total: told } = outcome.value[0]!;
    if (Number(n) === rows && Number(told) === sum) return;
    throw new SoakFault('a snapshot shows another sum', { text, rows: n, sum: Number(told), expected: [rows, sum] });
  }

  async #askJobs(): Promise<void> {
    const ask = (map: string, paths: readonly string[], expected: number) =>
      attempt(this.#call, 'sums by jobs', () => this.#other.run(total, { map, paths })).then((outcome) => {
        if (outcome.kind !== 'done' || outcome.value === expected) return;
        throw new SoakFault('a job sees another sum', { map, sum: outcome.value, expected });
      });
    await ask(Pockets.name, ['cash', 'goods'], POCKETS * OPENING * 2);
    await ask(Accounts.name, ['balance'], PAIRS * 2 * OPENING);
  }

  async #askChain(): Promise<void> {
    const answered = this.#rounds;
    const ask = () =>
      this.#other.sql<{ link: number; round: number }>('SELECT link, round FROM chain ORDER BY link').all();
    const outcome = await attempt(this.#call, 'looks at the chain', ask);
    if (outcome.kind !== 'done') return;
    const rounds = outcome.value.map(({ round }) => round);
    const [first, last] = [rounds[0]!, rounds.at(-1)!];
    const descends = rounds.every((round, link) => link === 0 || round <= rounds[link - 1]!);
    const sent = this.#rounds + 1;
    if (rounds.length === LINKS && descends && first - last <= 1 && last >= answered && first <= sent) return;
    throw new SoakFault('a snapshot shows a link ahead of the one before it', { rounds, answered, sent });
  }
}
