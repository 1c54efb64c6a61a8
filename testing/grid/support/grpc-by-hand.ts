/**
 * gRPC calls by hand over HTTP/2, as any other client makes them: one message there, the first message back.
 *
 *   message = 0 (not compressed) | length, 4 bytes | protobuf bytes
 */
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';

const PREFIX_BYTES = 5;
const ERRORS_PROTO = new URL('../../../protos/ashlar/v1/errors.proto', import.meta.url);

/** A call that was answered by another status than OK. */
export class GrpcFailure extends Error {
  readonly status: number;
  /** A code of errors.proto; undefined where the answer names none. */
  readonly code: string | undefined;

  constructor(status: number, message: string, code: string | undefined) {
    super(`status ${status}: ${message}`);
    this.status = status;
    this.code = code;
  }
}

/** Gives the first answer and lets the stream go. Rejects with a GrpcFailure where the status is not OK. */
export async function grpcCall(address: string, method: string, message: Uint8Array): Promise<Buffer> {
  const { session, stream } = open(address, method);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  session.on('error', reject);
  let received = Buffer.alloc(0);
  stream.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    if (received.length < PREFIX_BYTES) return;
    const end = PREFIX_BYTES + received.readUInt32BE(1);
    if (received.length >= end) resolve(received.subarray(PREFIX_BYTES, end));
  });
  const onStatus = (given: Record<string, unknown>): void => {
    const status = given['grpc-status'];
    if (status === undefined || status === '0') return;
    const details = Buffer.from(String(given['grpc-status-details-bin'] ?? ''), 'base64');
    reject(new GrpcFailure(Number(status), decodeURIComponent(String(given['grpc-message'])), codeIn(details)));
  };
  stream.on('response', onStatus);
  stream.on('trailers', onStatus);
  stream.on('error', reject);
  stream.end(framed(message, message.length));
  try {
    return await promise;
  } finally {
    session.destroy();
  }
}

/** Sends a message that promises twice the bytes it has, and breaks the connection `afterMs` later. */
export async function vanishWithinMessage(
  address: string,
  method: string,
  message: Uint8Array,
  afterMs: number,
): Promise<void> {
  const { session, stream } = open(address, method);
  stream.on('error', () => undefined);
  session.on('error', () => undefined);
  stream.write(framed(message, message.length * 2));
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  session.destroy();
}

function open(address: string, method: string): { session: ClientHttp2Session; stream: ClientHttp2Stream } {
  const session = connect(`http://${address}`);
  const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
  return { session, stream: session.request(headers) };
}

function framed(message: Uint8Array, promisedBytes: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(promisedBytes, 1);
  return Buffer.concat([prefix, message]);
}

/* ---- Protobuf ---------------------------------------------------------------------------------------------------- */

/** A length-delimited field: text, bytes, a message, a packed column. */
export function bytesField(field: number, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

export function integerField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

export function doubleField(field: number, value: number): Buffer {
  return Buffer.concat([varint((field << 3) | 1), new Uint8Array(Float64Array.of(value).buffer)]);
}

/** A packed column of fixed32. */
export function wordsField(field: number, ...words: readonly number[]): Buffer {
  return bytesField(field, new Uint8Array(Uint32Array.from(words).buffer));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

/** The code of the ashlar.v1.Error in a google.rpc.Status. */
function codeIn(status: Buffer): string | undefined {
  const any = fieldOf(status, 3);
  const error = any instanceof Buffer ? fieldOf(any, 2) : undefined;
  const number = error instanceof Buffer ? fieldOf(error, 1) : undefined;
  if (number === undefined) return undefined;
  return new RegExp(`^  (\\w+) = ${Number(number)};$`, 'm').exec(readFileSync(ERRORS_PROTO, 'utf8'))?.[1];
}

/** The first field of the number: a varint or bytes. */
function fieldOf(message: Buffer, wanted: number): number | Buffer | undefined {
  let at = 0;
  const integer = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = integer();
    const isBytes = (tag & 7) === 2;
    const value = integer();
    const start = at;
    if (isBytes) at += value;
    if (tag >> 3 === wanted) return isBytes ? message.subarray(start, at) : value;
  }
  return undefined;
}
