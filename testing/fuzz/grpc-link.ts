/** gRPC over HTTP/2 by hand: any bytes to any method, and what comes back. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { errorOfTrailers } from '../../packages/transport/src/testing/by-hand.ts';

const PREFIX_BYTES = 5;
/** The member is asked to end a call within CALL_MS; one without an end after GIVE_UP_MS hangs. */
const CALL_MS = 1500;
const GIVE_UP_MS = 10_000;
/** Session memory on our side: Node's own bound resets streams with large messages. */
const SESSION_MEGABYTES = 1000;

export interface GrpcAnswer {
  /** Undefined: OK, or the link broke. */
  readonly code: string | undefined;
  readonly message: string;
  readonly messages: readonly Buffer[];
  readonly hasEnded: boolean;
}

export class GrpcLink {
  readonly #address: string;
  readonly #token: string;
  #session: ClientHttp2Session | undefined;

  constructor(address: string, token: string) {
    this.#address = address;
    this.#token = token;
  }

  /** Sends messages; `closes` false: leaves the stream open on this side. */
  call(path: string, messages: readonly Buffer[], closes = true): Promise<GrpcAnswer> {
    const { promise, resolve } = Promise.withResolvers<GrpcAnswer>();
    const stream = this.#open(path);
    const received: Buffer[] = [];
    let status: { code: string | undefined; message: string } = { code: undefined, message: '' };
    const settle = (hasEnded: boolean): void => {
      clearTimeout(giveUp);
      resolve({ ...status, messages: framesOf(Buffer.concat(received)), hasEnded });
    };
    const onStatus = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined && headers['grpc-status'] !== '0')
        status = errorOfTrailers(headers, path);
    };
    const giveUp = setTimeout(() => {
      settle(false);
      stream.close();
    }, GIVE_UP_MS);
    stream.on('response', onStatus);
    stream.on('trailers', onStatus);
    stream.on('data', (bytes: Buffer) => received.push(bytes));
    stream.on('error', () => settle(true));
    // The member's side is over; ours may be open still.
    stream.on('end', () => {
      settle(true);
      stream.close();
    });
    stream.on('close', () => settle(true));
    for (const message of messages) stream.write(framed(message));
    if (closes) stream.end();
    return promise;
  }

  /** Opens a stream, sends half a message and resets it. */
  abandon(path: string, message: Buffer): void {
    const stream = this.#open(path);
    stream.on('error', () => undefined);
    stream.write(framed(message).subarray(0, PREFIX_BYTES + (message.length >> 1)), () => stream.close(8));
  }

  close(): void {
    this.#session?.destroy();
  }

  #open(path: string): ClientHttp2Stream {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = connect(`http://${this.#address}`, { maxSessionMemory: SESSION_MEGABYTES });
      this.#session.on('error', () => undefined);
    }
    return this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      'grpc-timeout': `${CALL_MS}m`,
      authorization: `Bearer ${this.#token}`,
      te: 'trailers',
    });
  }
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + PREFIX_BYTES <= bytes.length; ) {
    const end = at + PREFIX_BYTES + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at + PREFIX_BYTES, end));
    at = end;
  }
  return frames;
}
