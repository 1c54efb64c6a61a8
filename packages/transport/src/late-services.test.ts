import { ChannelCredentials, Client, type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { serve } from './server.ts';
import type { GridServer } from './server-types.ts';
import { FakeMember } from './testing/index.ts';

const asIs = (bytes: Buffer): Buffer => bytes;
const SERVING = Buffer.from([8, 1]);
const NOT_SERVING = Buffer.from([8, 2]);
const SERVICE_UNKNOWN = Buffer.from([8, 3]);
const CHECK = '/grpc.health.v1.Health/Check';
const NOTHING = Buffer.alloc(0);
const GARBAGE = Buffer.alloc(50, 0xff);

let server: GridServer;
let client: Client;

beforeEach(async () => {
  const { services } = new FakeMember('a');
  server = await serve({ port: 0, services, authorize: () => true });
  client = new Client(`127.0.0.1:${server.port}`, ChannelCredentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await server.close();
});

/** A message whose field 1 is a text. */
function named(text: string, field = 1): Buffer {
  return Buffer.concat([Buffer.from([field * 8 + 2, text.length]), Buffer.from(text)]);
}

function ask(path: string, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, request, (error: ServiceError | null, answer?: Buffer) => {
      if (error === null) resolve(answer!);
      else reject(error);
    });
  });
}

function next(stream: ClientDuplexStream<Buffer, Buffer>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    stream.once('data', resolve);
    stream.once('error', reject);
  });
}

describe('the health of a door', () => {
  it('is told to calls that come at once, while the library is loaded (L1)', async () => {
    const asked = [ask(CHECK, NOTHING), ask(CHECK, named('ashlar.v1.Kv')), ask(CHECK, NOTHING)];
    expect(await Promise.all(asked)).toEqual([SERVING, SERVING, SERVING]);
    const listed = await ask('/grpc.health.v1.Health/List', NOTHING);
    expect(listed.toString('latin1')).toContain('ashlar.v1.Members');
  });

  it('is not told of services that there are not', async () => {
    await expect(ask(CHECK, named('nothing'))).rejects.toMatchObject({ code: status.NOT_FOUND });
    const watched = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', asIs, asIs, named('nothing'));
    watched.on('error', () => undefined);
    expect(await next(watched as never)).toEqual(SERVICE_UNKNOWN);
    watched.cancel();
  });

  it('changes when the door drains, for those who watch it too, and their streams end (L2, L3)', async () => {
    const watched = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', asIs, asIs, named('ashlar.v1.Kv'));
    const seen: Buffer[] = [];
    const failed = new Promise((resolve) => watched.on('error', resolve));
    let drained: Promise<void> | undefined;
    watched.on('data', (bytes: Buffer) => {
      seen.push(bytes);
      drained ??= server.drain(60_000);
    });
    expect(await failed).toMatchObject({ code: status.UNAVAILABLE });
    expect(seen).toEqual([SERVING, NOT_SERVING]);
    client.close();
    // Long before the time that calls under way would have had.
    await drained;
  });

  it('survives garbage', async () => {
    await expect(ask(CHECK, GARBAGE)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await ask(CHECK, NOTHING)).toEqual(SERVING);
  });
});

describe('reflection', () => {
  it.each(['v1', 'v1alpha'])(
    'of version %s tells the schemas, message by message in their order (L1)',
    async (version) => {
      const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
      const stream = client.makeBidiStreamRequest(path, asIs, asIs);
      stream.write(named('*', 7));
      stream.write(named('ashlar.v1.KvBatch', 4));
      const services = (await next(stream)).toString('latin1');
      for (const name of ['Kv', 'Sql', 'Compute', 'Events', 'Admin']) expect(services).toContain(`ashlar.v1.${name}`);
      const file = (await next(stream)).toString('latin1');
      expect(file).toContain('session_version');
      const ended = new Promise((resolve) => stream.once('end', resolve));
      stream.resume().end();
      await ended;
    },
  );

  it('survives garbage', async () => {
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    const stream = client.makeBidiStreamRequest(path, asIs, asIs);
    stream.write(GARBAGE);
    await expect(next(stream)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await ask(CHECK, NOTHING)).toEqual(SERVING);
  });
});
