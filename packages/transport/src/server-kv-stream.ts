/**
 * One caller's stream of kv batches in a member.
 *
 *   bytes -> decode -> authorize -> sink.onBatch ... sink answers -> encode -> bytes
 *
 * Bounds: a stream with `batchesMax` batches or `batchBytesMax` bytes unanswered, or whose caller does not read, is not
 * read further (policy: wait); HTTP/2 flow control then stops the caller.
 *
 * A batch whose caller knows a later catalog than this member waits until it has caught up, within its callers' time, and
 * the later batches of the stream behind it: their order stays (known-catalog N1).
 */
import { GridError, SmallSet, type WireError } from '@ashlar/core';
import type { Metadata, ServerDuplexStream, StatusObject } from '@grpc/grpc-js';
import { authorizeCall, openContext, permissionDenied } from './call-context.ts';
import { type MessageFlow, ServerFrames } from './framed-streams.ts';
import { type KvAnswers, type KvBatch, OPCODE, type OperationErrors, STATUS } from './kv-batch.ts';
import { decodeBatch, encodeAnswers, piecesOf } from './kv-codec.ts';
import { messageBuffers } from './message-buffers.ts';
import { KV_BATCH_PATH, STREAM_GENERATION } from './methods.ts';
import type { Permission } from './operations.ts';
import type { OutgoingCall } from './outgoing.ts';
import type { ServerState } from './server-calls.ts';
import type { CallContext, KvAnswerSink, KvBatchSink, KvService } from './services.ts';
import type { BatchWatch } from './spin-watch.ts';
import { batchWatch } from './spinning.ts';

export interface StreamBounds {
  readonly batchesMax: number;
  readonly batchBytesMax: number;
}

/** Permissions as bits, in this order. */
const PERMISSIONS: readonly Permission[] = ['read', 'write', 'execute'];

function permissionBit(opcode: number): number {
  if (opcode === OPCODE.PROCESS) return 4;
  // A statement's handler asks, once it knows the maps.
  if (opcode === OPCODE.STATEMENT) return 0;
  return opcode >= OPCODE.PUT ? 2 : 1;
}

const NO_CATALOG = { version: 0 };
/** Time that an answer needs to reach its caller. */
const ANSWER_MS = 50;

/** Maps whose permissions a stream remembers; beyond, all are asked for anew. */
const ALLOWED_MAX = 1024;

/** Room of one message for what is not values. */
const OTHER_SHARE = 4;
/** Bytes of values beyond which answers travel in pieces, also below our own bound: callers may take shorter messages. */
const PIECE_BYTES = 8 << 20;

interface UnansweredBatch {
  readonly batchId: number;
  readonly bytes: number;
  operationsLeft: number;
}

