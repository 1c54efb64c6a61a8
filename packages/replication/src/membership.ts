/**
 * This member's place in the grid: it registers, renews its lease, and knows whether the grid takes it for alive.
 *
 * membership H1  A member that the table does not show as alive serves nothing, and registers again, as the same replica: it has
 *                lost nothing.
 * membership H2  One whose name a later process has registered never comes back: it serves nothing from then on.
 * membership H3  The coordinator being away ends no membership: only what the table says counts. What ends then is the lease of
 *                who is alone (primary-role P2).
 */
import { memberOfReplica, type ReplicaMember } from '@ashlar/core';
import { COORDINATOR, type Context } from './context.ts';

export class Membership {
  readonly #context: Context;
  #nextRenewalMs = Number.NEGATIVE_INFINITY;
  #registeredAskedMs = Number.NEGATIVE_INFINITY;
  #wasRegistered = false;
  #isSuspended = true;

  constructor(context: Context) {
    this.#context = context;
  }

  /** membership H1 */
  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  onTable(): void {
    const entry = this.#entry();
    const isRegistered = entry?.replica === this.#context.self;
    if (isRegistered) this.#wasRegistered = true;
    const isSuspended = !isRegistered || !entry.isAlive;
    if (isSuspended === this.#isSuspended) return;
    this.#isSuspended = isSuspended;
    this.#registeredAskedMs = Number.NEGATIVE_INFINITY;
    this.#context.note({ kind: 'suspended', isSuspended });
  }

  tick(): void {
    const { nowMs, options, self, table } = this.#context;
    if (table === undefined) return;
    if (nowMs >= this.#nextRenewalMs) {
      this.#nextRenewalMs = nowMs + options.timings.heartbeatMs;
      this.#context.emit({ kind: 'renew', replica: self, lease: this.#context.askForLease(COORDINATOR) });
    }
    if (this.#isSuspended) this.#register();
  }

  /** A pause is over: whatever lease there was has ended. */
  afterGap(): void {
    this.#nextRenewalMs = Number.NEGATIVE_INFINITY;
  }

  #register(): void {
    const { nowMs, options, self } = this.#context;
    const entry = this.#entry();
    if (this.#wasRegistered && entry?.replica !== self) return; // membership H2
    if (nowMs - this.#registeredAskedMs < options.timings.transactionRetryMs) return;
    this.#registeredAskedMs = nowMs;
    const replaces = entry?.replica === self ? undefined : entry?.replica;
    this.#context.propose({ kind: 'register', replica: self, replaces });
  }

  #entry(): ReplicaMember | undefined {
    const { table, self } = this.#context;
    const member = memberOfReplica(self);
    return table?.members.find(({ replica }) => memberOfReplica(replica) === member);
  }
}
