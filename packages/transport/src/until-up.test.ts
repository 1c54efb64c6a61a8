import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connectMember } from './connection.ts';

const LONG_MS = 60_000;

/** A port that nobody listens on. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('who waits for a link', () => {
  it('is told at once when its connection is closed, and holds the process no longer (U1, U2)', async () => {
    const port = await deadPort();
    const before = timers();
    const connection = connectMember(`127.0.0.1:${port}`);
    const down = Promise.withResolvers<void>();
    const watched = connectMember(`127.0.0.1:${port}`, { onLink: () => down.resolve() });
    watched.keepUp();
    const waits = [connection.ready(LONG_MS), watched.ready(LONG_MS)];
    // One of them has been refused by then, and is tried again.
    await down.promise;
    connection.close();
    watched.abandon();
    for (const wait of waits) await expect(wait).rejects.toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('is told when its time is over, or, if it gives up, that nobody listens', async () => {
    const connection = connectMember(`127.0.0.1:${await deadPort()}`);
    await expect(connection.ready(50)).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' });
    await expect(connection.reach(LONG_MS)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    connection.close();
  });
});
