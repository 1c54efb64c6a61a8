/**
 * A client's queue for one member: builders that gather operations, a bounded window of batches under way, reconnection.
 *
 *   add -> builder -> (turn over and worth a message, or full) seal -> outbox -> (window open, link up) stream -> answers -> targets
 *
 * member-queue Q1  At most `windowBatches` batches and `windowBytes` bytes are unanswered; one batch may always be under
 *                  way.
 * member-queue Q2  A batch of a session is sent only after the session was opened at this member.
 * member-queue Q3  When the stream breaks, mutations under way go on under their numbers, reads as if never sent.
 * member-queue Q4  Streams are numbered upwards: what a broken one still carries is void once the member has seen a newer
 *                  one.
 * member-queue Q5  Only what is not in doubt is given up early: a mutation that was sent waits for the member to come
 *                  back.
 */
import { GridError as Failure, type GridError, type MemberAddress, SmallSet } from '@ashlar/core';
import { type KvAnswers, type KvStream, type KvStreamListener, type LinkDown, OPCODE, STATUS } from '@ashlar/transport';
import type { BatchBuilder } from './batch-builder.ts';
import { sweepBatch } from './batch-sweep.ts';
import type { CallTarget } from './call-target.ts';
import { Gathering } from './gathering.ts';
import { LATE_MS } from './late-waits.ts';
import type { MemberLink } from './member-link.ts';
import type { MemberQueueHost } from './member-queue-host.ts';
import { type DetachedOperation, SealedBatch } from './sealed-batch.ts';

/** Answers that are handed out in one go; a batch of that many is worth a message of its own. */
const SLICE_OPERATIONS = 128;

interface AnswerSlice {
  readonly batch: SealedBatch;
  readonly answers: KvAnswers;
  /** The index in `answers` to go on from. */
  next: number;
}

const CONNECT_TRY_MS = 2_000;
const BACKOFF_FIRST_MS = 20;
const BACKOFF_MAX_MS = 1_000;
const SESSION_PAUSE_MS = 100;

/** The newest stream's number over all queues (member-queue Q4): a queue that takes another's place goes on above it. */
let streamGeneration = 0;

/** Operations that may wait for user code, or for a plan, travel apart from those that never do. */
type BuilderKind = 'quick' | 'process' | 'statement' | 'backup';

function kindOf(opcode: number, readBackup: boolean): BuilderKind {
  if (opcode === OPCODE.PROCESS) return 'process';
  if (opcode === OPCODE.STATEMENT) return 'statement';
  return readBackup ? 'backup' : 'quick';
}

