/**
 * What goes wrong in a simulated grid, when, and for how long: one fault after another by chance, several at once, aimed at
 * primaries more often than not; until all of them heal.
 *
 * faults X1  Every fault ends: by its time, or when all heal.
 * faults X2  A fault that cannot be done now (its victim is dead already) is passed over.
 */
import { memberOfReplica, type Random, unreachable } from '@ashlar/core';
import { COORDINATOR_HOST, type GridMessage, type Host } from '../grid/messages.ts';
import type { SimGrid } from '../grid/sim-grid.ts';
import type { NetworkQuality } from '../kernel/network.ts';
import { around, type FaultKind, type Profile, pick } from './profile.ts';
import { RareFaults } from './rare-faults.ts';

const STORM: NetworkQuality = {
  delayMinMs: 0.2,
  delayMaxMs: 15,
  loss: 0.15,
  doubling: 0.15,
  lateness: 0.15,
  lateMaxMs: 900,
  keepsOrder: false,
};

/** What members hear. */
const KINDS = [
  ...['append', 'acknowledge', 'fence', 'fenced', 'pull', 'tail', 'transferAsk', 'transferPage', 'transferCut'],
  ...['transacted', 'renewed', 'table', 'request'],
] as const;

function kindOf(message: GridMessage): string {
  return message.kind === 'replica' ? message.envelope.message.kind : message.kind;
}

export class Faults {
  readonly #grid: SimGrid;
  readonly #random: Random;
  readonly #profile: Profile;
  readonly counts = new Map<FaultKind, number>();
  /** When machines went to sleep that sleep. */
  readonly #suspendedSince = new Map<Host, number>();
  readonly #rare: RareFaults;
  #isOver = false;

  constructor(grid: SimGrid, random: Random, profile: Profile, seed: number) {
    this.#grid = grid;
    this.#random = random;
    this.#profile = profile;
    this.#rare = new RareFaults(grid, seed, profile, (delayMs, run) => this.#later(delayMs, run));
  }

  start(): void {
    this.#rare.start();
    this.#next();
  }

