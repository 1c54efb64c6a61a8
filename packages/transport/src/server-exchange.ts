/**
 * What one other member sends to the replica of this one: bytes -> decode -> service.
 *
 * server-exchange X1  It is read as it comes and nothing of it is queued here: what may be under way is what the sender's core
 *                     has credit for.
 * server-exchange X2  A door that drains ends these calls last: what its other calls wait for may come by them.
 */
import { GridError } from '@ashlar/core';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { authorizeCall, openContext } from './call-context.ts';
import { type MessageFlow, ServerFrames } from './framed-streams.ts';
import { MESSAGE_BYTES_CEILING } from './message-bounds.ts';
import { EXCHANGE_PATH } from './methods.ts';
import { ReplicaMessageReader } from './replica-codec.ts';
import type { ServerState } from './server-calls.ts';
import type { ReplicationService } from './services.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

/** The handler of the method. */
export function exchangeCall(service: ReplicationService | undefined, state: ServerState): (call: Call) => void {
  const open = async (call: Call): Promise<void> => {
    const context = await openContext(call, state.access, new AbortController());
    authorizeCall(EXCHANGE_PATH, undefined, context);
    if (service === undefined) throw noReplicas();
    if (call.cancelled) return;
    new Exchange(call, service, state).open();
  };
  return (call) => {
    open(call).catch((error: unknown) => call.emit('error', state.traffic.refusal(error)));
  };
}

function noReplicas(): GridError {
  return new GridError('INVALID_CONFIG', 'the member keeps no copies of partitions', {
    hint: 'give all members of a grid the same cluster.backups',
  });
}

class Exchange {
  readonly #call: Call;
  readonly #service: ReplicationService;
  readonly #state: ServerState;
  readonly #reader = new ReplicaMessageReader();
  #flow: MessageFlow | undefined;
  #isOver = false;
  readonly #cut = (): void => this.#fail(new GridError('SHUTTING_DOWN', 'the member is shutting down'));

  constructor(call: Call, service: ReplicationService, state: ServerState) {
    this.#call = call;
    this.#service = service;
    this.#state = state;
  }

  open(): void {
    this.#state.exchanges.add(this.#cut);
    this.#call.on('cancelled', () => this.#close());
    this.#call.on('error', () => this.#close());
    this.#call.sendMetadata(new Metadata());
    this.#flow = this.#framed() ?? this.#byLibrary();
  }

  /**
   * Past the library a record of whatever length is taken, in memory that grows as its bytes come: one that a client could write
   * can be replicated.
   */
  #framed(): MessageFlow | undefined {
    const stream = this.#state.doorStreams.claim(this.#call.metadata);
    if (stream === undefined) return undefined;
    return new ServerFrames(stream, this.#call, MESSAGE_BYTES_CEILING, () => undefined, {
      onMessage: (message) => this.#receive(message),
      onEnd: () => this.#end(),
      onMalformed: (status) => {
        this.#close();
        this.#call.emit('error', status);
      },
    });
  }

  #byLibrary(): MessageFlow {
    this.#call.on('data', (message: Buffer) => this.#receive(message));
    this.#call.on('end', () => this.#end());
    return this.#call;
  }

  #receive(message: Buffer): void {
    if (this.#isOver) return;
    this.#state.traffic.bytesIn += message.length;
    try {
      this.#service.onMessage(this.#reader.read(message));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The caller sends no more. */
  #end(): void {
    if (this.#isOver) return;
    this.#close();
    this.#call.end();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#close();
    this.#call.emit('error', this.#state.traffic.refusal(error));
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#state.exchanges.delete(this.#cut);
    this.#flow?.close?.();
  }
}
