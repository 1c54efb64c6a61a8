/**
 * Closed systems of transfers: whatever moves, and whatever breaks, the sum is the same at every snapshot.
 *
 *   pockets    cash and goods of one entry: processors, and statements over many members
 *   accounts   two entries of one partition: putAll of both
 */
import type { Grid } from '@ashlar/client';
import type { Random } from '@ashlar/core';
import type { Outcomes } from './outcomes.ts';
import { Accounts, Pockets, shift } from './user-code.ts';

const POCKETS = 200;
const PAIRS = 100;
const OPENING = 100;
const CALL_TIMEOUT_MS = 20_000;

interface Question {
  readonly text: string;
  readonly rows: number;
  readonly sum: number;
}

const QUESTIONS: readonly Question[] = [
  {
    text: 'SELECT count(*) AS n, sum(cash + goods) AS total FROM pockets',
    ...{ rows: POCKETS, sum: POCKETS * OPENING * 2 },
  },
  {
    text: 'SELECT count(*) AS n, sum(balance) AS total FROM accounts',
    ...{ rows: PAIRS * 2, sum: PAIRS * 2 * OPENING },
  },
];

export class ClosedSums {
  /** Answers that showed another sum. */
  readonly wrong: string[] = [];
  asked = 0;
  readonly #outcomes: Outcomes;
  readonly #random: Random;

  constructor(outcomes: Outcomes, random: Random) {
    this.#outcomes = outcomes;
    this.#random = random;
  }

  async open(grid: Grid): Promise<void> {
    const pockets = Array.from({ length: POCKETS }, (_, key) => [key, { cash: OPENING, goods: OPENING }] as const);
    const accounts = Array.from({ length: PAIRS * 2 }, (_, at) => {
      return [[at >> 1, at & 1] as const, { balance: OPENING }] as const;
    });
    await grid.map(Pockets).putAll(pockets);
    await grid.map(Accounts).putAll(accounts);
  }

  /** One transfer, of a random kind. */
  async transfer(grid: Grid): Promise<void> {
    const chance = this.#random.below(10);
    if (chance < 5) await this.#shift(grid);
    else if (chance < 9) await this.#exchange(grid);
    else await this.#update(grid);
  }

  /** Asks for both sums once. */
  async ask(grid: Grid): Promise<void> {
    for (const { text, rows, sum } of QUESTIONS) {
      const statement = grid.sql<{ n: number; total: number | bigint }>(text, [], { timeoutMs: CALL_TIMEOUT_MS });
      const outcome = await this.#outcomes.ask(text, () => statement.all());
      if (outcome.kind !== 'answered') continue;
      this.asked++;
      const { n, total } = outcome.value[0]!;
      if (Number(n) !== rows || Number(total) !== sum) {
        this.wrong.push(`${text}: ${n} rows with ${total} in all, not ${rows} with ${sum}`);
      }
    }
  }

  async #shift(grid: Grid): Promise<void> {
    const key = this.#random.below(POCKETS);
    const by = this.#random.below(20) - 10;
    const pockets = grid.map(Pockets);
    const outcome = await this.#outcomes.mutate('shift', () =>
      pockets.process(key, shift, { by }, { timeoutMs: CALL_TIMEOUT_MS }),
    );
    if (outcome.kind === 'answered' && outcome.value !== OPENING * 2) {
      this.wrong.push(`pocket ${key} held ${outcome.value} before a transfer`);
    }
  }

  async #exchange(grid: Grid): Promise<void> {
    const pair = this.#random.below(PAIRS);
    const left = this.#random.below(OPENING * 2);
    const both = [
      [[pair, 0], { balance: left }],
      [[pair, 1], { balance: OPENING * 2 - left }],
    ] as const;
    await this.#outcomes.mutate('putAll', () => grid.map(Accounts).putAll(both, { timeoutMs: CALL_TIMEOUT_MS }));
  }

  async #update(grid: Grid): Promise<void> {
    const text = 'UPDATE pockets SET cash = cash - $1, goods = goods + $1 WHERE cash % 7 = $2';
    const parameters = [this.#random.below(9), this.#random.below(7)];
    const statement = grid.sql(text, parameters, { timeoutMs: CALL_TIMEOUT_MS });
    await this.#outcomes.mutate('UPDATE', () => statement.execute());
  }
}
