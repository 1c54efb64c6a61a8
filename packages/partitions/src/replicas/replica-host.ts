/**
 * Drives the core of replication in a member: its inputs in, its effects done on the store, the network, the coordinator, and
 * whoever serves callers.
 *
 *   message, table, answer, tick, sealed -> core -> turn -> effects -> store, `send`, `transact`, batches that wait, served partitions
 *
 * replica-host H1  What comes in one turn of the event loop shares a turn of the core, at its end, and a lone callback is followed by
 *                  one at once (turn-pace T1): what follows from it leaves together. News of the table are followed at once, for whoever reads the table looks at what is served then.
 * replica-host H2  Every input is preceded by a look at the clocks: a suspension of the machine is told before anything else.
 * replica-host H3  Effects are done in order, in the turn in which they came. Who follows what is served hears of changes behind
 *                  them, once.
 * replica-host H4  After `left` nothing leaves this member, and nothing changes in it.
 * replica-host H5  A step that cannot be done on a copy, for its memory or by a fault of ours, loses that copy and never more: the
 *                  core hears that there is none.
 */
import type { TableState } from '@ashlar/cluster';
import type { HybridClock, PartitionId, ReplicaId, ReplicaTable, ReplicaTransaction, Sequence } from '@ashlar/core';
import {
  type Effect,
  type LeaseRequest,
  type LogReader,
  MemberCore,
  type Message,
  type Moment,
  type Note,
  type Renewal,
  type ReplicationFigures,
  type ReplicationOptions,
} from '@ashlar/replication';
import { BackupCopies } from './backup-copies.ts';
import { ClockWatch, type WatchedTime } from './clock-watch.ts';
import { OutgoingCopies } from './outgoing-copies.ts';
import type { ReplicaStore } from './replica-store.ts';
import { ReplicatedCommitter } from './replicated-committer.ts';
import { ServedPartitions } from './served-partitions.ts';
import { type PaceTimers, TurnPace } from './turn-pace.ts';

/** Effects on one copy after which it is what the core takes it for, or is none; those of many are looked after row by row. */
const CHANGES_COPY: ReadonlySet<Effect['kind']> = new Set([
  'endBatch',
  'openCopy',
  'serve',
  'installPage',
  'finishInstall',
]);
/** How often the core is told that time passes. */
const TICK_MS = 15;

/** The world around a host. */
export interface HostPorts {
  /** To another replica: may be lost, never waits. */
  send(to: ReplicaId, message: Message): void;
  /** @returns the table in which the transaction was applied or refused, or a later one; undefined: nobody knows what became of it */
  transact(transaction: ReplicaTransaction): Promise<ReplicaTable | undefined>;
  /** @returns undefined: no lease */
  renew(replica: ReplicaId, lease: LeaseRequest): Promise<Renewal | undefined>;
  /** Partitions have begun to be served, or have ended; not called for what follows from `onTable`. */
  servedChanged(): void;
  noted(note: Note): void;
  /** A fault of ours: what was asked for was done in part. */
  failed(error: unknown): void;
  /** Nothing of a payload that came is read any more: its memory may be used again. */
  payloadDone(payload: Uint8Array): void;
}

/** When things are done. */
export interface HostTimers extends PaceTimers {
  /** Again and again. @returns how to end it */
  every(ms: number, run: () => void): () => void;
}

export interface ReplicaHostOptions {
  readonly replication: ReplicationOptions;
  readonly store: ReplicaStore;
  readonly clock: Pick<HybridClock, 'now' | 'follow' | 'skip'>;
  readonly time: WatchedTime;
  readonly timers: HostTimers;
  readonly ports: HostPorts;
  /** Tests: commits some time later. Default: at once. */
  readonly delayCommit?: ((commit: () => void) => void) | undefined;
}

/** What an orderly stop came to. */
export interface LeftPartitions {
  readonly handedOver: readonly number[];
  /** Those that nobody took over. */
  readonly kept: readonly number[];
}

