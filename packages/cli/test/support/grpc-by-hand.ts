/**
 * A gRPC call by hand over HTTP/2, as any other client makes it: one message there, the first message back.
 *
 *   message = 0 (not compressed) | length, 4 bytes | protobuf bytes
 */
import { connect } from 'node:http2';

const PREFIX_BYTES = 5;

/** Gives the first answer and lets the stream go. Rejects with the status where it is not OK. */
export async function grpcCall(address: string, method: string, message: Uint8Array): Promise<Buffer> {
  const session = connect(`http://${address}`);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  session.on('error', reject);
  const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers);
  let received = Buffer.alloc(0);
  stream.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    if (received.length < PREFIX_BYTES) return;
    const end = PREFIX_BYTES + received.readUInt32BE(1);
    if (received.length >= end) resolve(received.subarray(PREFIX_BYTES, end));
  });
  const onStatus = (given: Record<string, unknown>): void => {
    if (given['grpc-status'] !== undefined && given['grpc-status'] !== '0') {
      reject(new Error(`status ${given['grpc-status']}: ${given['grpc-message']}`));
    }
  };
  stream.on('response', onStatus);
  stream.on('trailers', onStatus);
  stream.on('error', reject);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
  try {
    return await promise;
  } finally {
    session.destroy();
  }
}

/** A length-delimited protobuf field of text; short ones only. */
export function textField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([Buffer.of((field << 3) | 2, bytes.length), bytes]);
}
