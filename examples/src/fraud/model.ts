/** The maps of the fraud example. */
import { defineMap } from '@ashlar/api';

export const DAY_MS = 86_400_000;

/** Which rule found a transaction suspicious: see rules.ts. */
export type Rule = 'amount' | 'habit' | 'terminal';

export interface Transaction {
  readonly customerId: number;
  readonly terminalId: number;
  readonly amount: number;
  /** When the card was used. */
  readonly at: Date;
  /** When the transaction was put into the grid, milliseconds since 1970 in the sender's clock. */
  readonly sentAtMs: number;
  /** When the card's holder complained: set by a second put, a week after the fraud. */
  readonly confirmedAt?: Date;
}

/** The state that the grid keeps of a customer. */
export interface CustomerState {
  /** Transactions of a customer come in order: what is not above this one was seen already. */
  readonly lastTxId: number;
  /** Transactions seen. */
  readonly seen: number;
  /** Those of them that were not suspicious, and the sum of their amounts. */
  readonly unflagged: number;
  readonly unflaggedSum: number;
  /** The newest suspicious ones: a repeated call answers as the first did. */
  readonly flagged: readonly { readonly txId: number; readonly rule: Rule }[];
}

/** A transaction as its terminal remembers it: enough to raise an alert when a confirmation comes late. */
export interface TerminalTransaction {
  readonly txId: number;
  readonly customerId: number;
  readonly amount: number;
  readonly atMs: number;
  readonly sentAtMs: number;
}

/** The state that the grid keeps of a terminal: two sets, in no particular order, of the last weeks. */
export interface TerminalState {
  readonly transactions: readonly TerminalTransaction[];
  readonly confirmations: readonly { readonly txId: number; readonly confirmedAtMs: number }[];
  /** Distinct transactions and confirmations that entered the sets. */
  readonly seen: number;
  readonly confirmed: number;
  /** Arrived behind the horizon: judged, not remembered. 0 unless the feed is weeks out of order. */
  readonly late: number;
}

export interface Alert {
  readonly txId: number;
  readonly rule: Rule;
  readonly customerId: number;
  readonly terminalId: number;
  readonly amount: number;
  readonly at: Date;
  readonly sentAtMs: number;
}

/** Keyed [customerId, txId]; the customer chooses the partition, so a customer's transactions stay together, in order. */
export const Transactions = defineMap<readonly [number, number], Transaction>('transactions', { affinityParts: 1 });
/** Keyed customerId: in the same partition as the customer's transactions. */
export const Customers = defineMap<number, CustomerState>('customers');
/** Keyed terminalId. */
export const Terminals = defineMap<number, TerminalState>('terminals');
/** Keyed [txId, rule]: rules answer at different moments, and none overwrites another's alert. */
export const Alerts = defineMap<readonly [number, Rule], Alert>('alerts');
