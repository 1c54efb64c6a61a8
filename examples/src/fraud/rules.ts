/**
 * Three rules that find suspicious card transactions. Pure functions over event time: the same ones run in the grid
 * (fraud.processors.ts) and in the single-threaded reference (reference.ts), and give the same alerts.
 *
 * rules R1  A customer's verdicts depend only on that customer's transactions up to then, in their order.
 * rules R2  A terminal's verdicts depend only on the sets of its transactions and confirmations, not on their order of
 *           arrival: whichever comes last completes the same pair. So partitions may run ahead of each other.
 * rules R3  A call that is repeated changes nothing and gives at least the verdicts of the first.
 */
import { type CustomerState, DAY_MS, type Rule, type TerminalState, type TerminalTransaction } from './model.ts';

/** Rule "amount": nobody in this simulation spends as much honestly. */
export const SUSPICIOUS_AMOUNT = 220;
/** Rule "habit": so many times the customer's mean, once there are enough transactions to tell one. */
export const HABIT_FACTOR = 3;
export const HABIT_TRANSACTIONS_MIN = 10;
/** Rule "terminal": so many frauds confirmed at the terminal within the window before the transaction. */
export const CONFIRMATIONS_MIN = 2;
export const CONFIRMATION_WINDOW_MS = 4 * DAY_MS;
/** How far apart in event time two partitions may run without a terminal forgetting too early. */
export const TERMINAL_SLACK_MS = 7 * DAY_MS;
/** More than a listener's batch can hold of one customer. */
const FLAGGED_MAX = 256;

export interface CustomerCall {
  readonly txId: number;
  readonly amount: number;
}

/** What became of the state, and the rule that found the transaction suspicious. */
export function judgeCustomer(
  before: CustomerState | undefined,
  { txId, amount }: CustomerCall,
): { readonly state: CustomerState; readonly rule: Rule | undefined } {
  const state = before ?? { lastTxId: -1, seen: 0, unflagged: 0, unflaggedSum: 0, flagged: [] };
  if (txId <= state.lastTxId) return { state, rule: state.flagged.find((flag) => flag.txId === txId)?.rule };
  const rule = customerRule(state, amount);
  return {
    rule,
    state: {
      lastTxId: txId,
      seen: state.seen + 1,
      unflagged: state.unflagged + (rule === undefined ? 1 : 0),
      unflaggedSum: state.unflaggedSum + (rule === undefined ? amount : 0),
      flagged: rule === undefined ? state.flagged : [...state.flagged, { txId, rule }].slice(-FLAGGED_MAX),
    },
  };
}

function customerRule(state: CustomerState, amount: number): Rule | undefined {
  if (amount > SUSPICIOUS_AMOUNT) return 'amount';
  if (state.unflagged < HABIT_TRANSACTIONS_MIN) return undefined;
  return amount > (HABIT_FACTOR * state.unflaggedSum) / state.unflagged ? 'habit' : undefined;
}

export type TerminalCall =
  | { readonly kind: 'transaction'; readonly transaction: TerminalTransaction }
  | { readonly kind: 'confirmation'; readonly txId: number; readonly confirmedAtMs: number };

/** What became of the state, and the transactions that are suspicious because of what came now. */
export function judgeTerminal(
  before: TerminalState | undefined,
  call: TerminalCall,
): { readonly state: TerminalState; readonly suspicious: readonly TerminalTransaction[] } {
  const state = before ?? { transactions: [], confirmations: [], seen: 0, confirmed: 0, late: 0 };
  if (call.kind === 'transaction') {
    const suspicious = isSuspicious(state, call.transaction.atMs) ? [call.transaction] : [];
    return { state: rememberTransaction(state, call.transaction), suspicious };
  }
  const { confirmedAtMs } = call;
  const known = rememberConfirmation(state, call);
  const concerned = known.transactions.filter(
    ({ atMs }) => confirmedAtMs <= atMs && atMs - confirmedAtMs < CONFIRMATION_WINDOW_MS,
  );
  return { state: known, suspicious: concerned.filter(({ atMs }) => isSuspicious(known, atMs)) };
}

/** At least CONFIRMATIONS_MIN confirmations in (at - window, at]. */
function isSuspicious(state: TerminalState, atMs: number): boolean {
  let count = 0;
  for (const { confirmedAtMs } of state.confirmations) {
    if (confirmedAtMs <= atMs && atMs - confirmedAtMs < CONFIRMATION_WINDOW_MS) count += 1;
  }
  return count >= CONFIRMATIONS_MIN;
}

function rememberTransaction(state: TerminalState, transaction: TerminalTransaction): TerminalState {
  if (state.transactions.some((known) => known.txId === transaction.txId)) return state;
  const newestMs = newestOf(state, transaction.atMs);
  if (transaction.atMs < newestMs - TERMINAL_SLACK_MS) return { ...state, late: state.late + 1 };
  return forget({ ...state, transactions: [...state.transactions, transaction], seen: state.seen + 1 }, newestMs);
}

function rememberConfirmation(
  state: TerminalState,
  { txId, confirmedAtMs }: { txId: number; confirmedAtMs: number },
): TerminalState {
  if (state.confirmations.some((known) => known.txId === txId)) return state;
  const newestMs = newestOf(state, confirmedAtMs);
  if (confirmedAtMs < newestMs - TERMINAL_SLACK_MS) return { ...state, late: state.late + 1 };
  const confirmations = [...state.confirmations, { txId, confirmedAtMs }];
  return forget({ ...state, confirmations, confirmed: state.confirmed + 1 }, newestMs);
}

function newestOf(state: TerminalState, candidateMs: number): number {
  let newestMs = candidateMs;
  for (const { atMs } of state.transactions) newestMs = Math.max(newestMs, atMs);
  for (const { confirmedAtMs } of state.confirmations) newestMs = Math.max(newestMs, confirmedAtMs);
  return newestMs;
}

/** Drops what no event within the slack can need: its own window reaches back once more. */
function forget(state: TerminalState, newestMs: number): TerminalState {
  const horizonMs = newestMs - TERMINAL_SLACK_MS - CONFIRMATION_WINDOW_MS;
  return {
    ...state,
    transactions: state.transactions.filter(({ atMs }) => atMs >= horizonMs),
    confirmations: state.confirmations.filter(({ confirmedAtMs }) => confirmedAtMs >= horizonMs),
  };
}
