/**
 * The links by which the replica of this member talks to those of the others: one stream a pair and direction, on a connection of
 * its own, so that nothing that others leave unread, and no long result, stands before a lease.
 *
 *   follow(replicas of the table) -> a link each       send(message) -> its stream, or nowhere
 *
 * replica-links K1  Nothing waits and nothing is repeated: without a stream, or with too much unsent, a message is dropped, and
 *                   its sender's core sends again what still matters.
 *                   It is told when a link has come up, so that it need not wait for its time to do so.
 * replica-links K2  A link belongs to a replica, a member in one incarnation: another incarnation gets another connection.
 * replica-links K3  A link that is not up is tried anew as often as RETRY_MS: a way that lost packets for a while would be tried
 *                   by the system in ever longer steps.
 */
import { GridError, memberOfReplica, type ReplicaId } from '@ashlar/core';
import type { ExchangeStream } from './client-exchange.ts';
import { type ConnectionOptions, connectMember, type MemberConnection } from './connection.ts';
import { giveBackMessage } from './message-buffers.ts';
import type { PeerLog } from './peers.ts';
import { ReplicaFrameWriter } from './replica-codec.ts';
import type { ReplicaMessage } from './services.ts';

/** Bytes that a link may have unsent before it drops what follows; a core has credit for less. */
const UNSENT_BYTES_MAX = 32 << 20;
/** Time after which a connection that has not come about is given up for a new one. */
const RETRY_MS = 1000;
/** Time between two attempts to open a stream that the member refuses. */
const REFUSED_PAUSE_MS = 500;
/** A link without a sign of life is probed after it, and given up after as much again. */
const KEEPALIVE_MS = 1000;
const RECONNECT_MAX_MS = 250;

/** A replica and where it listens. */
export interface ReplicaAddress {
  readonly replica: ReplicaId;
  readonly address: string;
}

export interface ReplicaLinksOptions {
  readonly self: ReplicaId;
  /** Tells whom a stream was refused by, once a reason. */
  readonly log: Pick<PeerLog, 'warn'>;
  /** Most bytes that a link may have unsent, and one message. Default 32 MiB. */
  readonly unsentBytesMax?: number | undefined;
  /** A link has come up, for the first time or again. */
  readonly onUp?: ((replica: ReplicaId) => void) | undefined;
  /** Default: performance.now() */
  readonly nowMs?: (() => number) | undefined;
  /** Tests: decides what becomes of a message by calling `send` not at all, later, or more than once. */
  readonly disturb?: ((message: ReplicaMessage, send: () => void) => void) | undefined;
}

/** What a link has done since it was made, and how it stands. */
export interface ReplicaLinkStats {
  readonly replica: ReplicaId;
  readonly isUp: boolean;
  readonly messages: number;
  readonly bytes: number;
  /** Messages that were dropped. */
  readonly dropped: number;
  readonly unsentBytes: number;
  /** Streams that were opened. */
  readonly streams: number;
}

export class ReplicaLinks {
  readonly #connection: ConnectionOptions;
  readonly #options: ReplicaLinksOptions;
  readonly #links = new Map<ReplicaId, ReplicaLink>();

