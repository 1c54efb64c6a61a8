/**
 * The caller's side of the partition table, for clients and members alike.
 *
 *   call -> key bytes -> partition -> primary -> its queue ... answer -> promise
 *                                        ^                      |
 *                                        +---- retry <- failure +
 *
 * router R1  Every call settles: with its answer, its error, or at its deadline.
 * router R2  A mutation is sent again only under the number it had, unless a member said that it was never sealed.
 * router R3  What is queued is bounded in bytes and operations: beyond, calls are refused (OVERLOADED) and group calls wait.
 * router R4  While any member answers, calls for one that is known to be down, is not awaited, and has nobody to stand in for it,
 *            fail in a moment (MEMBER_UNREACHABLE). While none does, or the grid awaits members, or another member is about to
 *            take over, calls wait within their time.
 * router R5  What waits for one partition holds up no other: it waits apart, and who waits hears of new tables at once.
 */
import {
  assert,
  type GridError,
  type MemberAddress,
  MemberUnreachableError,
  type PartitionId,
  type PartitionTable,
  primaryOf,
} from '@ashlar/core';
import { type Key, partitionOf } from '@ashlar/serialization';
import type {
  CallOptions,
  CatalogKnowledge,
  HelloResponse,
  KvAnswers,
  MemberConnection,
  SessionLease,
} from '@ashlar/transport';
import { BatchBuilder, type OperationExtras } from './batch-builder.ts';
import { type CallLimits, type CallTarget, checkTimeout, SingleCall } from './call-target.ts';
import { CallWriter } from './call-writer.ts';
import { Connections, isPassing } from './connections.ts';
import { groupByQueue, sendGroup } from './detached-routing.ts';
import { clientClosed, noOwner } from './errors.ts';
import { splitFailures } from './failure-split.ts';
import { FlushTurns } from './flush-turns.ts';
import { HeardCatalog, versionIn } from './heard-catalog.ts';
import { KnownTable } from './known-table.ts';
import { LateWaits } from './late-waits.ts';
import { Listeners } from './listeners.ts';
import { type MapHandle, MapHandles, type MapOptionsGiven } from './map-handle.ts';
import { type LocalMember, localLink, remoteLink } from './member-link.ts';
import { MemberQueue } from './member-queue.ts';
import type { MemberQueueHost } from './member-queue-host.ts';
import { failLost, overdueCall, overdueRetry } from './overdue-calls.ts';
import { hasStandIn, isPrimary, PartitionMoves } from './partition-moves.ts';
import { queueLimitsOf } from './queue-limits.ts';
import { QueueRoom, stuckBytes } from './queue-room.ts';
import { RetryQueue } from './retry-queue.ts';
import { type RouterOptions, type RouterSettings, sessionRequest, settingsOf } from './router-options.ts';
import { type DetachedOperation, type SealContext, SealedBatch } from './sealed-batch.ts';
import { SessionKeeper } from './session-keeper.ts';
import { TableRefresher } from './table-refresher.ts';
import { type Repairs, wayOn } from './way-on.ts';

const SWEEP_MS = 25;
/** How often an incomplete grid is asked whether it is complete. */
const GATHERING_POLL_MS = 100;
const CLOSE_SESSION_MS = 200;

export class Router {
  readonly limits: HelloResponse['limits'];
  readonly #settings: RouterSettings;
  readonly #connections: Connections;
  readonly #local: LocalMember | undefined;
  readonly #trace: RouterOptions['trace'];
  readonly #catalog: CatalogKnowledge;
  readonly #queues = new Map<string, MemberQueue>();
  readonly #maps = new MapHandles();
  readonly #writer = new CallWriter(this);
  readonly #session: SessionKeeper;
  readonly #tables: TableRefresher;
  readonly #retries: RetryQueue;
  readonly #host: MemberQueueHost;
  readonly #turns: FlushTurns;
  readonly #room: QueueRoom;
  readonly #known: KnownTable;
  readonly #moves = new PartitionMoves();
  readonly #waits: LateWaits;
  readonly #refreshed = (): Promise<void> => this.refresh();
  readonly #repairs: Repairs = { refresh: this.#refreshed, renewSession: (session) => this.#session.renew(session) };
  #sessionVersion = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #leaseTimer: NodeJS.Timeout;
  #gatheringTimer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #onClose = new Listeners<[]>();
  readonly #onTable = new Listeners<[PartitionTable]>();

