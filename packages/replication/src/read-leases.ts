/**
 * Read leases between pairs of replicas, from both sides.
 *
 *   holder   ask(n) at s ------------------> grant(n) -------> counts until s + leaseMs, for what its table allows
 *   grantor                 granted at g, s <= g                nobody whom it granted serves after g + graceMs
 *
 * read-leases E1  A lease is counted from before it was asked for, on the holder's monotonic clock.
 * read-leases E2  A grant names the newest table that its grantor knew to exist; it counts only for who knows a table at least
 *                 as new. A grantor that has been nominated for a partition goes on granting for all others, and those grants
 *                 do not cover that partition: whoever knows so new a table knows that it has lost it.
 * read-leases E3  A gap in the holder's clock ends all leases and makes all questions under way worthless; one in the grantor's
 *                 makes it count its grants from the end of the gap.
 * read-leases E4  A ceiling was asked for together with its lease, and ends with it.
 */
import type { ReplicaId, Version } from '@ashlar/core';
import type { LeaseGrant, LeaseRequest } from './messages.ts';
import type { Rules } from './rules.ts';

/** Questions that are remembered for their answers, a grantor. */
const ASKED_MAX = 16;

interface Asked {
  readonly number: number;
  readonly atMs: number;
  readonly ceiling: Version;
}

interface Lease {
  readonly endsAtMs: number;
  readonly tableVersion: number;
  readonly ceiling: Version;
}

interface HeldFrom {
  lastNumber: number;
  asked: Asked[];
  /** That which counts by the holder's table. */
  current: Lease | undefined;
  /** That which will, when the holder has heard of the table that it names. */
  ahead: Lease | undefined;
}

/** Leases that this replica holds. */
export class HeldLeases<Grantor> {
  readonly #from = new Map<Grantor, HeldFrom>();
  readonly #leaseMsOf: (grantor: Grantor) => number;
  readonly #rules: Rules;

  constructor(leaseMsOf: (grantor: Grantor) => number, rules: Rules) {
    this.#leaseMsOf = leaseMsOf;
    this.#rules = rules;
  }

  /** A request that leaves now. */
  ask(grantor: Grantor, nowMs: number, ceiling: Version): LeaseRequest {
    const from = this.#entryOf(grantor);
    const number = ++from.lastNumber;
    from.asked.push({ number, atMs: nowMs, ceiling });
    if (from.asked.length > ASKED_MAX) from.asked.shift();
    return { number, ceiling };
  }

  /** An answer; one to a question that is not remembered counts for nothing. */
  granted(grantor: Grantor, grant: LeaseGrant, nowMs: number, tableVersion: number): void {
    const from = this.#from.get(grantor);
    const asked = from?.asked.find(({ number }) => number === grant.number);
    if (from === undefined || asked === undefined) return;
    from.asked = from.asked.filter(({ number }) => number > grant.number);
    const endsAtMs = this.#rules.countedFrom(asked.atMs, nowMs) + this.#leaseMsOf(grantor); // read-leases E1
    const lease: Lease = { endsAtMs, tableVersion: grant.tableVersion, ceiling: asked.ceiling };
    if (this.#rules.countsByTable(grant.tableVersion, tableVersion)) from.current = lease;
    else from.ahead = lease;
  }

  /** The ceiling up to which a lease covers now; undefined: there is none (read-leases E2). */
  ceilingAt(grantor: Grantor, nowMs: number, tableVersion: number): Version | undefined {
    const from = this.#from.get(grantor);
    if (from === undefined) return undefined;
    const { ahead } = from;
    if (ahead !== undefined && this.#rules.countsByTable(ahead.tableVersion, tableVersion)) {
      if (from.current === undefined || from.current.endsAtMs < ahead.endsAtMs) from.current = ahead;
      from.ahead = undefined;
    }
    const { current } = from;
    return current !== undefined && this.#rules.coversNow(current.endsAtMs, nowMs) ? current.ceiling : undefined;
  }

  /** read-leases E3 */
  endAll(): void {
    for (const from of this.#from.values()) {
      from.asked = [];
      from.current = undefined;
      from.ahead = undefined;
    }
  }

  /** Nothing is to be had from it any more. */
  forget(grantor: Grantor): void {
    this.#from.delete(grantor);
  }

  #entryOf(grantor: Grantor): HeldFrom {
    const known = this.#from.get(grantor);
    if (known !== undefined) return known;
    const from: HeldFrom = { lastNumber: 0, asked: [], current: undefined, ahead: undefined };
    this.#from.set(grantor, from);
    return from;
  }
}

interface GrantedTo {
  lastMs: number;
  ceiling: Version;
}

/** Leases that this replica has granted. */
export class GrantedLeases {
  readonly #to = new Map<ReplicaId, GrantedTo>();
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  grant(holder: ReplicaId, { number, ceiling }: LeaseRequest, nowMs: number, tableVersion: number): LeaseGrant {
    const to = this.#to.get(holder);
    if (to === undefined) this.#to.set(holder, { lastMs: nowMs, ceiling });
    else {
      to.lastMs = nowMs;
      if (ceiling > to.ceiling) to.ceiling = ceiling;
    }
    return { number, tableVersion };
  }

  /** When it was granted one last; -Infinity: never. */
  lastMs(holder: ReplicaId): number {
    return this.#to.get(holder)?.lastMs ?? Number.NEGATIVE_INFINITY;
  }

  /** The highest ceiling that it was granted. */
  ceiling(holder: ReplicaId): Version {
    return this.#to.get(holder)?.ceiling ?? (0 as Version);
  }

  /** Those that may still matter; what others were granted is forgotten. */
  keepOnly(matters: (holder: ReplicaId) => boolean): void {
    for (const holder of this.#to.keys()) if (!matters(holder)) this.#to.delete(holder);
  }

  /** read-leases E3 */
  afterGap(nowMs: number): void {
    for (const to of this.#to.values()) to.lastMs = this.#rules.graceAfterGap(to.lastMs, nowMs);
  }
}
