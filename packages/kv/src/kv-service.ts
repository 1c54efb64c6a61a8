/**
 * The kv service: streams of batches, sessions, and the unary twins for people.
 *
 * A batch is worked on at once and in the order of its stream. Only one that must wait for its maps (to be created, or
 * looked up), for a table as new as its caller's, or because too many commits are awaited, makes the later batches of its
 * stream wait too.
 *
 * kv-service 1  A batch whose caller routed by a newer table than this member has is not served by the older one: the member
 *               catches up first, within the time of its callers, or refuses it with a code that says that nothing was sealed.
 */
import { type CallScope, GridError, ttlNumber, wasNeverSealed } from '@ashlar/core';
import type { MemberMetrics, Tracing } from '@ashlar/observe';
import { checkOneGo, type LogPressure, WaitingKeys } from '@ashlar/partitions';
import { checkKey, decodeKey, decodeValue, encodeValue, type Key } from '@ashlar/serialization';
import {
  type CallContext,
  isMutation,
  type KeyText,
  type KvAnswerSink,
  type KvAnswers,
  type KvBatch,
  type KvBatchSink,
  type KvService,
  OPCODE,
  type PutRequest,
  type SessionLease,
} from '@ashlar/transport';
import { type AnswerHeader, Answers } from './answers.ts';
import { countBatch, countEach, countersOf } from './batch-counts.ts';
import { type BatchMaps, knownMaps, mapIdsToTell, mapsOf } from './batch-maps.ts';
import { BatchRecord } from './batch-record.ts';
import { type BatchListener, BatchRun, type RunOptions } from './batch-run.ts';
import type { BatchDependencies } from './batch-scope.ts';
import { BatchSpans } from './batch-spans.ts';
import { jsonText, valueOfJson } from './json-text.ts';
import { type Session, type Sessions, unknownOutcome } from './sessions.ts';
import { UndecidedPartitions } from './undecided-partitions.ts';

/** For the way of a refusal to its caller. */
const ANSWER_MS = 25;
/** Errors of longer batches have no stack traces. */
const TRACED_OPERATIONS = 1024;

export interface KvDependencies extends BatchDependencies {
  readonly sessions: Sessions;
  readonly metrics: MemberMetrics;
  readonly pressure: LogPressure;
  readonly tracing: Tracing;
  readonly clock: { now(): number; observe(version: never): void };
  /** Reaches a key at the member that owns it: unary calls are taken by any member. */
  readonly forward: KeyForwarder;
}

/** What the unary calls need of the whole grid. */
export interface KeyForwarder {
  get(
    map: string,
    key: Key,
    scope: CallScope,
  ): Promise<{ value: Uint8Array; version: number; expiresAtMs: number } | undefined>;
  put(map: string, key: Key, value: Uint8Array, ttlMs: number, scope: CallScope): Promise<void>;
  remove(map: string, key: Key, scope: CallScope): Promise<boolean>;
}

export function kvService(deps: KvDependencies): KvService {
  return {
    openStream: (answers, context, generation = 0) => new BatchStream(deps, answers, context, generation),
    async openSession({ session, forListeners = false }, context) {
      if (forListeners) context.require('member', undefined);
      const opened = deps.sessions.open(session);
      if (forListeners) opened.isForListeners = true;
      return leaseOf(opened, deps);
    },
    async renewSession({ session, lowestUnanswered }) {
      const known = deps.sessions.touch(session);
      if (known === undefined) throw new GridError('SESSION_EXPIRED', `session ${session} is not known here`);
      known.raiseFloor(lowestUnanswered);
      return leaseOf(known, deps);
    },
    closeSession: async ({ session }) => deps.sessions.close(session),
    async get({ map, key }, context) {
      const entry = await deps.forward.get(map, keyOf(key), context);
      if (entry === undefined) return { found: false, json: '', version: 0, expiresAtMs: 0 };
      const { version, expiresAtMs } = entry;
      checkOneGo(entry.value);
      return { found: true, json: jsonText(decodeValue(entry.value)), version, expiresAtMs };
    },
    async put({ map, key, ttlMs, ...request }, context) {
      if (ttlMs !== 0) ttlNumber(ttlMs, 'ttl_ms (time to live)');
      await deps.forward.put(map, keyOf(key), valueBytesOf(request, deps.valueBytesMax), ttlMs, context);
      return { version: deps.clock.now() };
    },
    remove: async ({ map, key }, context) => ({ removed: await deps.forward.remove(map, keyOf(key), context) }),
  };
}

