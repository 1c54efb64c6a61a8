/**
 * The limit of our way: messages as long as ours, a promise a call, over a bare grpc-js stream, with nothing in them.
 *
 * A message begins with the length of its answer; what is asked in one turn of the event loop shares a message. Each has a socket
 * of its own, as our clients and those of Redis have; where they share one (`echo-shared`), so do what many of them read and write.
 */
import { Client, credentials } from '@grpc/grpc-js';
import type { KvSubject } from './subjects.ts';

export const ECHO_PATH = '/bench.Echo/Batch';
export const asIs = (bytes: Buffer): Buffer => bytes;

/** Bytes of one operation in our batches and answers: fixed columns, and keys and values of the workload with their tags. */
const HEADER_BYTES = 60;
const GET_BYTES = 9 + 11;
const PUT_BYTES = GET_BYTES + 4 + 102;
const ANSWER_HEADER_BYTES = 24;
const GET_ANSWER_BYTES = 5 + 102;
const PUT_ANSWER_BYTES = 5;
const BATCH_OPERATIONS_MAX = 1024;

/** @param sockets  'own': a connection each. 'shared': grpc-js's default, one for all of a process to the same address */
export function openEcho(address: string, sockets: 'own' | 'shared'): KvSubject {
  const options = { 'grpc.use_local_subchannel_pool': sockets === 'own' ? 1 : 0 };
  const client = new Client(address, credentials.createInsecure(), options);
  const stream = client.makeBidiStreamRequest(ECHO_PATH, asIs, asIs);
  const sent: (() => void)[][] = [];
  let waiting: (() => void)[] = [];
  let bytes = HEADER_BYTES;
  let answerBytes = ANSWER_HEADER_BYTES;
  stream.on('data', () => {
    for (const resolve of sent.shift()!) resolve();
  });
  stream.on('error', () => undefined);

  function flush(): void {
    if (waiting.length === 0) return;
    const message = Buffer.allocUnsafe(bytes);
    message.writeUInt32LE(answerBytes, 0);
    sent.push(waiting);
    waiting = [];
    bytes = HEADER_BYTES;
    answerBytes = ANSWER_HEADER_BYTES;
    stream.write(message);
  }

  function call(size: number, answerSize: number): Promise<undefined> {
    return new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push(resolve as () => void);
      bytes += size;
      answerBytes += answerSize;
      if (waiting.length === BATCH_OPERATIONS_MAX) flush();
    });
  }

  return {
    get: () => call(GET_BYTES, GET_ANSWER_BYTES),
    put: () => call(PUT_BYTES, PUT_ANSWER_BYTES),
    hasValues: false,
    close: async () => client.close(),
  };
}
