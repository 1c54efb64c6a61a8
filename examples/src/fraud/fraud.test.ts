import { seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import { StandInGrid } from '../testing/stand-in-grid.ts';
import { CONFIRMATION_DELAY_MS, type FeedItem, feed, nextTransactions } from './feed.ts';
import { scoreCustomer, scoreTerminal, watchTransactions } from './fraud.processors.ts';
import { type Alert, Alerts, DAY_MS, type TerminalState, Terminals, type Transaction, Transactions } from './model.ts';
import { QualityCounter } from './quality.ts';
import { alertId, ReferenceRun, referenceAlerts } from './reference.ts';
import { judgeCustomer, judgeTerminal, TERMINAL_SLACK_MS, type TerminalCall } from './rules.ts';
import { simulate } from './simulation.ts';

describe('the simulation', () => {
  it('gives the same transactions for the same seed, and others for another (S1)', () => {
    const take = (seed: number) => [...simulate({ transactions: 2000, seed })];
    expect(take(5)).toEqual(take(5));
    expect(take(5)).not.toEqual(take(6));
  });

  it('gives exactly as many as wanted, numbered in the order of their time (S2)', () => {
    const transactions = [...simulate({ transactions: 12_345, seed: 3 })];
    expect(transactions.map((one) => one.txId)).toEqual(transactions.map((_, index) => index));
    expect(transactions).toHaveLength(12_345);
    for (let at = 1; at < transactions.length; at += 1) {
      expect(transactions[at]!.atMs).toBeGreaterThanOrEqual(transactions[at - 1]!.atMs);
    }
  });

  it('has about the published share of each scenario', () => {
    const shares = [0, 0, 0, 0];
    for (const { scenario } of simulate({ transactions: 100_000, seed: 11 })) shares[scenario]! += 1 / 100_000;
    expect(shares[1]).toBeGreaterThan(0.0002);
    expect(shares[2]).toBeGreaterThan(0.002);
    expect(shares[3]).toBeGreaterThan(0.001);
    expect(shares[0]).toBeGreaterThan(0.985);
  });
});

describe('the feed', () => {
  it('confirms every fraud once, a week later, and stays in the order of time', () => {
    const items = [...feed({ transactions: 20_000, seed: 2 })];
    const timeOf = (item: FeedItem) => (item.kind === 'confirmation' ? item.confirmedAtMs : item.transaction.atMs);
    const confirmed = new Set<number>();
    let lastMs = 0;
    for (const item of items) {
      expect(timeOf(item)).toBeGreaterThanOrEqual(lastMs);
      lastMs = timeOf(item);
      if (item.kind === 'transaction') continue;
      expect(item.transaction.scenario).not.toBe(0);
      expect(item.confirmedAtMs - item.transaction.atMs).toBe(CONFIRMATION_DELAY_MS);
      expect(confirmed.has(item.transaction.txId)).toBe(false);
      confirmed.add(item.transaction.txId);
    }
    expect(confirmed.size).toBeGreaterThan(100);
  });
});

describe('a feed in parts', () => {
  it('is the same feed', () => {
    const options = { transactions: 3000, seed: 2 };
    const items = feed(options);
    const parts = [nextTransactions(items, 1234), nextTransactions(items, 1766), nextTransactions(items, 5)];
    const taken = parts.map((part) => [...part]);
    const counts = taken.map((part) => part.filter(({ kind }) => kind === 'transaction').length);
    expect(counts).toEqual([1234, 1766, 0]);
    expect(taken.flat()).toEqual([...feed(options)]);
  });
});

describe('the rules', () => {
  it('give a customer the same verdicts when a call is repeated (R3)', () => {
    const amounts = [10, 11, 9, 10, 12, 10, 8, 10, 11, 10, 10, 55, 10, 230];
    let state = judgeCustomer(undefined, { txId: 0, amount: amounts[0]! }).state;
    const verdicts = amounts.slice(1).map((amount, at) => {
      const first = judgeCustomer(state, { txId: at + 1, amount });
      const again = judgeCustomer(first.state, { txId: at + 1, amount });
      expect(again).toEqual(first);
      state = first.state;
      return first.rule;
    });
    expect(verdicts.filter((rule) => rule !== undefined)).toEqual(['habit', 'amount']);
    expect(state.seen).toBe(amounts.length);
  });

  it('flag the same transactions of a terminal in whatever order its events come, repeated or not (R2, R3)', () => {
    const events = fc.uniqueArray(
      fc.record({
        txId: fc.integer({ min: 0, max: 1000 }),
        atMs: fc.integer({ min: 0, max: TERMINAL_SLACK_MS }),
        isConfirmation: fc.boolean(),
      }),
      { selector: (event) => event.txId, maxLength: 30 },
    );
    const shuffleSeed = fc.integer();
    fc.assert(
      fc.property(events, shuffleSeed, (drawn, seed) => {
        const calls = drawn.map(({ txId, atMs, isConfirmation }): TerminalCall => {
          if (isConfirmation) return { kind: 'confirmation', txId, confirmedAtMs: atMs };
          return { kind: 'transaction', transaction: { txId, atMs, customerId: 1, amount: 1, sentAtMs: 0 } };
        });
        expect(flaggedBy(shuffled([...calls, ...calls], seed))).toEqual(flaggedBy(calls));
      }),
    );
  });

  it('tell of events too late to be judged surely', () => {
    const at = (atMs: number, txId: number): TerminalCall => ({
      kind: 'transaction',
      transaction: { txId, atMs, customerId: 1, amount: 1, sentAtMs: 0 },
    });
    const { state } = judgeTerminal(judgeTerminal(undefined, at(30 * DAY_MS, 1)).state, at(0, 2));
    expect(state).toMatchObject({ seen: 1, late: 1 });
  });

  it('find most frauds, and mostly frauds', () => {
    const options = { transactions: 200_000, seed: 1 };
    const quality = new QualityCounter();
    const run = new ReferenceRun();
    for (const item of feed(options)) {
      run.take(item);
      if (item.kind === 'transaction') quality.note(item.transaction);
    }
    const alerts = [...run.alerts].map((id) => ({
      txId: Number(id.split(' ')[0]),
      rule: id.split(' ')[1] as Alert['rule'],
    }));
    const [amounts, terminals, habits] = quality.judge(alerts);
    expect(amounts).toMatchObject({ recall: 1, precision: 1 });
    expect(terminals!.recall).toBeGreaterThan(0.5);
    expect(terminals!.precision).toBeGreaterThan(0.6);
    expect(habits!.recall).toBeGreaterThan(0.75);
    expect(habits!.precision).toBeGreaterThan(0.85);
  });
});

describe('the listener', () => {
  it.each([1, 2, 3])(
    'raises exactly the alerts of the reference, however partitions interleave (seed %i)',
    async (seed) => {
      const options = { transactions: 20_000, seed };
      const grid = new StandInGrid(watchTransactions, seed);
      const random = seededRandom(seed + 100);
      for (const item of feed(options)) {
        putInto(grid, item);
        while (grid.pending > random.below(1000)) await grid.step();
      }
      while (grid.pending > 0) await grid.step();

      const found = (grid.values(Alerts.name) as Alert[]).map(({ txId, rule }) => alertId(txId, rule));
      expect(found.toSorted()).toEqual([...referenceAlerts(options)].toSorted());
      expect(found.length).toBeGreaterThan(50);
      const terminals = grid.values(Terminals.name) as TerminalState[];
      expect(terminals.reduce((sum, state) => sum + state.late, 0)).toBe(0);
      expect(terminals.reduce((sum, state) => sum + state.seen, 0)).toBe(options.transactions);
    },
  );

  it('is deployed with the processors it calls', () => {
    expect([scoreCustomer.kind, scoreTerminal.kind]).toEqual(['processor', 'processor']);
    expect(watchTransactions).toMatchObject({ kind: 'listener', on: 'after', map: 'transactions' });
  });
});

function flaggedBy(calls: readonly TerminalCall[]): number[] {
  const flagged = new Set<number>();
  let state: TerminalState | undefined;
  for (const call of calls) {
    const judged = judgeTerminal(state, call);
    state = judged.state;
    for (const { txId } of judged.suspicious) flagged.add(txId);
  }
  return [...flagged].toSorted((one, other) => one - other);
}

function shuffled<T>(items: T[], seed: number): T[] {
  const random = seededRandom(seed);
  for (let left = items.length; left > 1; left -= 1) {
    const other = random.below(left);
    [items[left - 1], items[other]] = [items[other]!, items[left - 1]!];
  }
  return items;
}

function putInto(grid: StandInGrid, item: FeedItem): void {
  const { txId, customerId, terminalId, amount, atMs } = item.transaction;
  const transaction: Transaction = { customerId, terminalId, amount, at: new Date(atMs), sentAtMs: 0 };
  const value =
    item.kind === 'transaction' ? transaction : { ...transaction, confirmedAt: new Date(item.confirmedAtMs) };
  grid.put(Transactions.name, [customerId, txId], value, customerId);
}