function leaseOf({ id }: Session, { sessions, clock }: KvDependencies): SessionLease {
  return { session: id, leaseMs: sessions.leaseMs, version: clock.now() };
}

/** One caller's stream. */
class BatchStream implements KvBatchSink {
  readonly #deps: KvDependencies;
  readonly #sink: KvAnswerSink;
  readonly #caller: Pick<CallContext, 'require'>;
  /** Number of this stream among those of its caller to this member; 0: not counted. */
  readonly #generation: number;
  readonly #waiting = new WaitingKeys();
  /** Undecided writes of the session that the caller wrote with last. Batches that only read name no session. */
  #undecided = new UndecidedPartitions();
  #isClosed = false;
  /** Set while a batch waits as a whole. */
  #tail: Promise<void> | undefined;

  constructor(deps: KvDependencies, sink: KvAnswerSink, caller: Pick<CallContext, 'require'>, generation: number) {
    this.#deps = deps;
    this.#sink = sink;
    this.#caller = caller;
    this.#generation = generation;
  }

  onBatch(batch: KvBatch): void {
    const arrivedMs = performance.now();
    const isAtHand = this.#tail === undefined && batch.tableVersion <= this.#deps.control.table.tableVersion;
    const known = isAtHand ? knownMaps(batch, this.#deps) : undefined;
    if (known === undefined) this.#runAfter(this.#tail, batch, arrivedMs);
    else this.#goOnAfter(this.#run(batch, known, arrivedMs));
  }

  #runAfter(before: Promise<void> | undefined, batch: KvBatch, arrivedMs: number): void {
    const run = async (): Promise<void> => {
      try {
        await before;
        const behind = this.#deps.control.waitForTable(batch.tableVersion, untilOf(batch, arrivedMs));
        if (behind !== undefined) await behind;
        await this.#run(batch, knownMaps(batch, this.#deps) ?? (await mapsOf(batch, this.#deps)), arrivedMs);
      } catch (error) {
        this.#refuse(batch, error);
      }
    };
    this.#goOnAfter(run());
  }

  /** Later batches come after it. */
  #goOnAfter(running: Promise<void> | undefined): void {
    if (running === undefined) return;
    const tail = running.finally(() => {
      if (this.#tail === tail) this.#tail = undefined;
    });
    this.#tail = tail;
  }

  onClose(): void {
    this.#isClosed = true;
  }