export class ReplicaHost {
  readonly served: ServedPartitions;
  readonly committer: ReplicatedCommitter;
  readonly #options: ReplicaHostOptions;
  readonly #core: MemberCore;
  readonly #watch: ClockWatch;
  readonly #copies: BackupCopies;
  readonly #outgoing: OutgoingCopies;
  #endTicks: () => void = () => undefined;
  /** Copies that were lost while effects of this turn were done. */
  readonly #lostNow = new Set<number>();
  readonly #pace: TurnPace;
  #isTurning = false;
  #hasServedChanged = false;
  #hasLeft = false;
  #left: ((left: LeftPartitions) => void) | undefined;

  constructor(options: ReplicaHostOptions) {
    const { store, time, clock, replication } = options;
    this.#options = options;
    this.#watch = new ClockWatch(time);
    this.#pace = new TurnPace(
      options.timers,
      () => time.monotonicMs(),
      () => this.#turn(),
    );
    this.#core = new MemberCore(replication, logReaderOf(store));
    const core = this.#core;
    this.served = new ServedPartitions(replication.partitionCount, {
      core,
      nowMs: () => this.#nowMs(),
      version: () => clock.now(),
      onTable: (table) => this.#onTable(table),
    });
    this.committer = new ReplicatedCommitter({
      heldSequence: (partition) => store.heldSequence(partition),
      sealed: (partition, lastSequence) => this.#sealed(partition, lastSequence),
      followersOf: (partition) => core.followersOf(partition),
    });
    this.#copies = new BackupCopies({
      ...{ store, core },
      copyLost: (partition) => this.#loseCopy(partition),
      isLost: (partition) => this.#lostNow.has(partition),
      failed: (error) => options.ports.failed(error),
      payloadDone: (payload) => options.ports.payloadDone(payload),
    });
    this.#outgoing = new OutgoingCopies({ store, core, later: (run) => this.#later(run) });
  }

  /** From now on time passes. */
  begin(): void {
    this.#endTicks = this.#options.timers.every(TICK_MS, () => this.#tick());
  }

  /** Ends at once, with nothing handed over. Idempotent. */
  close(): void {
    this.#hasLeft = true;
    this.#endTicks();
  }

  /** An orderly stop has begun. */
  get isLeaving(): boolean {
    return this.#left !== undefined;
  }

  /** An orderly stop: resolves when everything is handed over that anybody takes, or that takes too long. */
  leave(): Promise<LeftPartitions> {
    if (this.#hasLeft) return Promise.resolve({ handedOver: [], kept: [] });
    return new Promise((resolve) => {
      this.#left = resolve;
      this.#input(() => this.#core.leave(this.#now()));
      this.#turn();
    });
  }

  /** How far replication is, for whoever watches it: collected when somebody asks. */
  figures(): ReplicationFigures {
    return this.#core.figures();
  }

  /** A message of another replica has come. */
  received(from: ReplicaId, to: ReplicaId, message: Message): void {
    this.#input(() => this.#core.onMessage({ from, to, message }, this.#now()));
  }

  /** A way to another replica has opened. */
  linked(replica: ReplicaId): void {
    this.#input(() => this.#core.onLink(replica, this.#now()));
  }

  /** Maps have come, of which there may be records already. */
  catalogChanged(): void {
    this.#input(() => this.#copies.catalogChanged());
  }

  /* ---- Inputs -------------------------------------------------------------------------------------------------------- */

  #onTable(table: TableState): void {
    const { replicas } = table;
    if (replicas === undefined) return;
    this.#input(() => this.#core.onTable(replicas, this.#now()));
    this.#turn(); // replica-host H1
  }

  #sealed(partition: number, lastSequence: Sequence): void {
    if (this.#hasLeft) return;
    this.#core.sealed(partition, lastSequence);
    this.#askTurn();
  }

  #tick(): void {
    this.#input(() => {
      this.#core.setFreeBytes(this.#options.store.replicaFreeBytes());
      // Maps may have been opened without a new catalog, where there was no memory for them at first.
      this.#copies.catalogChanged();
      this.#core.tick(this.#now());
    });
    this.#turn();
  }

  #later(run: () => void): void {
    this.#options.timers.soon(() => this.#input(run));
  }

  #input(run: () => void): void {
    if (this.#hasLeft) return;
    this.#lookAtClocks();
    run();
    this.#askTurn();
  }

  #now(): Moment {
    const { time, clock } = this.#options;
    return { ms: time.monotonicMs(), version: clock.now() };
  }

  /** For looks at leases: no suspension lies unnoticed before them. */
  #nowMs(): number {
    this.#lookAtClocks();
    return this.#options.time.monotonicMs();
  }

  /** replica-host H2 */
  #lookAtClocks(): void {
    const gap = this.#watch.look();
    if (gap === undefined || this.#hasLeft) return;
    if (gap.isSuspension) this.#options.clock.skip();
    this.#core.onClockGap(this.#now());
    this.#askTurn();
  }

  /* ---- Turns --------------------------------------------------------------------------------------------------------- */

  #askTurn(): void {
    if (!this.#isTurning) this.#pace.ask();
  }

  #turn(): void {
    // What an effect causes is taken along by the turn that is on.
    if (this.#isTurning) return;
    this.#isTurning = true;
    try {
      this.#takeTurns();
    } finally {
      this.#isTurning = false;
      this.#copies.endTurn();
    }
    if (!this.#hasServedChanged) return;
    this.#hasServedChanged = false;
    this.#options.ports.servedChanged();
  }

  #takeTurns(): void {
    while (!this.#hasLeft) {
      const effects = this.#core.turn(this.#now());
      if (effects.length === 0) return;
      for (const effect of effects) if (!this.#isOfLost(effect)) this.#perform(effect);
      this.#lostNow.clear();
    }
  }

  /** What was asked for before the core heard that the copy is gone. */
  #isOfLost(effect: Effect): boolean {
    if (this.#lostNow.size === 0 || effect.kind === 'openCopy') return false;
    const partition = changedCopyOf(effect);
    return partition !== undefined && this.#lostNow.has(partition);
  }

  /** One that fails keeps no other from being done (replica-host H5). */
  #perform(effect: Effect): void {
    try {
      this.#performOutside(effect);
    } catch (error) {
      this.#options.ports.failed(error);
      const partition = changedCopyOf(effect);
      if (partition !== undefined) this.#loseCopy(partition);
    }
  }

  /** What the store has of a partition is not what the core asked for. */
  #loseCopy(partition: number): void {
    try {
      this.#drop(partition);
    } catch (error) {
      this.#options.ports.failed(error);
    }
    this.#copyLost(partition);
  }

  #copyLost(partition: number): void {
    if (this.#isTurning) this.#lostNow.add(partition);
    this.#core.copyLost(partition, this.#now());
  }

  #performOutside(effect: Effect): void {
    const { ports } = this.#options;
    switch (effect.kind) {
      case 'send':
        ports.send(effect.to, effect.message);
        return;
      case 'transact':
        void this.#transact(effect.transaction);
        return;
      case 'renew':
        void this.#renew(effect.replica, effect.lease);
        return;
      case 'left':
        this.#onLeft(effect);
        return;
      case 'note':
        ports.noted(effect.note);
        return;
      default:
        this.#performOnStore(effect);
        return;
    }
  }

  #performOnStore(effect: Exclude<Effect, { kind: 'send' | 'transact' | 'renew' | 'left' | 'note' }>): void {
    switch (effect.kind) {
      case 'apply':
        this.#copies.apply(effect);
        return;
      case 'commitBackup':
        this.#copies.commit(effect);
        return;
      case 'endBatch':
        this.#copies.endBatch(effect);
        return;
      case 'openCopy':
        this.#copies.open(effect);
        return;
      case 'dropCopy':
        this.#drop(effect.partition);
        return;
      case 'commit':
        this.#commit(effect);
        return;
      case 'serve':
        this.#serve(effect);
        return;
      case 'stopServing':
        this.#stopServing(effect.partition);
        return;
      case 'openTransfer':
        this.#outgoing.open(effect);
        return;
      case 'readPage':
        this.#outgoing.readPage(effect, effect.page);
        return;
      case 'closeTransfer':
        this.#outgoing.close(effect);
        return;
      case 'holdLog':
        this.#outgoing.hold(effect.partition, effect.to, effect.from);
        return;
      case 'installPage':
        this.#copies.installPage(effect);
        return;
      case 'finishInstall':
        this.#copies.finishInstall(effect);
        return;
    }
  }

  /** Late where a test wants it so: as if the acknowledgements had come then. */
  #commit(effect: Extract<Effect, { kind: 'commit' }>): void {
    const { delayCommit } = this.#options;
    if (delayCommit === undefined) this.#commitNow(effect);
    else delayCommit(() => this.#hasLeft || this.#commitNow(effect));
  }

  #commitNow({ partition, epoch, commit }: Extract<Effect, { kind: 'commit' }>): void {
    for (let row = 0; row < partition.length; row++) {
      // Of an epoch that was over before a late commit: its batches are lost, and decided elsewhere.
      if (this.served.epochOf(partition[row]!) !== epoch[row]) continue;
      try {
        this.committer.commitTo(partition[row] as PartitionId, commit[row]!);
      } catch (error) {
        this.#options.ports.failed(error);
      }
    }
  }

  /* ---- Roles --------------------------------------------------------------------------------------------------------- */

  #serve({ partition, epoch, lastSequence, above }: Extract<Effect, { kind: 'serve' }>): void {
    const { store, clock } = this.#options;
    const id = partition as PartitionId;
    clock.follow(above);
    store.commitBackup(id, lastSequence);
    store.promotePartition(id, epoch);
    this.committer.serve(id, lastSequence);
    this.served.begin(partition, epoch);
    this.#hasServedChanged = true;
  }

  #stopServing(partition: number): void {
    const id = partition as PartitionId;
    this.#endService(partition);
    try {
      if (this.#options.store.roleOf(id) === 'primary') this.#options.store.demotePartition(id);
    } catch (error) {
      this.#options.ports.failed(error);
      this.#loseCopy(partition);
    }
    this.committer.lose(id);
  }

  #drop(partition: number): void {
    this.#endService(partition);
    this.#copies.drop(partition);
    this.committer.lose(partition as PartitionId);
  }

  /** Nobody stages in it, or reads it, from here on. */
  #endService(partition: number): void {
    this.#outgoing.closeAll(partition);
    if (this.served.epochOf(partition) === 0) return;
    this.served.end(partition);
    this.#hasServedChanged = true;
  }

  #onLeft({ handedOver, kept }: LeftPartitions): void {
    for (const partition of kept) this.#endService(partition);
    this.close();
    this.#left?.({ handedOver, kept });
  }

  /* ---- The coordinator ----------------------------------------------------------------------------------------------- */

  async #transact(transaction: ReplicaTransaction): Promise<void> {
    // Behind the effects of this turn: a coordinator in this process tells its table within the call.
    await undefined;
    const table = await this.#options.ports.transact(transaction).catch(() => undefined);
    this.#input(() => this.#core.onTransaction({ id: transaction.id, table }, this.#now()));
    this.#turn();
  }

  async #renew(replica: ReplicaId, lease: LeaseRequest): Promise<void> {
    const renewal = await this.#options.ports.renew(replica, lease).catch(() => undefined);
    if (renewal !== undefined) this.#input(() => this.#core.onRenewed(renewal, this.#now()));
  }
}

/** The partition whose copy an effect changes; undefined: none, or several. */
function changedCopyOf(effect: Effect): number | undefined {
  if (!CHANGES_COPY.has(effect.kind) || !('partition' in effect)) return undefined;
  return typeof effect.partition === 'number' ? effect.partition : undefined;
}

function logReaderOf(store: ReplicaStore): LogReader {
  return {
    begin: () => store.beginRuns(),
    get isFull() {
      return store.isRunsFull;
    },
    add: (partition, from, bytesMax) => store.addRun(partition as PartitionId, from, bytesMax),
    finish: () => store.finishRuns(),
    terms: (partition) => store.logTerms(partition as PartitionId),
  };
}
