/** What one client may have under way: the rest waits its turn. */
import type { CallLimits, Router } from '@ashlar/routing';
import type { CallOptions, MemberConnection } from '@ashlar/transport';
import { Turns } from './turns.ts';

/** Statements under way for each member, from sent to first row: a member runs a few at a time, more would wait there. */
const STATEMENTS_MAX = 64;
/** Results of the whole grid that are not read to their end: each keeps a snapshot on every member that it reads. */
const RESULTS_MAX = 400;
/** Other calls under way for each member: questions about the grid, clear, processWhere. */
const CALLS_MAX = 64;
/** Jobs under way for each member. */
const JOBS_MAX = 16;

type Asked<T> = (connection: MemberConnection, options: CallOptions) => Promise<T>;
type AskLimits = CallLimits & { readonly timeoutMs: number };

export class CallTurns {
  readonly statements: Turns;
  readonly results: Turns;
  readonly #calls: Turns;
  readonly #jobs: Turns;
  readonly #router: Router;

  constructor(router: Router) {
    const members = (max: number) => () => max * Math.max(1, router.table.members.length);
    this.#router = router;
    this.statements = new Turns('statements', members(STATEMENTS_MAX));
    this.results = new Turns('open results', () => RESULTS_MAX);
    this.#calls = new Turns('calls', members(CALLS_MAX));
    this.#jobs = new Turns('jobs', members(JOBS_MAX));
    router.onClose(() => {
      for (const turns of [this.statements, this.results, this.#calls, this.#jobs]) turns.close();
    });
  }

  /** Asks any member, in turn; see Router.any. */
  ask<T>(limits: AskLimits, ask: Asked<T>): Promise<T> {
    return this.#inTurn(this.#calls, limits, ask);
  }

  runJob<T>(limits: AskLimits, ask: Asked<T>): Promise<T> {
    return this.#inTurn(this.#jobs, limits, ask);
  }

  async #inTurn<T>(turns: Turns, limits: AskLimits, ask: Asked<T>): Promise<T> {
    const deadlineMs = performance.now() + limits.timeoutMs;
    const entered = turns.enter({ signal: limits.signal, timeoutMs: limits.timeoutMs, deadlineMs });
    if (!(entered instanceof Promise)) return this.#asked(entered, limits, ask);
    const turn = await entered;
    return this.#asked(turn, { ...limits, timeoutMs: Math.max(1, deadlineMs - performance.now()) }, ask);
  }

  async #asked<T>(turn: { leave(): void }, limits: AskLimits, ask: Asked<T>): Promise<T> {
    try {
      return await this.#router.any(limits, ask);
    } finally {
      turn.leave();
    }
  }
}
