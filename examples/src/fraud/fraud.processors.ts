/** User code of the fraud example: an entry listener behind every transaction, and the processors that keep its state. */
import { defineListener, defineProcessor, writePut } from '@ashlar/api';
import {
  Alerts,
  type CustomerState,
  Customers,
  type Rule,
  type TerminalState,
  Terminals,
  type TerminalTransaction,
  Transactions,
} from './model.ts';
import { type CustomerCall, judgeCustomer, judgeTerminal, type TerminalCall } from './rules.ts';

/** Takes a transaction into its customer's state; answers the rule that finds it suspicious, or null. */
export const scoreCustomer = defineProcessor<CustomerState, CustomerCall, Rule | null>((entry, call) => {
  const { state, rule } = judgeCustomer(entry.value, call);
  entry.value = state;
  return rule ?? null;
});

/** Takes a transaction or a confirmed fraud into its terminal's state; answers the transactions that look bad now. */
export const scoreTerminal = defineProcessor<TerminalState, TerminalCall, readonly TerminalTransaction[]>(
  (entry, call) => {
    const { state, suspicious } = judgeTerminal(entry.value, call);
    entry.value = state;
    return suspicious;
  },
);

/** Scores each batch of transactions with one call a customer and one a terminal, and writes the alerts. */
export const watchTransactions = defineListener({
  map: Transactions,
  after: async (events, grid) => {
    const customerCalls: [number, CustomerCall][] = [];
    const terminalCalls: [number, TerminalCall][] = [];
    for (const { key, value } of events) {
      if (value === undefined) continue;
      const [customerId, txId] = key;
      const { amount, terminalId, sentAtMs, confirmedAt } = value;
      if (confirmedAt !== undefined) {
        terminalCalls.push([terminalId, { kind: 'confirmation', txId, confirmedAtMs: confirmedAt.getTime() }]);
        continue;
      }
      const transaction = { txId, customerId, amount, atMs: value.at.getTime(), sentAtMs };
      customerCalls.push([customerId, { txId, amount }]);
      terminalCalls.push([terminalId, { kind: 'transaction', transaction }]);
    }
    const [rules, suspicious] = await Promise.all([
      grid.map(Customers).processEach(customerCalls, scoreCustomer),
      grid.map(Terminals).processEach(terminalCalls, scoreTerminal),
    ]);

    const alerts = suspicious.flatMap((transactions, call) =>
      transactions.map((transaction) => alert('terminal', transaction, terminalCalls[call]![0])),
    );
    const scored = terminalCalls.flatMap(([terminalId, call]) =>
      call.kind === 'transaction' ? [{ terminalId, transaction: call.transaction }] : [],
    );
    rules.forEach((rule, call) => {
      const { terminalId, transaction } = scored[call]!;
      if (rule !== null) alerts.push(alert(rule, transaction, terminalId));
    });
    return alerts;
  },
});

function alert(rule: Rule, { txId, customerId, amount, atMs, sentAtMs }: TerminalTransaction, terminalId: number) {
  const at = new Date(atMs);
  return writePut(Alerts, [txId, rule], { txId, rule, customerId, terminalId, amount, at, sentAtMs });
}