  /** @param connection  what shows who we are; the rest is decided here */
  constructor(connection: ConnectionOptions, options: ReplicaLinksOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Keeps links to all of these, and to nobody else. */
  follow(replicas: readonly ReplicaAddress[]): void {
    for (const [replica, link] of this.#links) {
      if (replicas.some((other) => other.replica === replica && other.address === link.address)) continue;
      link.close();
      this.#links.delete(replica);
    }
    for (const { replica, address } of replicas) {
      if (replica === this.#options.self || this.#links.has(replica)) continue;
      this.#links.set(replica, new ReplicaLink(replica, address, this.#connection, this.#options));
    }
  }

  /**
   * Sends a message from this replica to the one that it names (replica-links K1).
   *
   * @param message  its bytes must not change until they have left
   * @returns whether it was sent; not whether it arrives
   */
  send(message: ReplicaMessage): boolean {
    const link = this.#links.get(message.to as ReplicaId);
    if (link === undefined) return false;
    const { disturb } = this.#options;
    if (disturb === undefined) return link.send(message);
    disturb(message, () => void link.send(message));
    return true;
  }

  stats(): readonly ReplicaLinkStats[] {
    return [...this.#links.values()].map((link) => link.stats());
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}

class ReplicaLink {
  readonly replica: ReplicaId;
  readonly address: string;
  readonly #options: ReplicaLinksOptions;
  readonly #connectionOptions: ConnectionOptions;
  readonly #writer: ReplicaFrameWriter;
  readonly #nowMs: () => number;
  readonly #unsentBytesMax: number;
  #connection: MemberConnection;
  /** Since when the present connection has been waited for. */
  #waitedSinceMs: number;
  #stream: ExchangeStream | undefined;
  #isAccepted = false;
  #isClosed = false;
  /** Why streams were refused last, and when. */
  #refusal: string | undefined;
  #refusedMs = Number.NEGATIVE_INFINITY;
  #unsentBytes = 0;
  #messages = 0;
  #bytes = 0;
  #dropped = 0;
  #streams = 0;

  constructor(replica: ReplicaId, address: string, connection: ConnectionOptions, options: ReplicaLinksOptions) {
    this.replica = replica;
    this.address = address;
    this.#options = options;
    const peer = memberOfReplica(replica);
    const times = { keepaliveMs: KEEPALIVE_MS, reconnectMaxMs: RECONNECT_MAX_MS };
    const onUp = (): void => this.#up();
    this.#connectionOptions = { ...connection, ...times, peer, catalog: undefined, trace: undefined, onUp };
    this.#writer = new ReplicaFrameWriter(options.self, replica);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#unsentBytesMax = options.unsentBytesMax ?? UNSENT_BYTES_MAX;
    this.#waitedSinceMs = this.#nowMs();
    this.#connection = this.#connect();
  }

  #connect(): MemberConnection {
    const connection = connectMember(this.address, this.#connectionOptions);
    connection.keepUp();
    return connection;
  }

  #up(): void {
    if (!this.#isClosed) this.#options.onUp?.(this.replica);
  }

  send({ head, payloads }: ReplicaMessage): boolean {
    const stream = this.#unsentBytes < this.#unsentBytesMax ? (this.#stream ?? this.#open()) : undefined;
    if (stream === undefined) {
      this.#dropped += 1;
      return false;
    }
    const { pieces, bytes, memory } = this.#writer.frame(head, payloads);
    this.#messages += 1;
    this.#bytes += bytes;
    this.#unsentBytes += bytes;
    stream.sendFrame(pieces, () => {
      giveBackMessage(memory);
      if (this.#stream === stream) this.#unsentBytes -= bytes;
    });
    return true;
  }

  #open(): ExchangeStream | undefined {
    const nowMs = this.#nowMs();
    if (this.#isClosed || nowMs - this.#refusedMs < REFUSED_PAUSE_MS) return undefined;
    if (!this.#connection.isUp) {
      this.#tryAnew(nowMs);
      return undefined;
    }
    this.#isAccepted = false;
    this.#streams += 1;
    const stream = this.#connection.replication.openStream({
      onAccepted: () => this.#accepted(),
      onEnd: (error) => this.#ended(stream, error),
    });
    this.#stream = stream;
    return stream;
  }

  /** replica-links K3 */
  #tryAnew(nowMs: number): void {
    if (nowMs - this.#waitedSinceMs < RETRY_MS) return;
    this.#waitedSinceMs = nowMs;
    this.#connection.abandon();
    this.#connection = this.#connect();
  }

  #accepted(): void {
    this.#isAccepted = true;
    this.#refusal = undefined;
  }

  #ended(stream: ExchangeStream, error: GridError): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#unsentBytes = 0;
    this.#waitedSinceMs = this.#nowMs();
    if (!this.#isAccepted && error.code !== 'CONNECTION_LOST') this.#refused(error);
  }

  #refused({ code, message: why, hint }: GridError): void {
    this.#refusedMs = this.#nowMs();
    if (this.#isClosed || this.#refusal === code) return;
    this.#refusal = code;
    const facts = { member: memberOfReplica(this.replica), address: this.address, code, why, hint };
    this.#options.log.warn(facts, 'replication is refused by a member');
  }

  stats(): ReplicaLinkStats {
    return {
      replica: this.replica,
      isUp: this.#connection.isUp,
      messages: this.#messages,
      bytes: this.#bytes,
      dropped: this.#dropped,
      unsentBytes: this.#unsentBytes,
      streams: this.#streams,
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.fail(new GridError('CLIENT_CLOSED', 'the link was closed'));
    this.#connection.close();
  }
}