export class ServerKvStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  /** Its messages: past the library where its HTTP/2 stream is known. */
  readonly #flow: MessageFlow;
  readonly #state: ServerState;
  readonly #bounds: StreamBounds;
  readonly #context: CallContext;
  readonly #sink: KvBatchSink;
  readonly #unanswered = new SmallSet<UnansweredBatch>();
  /** Whether the caller may: by map, for each permission. At most ALLOWED_MAX maps. */
  readonly #allowed = new Map<string, Partial<Record<Permission, boolean>>>();
  readonly #outgoing: OutgoingCall;
  readonly #batches: BatchWatch | undefined;
  #unansweredBytes = 0;
  /** Set while a batch waits for the catalog. */
  #waiting: Promise<void> | undefined;
  /** The caller sends no more: it gets the answers it is owed, then the stream ends. */
  #hasAll = false;
  #closed = false;

  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    state: ServerState,
    bounds: StreamBounds,
    context: CallContext,
    service: KvService,
  ) {
    this.#call = call;
    this.#state = state;
    this.#bounds = bounds;
    this.#context = context;
    this.#batches = batchWatch(state.spin);
    this.#outgoing = state.outgoing.open(state.traffic.linkOf(call.getPeer()));
    const generation = generationOf(call.metadata);
    const sink: KvAnswerSink = {
      write: (answers) => this.#answerOrEnd(answers),
      over: ({ keys }) => messageBuffers.release(keys),
    };
    this.#sink = service.openStream(sink, context, generation);
    this.#flow = this.#framed() ?? this.#byLibrary();
    call.on('cancelled', () => {
      this.#close();
      this.#outgoing.close();
    });
  }

  #framed(): MessageFlow | undefined {
    const { doorStreams, messageBytesMax } = this.#state;
    const stream = doorStreams.claim(this.#call.metadata);
    if (stream === undefined) return undefined;
    return new ServerFrames(stream, this.#call, messageBytesMax, (message) => messageBuffers.release(message), {
      onMessage: (bytes) => this.#receive(bytes),
      onEnd: () => this.#onEnd(),
      onMalformed: (status) => this.#end(status),
    });
  }

  #byLibrary(): MessageFlow {
    this.#call.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#call.on('end', () => this.#onEnd());
    return this.#call;
  }

  #onEnd(): void {
    this.#hasAll = true;
    this.endWhenIdle();
  }

  /** Batches under way. */
  get unansweredCount(): number {
    return this.#unanswered.size;
  }

  /** Their bytes. */
  get unansweredBytes(): number {
    return this.#unansweredBytes;
  }

  /** Ends the stream once nothing is owed. */
  endWhenIdle(): void {
    if (this.#unanswered.size === 0 && !this.#closed) {
      this.#close();
      this.#call.end();
    }
  }

  /** Ends the stream whatever is owed: the caller takes what it sent for in doubt. */
  cut(): void {
    if (!this.#closed) this.#fail(new GridError('CONNECTION_LOST', 'the member shut down'));
  }

  #receive(bytes: Buffer): void {
    if (this.#closed) return;
    this.#state.traffic.bytesIn += bytes.length;
    try {
      const batch = decodeBatch(bytes);
      this.#batches?.arrived(batch.count);
      if (this.#unansweredBatch(batch.batchId) !== undefined) {
        throw new GridError('INVALID_ARGUMENT', `batch ${batch.batchId} is under way already`);
      }
      this.#unanswered.add({ batchId: batch.batchId, bytes: bytes.length, operationsLeft: batch.count });
      this.#unansweredBytes += bytes.length;
      this.#throttle();
      this.#admit(batch);
    } catch (error) {
      this.#fail(error);
    }
  }

  #unansweredBatch(batchId: number): UnansweredBatch | undefined {
    return this.#unanswered.find((batch) => batch.batchId === batchId);
  }

  #admit(batch: KvBatch): void {
    if (this.#state.draining) {
      const error = new GridError('SHUTTING_DOWN', 'the member is shutting down').toWire();
      this.#answer(refusal(batch, () => error));
      return;
    }
    const denied = this.#denied(batch);
    if (denied !== undefined) {
      this.#answer(refusal(batch, denied));
      return;
    }
    const following = this.#state.catalog?.follow(batch.catalogVersion, { deadlineMs: latestOf(batch) });
    if (following === undefined && this.#waiting === undefined) this.#sink.onBatch(batch);
    else this.#wait(batch, following);
  }

  #wait(batch: KvBatch, following: Promise<void> | undefined): void {
    const failed = following?.then(
      () => undefined,
      (error: unknown) => GridError.wrap(error),
    );
    const waiting = Promise.resolve(this.#waiting)
      .then(() => failed)
      .then((error) => {
        if (this.#waiting === waiting) this.#waiting = undefined;
        if (this.#closed) return;
        if (error === undefined) this.#sink.onBatch(batch);
        else this.#answerOrEnd(refusal(batch, () => error.toWire()));
      })
      .catch((error: unknown) => this.#fail(error));
    this.#waiting = waiting;
  }

  /** Undefined when everything is allowed; else the error of each operation that is not. */
  #denied(batch: KvBatch): ((operation: number) => WireError | undefined) | undefined {
    const { opcodes, maps } = batch;
    if (maps.length === 1) {
      let bits = 0;
      for (let operation = 0; operation < opcodes.length; operation++) bits |= permissionBit(opcodes[operation]!);
      if (this.#refusedBits(bits, maps[0]!.name) === 0) return undefined;
    }
    const wanted = new Uint8Array(batch.maps.length);
    for (let operation = 0; operation < batch.count; operation++) {
      wanted[batch.mapIndexes?.[operation] ?? 0]! |= permissionBit(batch.opcodes[operation]!);
    }
    const refused = wanted.map((bits, map) => this.#refusedBits(bits, batch.maps[map]!.name));
    if (refused.every((bits) => bits === 0)) return undefined;
    return (operation) => {
      const map = batch.mapIndexes?.[operation] ?? 0;
      const bit = permissionBit(batch.opcodes[operation]!) & refused[map]!;
      const permission = PERMISSIONS[bit >> 1]!;
      return bit === 0
        ? undefined
        : permissionDenied(permission, batch.maps[map]!.name, this.#context.principal).toWire();
    };
  }

  #refusedBits(bits: number, map: string): number {
    let refused = 0;
    for (let index = 0; index < PERMISSIONS.length; index++) {
      if ((bits & (1 << index)) !== 0 && !this.#may(PERMISSIONS[index]!, map)) refused |= 1 << index;
    }
    return refused;
  }

  #may(permission: Permission, map: string): boolean {
    let known = this.#allowed.get(map);
    if (known === undefined) {
      known = {};
      if (this.#allowed.size >= ALLOWED_MAX) this.#allowed.clear();
      this.#allowed.set(map, known);
    }
    known[permission] ??= this.#state.access.authorize(permission, map, this.#context.principal);
    return known[permission];
  }

  /** Answers come out of all kinds of loops: what cannot be sent ends this stream, and touches nothing else. */
  #answerOrEnd(answers: KvAnswers): void {
    try {
      this.#answer(answers);
    } catch (error) {
      this.#fail(error);
    }
  }

  #answer(answers: KvAnswers): void {
    const owed = this.#unansweredBatch(answers.batchId);
    if (this.#closed || owed === undefined) return;
    const { messageBytesMax } = this.#state;
    const valueBytesMax = Math.min(PIECE_BYTES, messageBytesMax - (messageBytesMax >> OTHER_SHARE));
    if (answers.values.length <= valueBytesMax) this.#send(answers);
    else for (const piece of piecesOf(answers, valueBytesMax)) this.#send(piece);
    owed.operationsLeft -= answers.statuses.length;
    if (owed.operationsLeft <= 0) {
      this.#unanswered.delete(owed);
      this.#unansweredBytes -= owed.bytes;
    }
    this.#throttle();
    if (this.#state.draining || this.#hasAll) this.endWhenIdle();
  }

  #send(answers: KvAnswers): void {
    const { version } = this.#state.catalog?.known() ?? NO_CATALOG;
    const bytes = encodeAnswers(answers, (length) => messageBuffers.take(length), version);
    this.#state.traffic.bytesOut += bytes.length;
    this.#outgoing.write(this.#flow, bytes, this.#onFlushed);
    this.#batches?.answered();
  }

  readonly #onFlushed = (): void => {
    if (this.#flow.isPaused()) this.#throttle();
  };

  #throttle(): void {
    const full =
      this.#outgoing.isCongested ||
      this.#unanswered.size >= this.#bounds.batchesMax ||
      this.#unansweredBytes >= this.#bounds.batchBytesMax;
    if (full && !this.#flow.isPaused()) this.#flow.pause();
    else if (!full && this.#flow.isPaused()) this.#flow.resume();
  }

  #fail(error: unknown): void {
    this.#end(this.#state.traffic.refusal(error));
  }

  #end(status: Partial<StatusObject>): void {
    this.#close();
    this.#call.emit('error', status);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unanswered.takeAll();
    this.#outgoing.closeWhenFlushed();
    this.#flow.close?.();
    this.#sink.onClose();
  }
}

/** When a batch is to be answered at the latest, for its first caller to hear why; undefined: no caller ever stops waiting. */
function latestOf({ deadlineMs }: KvBatch): number | undefined {
  return deadlineMs === 0 ? undefined : performance.now() + Math.max(1, deadlineMs - ANSWER_MS);
}

/** @throws GridError INVALID_ARGUMENT */
function generationOf(metadata: Metadata): number {
  const text = metadata.get(STREAM_GENERATION)[0];
  if (text === undefined) return 0;
  const generation = Number(text);
  if (Number.isSafeInteger(generation) && generation > 0) return generation;
  throw new GridError('INVALID_ARGUMENT', `${STREAM_GENERATION} is a whole number from 1 on`);
}

/** Answers a batch of which nothing was run: FAILED where there is an error, NOT_RUN elsewhere. */
function refusal(batch: KvBatch, errorOf: (operation: number) => WireError | undefined): KvAnswers {
  const statuses = new Uint8Array(batch.count).fill(STATUS.NOT_RUN);
  const errors: OperationErrors[] = [];
  for (let operation = 0; operation < batch.count; operation++) {
    const error = errorOf(operation);
    if (error === undefined) continue;
    statuses[operation] = STATUS.FAILED;
    errors.push({ operations: Uint32Array.of(operation), error });
  }
  return {
    batchId: batch.batchId,
    highestVersion: 0,
    tableVersion: batch.tableVersion,
    statuses,
    valueEnds: undefined,
    values: new Uint8Array(0),
    versions: undefined,
    expiresAtMs: undefined,
    errors,
  };
}

/** The handler of the method; `streams` holds the open ones. */
export function kvBatchCall(
  service: KvService,
  state: ServerState,
  bounds: StreamBounds,
  streams: Set<ServerKvStream>,
): (call: ServerDuplexStream<Buffer, Buffer>) => void {
  const open = async (call: ServerDuplexStream<Buffer, Buffer>): Promise<void> => {
    if (state.draining) throw new GridError('SHUTTING_DOWN', 'the member is shutting down');
    const context = await openContext(call, state.access, new AbortController());
    authorizeCall(KV_BATCH_PATH, undefined, context);
    // Nobody would ever tell that it is over.
    if (call.cancelled) return;
    const stream = new ServerKvStream(call, state, bounds, context, service);
    streams.add(stream);
    const uncut = state.active.add(() => stream.cut());
    const forget = (): void => {
      streams.delete(stream);
      uncut();
    };
    call.on('cancelled', forget);
    call.on('finish', forget);
    call.on('error', forget);
    call.on('finish', forget);
  };
  return (call) => {
    open(call).catch((error: unknown) => call.emit('error', state.traffic.refusal(error)));
  };
}