export class MemberQueue {
  readonly member: MemberAddress;
  readonly #host: MemberQueueHost;
  readonly #link: MemberLink;
  readonly #gatherings: Record<BuilderKind, Gathering>;
  /** The same, in the order in which they are flushed. */
  readonly #all: readonly Gathering[];
  readonly #outbox: SealedBatch[] = [];
  readonly #inFlight = new SmallSet<SealedBatch>();
  readonly #openedSessions = new Set<number>();
  /** Answers that came and are not handed out yet. */
  readonly #slices: AnswerSlice[] = [];
  #inFlightBytes = 0;
  /** Answers came since the last sweep. */
  #hasHeard = false;
  /** The host's time since which nothing was heard of what is under way. */
  #unheardSinceMs = Number.POSITIVE_INFINITY;
  #stream: KvStream | undefined;
  #openingSession = false;
  #closed = false;
  #lastError: GridError | undefined;
  #lostAtMs: number;
  #backoffMs = BACKOFF_FIRST_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(member: MemberAddress, link: MemberLink, host: MemberQueueHost) {
    this.#lostAtMs = host.nowMs();
    this.member = member;
    this.#host = host;
    this.#link = link;
    const { valueBytesMax } = host.limits;
    this.#gatherings = {
      quick: new Gathering({ valueBytesMax }),
      process: new Gathering({ valueBytesMax }),
      statement: new Gathering({ valueBytesMax }),
      backup: new Gathering({ valueBytesMax, consistency: 1 }),
    };
    this.#all = Object.values(this.#gatherings);
    void this.#connect();
  }

  get isUp(): boolean {
    return this.#stream !== undefined;
  }

  /** The member has left, or the router is closed: nothing is sent through it any more. */
  get isRetired(): boolean {
    return this.#closed;
  }

  /** While the link is known to be down: refused, reset and not there again, or silent. */
  get down(): LinkDown | undefined {
    return this.#stream === undefined ? this.#link.down : undefined;
  }

  /** The host's time when the link was found to be down. */
  get lostAtMs(): number {
    return this.#lostAtMs;
  }

  /** The same moment, milliseconds since 1970. */
  get lostAt(): number {
    return Math.round(Date.now() - (this.#host.nowMs() - this.#lostAtMs));
  }

  /** Why there is no link, while there is none. */
  get lastError(): GridError | undefined {
    return this.#lastError;
  }

  /** Whether nothing is unanswered and nothing waits to be sent. */
  get isQuiet(): boolean {
    return this.#inFlight.size + this.#outbox.length === 0;
  }

  /** Whether operations wait for a flush. */
  get isGathering(): boolean {
    return this.#all.some(({ builder }) => builder.count > 0);
  }

  /** Whether some of them would go, but for a flush that found them too few. */
  get isHolding(): boolean {
    return this.#all.some(({ isHeld }) => isHeld);
  }

  get isIdle(): boolean {
    return this.isQuiet && !this.isGathering;
  }

  /** Whether something is under way of which nothing has been heard for long, as of the last sweep. */
  isLate(nowMs: number): boolean {
    return nowMs - this.#unheardSinceMs >= LATE_MS;
  }

  /** Bytes that wait for the member while it does not get on: it is away, stands still, or is cut off. O(batches). */
  stuckBytes(nowMs: number): number {
    if (this.isUp && !this.isLate(nowMs)) return 0;
    return this.#outbox.reduce((sum, { message }) => sum + message.length, this.#inFlightBytes);
  }

  /** A session was opened at this member by other means. */
  noteSession(session: number): void {
    this.#openedSessions.add(session);
  }

  /** What gathers an operation of this kind; added() follows. */
  builderFor(opcode: number, readBackup: boolean): BatchBuilder {
    const { builder } = this.#gatherings[kindOf(opcode, readBackup)];
    if (builder.count === 0) this.#host.scheduleFlush();
    return builder;
  }

  /** An operation was added to one of the builders. */
  added(builder: BatchBuilder): void {
    const { batchOperationsMax, batchBytesMax } = this.#host.limits;
    if (builder.count >= batchOperationsMax || builder.bytes >= batchBytesMax) {
      this.#seal(this.#all.find((gathering) => gathering.builder === builder)!);
      this.pump();
    }
  }

  /** Queues a batch made elsewhere. */
  enqueue(batch: SealedBatch): void {
    this.#outbox.push(batch);
    this.#host.account(batch.message.length, batch.count);
    this.pump();
  }

  /**
   * The turn is over: what was gathered goes out, unless the window is full or it is not worth a message yet (then it goes
   * on gathering).
   */
  flush(nowMs: number): void {
    const elsewhere = this.#host.underWay.batches - this.#inFlight.size;
    for (const gathering of this.#all) {
      const mayGo = gathering.builder.count > 0 && this.#hasRoom(0) && this.#outbox.length === 0;
      if (!mayGo) gathering.release();
      else if (gathering.isWorthAMessage(nowMs, elsewhere)) this.#seal(gathering);
      this.pump();
    }
  }

  #seal(gathering: Gathering): void {
    const batch = new SealedBatch(gathering.builder, this.#host.sealContext());
    batch.gathering = gathering;
    gathering.release();
    this.#outbox.push(batch);
    this.#host.account(batch.message.length, batch.count);
  }

  #hasRoom(bytes: number): boolean {
    if (this.#inFlight.size === 0) return true;
    const { windowBatches, windowBytes } = this.#host.limits;
    return this.#inFlight.size < windowBatches && this.#inFlightBytes + bytes <= windowBytes;
  }

  /** Sends what the window allows. */
  pump(): void {
    while (this.#stream !== undefined && this.#outbox.length > 0) {
      const batch = this.#outbox[0]!;
      if (!this.#hasRoom(batch.message.length)) return;
      if (batch.session !== 0) {
        if (this.#host.numbersAreFull && this.#inFlight.size > 0) return;
        if (!this.#openedSessions.has(batch.session)) {
          void this.#openSession(batch.session);
          return;
        }
      }
      this.#outbox.shift();
      if (batch.targets.some((target) => target.done)) this.#thinOut(batch);
      else this.#send(this.#stream, batch);
    }
  }

  /** Some calls gave up while they waited here: only the others are sent. */
  #thinOut(batch: SealedBatch): void {
    this.#host.account(-batch.message.length, -batch.count);
    const alive = batch.takeApart((operation) => !batch.targets[operation]!.done);
    batch.keepOnly(alive);
    this.#host.reroute(alive);
  }

  #send(stream: KvStream, batch: SealedBatch): void {
    this.#inFlight.add(batch);
    this.#host.underWay.batches += 1;
    this.#inFlightBytes += batch.message.length;
    batch.gathering?.sent(batch.count);
    batch.wasSent = true;
    try {
      stream.write(batch.messageAt(this.#host.nowMs()), batch.count);
    } catch (error) {
      if (Failure.is(error, 'MESSAGE_TOO_LARGE')) this.#refuse(batch, error);
      else this.#onLost(Failure.wrap(error));
    }
  }

  #refuse(batch: SealedBatch, error: GridError): void {
    batch.gathering?.answered(batch.count);
    this.#forget(batch);
    for (let operation = 0; operation < batch.count; operation++) {
      batch.settle(operation);
      batch.targets[operation]!.fail(batch.positions[operation]!, error, batch.keyOf(operation));
    }
  }

  /**
   * Answers to many callers are handed out in slices, a turn of the event loop between any two: what the first callers ask
   * for next is on its way, and the member at work, while the others get their answers.
   */
  #onAnswers(answers: KvAnswers): void {
    const batch = this.#inFlight.find(({ batchId }) => batchId === answers.batchId);
    if (batch === undefined) return;
    this.#hasHeard = true;
    this.#host.observe(answers);
    if (answers.mapIds !== undefined) batch.learnMaps(answers.mapIds);
    const first = answers.firstOperation ?? 0;
    const count = answers.statuses.length;
    if (first + count > batch.count) throw new Failure('INTERNAL', 'more answers than operations');
    // Counted twice, they would end the batch while others of it are unanswered, and nobody would wait for those.
    if (batch.wasAnswered(first, count)) throw new Failure('INTERNAL', 'operations are answered twice');
    if (this.#slices.length === 0 && (count <= SLICE_OPERATIONS || !batch.targets[first]!.isOneCall)) {
      this.#deliver(batch, answers, 0, count);
      return;
    }
    this.#slices.push({ batch, answers, next: 0 });
    if (this.#slices.length === 1) this.#deliverSlice();
  }

  #deliverSlice(): void {
    const slice = this.#slices[0]!;
    const { batch, answers, next } = slice;
    const end = Math.min(next + SLICE_OPERATIONS, answers.statuses.length);
    slice.next = end;
    if (end === answers.statuses.length) this.#slices.shift();
    this.#deliver(batch, answers, next, end);
    if (this.#slices.length === 0) return;
    setImmediate(() => {
      if (this.#slices.length === 0) return;
      this.flush(this.#host.nowMs());
      this.#deliverSlice();
    });
  }

  /** What came before the link broke counts. */
  #deliverAll(): void {
    for (const { batch, answers, next } of this.#slices.splice(0)) {
      this.#deliver(batch, answers, next, answers.statuses.length);
    }
  }

  /** Hands out answers [from, to) of a message. */
  #deliver(batch: SealedBatch, answers: KvAnswers, from: number, to: number): void {
    // Answered twice over, by slices that waited here: its memory is another batch's.
    if (batch.isOver) return;
    const first = answers.firstOperation ?? 0;
    const { statuses } = answers;
    const { targets, positions } = batch;
    let failures: number[] | undefined;
    for (let index = from; index < to; index++) {
      const operation = first + index;
      if (batch.hasMoved(operation)) continue;
      if (statuses[index]! <= STATUS.TRUE) {
        targets[operation]!.answer(positions[operation]!, answers, index);
        batch.settle(operation);
      } else if (failures === undefined) failures = [index];
      else failures.push(index);
    }
    if (failures !== undefined) {
      batch.hadFailures = true;
      this.#host.failures(batch, answers, failures);
    }
    // What failed may be read for longer: keys for messages, operations that are sent again.
    if (to === statuses.length && !batch.hadFailures) this.#stream?.giveBack?.(answers.values);
    batch.gathering?.answered(to - from - batch.movedOf(first + from, to - from));
    if (batch.noteAnswered(first + from, to - from)) {
      const wasInFlight = this.#forget(batch);
      if (wasInFlight && !batch.hadFailures) this.#stream?.giveBack?.(batch.message);
    }
    this.pump();
    if (this.isGathering) this.#host.scheduleFlush();
  }

  /** @returns whether it was in flight */
  #forget(batch: SealedBatch): boolean {
    const wasInFlight = this.#inFlight.delete(batch);
    batch.isOver = true;
    if (wasInFlight) this.#host.underWay.batches -= 1;
    this.#inFlightBytes -= batch.message.length;
    batch.settleAll();
    this.#host.account(-batch.message.length, -batch.count);
    return wasInFlight;
  }

  // --- the link

  async #connect(): Promise<void> {
    try {
      await this.#link.ready(CONNECT_TRY_MS);
      const hello = await this.#link.hello(
        { protocolMin: 1, protocolMax: 1, caller: this.#host.clientName },
        CONNECT_TRY_MS,
      );
      if (this.#closed) return;
      if (hello !== undefined && (hello.gridId !== this.#host.gridId || hello.memberId !== this.member.id)) {
        this.#host.onUnknownMember(hello);
        throw new Failure('CONNECTION_LOST', `another member (${hello.memberId}) answers at ${this.member.address}`);
      }
      this.#openStream();
    } catch (error) {
      if (!this.#closed) this.#onLost(Failure.wrap(error));
    }
  }

  #openStream(): void {
    const listener: KvStreamListener = {
      onAnswers: (answers) => {
        this.#backoffMs = BACKOFF_FIRST_MS;
        this.#onAnswers(answers);
      },
      onClosed: (error) => {
        if (this.#stream === stream) this.#onLost(error);
      },
    };
    const stream = this.#link.openStream(listener, ++streamGeneration);
    this.#stream = stream;
    this.#lastError = undefined;
    this.pump();
    this.#host.scheduleFlush();
  }

  #onLost(error: GridError): void {
    if (this.#stream !== undefined) this.#lostAtMs = this.#host.nowMs();
    this.#stream = undefined;
    this.#lastError = error;
    if (this.#closed) return;
    // With jitter: the clients of a member that comes back do not all come in one moment.
    this.#timer = setTimeout(() => void this.#connect(), this.#backoffMs * (0.5 + Math.random() / 2));
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
    // What was sent stays before what was to follow it.
    const waiting = this.#outbox.splice(0);
    this.#host.reroute(this.#takeInFlight());
    this.#outbox.push(...waiting);
    this.#host.onDown();
  }

  /** member-queue Q3: what nobody waits for any more is not sent again. */
  #takeInFlight(): DetachedOperation[] {
    this.#deliverAll();
    const loose: DetachedOperation[] = [];
    for (const batch of this.#inFlight.takeAll()) {
      this.#host.underWay.batches -= 1;
      this.#inFlightBytes -= batch.message.length;
      this.#host.account(-batch.message.length, -batch.count);
      const alive = (operation: number): boolean => batch.isAwaited(operation) && !batch.targets[operation]!.done;
      const mine = batch.takeApart(alive, () => true);
      batch.keepOnly(mine);
      loose.push(...mine);
    }
    for (const gathering of this.#all) gathering.forget();
    return loose;
  }

  /**
   * Takes back what the member has not answered for partitions that are another's by now, and all that waits to be sent. It
   * goes on under its numbers (member-queue Q3).
   */
  takeMoved(isMoved: (partition: number) => boolean): DetachedOperation[] {
    this.#deliverAll();
    const loose: DetachedOperation[] = [];
    for (const batch of [...this.#inFlight]) {
      const before = batch.movedOf(0, batch.count);
      loose.push(...batch.takeMoved(isMoved));
      batch.gathering?.answered(batch.movedOf(0, batch.count) - before);
      if (batch.isEmpty) this.#forget(batch);
    }
    return [...loose, ...this.takeQueued()];
  }

  /** Takes back what was never sent, to send it another way. */
  takeQueued(): DetachedOperation[] {
    this.#sealAll();
    return this.#outbox.splice(0).flatMap((batch) => {
      this.#host.account(-batch.message.length, -batch.count);
      const alive = batch.takeApart((operation) => !batch.targets[operation]!.done);
      batch.keepOnly(alive);
      return alive;
    });
  }

  #sealAll(): void {
    for (const gathering of this.#all) if (gathering.builder.count > 0) this.#seal(gathering);
  }

  async #openSession(session: number): Promise<void> {
    if (this.#openingSession) return;
    this.#openingSession = true;
    try {
      const lease = await this.#link.openSession(this.#host.sessionRequest(session), CONNECT_TRY_MS);
      this.#host.observeVersion(lease.version);
      this.#openedSessions.add(session);
    } catch (error) {
      this.#lastError = Failure.wrap(error);
      await new Promise((resolve) => setTimeout(resolve, SESSION_PAUSE_MS));
    } finally {
      this.#openingSession = false;
    }
    if (!this.#closed) this.pump();
  }

  /** Keeps the session alive at the member. */
  renew(session: number, lowestUnanswered: number): void {
    if (this.#stream === undefined || !this.#openedSessions.has(session)) return;
    this.#link.renewSession(session, lowestUnanswered, CONNECT_TRY_MS).then(
      ({ version }) => this.#host.observeVersion(version),
      () => undefined,
    );
  }

  async endSession(session: number, timeoutMs: number): Promise<void> {
    if (this.#stream === undefined || !this.#openedSessions.has(session)) return;
    await this.#link.closeSession(session, timeoutMs).catch(() => undefined);
  }

  // --- time and end

  /** Fails what is overdue. */
  sweep(nowMs: number, overdue: (target: CallTarget, wasSent: boolean, isMutation: boolean) => GridError): void {
    this.#noteHeard(nowMs);
    for (const { builder } of this.#all) {
      if (builder.minDeadlineMs > nowMs) continue;
      builder.targets.forEach((target, operation) => {
        if (!target.done && target.deadlineMs <= nowMs) {
          target.fail(builder.positions[operation]!, overdue(target, false, false), undefined);
        }
      });
    }
    for (const batch of this.#outbox) sweepBatch(batch, nowMs, overdue);
    this.#dropAbandoned();
    for (const batch of this.#inFlight) sweepBatch(batch, nowMs, overdue);
  }

  #noteHeard(nowMs: number): void {
    if (this.#inFlight.size === 0) this.#unheardSinceMs = Number.POSITIVE_INFINITY;
    else if (this.#hasHeard || this.#unheardSinceMs === Number.POSITIVE_INFINITY) this.#unheardSinceMs = nowMs;
    this.#hasHeard = false;
  }

  /**
   * The member cannot be reached: what is not in doubt fails now (member-queue Q5).
   *
   * @param isHopeless  nobody else will ever serve the partition
   */
  failUnsent(error: GridError, isHopeless: (partition: number) => boolean): void {
    this.#sealAll();
    for (const batch of this.#outbox) {
      const { partitions } = batch;
      batch.targets.forEach((target, operation) => {
        if (target.done || (batch.wasResent && batch.isMutation(operation))) return;
        if (!isHopeless(partitions[operation]!)) return;
        target.fail(batch.positions[operation]!, error, batch.keyOf(operation));
      });
      if (batch.targets.every((target) => target.done)) batch.minDeadlineMs = Number.POSITIVE_INFINITY;
    }
    this.#dropAbandoned();
  }

  /** Batches that nobody waits for any more make room for others, also while there is no link. */
  #dropAbandoned(): void {
    for (let index = this.#outbox.length - 1; index >= 0; index--) {
      const batch = this.#outbox[index]!;
      if (batch.minDeadlineMs !== Number.POSITIVE_INFINITY || !batch.targets.every((target) => target.done)) continue;
      this.#outbox.splice(index, 1);
      batch.keepOnly([]);
      this.#host.account(-batch.message.length, -batch.count);
    }
  }

  /** Fails everything with `error` and lets the member go. */
  close(error: GridError): void {
    this.#closed = true;
    this.#deliverAll();
    clearTimeout(this.#timer);
    this.#host.underWay.batches -= this.#inFlight.size;
    const all = [...this.#outbox.splice(0), ...this.#inFlight.takeAll()];
    for (const { targets, positions } of [...all, ...this.#all.map(({ builder }) => builder)]) {
      targets.forEach((target, operation) => {
        target.fail(positions[operation]!, error, undefined);
      });
    }
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.close();
    this.#link.close();
  }

  /** The member left the grid: everything finds another way. */
  retire(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    const stream = this.#stream;
    this.#stream = undefined;
    this.#host.reroute([...this.#takeInFlight(), ...this.takeQueued()]);
    stream?.close();
    this.#link.abandon();
  }
}
