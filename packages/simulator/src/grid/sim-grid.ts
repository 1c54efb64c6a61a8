/**
 * A whole grid on one thread: hosts, the processes on them, the coordinator, clients, and the network between.
 *
 *   kernel -> network -> host -> process of a member (or the coordinator, or a client) -> core -> effects -> network
 *
 * sim-grid G1  A host has one clock, that of every process on it, and at most one member's process alive, but for one that was
 *              taken for dead (`supersede`).
 * sim-grid G2  What reaches a host is for the process that runs there now; a process that was killed is never heard of again.
 */
import { type MemberId, type Random, type ReplicaId, type ReplicaTable, replicaIdOf, seededRandom } from '@ashlar/core';
import { DEFAULT_OPTIONS, type Note, type Rules } from '@ashlar/replication';
import { SimClient } from '../clients/sim-client.ts';
import { KeySpace } from '../clients/workload.ts';
import type { Profile } from '../faults/profile.ts';
import type { Operation } from '../history/operation.ts';
import { GridWatch } from '../judges/grid-watch.ts';
import { Truth, violated } from '../judges/truth.ts';
import { Kernel } from '../kernel/kernel.ts';
import { MemberClock } from '../kernel/member-clock.ts';
import { Network } from '../kernel/network.ts';
import { Process } from '../kernel/process.ts';
import type { HostRules } from './host-rules.ts';
import { COORDINATOR_HOST, type GridMessage, type Host } from './messages.ts';
import { KnownRecords } from './real-store.ts';
import { SimCoordinator } from './sim-coordinator.ts';
import { SimMember } from './sim-member.ts';
import type { World } from './world.ts';

const MEMBER_NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
const START_SPREAD_MS = 60;
const ATTEMPT_MS = 200;
const TOTAL_MS = 2500;

/** What clients and members say to each other: traced as it arrives; what members say among themselves, as it is sent. */
const OF_CLIENTS: ReadonlySet<GridMessage['kind']> = new Set(['request', 'pin', 'open', 'answer']);

export interface GridOptions {
  readonly seed: number;
  readonly profile: Profile;
  readonly rules: Rules;
  readonly hostRules: HostRules;
  /** Two controllers plan at the same time. */
  readonly isDoubled: boolean;
  readonly isStoreReal: boolean;
  readonly trace: ((line: string) => void) | undefined;
}

export interface NoteCounts {
  elected: number;
  shrinks: number;
  growths: number;
  transfersCut: number;
}

export class SimGrid implements World {
  readonly kernel: Kernel;
  readonly network: Network<Host, GridMessage>;
  readonly truth: Truth;
  readonly watch: GridWatch;
  readonly records = new KnownRecords();
  readonly coordinator: SimCoordinator;
  readonly clients: readonly SimClient[];
  /** Reads and writes at the end. */
  readonly probe: SimClient;
  readonly keys: KeySpace;
  readonly memberHosts: readonly Host[];
  readonly history: Operation[] = [];
  /** By partition: when it was lost. */
  readonly losses = new Map<number, number[]>();
  /** Nothing goes wrong any more: who left in order is started again at once. */
  isHealed = false;
  readonly counts: NoteCounts = { elected: 0, shrinks: 0, growths: 0, transfersCut: 0 };
  readonly #options: GridOptions;
  readonly #random: Random;
  readonly #clocks = new Map<Host, MemberClock>();
  readonly #members = new Map<Host, SimMember>();
  readonly #clientsByHost = new Map<Host, SimClient>();
  #coordinatorProcess: Process;
  #incarnations = 0;

