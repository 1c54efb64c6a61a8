/**
 * A load: entries of a source, stored as fast as the grid takes them, each for itself.
 *
 *   source -> key, partition -> the member's batch -- full, or the source is slow --> message -> answers -> tally
 *      ^                                                                                            |
 *      +---------------------- room: less than `bytesInFlightMax` gathered and unanswered ----------+
 *
 * load L1  An entry is taken from the source only while less than `bytesInFlightMax` is gathered or unanswered.
 * load L2  Of a key one entry is under way at a time: entries of one key take effect in the order of the source, also where
 *          some of a batch are sent again (keys-under-way.ts). One that comes again waits for the answer of the former.
 * load L3  An entry is sent at most once as far as anybody can see: it has one outcome, by its session's number.
 * load L4  The load ends when nothing of it is under way any more; at once where its caller gives up. Then what was sent and
 *          not answered is in doubt, and nothing else is.
 * load L5  Nothing lingers: what was gathered leaves when the source has nothing more at the end of a turn.
 */
import { CancelledError, GridError, OutcomeUnknownError, SmallSet } from '@ashlar/core';
import { hashBytes, type Key, KeyWriter } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import type { BatchBuilder, OperationExtras } from './batch-builder.ts';
import { type CallLimits, checkTimeout } from './call-target.ts';
import { clientClosed } from './errors.ts';
import { checkKeyLength } from './key-checks.ts';
import { KeysUnderWay } from './keys-under-way.ts';
import { LoadBatch, type LoadBatchListener } from './load-batch.ts';
import { type LoadProgress, type LoadResult, LoadTally } from './load-tally.ts';
import type { MapHandle } from './map-handle.ts';
import type { MemberQueue } from './member-queue.ts';
import type { Router } from './router.ts';

/** A message goes when it has so many bytes or operations: the member works on it while the next one is encoded. */
const MESSAGE_BYTES = 128 << 10;
const MESSAGE_OPERATIONS = 1024;
/** Gathered and unanswered, for each member, where the caller says nothing. */
const MEMBER_BYTES = 4 << 20;
/** With so many messages unanswered, what a slow source gives waits for an answer: messages are not made thin. */
const THIN_MESSAGES = 4;
/** Entries without a turn of the event loop: where all of them are refused, none is sent. */
const TURN_ENTRIES = 4096;

type Next = IteratorResult<readonly [Key, unknown], unknown>;

/** The second form: also of a source that returns what it has at hand without a promise (EntryStream in the room api). */
export type LoadSource = Iterable<readonly [Key, unknown]> | { [Symbol.asyncIterator](): Entries };

export interface LoadSettings {
  /** Goes on where an entry fails; else the first failure ends the load. */
  readonly goesOn?: boolean;
  readonly bytesInFlightMax?: number | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Stores the entries of a source.
 *
 * @param limits  its time is that of each batch
 * @throws (rejects with) the first failure where nothing was stored; PARTIAL; CANCELLED with what was stored by then
 */
export function load(
  router: Router,
  map: MapHandle,
  source: LoadSource,
  extras: OperationExtras | undefined,
  limits: CallLimits,
  settings: LoadSettings = {},
): Promise<LoadResult> {
  const running = new Load(router, map, extras, router.traced(limits), settings);
  running.start(source);
  return running.finished;
}

/** What is gathered for a member. */
interface Gathering {
  readonly builder: BatchBuilder;
  batch: LoadBatch | undefined;
}

/** As its source is read; synchronous ones only ever return results. */
interface Entries {
  next(): Next | Promise<Next>;
  return?(value: undefined): unknown;
}

class Load implements LoadBatchListener {
  readonly finished: Promise<LoadResult>;
  readonly #router: Router;
  readonly #map: MapHandle;
  readonly #extras: OperationExtras | undefined;
  readonly #limits: CallLimits & { readonly timeoutMs: number };
  readonly #settings: LoadSettings;
  readonly #keys = new KeyWriter();
  readonly #keysUnderWay = new KeysUnderWay();
  readonly #tally = new LoadTally();
  /** By queue; undefined: nobody owns the partition. */
  readonly #gatherings = new Map<MemberQueue | undefined, Gathering>();
  /** Sent and not answered. */
  readonly #unanswered = new SmallSet<LoadBatch>();
  #entries: Entries | undefined;
  #unansweredBytes = 0;
  /** Nothing more is taken from the source. */
  #isEnding = false;
  /** The load is settled. */
  #isOver = false;
  /** The source was asked, and has not answered. */
  #isWaiting = false;
  #isFlushDue = false;
  #isFinishing = false;
  /** Entries taken when the event loop turned last. */
  #turnedAt = 0;
  #wake: (() => void) | undefined;
  #resolve!: (result: LoadResult) => void;
  #reject!: (error: unknown) => void;

