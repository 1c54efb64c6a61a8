/** What a queue needs of a member: over the network, or, for the member that it is in, by a function call. */

import { GridError } from '@ashlar/core';
import {
  decodeAnswers,
  decodeBatch,
  encodeAnswers,
  type HelloRequest,
  type HelloResponse,
  type KvAnswerSink,
  type KvBatchSink,
  type KvStream,
  type KvStreamListener,
  type LinkDown,
  type MemberConnection,
  type SessionLease,
  type SessionRequest,
} from '@ashlar/transport';

export interface MemberLink {
  /** While the way to the member is known to be down. */
  readonly down: LinkDown | undefined;
  /** Resolves when there is a way to the member. */
  ready(timeoutMs: number): Promise<void>;
  /** Undefined: it is the member we live in. */
  hello(request: HelloRequest, timeoutMs: number): Promise<HelloResponse | undefined>;
  openSession(request: SessionRequest, timeoutMs: number): Promise<SessionLease>;
  renewSession(session: number, lowestUnanswered: number, timeoutMs: number): Promise<SessionLease>;
  closeSession(session: number, timeoutMs: number): Promise<void>;
  /** @param generation  number of the stream within its session, counting up: batches on an older stream are void */
  openStream(listener: KvStreamListener, generation: number): KvStream;
  close(): void;
  /** Closes it because its member left or moved. */
  abandon(): void;
}

export function remoteLink(connection: MemberConnection): MemberLink {
  const { kv, admin } = connection;
  return {
    get down() {
      return connection.down;
    },
    ready: (timeoutMs) => connection.ready(timeoutMs),
    hello: (request, timeoutMs) => admin.hello(request, { timeoutMs }),
    openSession: (request, timeoutMs) => kv.openSession(request, { timeoutMs }),
    renewSession: (session, lowestUnanswered, timeoutMs) =>
      kv.renewSession({ session, lowestUnanswered }, { timeoutMs }),
    closeSession: async (session, timeoutMs) => {
      await kv.closeSession({ session }, { timeoutMs });
    },
    openStream: (listener, generation) => kv.openStream(listener, generation),
    close: () => connection.close(),
    abandon: () => connection.abandon(),
  };
}

/** The member that a router lives in: its batches do not go through a socket. */
export interface LocalMember {
  readonly memberId: string;
  openStream(answers: KvAnswerSink): KvBatchSink;
  openSession(request: SessionRequest): Promise<SessionLease>;
}

export function localLink(member: LocalMember): MemberLink {
  return {
    down: undefined,
    ready: async () => undefined,
    hello: async () => undefined,
    openSession: (request) => member.openSession(request),
    renewSession: (session) => member.openSession({ session, clientName: 'local' }),
    closeSession: async () => undefined,
    openStream: (listener) => localStream(member, listener),
    close: () => undefined,
    abandon: () => undefined,
  };
}

/** Answers are copied before they are handed on, as a socket would: they may lie in memory that is used again. */
function localStream(member: LocalMember, listener: KvStreamListener): KvStream {
  let open = true;
  const sink = member.openStream({
    write: (answers) => {
      const copy = decodeAnswers(encodeAnswers(answers));
      setImmediate(() => open && listener.onAnswers(copy));
    },
  });
  return {
    write: (message) => {
      if (!open) throw new GridError('CONNECTION_LOST', 'the stream has ended');
      sink.onBatch(decodeBatch(message));
    },
    close: () => {
      if (!open) return;
      open = false;
      sink.onClose();
      listener.onClosed(new GridError('CLIENT_CLOSED', 'the connection was closed'));
    },
  };
}