  /** @returns as BatchRun.start() */
  #run(batch: KvBatch, found: BatchMaps, arrivedMs: number): Promise<void> | undefined {
    let run: BatchRun;
    try {
      run = this.#prepare(batch, found, arrivedMs);
    } catch (error) {
      this.#refuse(batch, error);
      return undefined;
    }
    return batch.count > TRACED_OPERATIONS ? withoutStacks(() => run.start()) : run.start();
  }

  /** @throws GridError CLOCK_AHEAD, OVERLOADED, OUTCOME_UNKNOWN */
  #prepare(batch: KvBatch, found: BatchMaps, arrivedMs: number): BatchRun {
    const { clock } = this.#deps;
    const session = this.#sessionOf(batch);
    session?.enter(this.#generation);
    if (batch.sessionVersion > 0) clock.observe(batch.sessionVersion as never);
    session?.raiseFloor(batch.lowestUnanswered);
    const record = session === undefined ? undefined : recordOf(batch);
    const isRepeat = batch.resent || (record !== undefined && session!.mayHave(record.first, record.last));
    const mapIds = mapIdsToTell(batch, found.maps);
    const spans = batch.traces.length === 0 ? undefined : new BatchSpans(batch, this.#deps.tracing);
    if (record !== undefined) session!.note(record);
    if (session !== undefined) this.#undecided = session.undecided;
    const undecided = this.#undecided;
    const waiting = this.#waiting;
    const traceOf = spans?.traceOf;
    const caller = this.#caller;
    const options: RunOptions = { found, session, record, isRepeat, caller, waiting, undecided, arrivedMs, traceOf };
    return new BatchRun(batch, options, this.#deps, new BatchEnd(this, record, spans, mapIds, found.maps));
  }

  /** What is sent again is answered also in a session that is not known here (sessions W7). */
  #sessionOf({ session, resent }: KvBatch): Session | undefined {
    if (session === 0) return undefined;
    const { sessions } = this.#deps;
    return resent ? sessions.resume(session) : sessions.touch(session);
  }

  tellRun(run: BatchRun, first: number, end: number, mapIds: Uint32Array | undefined): boolean {
    // Under pressure writers are delayed, unless they have waited for room already: the whole answer is.
    if (!run.progress.hasWaited && run.isWriting && this.#deps.pressure.isHigh(run.batch.partitions)) return false;
    this.#answer(run.answers.piece(first, end, this.#headerOf(run, mapIds)));
    return true;
  }

  endRun(
    run: BatchRun,
    record: BatchRecord | undefined,
    spans: BatchSpans | undefined,
    mapIds: Uint32Array | undefined,
    maps: BatchMaps['maps'],
  ): void {
    const { batch } = run;
    try {
      spans?.end(run.answers.firstError);
      record?.finish(run.answers.kept(batch.opcodes));
      this.#measure(run, maps);
      this.#answerAll(run, mapIds);
      if (isReadNoMore(run)) this.#sink.over?.(batch);
    } catch (error) {
      this.#refuse(batch, error);
    }
  }

  #headerOf({ batch, highestVersion }: BatchRun, mapIds: Uint32Array | undefined): AnswerHeader {
    const { clock, control } = this.#deps;
    const { batchId } = batch;
    const { tableVersion } = control.table;
    return { batchId, highestVersion: Math.max(highestVersion, clock.now()), tableVersion, mapIds };
  }

  /** Sends the answers that are left; writers under pressure wait for them, unless they have waited for room already. */
  #answerAll(run: BatchRun, mapIds: Uint32Array | undefined): void {
    const { batch } = run;
    const { pressure, metrics, answerMemory } = this.#deps;
    const isDelayed = !run.progress.hasWaited && run.isWriting && pressure.isHigh(batch.partitions);
    if (!isDelayed) {
      for (const [first, end] of run.untold()) this.#answer(run.answers.piece(first, end, this.#headerOf(run, mapIds)));
      run.answers.release(answerMemory);
      return;
    }
    metrics.delayedAnswers++;
    const pieces = Array.from(run.untold(), ([first, end]) =>
      run.answers.piece(first, end, this.#headerOf(run, mapIds)),
    );
    setTimeout(() => {
      for (const piece of pieces) this.#answer(piece);
    }, pressure.delayMs);
  }

  #answer(answers: KvAnswers): void {
    if (!this.#isClosed) this.#sink.write(answers);
  }

  #measure(run: BatchRun, maps: BatchMaps['maps']): void {
    const { metrics } = this.#deps;
    const us = (performance.now() - run.arrivedMs) * 1000;
    if (run.calls > 0) metrics.processLatency.record(us, run.calls);
    if (run.answers.hasFailures) this.#countFailures(run.answers);
    if (maps.length > 1) countEach(run, maps, us, metrics.maps);
    else countBatch(run, countersOf(maps[0], metrics.maps), us);
  }

  #countFailures({ failures }: Answers): void {
    const { metrics } = this.#deps;
    for (const { operations, error } of failures) metrics.operationsFailed(error.code, operations.length);
  }

  /** Nothing of the batch was done. Of another copy of it nothing is known; a repetition gets that answer. */
  #refuse(batch: KvBatch, cause: unknown): void {
    if (this.#isClosed) return;
    const isDoubtful = batch.resent && !wasNeverSealed(GridError.wrap(cause).code);
    const error = isDoubtful ? unknownOutcome('this copy was refused', cause) : cause;
    this.#deps.metrics.operationsFailed(GridError.wrap(error).code, batch.count);
    const { clock, control } = this.#deps;
    const answers = new Answers(batch.count, this.#deps.answerMemory.take());
    for (let operation = 0; operation < batch.count; operation++) answers.fail(operation, error);
    const { tableVersion } = control.table;
    this.#sink.write(
      answers.piece(0, batch.count, {
        batchId: batch.batchId,
        highestVersion: clock.now(),
        tableVersion,
        mapIds: undefined,
      }),
    );
  }
}

