/**
 * Faults that need several things to come together, which chance alone brings about once in some ten thousand seeds: each is such a
 * coincidence, played as a whole.
 *
 * rare-faults Y1  Which of them a seed has, and when they strike, comes from a random stream of its own: what else a seed means
 *                 does not depend on them.
 * rare-faults Y2  They end as all faults do (faults X1).
 */
import { memberOfReplica, type Random, type ReplicaChange, seededRandom, unreachable } from '@ashlar/core';
import { COORDINATOR_HOST, type GridMessage, type Host } from '../grid/messages.ts';
import type { SimGrid } from '../grid/sim-grid.ts';
import { around, type Profile, pick, type RareFaultKind } from './profile.ts';

/** From a shrink or two to many: rarer than what is around them. */
const EVERY_MS = [400, 800, 1600] as const;
/** Within what a member forgets of the one that it was, or of the copy that it had. */
const FORGET_WITHIN_MS = 60;
/** A loss is noticed within, about. */
const NOTICED_WITHIN_MS = 400;

export class RareFaults {
  readonly #grid: SimGrid;
  readonly #profile: Profile;
  readonly #random: Random;
  readonly #everyMs: number;
  /** Does something when so much time has passed, unless all has healed by then. */
  readonly #later: (delayMs: number, run: () => void) => void;

  constructor(grid: SimGrid, seed: number, profile: Profile, later: (delayMs: number, run: () => void) => void) {
    this.#grid = grid;
    this.#profile = profile;
    this.#random = seededRandom(seed ^ 0x2545f491);
    this.#everyMs = pick(this.#random, EVERY_MS);
    this.#later = later;
  }

  start(): void {
    if (this.#profile.rareFaults.length === 0) return;
    this.#later(around(this.#random, this.#everyMs), () => {
      this.#strike(pick(this.#random, this.#profile.rareFaults));
      this.start();
    });
  }

  #strike(kind: RareFaultKind): void {
    const row = pick(this.#random, this.#grid.table.partitions);
    if (row.primary === undefined) return;
    const primary = memberOfReplica(row.primary);
    const other = pick(
      this.#random,
      this.#grid.memberHosts.filter((host) => host !== primary),
    );
    this.#grid.trace(() => `---- ${kind}: ${primary} and ${other}`);
    switch (kind) {
      case 'echo':
        this.#echo(other);
        return;
      case 'lateChange':
        this.#lateChange(primary, other);
        return;
      case 'leapInWaiting':
        this.#leapInWaiting();
        return;
      default:
        unreachable(kind);
    }
  }

  /**
   * What a member says of what it holds comes a second time, much later, as from a connection that was given up with something in
   * it; meanwhile the member is another process, or has made its copies anew.
   */
  #echo(host: Host): void {
    const { leaseMs } = this.#profile.timings;
    const forMs = around(this.#random, leaseMs);
    const lateMs = leaseMs * pick(this.#random, [0.2, 0.5, 1, 3]);
    const isMeant = (from: Host, _to: Host, message: GridMessage): boolean =>
      from === host && message.kind === 'replica' && message.envelope.message.kind === 'acknowledge';
    this.#later(forMs, this.#grid.network.echo(isMeant, lateMs));
    this.#later(this.#random.next() * forMs, () => {
      if (this.#random.below(2) === 0) this.#restart(host);
      else this.#loseCopies(host);
    });
  }

  #restart(host: Host): void {
    this.#grid.kill(host);
    this.#later(this.#random.next() * FORGET_WITHIN_MS, () => this.#grid.start(host));
  }

  /** A backup's only: a primary that cannot keep what it serves ends. */
  #loseCopies(host: Host): void {
    const member = this.#grid.memberAt(host);
    if (member?.process.isRunning !== true) return;
    for (let partition = 0; partition < this.#profile.partitions; partition++) {
      const isPrimary = this.#grid.table.partitions[partition]?.primary === member.replica;
      if (isPrimary || member.copyOf(partition) === undefined || member.core.epochOf(partition) > 0) continue;
      member.loseCopy(partition);
    }
  }

  /**
   * A change of the set is decided long after it was asked for, when nobody reckons with it any more: the joiner that it takes in
   * has fallen silent meanwhile.
   */
  #lateChange(primary: Host, joiner: Host): void {
    const { network } = this.#grid;
    const { silentMs, graceMs } = this.#profile.timings;
    const lateMs = graceMs * pick(this.#random, [1, 2, 4]);
    // It leaves the set, so that it can join it again.
    const awayMs = silentMs * (1.2 + this.#random.next());
    this.#cutOff(joiner, primary, awayMs);
    let isOver = false;
    const isMeant = (from: Host, to: Host, message: GridMessage): boolean => {
      if (isOver || from !== primary || to !== COORDINATOR_HOST || message.kind !== 'transact') return false;
      if (!message.transaction.changes.some((change) => this.#takesIn(change, joiner))) return false;
      this.#later(this.#random.next() * silentMs, () => {
        isOver = true;
        this.#cutOff(joiner, primary, lateMs);
      });
      return true;
    };
    this.#later(awayMs + 2 * lateMs, network.delay(isMeant, lateMs));
  }

  /**
   * Who serves a partition alone is taken for dead, and goes on by its lease; the clock of the coordinator, which waits until that
   * has ended, leaps.
   */
  #leapInWaiting(): void {
    const { table, coordinatorHost } = this.#grid;
    const { loneGraceMs } = this.#profile.timings;
    const lone = table.partitions.flatMap(({ phase, primary, inSync }) =>
      phase === 'serving' && primary !== undefined && inSync.length === 1 ? [memberOfReplica(primary)] : [],
    );
    if (lone.length === 0 || !this.#grid.supersede(pick(this.#random, lone), loneGraceMs)) return;
    this.#later(this.#random.next() * NOTICED_WITHIN_MS, () =>
      this.#grid.clockOf(coordinatorHost).leap(loneGraceMs * (1 + this.#random.next())),
    );
  }

  #takesIn(change: ReplicaChange, joiner: Host): boolean {
    if (change.kind !== 'setInSync') return false;
    const { inSync } = this.#grid.table.partitions[change.partition]!;
    return change.inSync.some((replica) => memberOfReplica(replica) === joiner && !inSync.includes(replica));
  }

  #cutOff(one: Host, other: Host, forMs: number): void {
    const { network } = this.#grid;
    network.cut(one, other);
    network.cut(other, one);
    this.#later(forMs, () => {
      network.join(one, other);
      network.join(other, one);
    });
  }
}
