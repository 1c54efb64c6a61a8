/**
 * One process of a simulated member: a core, a store, and the host between them.
 *
 *   message, table, answer of the coordinator, tick -> core -> turn -> effects -> store, network, calls that wait
 *
 * sim-member H1  Inputs of a moment share a turn: what they cause leaves together, a moment later.
 * sim-member H2  Every input is preceded by a look at the clocks: a suspension is told before anything else.
 * sim-member H3  Effects are done in order, in the turn in which they came.
 */
import {
  HybridClock,
  memberOfReplica,
  type Random,
  type ReplicaId,
  type ReplicaTable,
  type ReplicaTransaction,
} from '@ashlar/core';
import {
  type Effect,
  MemberCore,
  type Moment,
  type Payload,
  type ReplicationCore,
  type ReplicationOptions,
  type Rules,
  type TransactionAnswer,
  type TransferRef,
} from '@ashlar/replication';
import type { Process } from '../kernel/process.ts';
import type { HostRules } from './host-rules.ts';
import { MemberCalls } from './member-calls.ts';
import { MemberStore } from './member-store.ts';
import {
  COORDINATOR_HOST,
  type GridMessage,
  type Host,
  type KeyRequest,
  type OpenRequest,
  type PinRequest,
} from './messages.ts';
import { RealStore } from './real-store.ts';
import type { SimCopy, SimStore } from './sim-store.ts';
import type { World } from './world.ts';

const TICK_MIN_MS = 8;
const TICK_SPREAD_MS = 8;
/** Messages of a moment share a turn. */
const TURN_SPREAD_MS = 0.3;
const PAGE_DELAY_MAX_MS = 4;
const TABLE_POLL_MS = 150;
/** A connection has broken and come back with one tick of so many. */
const TICKS_A_LINK = 40;
/** A transaction is given up, not knowing, after up to so long. */
const TRANSACTION_BREAK_MAX_MS = 400;
const RESOLVED_MS = 40;
/** Clocks are not compared more exactly. */
const SUSPENSION_MIN_MS = 1;
const FREE_BYTES = 1024 * 1024;
const FREE_BYTES_SHORT = 300;

/** Effects on one copy. */
type OfCopy = Exclude<
  Effect,
  { kind: 'send' | 'transact' | 'renew' | 'left' | 'note' | 'apply' | 'commitBackup' | 'commit' }
>;

export interface SimMemberOptions {
  readonly replica: ReplicaId;
  readonly replication: Omit<ReplicationOptions, 'self'>;
  readonly rules: Rules;
  readonly hostRules: HostRules;
  readonly keptRecords: number;
  readonly heldRecords: number;
  /** Records that a write has beside its own, at most, in one batch. */
  readonly batchMax: number;
  /** The store of a real member, in place of maps and arrays. */
  readonly isStoreReal: boolean;
}

export class SimMember {
  readonly replica: ReplicaId;
  readonly host: Host;
  readonly process: Process;
  readonly store: SimStore;
  readonly clock: HybridClock;
  readonly core: ReplicationCore;
  readonly #world: World;
  readonly #random: Random;
  readonly #hostRules: HostRules;
  readonly #calls: MemberCalls;
  #table: ReplicaTable | undefined;
  #isTurnAsked = false;
  #suspendedMs: number;
  #polledAtMs = -Infinity;
  #resolvedAtMs = -Infinity;
  hasLeft = false;
  /** Another process has taken its name: nothing leaves this one any more. */
  isSuperseded = false;
  /** Transactions that were sent and not answered. */
  readonly #unanswered = new Set<number>();

  constructor(world: World, process: Process, random: Random, options: SimMemberOptions) {
    this.replica = options.replica;
    this.host = memberOfReplica(options.replica);
    this.process = process;
    this.#world = world;
    this.#random = random;
    this.#hostRules = options.hostRules;
    this.clock = new HybridClock(process.clock.forVersions, { maxClockAheadMs: Infinity });
    this.store = this.#newStore(options);
    this.core = new MemberCore({ ...options.replication, self: options.replica }, this.store, options.rules);
    this.#calls = new MemberCalls(this, world, random, options.hostRules, options.isStoreReal ? 0 : options.batchMax);
    this.#suspendedMs = process.clock.bootMs() - process.clock.monotonicMs();
    this.core.setFreeBytes(FREE_BYTES);
  }