  constructor(options: GridOptions) {
    const { profile, seed } = options;
    this.#options = options;
    this.#random = seededRandom(seed ^ 0x5bd1e995);
    this.kernel = new Kernel(this.#fork());
    this.network = new Network(
      ...([this.kernel, this.#fork(), profile.quality] as const),
      (from, to, message) => this.#deliver(from, to, message),
      // Clients have connections: an attempt arrives once, late, or never (sim-client R2).
      ({ kind }) => !OF_CLIENTS.has(kind),
    );
    this.truth = new Truth(profile.partitions);
    this.watch = new GridWatch(this.truth, profile.partitions, profile.minInSync, (partition) => this.#lost(partition));
    this.keys = new KeySpace(profile.partitions, profile.registersEach);
    this.memberHosts = MEMBER_NAMES.slice(0, profile.members);
    this.#coordinatorProcess = this.#newProcess(this.coordinatorHost);
    this.coordinator = this.#newCoordinator();
    for (const host of this.memberHosts)
      this.kernel.after(this.#random.next() * START_SPREAD_MS, () => this.start(host));
    this.clients = Array.from({ length: profile.clients }, (_, number) => this.#newClient(number));
    this.probe = this.#newClient(profile.clients);
    this.probe.stop();
  }

  /** Where the coordinator's machine is. */
  get coordinatorHost(): Host {
    return this.#options.profile.isEmbedded ? this.memberHosts[0]! : COORDINATOR_HOST;
  }

  get table(): ReplicaTable {
    return this.coordinator.table;
  }

  memberAt(host: Host): SimMember | undefined {
    return this.#members.get(host);
  }

  clockOf(host: Host): MemberClock {
    let clock = this.#clocks.get(host);
    if (clock === undefined) {
      const spread = (by: number): number => (this.#random.next() * 2 - 1) * by;
      const start = {
        rate: 1 + spread(this.#options.profile.drift),
        monotonicMs: this.#random.next() * 1e6,
        wallOffsetMs: this.#wallOffset(),
      };
      this.#clocks.set(host, (clock = new MemberClock(this.kernel, start)));
    }
    return clock;
  }

  /* ---- World ---------------------------------------------------------------------------------------------------------- */

  send(from: Host, to: Host, message: GridMessage): void {
    this.network.send(from, to, message);
  }

  left(member: SimMember): void {
    this.trace(() => `${member.replica} has left`);
    this.kernel.after(0, () => {
      if (this.#members.get(member.host) !== member) return;
      this.kill(member.host);
      if (this.isHealed) this.start(member.host);
    });
  }

  hasBeenLost(partition: number): boolean {
    return this.losses.has(partition);
  }

  noted(note: Note): void {
    if (note.kind === 'elected') this.counts.elected += 1;
    else if (note.kind === 'shrinking') this.counts.shrinks += 1;
    else if (note.kind === 'grown') this.counts.growths += 1;
    else if (note.kind === 'transferCut') this.counts.transfersCut += 1;
    // In a member it costs a copy; here nothing may ever contradict anything.
    else if (note.kind === 'fault') violated('assertion', `of ${note.partition} by ${note.by}: ${String(note.error)}`);
  }

  trace(line: () => string): void {
    const { trace } = this.#options;
    if (trace !== undefined) trace(`${this.kernel.nowMs.toFixed(2).padStart(9)} ${line()}`);
  }

  /* ---- Processes ------------------------------------------------------------------------------------------------------ */

  /** Another process on a host whose last one is dead, with nothing of what that held. */
  start(host: Host): void {
    if (this.#members.get(host)?.process.isKilled === false) return;
    const { profile, rules, hostRules, isStoreReal } = this.#options;
    this.#incarnations += 1;
    const replica = replicaIdOf(host as MemberId, String(this.#incarnations));
    this.trace(() => `${replica} starts`);
    const { timings, minInSync, growWithinRecords, appendBytes, windowBytes, partitions } = profile;
    const replication = {
      ...DEFAULT_OPTIONS,
      timings,
      minInSync,
      growWithinRecords,
      appendBytes,
      windowBytes,
      partitionCount: partitions,
    };
    const member = new SimMember(this, this.#newProcess(host), this.#fork(), {
      ...{
        replica,
        rules,
        hostRules,
        replication,
        isStoreReal,
        keptRecords: profile.keptRecords,
        heldRecords: profile.heldRecords,
        batchMax: profile.batchMax,
      },
    });
    this.#members.set(host, member);
    this.watch.started(member);
    member.begin();
  }

  /**
   * Somebody has taken a member for dead and starts it anew, under its name, while the old process goes on, cut off from all
   * but the clock: what it may answer, it answers for its leases' time.
   */
  supersede(host: Host, forMs: number): boolean {
    const member = this.#members.get(host);
    if (member?.process.isRunning !== true || host === this.coordinatorHost) return false;
    member.isSuperseded = true;
    // Somewhere else: the old process keeps its clock to itself.
    this.#clocks.delete(host);
    this.#members.delete(host);
    this.start(host);
    this.kernel.after(forMs + 2 * this.#options.profile.timings.loneGraceMs, () => member.process.kill());
    return true;
  }

  kill(host: Host): void {
    const member = this.#members.get(host);
    if (member === undefined || member.process.isKilled) return;
    this.trace(() => `${member.replica} is killed`);
    member.process.kill();
  }

  /** All processes of a machine. */
  processesOf(host: Host): Process[] {
    const member = this.#members.get(host)?.process;
    const all = [
      ...(member === undefined ? [] : [member]),
      ...(host === this.coordinatorHost ? [this.#coordinatorProcess] : []),
    ];
    return all.filter(({ isKilled }) => !isKilled);
  }

  killCoordinator(): void {
    this.trace(() => 'the coordinator is killed');
    this.#coordinatorProcess.kill();
  }

  startCoordinator(): void {
    if (!this.#coordinatorProcess.isKilled) return;
    this.trace(() => 'the coordinator starts');
    this.#coordinatorProcess = this.#newProcess(this.coordinatorHost);
    this.coordinator.restart(this.#coordinatorProcess);
  }

  /* ---- Whether all is well ---------------------------------------------------------------------------------------------- */

  /** What is missing to full service, in words; undefined: nothing. */
  lacking(): string | undefined {
    const { backups, members } = this.#options.profile;
    for (const [partition, row] of this.table.partitions.entries()) {
      const copies = Math.min(backups + 1, members);
      if (row.phase !== 'serving') return `partition ${partition} is ${row.phase}: ${JSON.stringify(row)}`;
      if (row.inSync.length < copies)
        return `partition ${partition} has ${row.inSync.length} of ${copies} copies: ${JSON.stringify(row)}`;
      const dead = row.inSync.find((replica) => !this.#isAlive(replica));
      if (dead !== undefined) return `partition ${partition} has ${dead} in its set, which is dead`;
    }
    return undefined;
  }

  #isAlive(replica: ReplicaId): boolean {
    return [...this.#members.values()].some((member) => member.replica === replica && !member.process.isKilled);
  }

  #lost(partition: number): void {
    this.losses.set(partition, [...(this.losses.get(partition) ?? []), this.kernel.nowMs]);
  }

  #deliver(from: Host, to: Host, message: GridMessage): void {
    if (OF_CLIENTS.has(message.kind)) this.trace(() => `${from} -> ${to}: ${messageText(message)}`);
    if (to === COORDINATOR_HOST) {
      this.coordinator.receive(from, message);
      return;
    }
    const client = this.#clientsByHost.get(to);
    if (client !== undefined) {
      client.receive(message);
      return;
    }
    this.#members.get(to)?.receive(message);
  }

  #newCoordinator(): SimCoordinator {
    const { members, backups, timings, partitions } = this.#options.profile;
    const { waitsForLone, beginsAnewAfterGap } = this.#options.hostRules;
    return new SimCoordinator(this, this.#coordinatorProcess, this.#fork(), {
      ...{
        partitionCount: partitions,
        hosts: this.memberHosts,
        isDoubled: this.#options.isDoubled,
        copies: backups + 1,
        expectedMembers: members,
      },
      ...{ membershipTtlMs: timings.membershipTtlMs, promotionTimeoutMs: timings.promotionTimeoutMs },
      loneGraceMs: waitsForLone ? timings.loneGraceMs : 0,
      clockGapMs: beginsAnewAfterGap ? timings.clockGapMs : Number.POSITIVE_INFINITY,
    });
  }

  #newProcess(host: Host): Process {
    const clock = this.clockOf(host);
    // A machine whose wall clock is far off starts nothing: versions are held against each other (CLOCK_AHEAD).
    clock.setWall(this.#wallOffset());
    return new Process(this.kernel, this.#fork(), clock);
  }

  #newClient(number: number): SimClient {
    const { thinkMs, writeShare, snapshotShare } = this.#options.profile;
    const host = `c${number}`;
    const client = new SimClient(this, this.kernel, this.#fork(), this.history, {
      ...{ host, number, memberHosts: this.memberHosts, keys: this.keys, thinkMs, writeShare, snapshotShare },
      ...{ attemptMs: ATTEMPT_MS, totalMs: TOTAL_MS },
    });
    this.#clientsByHost.set(host, client);
    return client;
  }

  #wallOffset(): number {
    return (this.#random.next() * 2 - 1) * this.#options.profile.wallSpreadMs;
  }

  #fork(): Random {
    return seededRandom(this.#random.below(2 ** 32));
  }
}

function messageText(message: GridMessage): string {
  return JSON.stringify(message, (name, value) => (name === 'table' && value ? `table ${value.version}` : value));
}
