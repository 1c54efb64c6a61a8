/**
 * The gRPC door of a member: services, health, reflection, limits, drain.
 *
 * server D1  Bound to loopback by default; a wider bind without TLS and authentication is refused unless `insecure`.
 * server D2  Every method passes its row of OPERATIONS; reflection and health are open to all (they tell the schema and
 *            whether we serve).
 * server D3  Replication streams end last: what calls under way wait for comes by them.
 * server D4  What only tells of changes (a table, the grid) ends when the door begins to drain: it has no end of its own, and who
 *            listens asks another member.
 */
import './quiet-grpc.ts';
import { GridError } from '@ashlar/core';
import { type ChannelOptions, Server } from '@grpc/grpc-js';
import { ActiveCalls } from './active-calls.ts';
import { refuseInsecureBind } from './bind-rule.ts';
import { bind, rawDefinition, SERVICE_NAMES } from './bindings.ts';
import { doorCredentials } from './door-credentials.ts';
import { LateServices } from './late-services.ts';
import { Outgoing } from './outgoing.ts';
import type { ServerState } from './server-calls.ts';
import type { ServerKvStream } from './server-kv-stream.ts';
import type { DoorStats, GridServer, ServeOptions, ServerLimits } from './server-types.ts';
import { DoorStreams } from './stream-claims.ts';
import { Traffic } from './traffic.ts';
import { TurnQuota } from './turn-quota.ts';
import { openUploadWindows } from './upload-window.ts';

export const DEFAULT_SERVER_LIMITS: Required<ServerLimits> = {
  messageBytesMax: 32 << 20,
  streamsMax: 1000,
  batchBytesMax: 32 << 20,
  batchesMax: 256,
  unsentBytesMax: 128 << 20,
};

const FLOW_CONTROL_WINDOW_BYTES = 4 << 20;
/** Time in which the errors of calls that are cut can reach their callers. */
const LAST_WORDS_MS = 200;

/**
 * Opens the door.
 *
 * @throws GridError INSECURE_BIND, PORT_IN_USE
 */
export async function serve(options: ServeOptions): Promise<GridServer> {
  const host = options.host ?? '127.0.0.1';
  const isGuarded = options.authenticate !== undefined && options.admitsAnyone !== true;
  refuseInsecureBind({ door: 'the gRPC door', host, hasTls: options.tls !== undefined, isGuarded, ...options });
  const limits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const state: ServerState = {
    access: options,
    catalog: options.catalog,
    quota: new TurnQuota(),
    messageBytesMax: limits.messageBytesMax,
    active: new ActiveCalls(),
    traffic: new Traffic(),
    outgoing: new Outgoing(limits.unsentBytesMax),
    doorStreams: new DoorStreams(),
    exchanges: new Set(),
    watches: new Set(),
    spin: options.spin ?? 'off',
    draining: false,
  };
  const streams = new Set<ServerKvStream>();
  const server = new Server(serverOptions(limits));
  const implementations = bind(options.services, state, limits, streams);
  for (const name of SERVICE_NAMES) {
    server.addService(rawDefinition(name, Object.keys(implementations[name])), implementations[name]);
  }
  const late = new LateServices();
  setServing(late, 'SERVING');
  late.addToServer(server);
  const port = await listen(server, host, options);
  return new Door(server, port, state, limits, streams, late);
}

function setServing(late: LateServices, status: 'SERVING' | 'NOT_SERVING'): void {
  for (const name of ['', ...SERVICE_NAMES.map((service) => `ashlar.v1.${service}`)]) late.setStatus(name, status);
}

function serverOptions(limits: Required<ServerLimits>): ChannelOptions {
  return {
    'grpc.max_receive_message_length': limits.messageBytesMax,
    'grpc.max_send_message_length': limits.messageBytesMax,
    'grpc.max_concurrent_streams': limits.streamsMax,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.enable_channelz': 0,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  };
}

async function listen(server: Server, host: string, options: ServeOptions): Promise<number> {
  const address = `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${options.port}`;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, doorCredentials(options.tls), (error, port) => (error ? reject(error) : resolve(port)));
  }).catch((error: unknown) => {
    server.forceShutdown();
    throw bindError(error, address);
  });
  return bound;
}

function bindError(error: unknown, address: string): GridError {
  const text = String(error);
  if (!text.includes('EADDRINUSE')) {
    return new GridError('INVALID_CONFIG', `cannot listen on ${address}: ${text}`, { cause: error });
  }
  return new GridError('PORT_IN_USE', `${address} is in use`, {
    hint: 'stop the process that holds it, or choose another port',
    details: { address },
    cause: error,
  });
}

class Door implements GridServer {
  readonly port: number;
  readonly #server: Server;
  readonly #state: ServerState;
  readonly #streams: Set<ServerKvStream>;
  readonly #late: LateServices;
  readonly #limits: Required<ServerLimits>;
  readonly #stopWatching: () => void;
  readonly #closeWindows: () => void;
  readonly #stopClaiming: () => void;

  constructor(
    server: Server,
    port: number,
    state: ServerState,
    limits: Required<ServerLimits>,
    streams: Set<ServerKvStream>,
    late: LateServices,
  ) {
    this.#server = server;
    this.port = port;
    this.#state = state;
    this.#streams = streams;
    this.#late = late;
    this.#limits = limits;
    this.#stopWatching = state.traffic.watch(port);
    this.#closeWindows = openUploadWindows(port, FLOW_CONTROL_WINDOW_BYTES);
    this.#stopClaiming = state.doorStreams.watch(port);
  }

  stats(): DoorStats {
    const { bytesIn, bytesOut, connections, connectionsTotal, errors } = this.#state.traffic;
    const streams = [...this.#streams];
    return {
      ...{ bytesIn, bytesOut, connections, connectionsTotal, errors },
      calls: this.#state.active.count,
      kvStreams: streams.length,
      kvBatches: Math.max(0, ...streams.map(({ unansweredCount }) => unansweredCount)),
      kvBatchesMax: this.#limits.batchesMax,
      kvBytes: Math.max(0, ...streams.map(({ unansweredBytes }) => unansweredBytes)),
      kvBytesMax: this.#limits.batchBytesMax,
      unsentBytes: this.#state.outgoing.bytes,
      unsentBytesMost: this.#state.outgoing.bytesMost,
      unsentBytesMax: this.#state.outgoing.bytesMax,
      linksCut: this.#state.outgoing.cutCount,
    };
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#state.draining = true;
    setServing(this.#late, 'NOT_SERVING');
    this.#late.endStreams();
    for (const stream of this.#streams) stream.endWhenIdle();
    for (const end of [...this.#state.watches]) end();
    await this.#shutDown(deadlineMs);
  }

  async close(): Promise<void> {
    this.#state.draining = true;
    this.#late.endStreams();
    await this.#shutDown(0);
  }

  /** Lets calls end for `deadlineMs`, then ends them with an error, and soon after the links. */
  async #shutDown(deadlineMs: number): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    void this.#state.active.idle().then(() => this.#endExchanges());
    const cut = setTimeout(() => this.#state.active.cutAll(), deadlineMs);
    const force = setTimeout(() => this.#server.forceShutdown(), deadlineMs + LAST_WORDS_MS);
    await ended;
    this.#stopWatching();
    this.#closeWindows();
    this.#stopClaiming();
    this.#state.outgoing.close();
    clearTimeout(cut);
    clearTimeout(force);
  }

  /** server D3 */
  #endExchanges(): void {
    for (const end of [...this.#state.exchanges]) end();
  }
}