  #next(): void {
    this.#grid.kernel.after(around(this.#random, this.#profile.faultEveryMs), () => {
      if (this.#isOver) return;
      this.#strike(pick(this.#random, this.#profile.faults));
      this.#next();
    });
  }

  /** Ends all that goes on, and starts what is dead. */
  heal(): void {
    this.#isOver = true;
    this.#grid.isHealed = true;
    const { network, memberHosts } = this.#grid;
    this.#grid.trace(() => '---- all heals');
    network.heal();
    for (const host of memberHosts) {
      this.#wake(host);
      this.#grid.memberAt(host)?.setShort(false);
      this.#grid.start(host);
    }
    this.#wake(COORDINATOR_HOST);
    this.#grid.startCoordinator();
  }

  #strike(kind: FaultKind): void {
    const host = this.#victim();
    // From a moment to well beyond leases and graces.
    const forMs = around(this.#random, this.#profile.timings.graceMs * pick(this.#random, [0.1, 0.5, 1, 2]));
    if (!this.#begin(kind, host, forMs)) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#grid.trace(() => `---- ${kind} at ${host} for ${forMs.toFixed(0)} ms`);
  }

  /** @returns whether it was done */
  #begin(kind: FaultKind, host: Host, forMs: number): boolean {
    const grid = this.#grid;
    const random = this.#random;
    switch (kind) {
      case 'kill':
        return this.#kill(host, forMs);
      case 'quickRestart':
        return this.#kill(host, random.next() * 100);
      case 'stop':
        return this.#stop(host, forMs, false);
      case 'suspend':
        return this.#stop(host, forMs, true);
      case 'block':
        return this.#stop(host, 20 + random.next() * this.#profile.timings.clockGapMs * 1.2, false);
      case 'cut':
        return this.#cut(host, forMs, true, true);
      case 'oneWay': {
        const isOut = random.below(2) === 0;
        return this.#cut(host, forMs, isOut, !isOut);
      }
      case 'slow':
        return this.#slow(host, forMs);
      case 'storm':
        return this.#storm(forMs);
      case 'rate':
      case 'wallJump':
      case 'leap':
        return this.#disturbClock(kind, host);
      case 'coordinatorDown':
        return this.#killCoordinator(forMs);
      case 'coordinatorRestart':
        return this.#killCoordinator(random.next() * 30);
      case 'leave':
        return this.#leave(host, forMs);
      case 'short':
        return this.#short(host, forMs);
      case 'exile':
        return this.#exile(host, forMs + this.#profile.timings.membershipTtlMs);
      case 'deaf':
        return this.#deaf(host, forMs);
      case 'supersede':
        return grid.supersede(host, forMs);
      case 'loseCopy':
        return this.#loseCopy();
      default:
        return unreachable(kind);
    }
  }

  #storm(forMs: number): boolean {
    const { network } = this.#grid;
    network.setQuality(STORM);
    this.#later(forMs, () => network.setQuality(this.#profile.quality));
    return true;
  }

  #disturbClock(kind: 'rate' | 'wallJump' | 'leap', host: Host): boolean {
    const random = this.#random;
    const clock = this.#grid.clockOf(host);
    if (kind === 'rate') clock.setRate(1 + (random.next() * 2 - 1) * this.#profile.drift);
    else if (kind === 'wallJump') clock.jumpWall((random.next() * 2 - 1) * pick(random, [50, 500, 3_600_000]));
    // Less than a gap is not noticed, and not survived: clocks must not leap by so little.
    else clock.leap(this.#profile.timings.clockGapMs * (1.05 + random.next() * 2));
    return true;
  }

  #killCoordinator(forMs: number): boolean {
    this.#grid.killCoordinator();
    this.#later(forMs, () => this.#grid.startCoordinator());
    return true;
  }

  #leave(host: Host, forMs: number): boolean {
    const grid = this.#grid;
    if (grid.memberAt(host)?.process.isRunning !== true) return false;
    grid.memberAt(host)!.leave();
    // It says so, and may not hear what came of it.
    if (this.#random.below(2) === 0) this.#cutFrom([COORDINATOR_HOST, ...grid.memberHosts], [host], forMs);
    this.#later(this.#profile.timings.leaveTimeoutMs + forMs, () => {
      if (grid.memberAt(host)?.hasLeft === true) grid.start(host);
    });
    return true;
  }

  #short(host: Host, forMs: number): boolean {
    this.#grid.memberAt(host)?.setShort(true);
    this.#later(forMs, () => this.#grid.memberAt(host)?.setShort(false));
    return true;
  }

  #kill(host: Host, forMs: number): boolean {
    this.#grid.kill(host);
    this.#later(forMs, () => this.#grid.start(host));
    return true;
  }

  /** Backups only: a primary that cannot keep what it serves ends. */
  #loseCopy(): boolean {
    const partition = this.#random.below(this.#profile.partitions);
    const primary = this.#grid.table.partitions[partition]?.primary;
    const holders = this.#grid.memberHosts
      .map((host) => this.#grid.memberAt(host))
      .filter((member) => member?.process.isRunning === true && member.copyOf(partition) !== undefined)
      .filter((member) => member!.replica !== primary && member!.core.epochOf(partition) === 0);
    if (holders.length === 0) return false;
    pick(this.#random, holders)!.loseCopy(partition);
    return true;
  }

  #stop(host: Host, forMs: number, isSuspended: boolean): boolean {
    const processes = this.#grid.processesOf(host);
    if (processes.length === 0 || processes.some(({ isRunning }) => !isRunning)) return false;
    const atMs = this.#grid.kernel.nowMs;
    for (const one of processes) {
      one.stop();
      one.isSuspended = isSuspended;
    }
    if (isSuspended) this.#suspendedSince.set(host, atMs);
    this.#later(forMs, () => this.#wake(host));
    return true;
  }

  #wake(host: Host): void {
    const sinceMs = this.#suspendedSince.get(host);
    if (sinceMs !== undefined) {
      this.#suspendedSince.delete(host);
      this.#grid.clockOf(host).wasSuspended(this.#grid.kernel.nowMs - sinceMs);
    }
    for (const one of this.#grid.processesOf(host)) {
      one.isSuspended = false;
      one.goOn();
    }
  }

  /** From all others, from members only, from the coordinator only, from some. */
  #cut(host: Host, forMs: number, isOut: boolean, isIn: boolean): boolean {
    const peers = this.#peers(host);
    const ends = this.#endsOf(host);
    if (isOut) this.#cutFrom(ends, peers, forMs);
    if (isIn) this.#cutFrom(peers, ends, forMs);
    return true;
  }

  /** One way. */
  #cutFrom(froms: readonly Host[], tos: readonly Host[], forMs: number): void {
    const { network } = this.#grid;
    for (const from of froms) for (const to of tos) network.cut(from, to);
    this.#later(forMs, () => {
      for (const from of froms) for (const to of tos) network.join(from, to);
    });
  }

  /**
   * The coordinator hears nothing of a member that goes on, and mostly it hears nothing of the coordinator either: another is
   * named, and leases are all that keeps it from answering. What others send it is slow, is cut off some time later, or lacks
   * the one message that would tell it to stop.
   */
  #exile(host: Host, forMs: number): boolean {
    if (host === this.#grid.coordinatorHost) return false;
    const { network, memberHosts } = this.#grid;
    const { leaseMs, membershipTtlMs } = this.#profile.timings;
    const others = memberHosts.filter((other) => other !== host);
    this.#cutFrom([host], [COORDINATOR_HOST], forMs);
    if (this.#random.below(4) > 0) this.#cutFrom([COORDINATOR_HOST], [host], forMs);
    const isOut = this.#random.below(4) === 0;
    const byMs = this.#random.next() * leaseMs * pick(this.#random, [0, 0.3, 0.6, 0.9]);
    const setSlow = (ms: number): void => {
      for (const other of others) network.slow(...(isOut ? ([host, other] as const) : ([other, host] as const)), ms);
    };
    setSlow(byMs);
    this.#later(forMs, () => setSlow(0));
    if (this.#random.below(2) === 0) {
      const afterMs = membershipTtlMs * (0.6 + this.#random.next() * 0.5);
      this.#later(afterMs, () => this.#cutFrom(others, [host], forMs));
    } else {
      this.#later(
        forMs,
        network.lose((_from, to, message) => to === host && kindOf(message) === 'fence'),
      );
    }
    return true;
  }

  /** Messages of some kinds do not get through, to a member or to a client: a network may lose any, so it may lose these. */
  #deaf(host: Host, forMs: number): boolean {
    const isClient = this.#random.below(4) === 0;
    const to = isClient ? `c${this.#random.below(this.#profile.clients)}` : host;
    const kinds: ReadonlySet<string> = new Set<string>(
      isClient ? ['answer'] : KINDS.filter(() => this.#random.below(3) === 0),
    );
    const stop = this.#grid.network.lose((_from, at, message) => at === to && kinds.has(kindOf(message)));
    this.#later(forMs, stop);
    return true;
  }

  #slow(host: Host, forMs: number): boolean {
    const { network } = this.#grid;
    const byMs = pick(this.#random, [5, 50, 300, 1000]);
    const peers = this.#peers(host);
    for (const peer of peers) {
      network.slow(host, peer, byMs);
      network.slow(peer, host, byMs);
    }
    this.#later(forMs, () => {
      for (const peer of peers) {
        network.slow(host, peer, 0);
        network.slow(peer, host, 0);
      }
    });
    return true;
  }

  /** Names of a machine in the network: the coordinator's beside its member's. */
  #endsOf(host: Host): Host[] {
    return host === this.#grid.coordinatorHost ? [host, COORDINATOR_HOST] : [host];
  }

  #peers(host: Host): Host[] {
    const members = this.#grid.memberHosts.filter((other) => other !== host);
    const coordinators = this.#grid.coordinatorHost === host ? [] : [COORDINATOR_HOST];
    const clients = Array.from({ length: this.#profile.clients + 1 }, (_, number) => `c${number}`);
    switch (this.#random.below(6)) {
      case 0:
        return [...members, ...coordinators, ...clients];
      case 1:
        return coordinators;
      case 2:
        return members.slice(0, 1 + this.#random.below(members.length));
      case 3:
        return members;
      default:
        return [...members, ...coordinators];
    }
  }

  #victim(): Host {
    const { table, memberHosts } = this.#grid;
    const primary = pick(this.#random, table.partitions).primary;
    if (primary !== undefined && this.#random.next() < this.#profile.aim) return memberOfReplica(primary);
    return pick(this.#random, memberHosts);
  }

  /** faults X1 */
  #later(delayMs: number, run: () => void): void {
    this.#grid.kernel.after(delayMs, () => {
      if (!this.#isOver) run();
    });
  }
}