  #newStore({ keptRecords, heldRecords, isStoreReal, replication }: SimMemberOptions): SimStore {
    if (!isStoreReal) return new MemberStore(keptRecords, heldRecords);
    const { partitionCount } = replication;
    return new RealStore({ clock: this.clock, partitionCount, keptRecords, records: this.#world.records });
  }

  begin(): void {
    this.process.run(() => this.#tick());
  }

  get table(): ReplicaTable | undefined {
    return this.#table;
  }

  copyOf(partition: number): SimCopy | undefined {
    return this.store.copyOf(partition);
  }

  nowMs(): number {
    return this.process.clock.monotonicMs();
  }

  /** A message has come to the host. */
  receive(message: GridMessage): void {
    this.process.run(() => this.#input(() => this.#take(message)));
  }

  /** An orderly stop. */
  leave(): void {
    this.process.run(() => this.#input(() => this.core.leave(this.#now())));
  }

  /** A backup can keep a copy no longer. */
  loseCopy(partition: number): void {
    this.process.run(() =>
      this.#input(() => {
        this.#world.trace(() => `${this.replica} loses its copy of ${partition}`);
        this.store.drop(partition);
        this.#world.watch.forfeited(this, partition);
        this.core.copyLost(partition, this.#now());
      }),
    );
  }

  /** Memory is short, or is not any more. */
  setShort(isShort: boolean): void {
    this.process.run(() => this.#input(() => this.core.setFreeBytes(isShort ? FREE_BYTES_SHORT : FREE_BYTES)));
  }

  /** Something has changed: a turn follows (sim-member H1). */
  askTurn(): void {
    if (this.#isTurnAsked) return;
    this.#isTurnAsked = true;
    this.process.afterMs(this.#random.next() * TURN_SPREAD_MS, () => {
      this.#isTurnAsked = false;
      this.#step(() => this.#turn());
    });
  }

  /** Later, in a turn of its own, of this process. */
  later(delayMs: number, run: () => void): void {
    this.process.afterMs(delayMs, () => this.#input(run));
  }

  #now(): Moment {
    return { ms: this.nowMs(), version: this.clock.now() };
  }

  #input(run: () => void): void {
    this.#step(run);
    this.askTurn();
  }

  #step(run: () => void): void {
    if (this.hasLeft) return;
    this.#lookAtClocks();
    run();
    this.#world.watch.looked(this);
  }

  /** sim-member H2 */
  #lookAtClocks(): void {
    const suspendedMs = this.process.clock.bootMs() - this.nowMs();
    const gapMs = suspendedMs - this.#suspendedMs;
    this.#suspendedMs = suspendedMs;
    if (this.#hostRules.noticesSuspension && gapMs > SUSPENSION_MIN_MS) this.core.onClockGap(this.#now());
  }

  #take(message: GridMessage): void {
    switch (message.kind) {
      case 'replica':
        this.core.onMessage(message.envelope, this.#now());
        return;
      case 'transacted':
        if (message.to === this.replica) this.#answered(message.answer);
        return;
      case 'renewed':
        if (message.to === this.replica) this.core.onRenewed(message.renewal, this.#now());
        return;
      case 'table':
        this.#sawTable(message.table);
        return;
      case 'askTable':
        if (this.#table !== undefined) this.#send(message.from, { kind: 'table', table: this.#table });
        return;
      case 'request':
      case 'pin':
      case 'open':
        this.#calls.take(message as KeyRequest | PinRequest | OpenRequest);
        return;
      default:
        return;
    }
  }

  #answered(answer: TransactionAnswer): void {
    this.#unanswered.delete(answer.id);
    if (answer.table !== undefined) this.#noteTable(answer.table);
    this.core.onTransaction(answer, this.#now());
  }

  /** The connection to the coordinator breaks, now and then, with a transaction on it: nobody knows what became of that. */
  #transact(transaction: ReplicaTransaction): void {
    this.#send(COORDINATOR_HOST, { kind: 'transact', from: this.replica, transaction });
    const { id } = transaction;
    this.#unanswered.add(id);
    this.later(this.#random.next() * TRANSACTION_BREAK_MAX_MS, () => {
      if (this.#unanswered.delete(id)) this.core.onTransaction({ id, table: undefined }, this.#now());
    });
  }

  #noteTable(table: ReplicaTable): void {
    if (this.#table === undefined || table.version > this.#table.version) this.#table = table;
  }

  #sawTable(table: ReplicaTable): void {
    this.#noteTable(table);
    this.core.onTable(table, this.#now());
  }

  #tick(): void {
    this.#step(() => {
      const now = this.#now();
      this.core.tick(now);
      this.#link(now);
      this.#calls.look();
      if (now.ms - this.#polledAtMs >= TABLE_POLL_MS) {
        this.#polledAtMs = now.ms;
        this.#send(COORDINATOR_HOST, { kind: 'askTable', from: this.host });
      }
      if (now.ms - this.#resolvedAtMs >= RESOLVED_MS) {
        this.#resolvedAtMs = now.ms;
        this.#calls.markResolved();
      }
      this.#turn();
    });
    if (!this.hasLeft) this.process.afterMs(TICK_MIN_MS + this.#random.next() * TICK_SPREAD_MS, () => this.#tick());
  }

  #link(now: Moment): void {
    if (this.#table === undefined || this.#random.below(TICKS_A_LINK) > 0) return;
    const { members } = this.#table;
    const other = members[this.#random.below(members.length)]?.replica;
    if (other !== undefined) this.core.onLink(other, now);
  }

  /** sim-member H3 */
  #send(to: Host, message: GridMessage): void {
    if (!this.isSuperseded) this.#world.send(this.host, to, message);
  }

  #turn(): void {
    for (;;) {
      const effects = this.core.turn(this.#now());
      if (effects.length === 0) return;
      for (const effect of effects) this.#perform(effect);
    }
  }

  #perform(effect: Effect): void {
    this.#world.trace(() => `${this.replica}: ${effectText(effect)}`);
    switch (effect.kind) {
      case 'send':
        this.#send(memberOfReplica(effect.to), {
          kind: 'replica',
          envelope: { from: this.replica, to: effect.to, message: effect.message },
        });
        return;
      case 'transact':
        this.#transact(effect.transaction);
        return;
      case 'renew':
        this.#send(COORDINATOR_HOST, {
          ...{ kind: 'renew', from: effect.replica, lease: effect.lease },
        });
        return;
      case 'left':
        this.hasLeft = true;
        this.#world.left(this);
        return;
      case 'note':
        this.#world.noted(effect.note);
        return;
      default:
        this.#performOnStore(effect);
        return;
    }
  }

  #performOnStore(effect: Exclude<Effect, { kind: 'send' | 'transact' | 'renew' | 'left' | 'note' }>): void {
    switch (effect.kind) {
      case 'apply':
        for (const [row, partition] of effect.partition.entries())
          this.#apply(partition, effect.firstSequence[row]!, effect.payload, effect.run[row]!);
        return;
      case 'commitBackup':
        for (const [row, partition] of effect.partition.entries()) {
          const copy = this.store.copyOf(partition);
          copy?.commit(effect.commit[row]!);
          copy?.trim(effect.trimFloor[row]!);
        }
        return;
      case 'commit':
        for (const [row, partition] of effect.partition.entries()) this.#committed(partition, effect.commit[row]!);
        return;
      default:
        this.#performOnCopy(effect);
        return;
    }
  }

  #committed(partition: number, commit: number): void {
    this.#calls.committed(partition, commit);
    if (this.store.trimServed(partition)) this.core.termsChanged(partition);
  }

  #performOnCopy(effect: OfCopy): void {
    const { partition } = effect;
    const { store, core } = this;
    switch (effect.kind) {
      case 'endBatch':
        this.#endBatch(partition);
        return;
      case 'openCopy':
        store.open(partition, effect.logEpoch, this.#world.hasBeenLost(partition));
        this.#world.watch.began(this, partition);
        return;
      case 'dropCopy':
        store.drop(partition);
        this.#world.watch.dropped(this, partition);
        return;
      case 'serve':
        this.#calls.serves(partition, effect.epoch, effect.lastSequence, effect.above);
        return;
      case 'stopServing':
        this.#calls.stopsServing(partition);
        return;
      case 'openTransfer': {
        const ref: TransferRef = effect;
        const start = store.openTransfer(ref);
        if (start === undefined) core.transferFailed(ref);
        else core.transferOpened(ref, start);
        return;
      }
      case 'readPage':
        this.later(this.#random.next() * PAGE_DELAY_MAX_MS, () => this.#readPage(effect, effect.page));
        return;
      case 'closeTransfer':
        store.closeTransfer(effect);
        return;
      case 'holdLog':
        store.hold(partition, effect.to, effect.from);
        return;
      case 'installPage':
        store.installPage(partition, effect.page, effect.payload);
        return;
      case 'finishInstall':
        if (store.finishInstall(partition, effect.start)) {
          this.#world.watch.began(this, partition);
          core.installed(partition, effect.copy);
          this.#world.watch.appended(this, partition, 1);
        } else core.copyLost(partition, this.#now());
        return;
    }
  }

  #endBatch(partition: number): void {
    const before = this.store.copyOf(partition)?.last;
    if (this.#hostRules.endsBatches) this.store.endBatch(partition);
    const last = this.store.copyOf(partition)?.last;
    if (last !== before) this.core.applied(partition, last as never);
  }

  #apply(partition: number, first: number, payload: Payload, run: number): void {
    const fresh = this.store.apply(partition, first, payload, run);
    if (fresh === undefined) {
      this.core.copyLost(partition, this.#now());
      return;
    }
    const last = fresh.at(-1);
    // Replicated records are never refused for their clock.
    if (last !== undefined) this.clock.observe(last.version as Moment['version']);
    this.core.applied(partition, this.store.copyOf(partition)!.last as never);
    if (last !== undefined) this.#world.watch.appended(this, partition, fresh[0]!.sequence);
  }

  #readPage(ref: TransferRef, number: number): void {
    const page = this.store.page(ref, number);
    if (page !== undefined) this.core.pageRead(ref, { page: number, ...page });
  }
}

/** An effect in a line; records by their sequences. */
export function effectText(effect: Effect): string {
  return JSON.stringify(effect, (name, value) => {
    if (name === 'payload') return Array.isArray(value) ? `${value.length} records` : 'page';
    if (name === 'table') return `table ${value.version}`;
    return value;
  });
}
