/** A process: answers each message with as many bytes as it asks for. */
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { asIs, ECHO_PATH } from './echo-client.ts';

const server = new Server();
server.addService(
  {
    batch: {
      path: ECHO_PATH,
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  {
    batch(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (message: Buffer) => call.write(Buffer.allocUnsafe(message.readUInt32LE(0))));
      call.on('end', () => call.end());
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${JSON.stringify({ address: `127.0.0.1:${port}` })}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
