/**
 * What goes through one gRPC door: bytes of messages, errors by code, links. Plain numbers on the main thread, read when
 * somebody asks; nothing here runs once an operation.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { type ErrorCode, GridError } from '@ashlar/core';
import type { StatusObject } from '@grpc/grpc-js';
import { toStatus } from './error-status.ts';
import type { Link } from './outgoing.ts';

/** Channel on which Node announces every socket that a server of this process accepts. */
const ACCEPTED = 'net.server.socket';

export class Traffic {
  /** Bytes of messages, without frames and headers. */
  bytesIn = 0;
  bytesOut = 0;
  /** Links open now, and all there were. */
  connections = 0;
  connectionsTotal = 0;
  /** Calls and streams that ended with an error. */
  readonly errors = new Map<ErrorCode, number>();
  /** By peer, as grpc-js names it. */
  readonly #sockets = new Map<string, Socket>();

  /** The link of a peer, as grpc-js names it. Cut, everything that came by it ends, and what waits for its socket is free. */
  linkOf(peer: string): Link {
    const socket = this.#sockets.get(peer);
    return {
      get bytesTaken() {
        return socket?.bytesWritten ?? 0;
      },
      cut: () => socket?.destroy(),
    };
  }

  /** Counts an error that ends a call; answers what goes onto the wire. */
  refusal(thrown: unknown): StatusObject {
    const { code } = GridError.wrap(thrown);
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    return toStatus(thrown);
  }

  /** Counts the links to a port of this process. @returns the way to stop */
  watch(port: number): () => void {
    const onAccepted = (message: unknown): void => {
      const { socket } = message as { readonly socket: Socket };
      if (socket.localPort !== port) return;
      this.connections++;
      this.connectionsTotal++;
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      this.#sockets.set(peer, socket);
      socket.once('close', () => {
        this.connections--;
        this.#sockets.delete(peer);
      });
    };
    subscribe(ACCEPTED, onAccepted);
    return () => unsubscribe(ACCEPTED, onAccepted);
  }
}
