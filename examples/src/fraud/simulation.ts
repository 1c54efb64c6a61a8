/**
 * Card transactions with known frauds, after the published simulation of Le Borgne, Siblini, Lebichot and Bontempi,
 * "Reproducible Machine Learning for Credit Card Fraud Detection - Practical Handbook", 2022, chapter 3:
 *
 *   customers and terminals lie uniformly on a plane of 100 x 100; a customer uses the terminals within a radius, has a
 *   mean amount from U(5, 100) with a deviation of half of it, and makes Poisson(U(0, 4)) transactions a day, at times
 *   from N(noon, 20,000 s) within the day;
 *   scenario 1: every amount above 220 is a fraud;
 *   scenario 2: each day 2 terminals are compromised: all their transactions of 28 days are frauds;
 *   scenario 3: each day the cards of 3 customers leak: for 14 days, a third of their transactions, with the amount
 *   multiplied by 5, are frauds.
 *
 * The published size is 5,000 customers and 10,000 terminals. Here as many customers (and twice as many terminals) are
 * made as reach the wanted number of transactions in DAYS days; the radius grows so that a customer reaches as many
 * terminals as published, and the daily draws shrink with the number of customers, so that the shares stay as published.
 *
 * simulation S1  The same options give the same transactions, on every machine.
 * simulation S2  Transactions come in the order of their time; txId counts 0, 1, 2 ...; there are exactly as many as wanted.
 */
import { type Random, seededRandom } from '@ashlar/core';
import { DAY_MS } from './model.ts';

export type Scenario = 0 | 1 | 2 | 3;

export interface SimulatedTransaction {
  readonly txId: number;
  readonly customerId: number;
  readonly terminalId: number;
  /** Two digits after the point. */
  readonly amount: number;
  /** Event time, milliseconds since 1970. */
  readonly atMs: number;
  /** 0: not a fraud. The grid never sees this; it learns of frauds when they are confirmed. */
  readonly scenario: Scenario;
}

export interface SimulationOptions {
  readonly transactions: number;
  readonly seed: number;
}

interface Customer {
  readonly id: number;
  readonly meanAmount: number;
  readonly dailyTransactions: number;
  /** Terminals within reach. */
  readonly terminals: readonly number[];
}

const START_MS = Date.UTC(2018, 3, 1);
const DAYS = 90;
const PLANE = 100;
const PUBLISHED_CUSTOMERS = 5000;
const PUBLISHED_TERMINALS = 10_000;
const PUBLISHED_RADIUS = 5;
/** Mean of U(0, 4), less the times that fall outside the day. */
const DAILY_TRANSACTIONS = 1.94;
const FRAUD_AMOUNT = 220;
const TERMINALS_COMPROMISED_DAILY = 2;
const TERMINAL_FRAUD_DAYS = 28;
const CUSTOMERS_LEAKED_DAILY = 3;
const CUSTOMER_FRAUD_DAYS = 14;
const CUSTOMER_FRAUD_SHARE = 1 / 3;
const CUSTOMER_FRAUD_FACTOR = 5;

/** Yields day by day: nothing is kept but the plane. */
export function* simulate({ transactions, seed }: SimulationOptions): Generator<SimulatedTransaction> {
  const random = seededRandom(seed);
  const customerCount = Math.max(20, Math.round(transactions / (DAILY_TRANSACTIONS * DAYS)));
  const terminalCount = customerCount * 2;
  const customers = placeCustomers(random, customerCount, terminalCount);
  const scale = customerCount / PUBLISHED_CUSTOMERS;
  const terminals = new Compromise(random, terminalCount, TERMINALS_COMPROMISED_DAILY * scale, TERMINAL_FRAUD_DAYS);
  const leaked = new Compromise(random, customerCount, CUSTOMERS_LEAKED_DAILY * scale, CUSTOMER_FRAUD_DAYS);
  let txId = 0;
  for (let day = 0; txId < transactions; day += 1) {
    terminals.startDay(day);
    leaked.startDay(day);
    const today = customers.flatMap((customer) => dayOf(random, customer, day));
    today.sort((one, other) => one.atMs - other.atMs || one.customerId - other.customerId);
    for (const draft of today.slice(0, transactions - txId)) {
      const customerFraud = leaked.has(draft.customerId, day) && random.next() < CUSTOMER_FRAUD_SHARE;
      const amount = roundCents(customerFraud ? draft.amount * CUSTOMER_FRAUD_FACTOR : draft.amount);
      const scenario = customerFraud ? 3 : terminals.has(draft.terminalId, day) ? 2 : amount > FRAUD_AMOUNT ? 1 : 0;
      yield { txId, ...draft, amount, scenario };
      txId += 1;
    }
  }
}

/** Who is compromised on which day: draws `daily` of `count` a day on average, each for `days` days. */
class Compromise {
  readonly #random: Random;
  readonly #count: number;
  readonly #daily: number;
  readonly #days: number;
  readonly #untilDay = new Map<number, number>();
  #due = 0;

  constructor(random: Random, count: number, daily: number, days: number) {
    this.#random = random;
    this.#count = count;
    this.#daily = daily;
    this.#days = days;
  }

  startDay(day: number): void {
    for (this.#due += this.#daily; this.#due >= 1; this.#due -= 1) {
      this.#untilDay.set(this.#random.below(this.#count), day + this.#days);
    }
  }

  has(id: number, day: number): boolean {
    return (this.#untilDay.get(id) ?? 0) > day;
  }
}

function placeCustomers(random: Random, customerCount: number, terminalCount: number): Customer[] {
  const radius = PUBLISHED_RADIUS * Math.sqrt(PUBLISHED_TERMINALS / terminalCount);
  const place = () => ({ x: random.next() * PLANE, y: random.next() * PLANE });
  const terminals = Array.from({ length: terminalCount }, place);
  return Array.from({ length: customerCount }, (_, id) => {
    const home = place();
    const near = terminals.flatMap(({ x, y }, terminal) =>
      (x - home.x) ** 2 + (y - home.y) ** 2 < radius * radius ? [terminal] : [],
    );
    return { id, meanAmount: 5 + random.next() * 95, dailyTransactions: random.next() * 4, terminals: near };
  });
}

function dayOf(random: Random, customer: Customer, day: number): Omit<SimulatedTransaction, 'txId' | 'scenario'>[] {
  const { id: customerId, meanAmount, terminals } = customer;
  const made = [];
  for (let left = poisson(random, customer.dailyTransactions); left > 0; left -= 1) {
    const second = Math.floor(normal(random, 43_200, 20_000));
    if (second <= 0 || second >= 86_400 || terminals.length === 0) continue;
    const drawn = normal(random, meanAmount, meanAmount / 2);
    const amount = drawn < 0 ? random.next() * meanAmount * 2 : drawn;
    const terminalId = terminals[random.below(terminals.length)]!;
    made.push({ customerId, terminalId, amount, atMs: START_MS + day * DAY_MS + second * 1000 });
  }
  return made;
}

/** @see Box and Muller, "A note on the generation of random normal deviates", 1958 */
function normal(random: Random, mean: number, deviation: number): number {
  return mean + deviation * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** @see Knuth, "The Art of Computer Programming", volume 2, 3.4.1 */
function poisson(random: Random, mean: number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count += 1;
  return count;
}

function roundCents(amount: number): number {
  return Math.round(amount * 100) / 100;
}