  /**
   * Finds the grid and opens a session.
   *
   * @throws (rejects with) GridError CONNECT_TIMEOUT, GRID_INCOMPLETE, UNAUTHENTICATED ...
   */
  static async connect(options: RouterOptions): Promise<Router> {
    const settings = settingsOf(options);
    const catalog = options.catalog ?? new HeardCatalog();
    const connections = new Connections({ ...options, catalog }, settings.clientName);
    try {
      const { seeds, connectTimeoutMs: timeoutMs, waitForMembers } = settings;
      const hello = await connections.open(seeds, { timeoutMs, waitForMembers });
      const member = hello.table.members.find(({ id }) => id === hello.memberId);
      assert(member !== undefined, 'open takes members that are in their own table');
      const { kv } = connections.of(member);
      const lease = await kv.openSession(sessionRequest(settings), { timeoutMs });
      return new Router(settings, connections, hello, member, lease, { ...options, catalog });
    } catch (error) {
      connections.close();
      throw error;
    }
  }

  private constructor(
    settings: RouterSettings,
    connections: Connections,
    hello: HelloResponse,
    first: MemberAddress,
    lease: SessionLease,
    { local, trace, catalog }: Pick<RouterOptions, 'local' | 'trace'> & { readonly catalog: CatalogKnowledge },
  ) {
    this.#settings = settings;
    this.#room = new QueueRoom(settings, () => stuckBytes([this.#retries, ...this.#queues.values()], settings.nowMs()));
    this.#connections = connections;
    this.#local = local;
    this.#trace = trace;
    this.#catalog = catalog;
    this.#known = new KnownTable(hello.table, hello.partitionCount);
    this.limits = hello.limits;
    this.#session = new SessionKeeper(lease.session, () => this.#openSession());
    this.#tables = new TableRefresher({
      connections: () => (this.#closed ? [] : this.#connections.inTurn(this.table)),
      gridId: () => this.table.gridId,
      nowMs: settings.nowMs,
      take: (table) => this.applyTable(table),
    });
    this.#retries = new RetryQueue(
      (operations) => this.#route(operations),
      (bytes, operations) => this.#account(bytes, operations),
      settings.nowMs,
    );
    this.#turns = new FlushTurns({ queues: this.#queues, clockMs: settings.nowMs });
    this.#waits = new LateWaits(settings.nowMs, () => this.#listen());
    this.#host = this.#makeHost();
    this.#queueTo(first).noteSession(lease.session);
    this.observeVersion(lease.version);
    this.#leaseTimer = setInterval(() => this.#renewLeases(), Math.max(100, lease.leaseMs / 3));
    this.#leaseTimer.unref();
    this.#pollGathering();
  }

  /** The newest partition table known. */
  get table(): PartitionTable {
    return this.#known.table;
  }

  get partitionCount(): number {
    return this.#known.partitionCount;
  }

  /** Who is missing in a grid that still gathers its members; undefined: it is complete. */
  whatIsMissing(): GridError | undefined {
    return this.#known.whatIsMissing();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The highest version this session has seen. */
  get sessionVersion(): number {
    return this.#sessionVersion;
  }

  observeVersion(version: number): void {
    if (version > this.#sessionVersion) this.#sessionVersion = version;
  }

  /** Calls back at every change of the table. @returns the way to stop */
  onTable(listener: (table: PartitionTable) => void): () => void {
    return this.#onTable.add(listener);
  }

  /** Calls back once the router is closed. @returns the way to stop */
  onClose(listener: () => void): () => void {
    return this.#onClose.add(listener);
  }

  /** @param options  given: declared by the caller */
  map(name: string, options: MapOptionsGiven | undefined): MapHandle {
    return this.#maps.of(name, options);
  }

  /** The map that had this name and id was dropped: what is called from here on means a later one. */
  dropped(name: string, mapId: number): void {
    this.#maps.dropped(name, mapId);
  }

  // --- calls

  /**
   * One operation.
   *
   * @param value  NOTHING for kinds without one
   * @returns what `resultOf` says for the kind
   */
  call(
    opcode: number,
    map: MapHandle,
    key: Key,
    value: unknown,
    extras: OperationExtras | undefined,
    limits: CallLimits | undefined,
    readBackup = false,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#admit();
      this.#turns.beginCall();
      const timeoutMs = checkTimeout(limits?.timeoutMs ?? this.#settings.timeoutMs);
      const trace = limits?.trace ?? this.#trace?.();
      const target = new SingleCall(opcode, this.#turns.nowMs, timeoutMs, trace, resolve, reject);
      if (limits?.signal !== undefined) {
        target.watch(limits.signal);
        if (target.done) return;
      }
      this.#writer.add(opcode, map, key, value, extras, readBackup, target, 0);
    });
  }

  /** Adds one operation of a group call. */
  addTo(
    target: CallTarget,
    position: number,
    opcode: number,
    map: MapHandle,
    key: Key,
    value: unknown,
    extras: OperationExtras | undefined,
  ): void {
    this.#writer.add(opcode, map, key, value, extras, false, target, position);
  }

  /** Limits with the trace that the call belongs to. */
  traced(limits: CallLimits): CallLimits {
    if (limits.trace !== undefined || this.#trace === undefined) return limits;
    return { ...limits, trace: this.#trace() };
  }

  get defaultTimeoutMs(): number {
    return this.#settings.timeoutMs;
  }

  /** The clock of deadlines and waits. */
  get nowMs(): () => number {
    return this.#settings.nowMs;
  }

  #admit(): void {
    if (this.#closed) throw clientClosed();
    this.#room.admit();
  }

  /** The partition of the key whose bytes lie in [start, end). */
  partitionOf(map: MapHandle, bytes: Uint8Array, start: number, end: number): number {
    return partitionOf(bytes, start, end, map.affinityParts, this.partitionCount);
  }

  newBuilder(atomic: boolean, consistency = 0): BatchBuilder {
    return new BatchBuilder({ valueBytesMax: this.limits.valueBytesMax, atomic, consistency });
  }

  /**
   * Seals and sends a batch made by the caller, and empties the builder. Without a queue, or where its member has left or lost
   * partitions of it, each operation finds its way, or waits for an owner.
   */
  dispatch(queue: MemberQueue | undefined, builder: BatchBuilder): void {
    this.#turns.nowMs = this.#settings.nowMs();
    const batch = new SealedBatch(builder, this.#sealContext());
    if (queue?.isRetired === false && !this.#hasMoved(batch, queue)) {
      queue.enqueue(batch);
      return;
    }
    batch.settleAll();
    const alive = batch.takeApart((operation) => !batch.targets[operation]!.done);
    if (queue === undefined) this.#await(alive);
    else this.#route(alive);
  }

  /** Whether any of it is another member's by now. */
  #hasMoved(batch: SealedBatch, { member }: MemberQueue): boolean {
    return this.#moves.hasLost(member.id) && batch.concerns(this.#isNotOf(member));
  }

  #isNotOf({ id }: MemberAddress): (partition: number) => boolean {
    return (partition) => !isPrimary(this.table, id, partition);
  }

  /** The queue to a partition's primary; undefined while nobody owns it. */
  queueOf(partition: number): MemberQueue | undefined {
    const member = this.#known.isComplete ? primaryOf(this.table, partition as PartitionId) : undefined;
    if (member === undefined) return undefined;
    return this.#queues.get(member.id) ?? this.#queueTo(member);
  }

  /** Undefined: there is room now; else a promise that resolves when there may be. */
  room(): Promise<void> | undefined {
    return this.#closed ? undefined : this.#room.wait();
  }

  /** Asks any member; see Connections.any. */
  async any<T>(
    limits: CallLimits & { readonly timeoutMs: number },
    ask: (connection: MemberConnection, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw clientClosed();
    checkTimeout(limits.timeoutMs);
    try {
      return await this.waiting(this.#connections.any(() => this.table, limits, ask, this.#refreshed));
    } catch (error) {
      throw this.#closed ? clientClosed() : error;
    }
  }

  /** Passes on the answer of a member that was asked by a call of its own: where it is late, new tables are listened for meanwhile. */
  waiting<T>(answer: Promise<T>): Promise<T> {
    return this.#waits.for(answer);
  }

  /** Listens for new tables until it is told to end. @returns the way to tell */
  listen(): () => void {
    const end = this.#waits.always();
    this.#listen();
    return end;
  }

  /** Whether it is worth to ask again: here, elsewhere, or of who takes over. */
  isPassing(error: GridError): Promise<boolean> {
    return isPassing(error, () => this.table, this.#refreshed);
  }

  /** A connection to any member, linked ones first. */
  anyConnection(): MemberConnection {
    if (this.#closed) throw clientClosed();
    const connection = this.#connections.inTurn(this.table)[0];
    if (connection === undefined) throw noOwner();
    return connection;
  }

  /** A connection that is not known to be down, to another member than those; undefined: there is none. */
  otherConnection(than: ReadonlySet<MemberConnection>): MemberConnection | undefined {
    return this.#connections.inTurn(this.table).find((one) => one.down === undefined && !than.has(one));
  }

  connectionTo(member: MemberAddress): MemberConnection {
    if (this.#closed) throw clientClosed();
    return this.#connections.of(member);
  }

  // --- queues

  #queueTo(member: MemberAddress): MemberQueue {
    const link =
      this.#local?.memberId === member.id ? localLink(this.#local) : remoteLink(this.#connections.of(member));
    const queue = new MemberQueue(member, link, this.#host);
    this.#queues.set(member.id, queue);
    return queue;
  }

  #makeHost(): MemberQueueHost {
    const router = this;
    return {
      limits: queueLimitsOf(this.limits),
      get gridId() {
        return router.table.gridId;
      },
      clientName: this.#settings.clientName,
      nowMs: this.#settings.nowMs,
      sessionRequest: (session) => sessionRequest(this.#settings, session),
      sealContext: () => router.#sealContext(),
      get numbersAreFull() {
        return router.#session.numbers.isFull;
      },
      underWay: { batches: 0 },
      account: (bytes, operations) => router.#account(bytes, operations),
      scheduleFlush: () => router.#scheduleFlush(),
      observe: (answers) => router.#observe(answers),
      observeVersion: (version) => router.observeVersion(version),
      failures: (batch, answers, operations) => router.#failures(batch, answers, operations),
      reroute: (operations) => router.#route(operations),
      onDown: () => void router.refresh(),
      onUnknownMember: (hello) => router.applyTable(hello.table),
    };
  }

  #sealContext(): SealContext {
    return {
      numbers: this.#session.numbers,
      sessionVersion: this.#sessionVersion,
      tableVersion: this.table.tableVersion,
      catalogVersion: versionIn(this.table.gridId, this.#catalog.known()),
      nowMs: this.#turns.nowMs,
    };
  }

  #account(bytes: number, operations: number): void {
    this.#room.account(bytes, operations);
    if (bytes > 0) this.#armSweeper();
  }

  #scheduleFlush(): void {
    if (this.#turns.schedule()) this.#armSweeper();
  }

  #observe(answers: KvAnswers): void {
    this.observeVersion(answers.highestVersion);
    if (answers.tableVersion > this.table.tableVersion) void this.refresh();
    const { catalogVersion = 0 } = answers;
    const { gridId } = this.table;
    if (catalogVersion > versionIn(gridId, this.#catalog.known()))
      this.#catalog.heard({ gridId, version: catalogVersion });
  }

  // --- failures

  #failures(batch: SealedBatch, answers: KvAnswers, operations: readonly number[]): void {
    const { again, reason } = splitFailures(batch, answers, operations, (error, operation) =>
      wayOn(error, batch, operation, this.#repairs),
    );
    if (again.length === 0) return;
    if (reason === undefined) this.#route(again);
    else this.#park(again, reason);
  }

  #park(operations: readonly DetachedOperation[], reason: GridError): void {
    this.#armSweeper();
    this.#retries.park(operations, reason, this.#settings.nowMs());
  }

  /** Finds a queue for each operation; what was in doubt goes under its number, what is atomic stays together. */
  #route(operations: readonly DetachedOperation[]): void {
    if (this.#closed) {
      for (const { target, position, key } of operations) target.fail(position, clientClosed(), key);
      return;
    }
    const { groups, unrouted } = groupByQueue(operations, {
      partitionOf: ({ map, key }) => this.partitionOf(map, key, 0, key.length),
      queueOf: (partition) => this.queueOf(partition),
      isLost: (session) => this.#session.isLost(session),
    });
    for (const group of groups) sendGroup(group, this.limits.valueBytesMax, () => this.#sealContext());
    if (unrouted.length > 0) this.#await(unrouted);
  }

  /** Nobody owns their partitions: they wait for an owner, or, where all copies are gone by the newest table, are told so. */
  #await(operations: readonly DetachedOperation[]): void {
    const lossOf = ({ map, key }: DetachedOperation) => this.#known.lossOf(this.partitionOf(map, key, 0, key.length));
    const isNewest = this.#tables.isNewest(this.#settings.nowMs());
    const waiting = operations.filter((operation) => {
      const lost = isNewest ? lossOf(operation) : undefined;
      if (lost !== undefined) failLost(operation, lost);
      return lost === undefined;
    });
    if (waiting.length === 0) return;
    const asked = this.refresh();
    if (waiting.some((operation) => lossOf(operation) !== undefined)) void asked.then(() => this.#retries.wake());
    this.#tables.follow();
    this.#park(waiting, this.#known.whyNobody());
  }

  // --- table, session, time

  /** Asks for the newest table; one question at a time. */
  refresh(): Promise<void> {
    return this.#tables.refresh();
  }

  /** Takes a table that a member sent: queues of members that left are given up, what waited is routed again. */
  applyTable(table: PartitionTable): void {
    if (this.#closed) return;
    const before = this.table;
    const isOther = table.gridId !== before.gridId;
    if (!this.#known.offer(table, !this.#hasLiveQueue)) return;
    if (!isOther) this.#moves.note(before, table, this.#settings.nowMs());
    this.#takeTable(isOther);
  }

  /** @param isOther  of a grid that was started anew: its members know no session */
  #takeTable(isOther: boolean): void {
    const { table } = this;
    if (isOther) this.#session.giveUp();
    if (isOther) this.#maps.forget();
    this.#connections.follow(table);
    for (const [id, queue] of this.#queues) {
      const member = table.members.find((candidate) => candidate.id === id);
      if (member?.address === queue.member.address && queue.down === undefined) {
        if (isOther || !queue.isUp) this.#route(queue.takeQueued());
        continue;
      }
      this.#queues.delete(id);
      queue.retire();
    }
    this.#retries.wake();
    if (this.#moves.isWaiting) this.#armSweeper();
    this.#pollGathering();
    this.#listen();
    this.#onTable.tell(table);
  }

  /** Nobody announces that a grid is complete, or a partition served again: whoever may wait for it asks, and listens. */
  #pollGathering(): void {
    clearInterval(this.#gatheringTimer);
    if (!this.#known.awaitsPrimaries || this.#closed) return;
    const ask = (): void => {
      void this.refresh();
      this.#listen();
    };
    this.#gatheringTimer = setInterval(ask, GATHERING_POLL_MS);
    this.#gatheringTimer.unref();
  }

  /** Hears of new tables for as long as anything waits for one. */
  #listen(): void {
    if (this.#closed) return;
    const nowMs = this.#settings.nowMs();
    const isWaiting =
      this.#known.awaitsPrimaries ||
      this.#retries.size > 0 ||
      this.#waits.isAnyLate ||
      [...this.#queues.values()].some((queue) => (!queue.isUp && !queue.isIdle) || queue.isLate(nowMs));
    if (isWaiting) this.#tables.follow();
    else this.#tables.rest();
  }

  async #openSession(): Promise<number> {
    const { timeoutMs } = this.#settings;
    const opened = await this.any({ timeoutMs }, async (connection, options) => {
      const lease = await connection.kv.openSession(sessionRequest(this.#settings), options);
      this.observeVersion(lease.version);
      return { session: lease.session, address: connection.address };
    });
    for (const queue of this.#queues.values()) {
      if (queue.member.address === opened.address) queue.noteSession(opened.session);
    }
    return opened.session;
  }

  #renewLeases(): void {
    const { session, lowest } = this.#session.numbers;
    for (const queue of this.#queues.values()) queue.renew(session, lowest);
  }

  /** The clock of deadlines runs while something waits. */
  #armSweeper(): void {
    // After the sockets were read: where this process was late, answers that came in time still lie in them.
    this.#sweeper ??= setTimeout(() => setImmediate(() => this.#onSweeper()), SWEEP_MS);
  }

  #onSweeper(): void {
    this.#sweeper = undefined;
    if (this.#closed) return;
    this.#sweep();
    this.#listen();
    const isQuiet = [...this.#queues.values()].every((queue) => queue.isIdle);
    const isIdle = this.#retries.size === 0 && !this.#moves.isWaiting && isQuiet;
    if (!isIdle) this.#armSweeper();
  }

  #sweep(): void {
    const nowMs = this.#settings.nowMs();
    const missing = (): GridError | undefined => this.#known.whatIsMissing();
    for (const id of this.#moves.due(nowMs)) {
      const queue = this.#queues.get(id);
      if (queue !== undefined) this.#route(queue.takeMoved(this.#isNotOf(queue.member)));
    }
    for (const queue of this.#queues.values()) {
      // What waits for a lost member may belong to another owner by now.
      if (!queue.isUp && !queue.isIdle) {
        this.#tables.refreshIfDue(nowMs);
        this.#failUnreachable(queue, nowMs);
      }
      queue.sweep(nowMs, (target, wasSent, isMutation) => overdueCall(target, wasSent && isMutation, queue, missing));
    }
    this.#room.look();
    this.#retries.sweep(nowMs, (operation, reason) => overdueRetry(operation, reason, missing));
  }

  /** router R4: a living member says that the table is unchanged: nobody else can be asked, but for who may take over. */
  #failUnreachable(queue: MemberQueue, nowMs: number): void {
    const { down, member, lostAtMs } = queue;
    if (down === undefined || this.table.awaited.includes(member.id) || !this.#tables.isConfirmed(lostAtMs, nowMs))
      return;
    const error = new MemberUnreachableError(member.id, member.address, down.sinceMs);
    queue.failUnsent(error, (partition) => !hasStandIn(this.table, partition));
  }

  get #hasLiveQueue(): boolean {
    return [...this.#queues.values()].some((queue) => queue.isUp);
  }

  /** Rejects what is under way with CLIENT_CLOSED. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#sweeper);
    this.#turns.close();
    clearInterval(this.#leaseTimer);
    clearInterval(this.#gatheringTimer);
    this.#waits.close();
    this.#tables.rest();
    this.#onClose.tellLast();
    const closing = [...this.#queues.values()].map((queue) =>
      queue.endSession(this.#session.numbers.session, CLOSE_SESSION_MS),
    );
    await Promise.all(closing);
    this.#retries.close(clientClosed());
    for (const queue of this.#queues.values()) queue.close(clientClosed());
    this.#connections.close();
    this.#room.wakeAll();
  }
}