  constructor(
    router: Router,
    map: MapHandle,
    extras: OperationExtras | undefined,
    limits: CallLimits,
    settings: LoadSettings,
  ) {
    this.#router = router;
    this.#map = map;
    this.#extras = extras;
    this.#limits = { ...limits, timeoutMs: checkTimeout(limits.timeoutMs ?? router.defaultTimeoutMs) };
    this.#settings = settings;
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  start(source: LoadSource): void {
    const { signal } = this.#limits;
    if (this.#router.isClosed) this.#reject(clientClosed());
    else if (signal?.aborted === true) this.#reject(new CancelledError('load'));
    else {
      signal?.addEventListener('abort', this.#onAbort, { once: true });
      void this.#run(source);
    }
  }

  async #run(source: LoadSource): Promise<void> {
    try {
      const isAsync = Symbol.asyncIterator in source;
      this.#entries = isAsync ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
      if (await this.#takeAll(this.#entries)) this.#entries = undefined;
    } catch (error) {
      // What the source gave before it threw is stored.
      this.#tally.broke(error);
    }
    await this.#finish();
  }

  /** @returns whether the source has come to its end */
  async #takeAll(entries: Entries): Promise<boolean> {
    while (!this.#isEnding) {
      let next = entries.next();
      if (isPromise(next)) {
        this.#isWaiting = true;
        this.#flushSoon();
        next = await next;
        this.#isWaiting = false;
        if (this.#isEnding) return false;
      }
      if (next.done === true) return true;
      const [key, value] = next.value;
      const wait = this.#take(key, value, this.#tally.taken++);
      if (wait !== undefined) await wait;
      else if (this.#tally.taken - this.#turnedAt >= TURN_ENTRIES) await this.#turn();
    }
    return false;
  }

  /** @returns what to wait for before the next entry is taken */
  #take(key: Key, value: unknown, position: number): Promise<void> | undefined {
    try {
      const keys = this.#keys;
      keys.reset();
      keys.write(key);
      checkKeyLength(keys, this.#router.limits.keyBytesMax);
      const hash = hashBytes(keys.bytes, keys.start, keys.end, 0);
      const partition = this.#router.partitionOf(this.#map, keys.bytes, keys.start, keys.end);
      const gathering = this.#gatheringFor(this.#router.queueOf(partition));
      const batch = gathering.batch ?? this.#newBatch();
      if (this.#keysUnderWay.has(hash)) return this.#takeBehind(hash, key, value, position);
      this.#add(gathering.builder, batch, partition, value);
      gathering.batch = batch;
      batch.hold(key, hash, position);
      this.#keysUnderWay.begin(hash);
      return this.#sendWhenFull(gathering.builder);
    } catch (error) {
      this.#refused(key, position, error);
      return undefined;
    }
  }

  /** The key is under way (load L2): what is gathered leaves, and the entry comes once the other is answered. */
  async #takeBehind(hash: number, key: Key, value: unknown, position: number): Promise<void> {
    while (this.#keysUnderWay.has(hash) && !this.#isOver) {
      this.#sendAll();
      await this.#settled();
    }
    if (this.#isOver) return;
    if (this.#isEnding) this.#tally.failed(key, position, endingError());
    else await this.#take(key, value, position);
  }

  #add(builder: BatchBuilder, batch: LoadBatch, partition: number, value: unknown): void {
    builder.writeValue(value);
    if (this.#router.isClosed) throw clientClosed();
    const { bytes, start, end } = this.#keys;
    builder.writeKey(bytes, start, end);
    builder.add(OPCODE.PUT, this.#map, partition, this.#extras, batch, batch.count);
  }

  #gatheringFor(queue: MemberQueue | undefined): Gathering {
    let gathering = this.#gatherings.get(queue);
    if (gathering === undefined) {
      gathering = { builder: this.#router.newBuilder(false), batch: undefined };
      this.#gatherings.set(queue, gathering);
    }
    return gathering;
  }

  #newBatch(): LoadBatch {
    const { timeoutMs, trace } = this.#limits;
    return new LoadBatch({ timeoutMs, trace }, this);
  }

  /** An entry that cannot be sent. */
  #refused(key: Key, position: number, error: unknown): void {
    this.#tally.failed(key, position, GridError.wrap(error));
    if (this.#settings.goesOn === true && !this.#router.isClosed) return;
    // What was taken before it is stored, so that the source can be gone on with from here.
    if (!this.#router.isClosed) this.#sendAll();
    this.#isEnding = true;
  }

  /* ---- Sending ------------------------------------------------------------------------------------------------------ */

  #sendWhenFull(builder: BatchBuilder): Promise<void> | undefined {
    if (builder.bytes < MESSAGE_BYTES && builder.count < MESSAGE_OPERATIONS) return undefined;
    this.#sendAll();
    return this.#turn();
  }

  /** All that is gathered leaves. */
  #sendAll(): void {
    for (const [queue, gathering] of this.#gatherings) {
      const { batch, builder } = gathering;
      if (batch === undefined) continue;
      gathering.batch = undefined;
      batch.leaves(builder, this.#router.nowMs());
      this.#unanswered.add(batch);
      this.#unansweredBytes += batch.bytes;
      this.#router.dispatch(queue, builder);
      if (queue?.isRetired !== false) this.#gatherings.delete(queue);
    }
  }

  /** A turn of the event loop, so that what was sent gets out, and room (load L1). */
  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#turnedAt = this.#tally.taken;
    const bytesMax = this.#settings.bytesInFlightMax ?? MEMBER_BYTES * Math.max(1, this.#router.table.members.length);
    while (this.#unansweredBytes >= bytesMax && !this.#isEnding) await this.#settled();
    for (let room = this.#router.room(); room !== undefined && !this.#isEnding; room = this.#router.room()) await room;
  }

  /** The next batch that is settled, or the end. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** load L5: once the turn is over, if the source has not answered by then. */
  #flushSoon(): void {
    if (this.#isFlushDue || this.#unanswered.size >= THIN_MESSAGES) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      if (this.#isWaiting && !this.#isEnding) this.#sendAll();
    });
  }

  /* ---- LoadBatchListener -------------------------------------------------------------------------------------------- */

  onFailed(key: Key, position: number, error: GridError): void {
    if (this.#isOver) return;
    this.#tally.failed(key, position, error);
    if (this.#settings.goesOn !== true || error.code === 'CLIENT_CLOSED') this.#isEnding = true;
  }

  onSettled(batch: LoadBatch): void {
    this.#unanswered.delete(batch);
    this.#unansweredBytes -= batch.bytes;
    for (const hash of batch.hashes) this.#keysUnderWay.end(hash);
    if (this.#isOver) return;
    this.#tally.stored += batch.stored;
    this.#tally.bytes += Math.round((batch.bytes * batch.stored) / batch.count);
    try {
      this.#settings.onProgress?.(this.#tally.progress);
    } catch (error) {
      this.#tally.broke(error);
      this.#isEnding = true;
    }
    if (this.#isWaiting) {
      // A source that is slow to answer is not waited for once the load ends.
      if (this.#isEnding) void this.#finish();
      else this.#flushSoon();
    }
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /* ---- The end ------------------------------------------------------------------------------------------------------- */

  /** What is gathered leaves, or after a failure never will; then all is waited for (load L4). */
  async #finish(): Promise<void> {
    if (this.#isFinishing || this.#isOver) return;
    this.#isFinishing = true;
    this.#leaveSource();
    if (!this.#isEnding) this.#sendAll();
    this.#dropGathered();
    while (this.#unanswered.size > 0 && !this.#isOver) await this.#settled();
    if (this.#isOver) return;
    this.#end();
    const { hasFailed, isBroken, result } = this.#tally;
    const isFailure = isBroken || (hasFailed && (this.#isEnding || this.#settings.goesOn !== true));
    if (isFailure) this.#reject(this.#tally.error());
    else this.#resolve(result);
  }

  #dropGathered(): void {
    for (const gathering of this.#gatherings.values()) {
      const { batch } = gathering;
      gathering.batch = undefined;
      batch?.keys.forEach((key, index) => {
        this.#tally.failed(key, batch.sourcePositions[index]!, endingError());
      });
    }
    this.#gatherings.clear();
  }

  /** The source is not read to its end; nobody waits for what it does then. */
  #leaveSource(): void {
    const entries = this.#entries;
    this.#entries = undefined;
    try {
      Promise.resolve(entries?.return?.(undefined)).catch(() => undefined);
    } catch {
      // What a source does when it is left says nothing of the entries.
    }
  }

  /** The caller gives up (load L4). */
  readonly #onAbort = (): void => {
    if (this.#isOver) return;
    this.#isEnding = true;
    this.#leaveSource();
    this.#dropGathered();
    for (const batch of this.#unanswered) {
      batch.done = true;
      this.#tally.stored += batch.stored;
      for (const position of batch.pending) {
        this.#tally.failed(batch.keys[position]!, batch.sourcePositions[position]!, new OutcomeUnknownError('load'));
      }
    }
    this.#end();
    this.#reject(this.#tally.cancelled());
    this.#wakeUp();
  };

  #end(): void {
    this.#isOver = true;
    this.#limits.signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** Of any kind: a source may have promises of its own. */
function isPromise(next: Next | Promise<Next>): next is Promise<Next> {
  return typeof (next as Partial<Promise<Next>>).then === 'function';
}

function endingError(): GridError {
  return new CancelledError('the rest of a load that has failed');
}