/** The time of a batch's callers. */
function untilOf({ deadlineMs }: KvBatch, arrivedMs: number): { readonly deadlineMs: number | undefined } {
  return { deadlineMs: deadlineMs === 0 ? undefined : arrivedMs + Math.max(1, deadlineMs - ANSWER_MS) };
}

/**
 * Whether the memory of an answered batch is free: nothing of it waited (for keys, room, commits or code of users), failed, or was
 * asked about before. All others leave it to the garbage collector.
 */
function isReadNoMore({ batch, progress, answers, calls, isRepeat }: BatchRun): boolean {
  if (calls > 0 || isRepeat || !progress.isPrompt || progress.hasWaited || answers.hasFailures) return false;
  return !batch.opcodes.includes(OPCODE.PROCESS) && !batch.opcodes.includes(OPCODE.STATEMENT);
}

/** Hands the answers of one batch to its stream. */
class BatchEnd implements BatchListener {
  readonly #stream: BatchStream;
  readonly #record: BatchRecord | undefined;
  readonly #spans: BatchSpans | undefined;
  readonly #mapIds: Uint32Array | undefined;
  readonly #maps: BatchMaps['maps'];

  /** @param record  where the session keeps the answers */
  constructor(
    stream: BatchStream,
    record: BatchRecord | undefined,
    spans: BatchSpans | undefined,
    mapIds: Uint32Array | undefined,
    maps: BatchMaps['maps'],
  ) {
    this.#stream = stream;
    this.#record = record;
    this.#spans = spans;
    this.#mapIds = mapIds;
    this.#maps = maps;
  }

  onAnswers(run: BatchRun, first: number, end: number): boolean {
    return this.#stream.tellRun(run, first, end, this.#mapIds);
  }

  onDone(run: BatchRun): void {
    this.#stream.endRun(run, this.#record, this.#spans, this.#mapIds, this.#maps);
  }
}

/** A long batch may be refused a hundred thousand times over: a stack trace for each would hold the event loop. */
function withoutStacks<T>(run: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Where the answers to a batch's mutations are kept; undefined when it has none. */
function recordOf(batch: KvBatch): BatchRecord | undefined {
  const { opcodes, firstRequest, requestOffsets } = batch;
  let mutations = 0;
  for (let operation = 0; operation < opcodes.length; operation++) if (isMutation(opcodes[operation]!)) mutations++;
  if (mutations === 0) return undefined;
  if (requestOffsets === undefined) return new BatchRecord(firstRequest, firstRequest + mutations - 1);
  const numbers: number[] = [];
  requestOffsets.forEach((offset, operation) => {
    if (isMutation(opcodes[operation]!)) numbers.push(firstRequest + offset);
  });
  let [first, last] = [numbers[0]!, numbers[0]!];
  for (const number of numbers) {
    if (number < first) first = number;
    if (number > last) last = number;
  }
  return new BatchRecord(first, last, numbers);
}

/* ---- Unary twins ------------------------------------------------------------------------------------------------- */

function keyOf(key: KeyText | undefined): Key {
  const given = key?.text ?? key?.integer ?? key?.number ?? key?.raw;
  if (key?.integer !== undefined && !Number.isSafeInteger(given)) {
    throw new GridError('INVALID_KEY', 'an integer key of 2^53 or more comes encoded', {
      hint: '{"key": {"encoded": "..."}}: the canonical bytes',
    });
  }
  if (given !== undefined) return given;
  if (key?.encoded !== undefined) {
    checkKey(key.encoded, 0, key.encoded.length);
    return decodeKey(key.encoded);
  }
  throw new GridError('INVALID_KEY', 'the request has no key', {
    hint: '{"key": {"text": "a"}} or {"key": {"integer": 1}}',
  });
}

function valueBytesOf(
  { json, messagePack }: Pick<PutRequest, 'json' | 'messagePack'>,
  valueBytesMax: number,
): Uint8Array {
  if (messagePack !== undefined) {
    checkOneGo(messagePack);
    return messagePack;
  }
  if (json === undefined) throw new GridError('INVALID_VALUE', 'the request has no value');
  return encodeValue(valueOfJson(json, valueBytesMax));
}
