/** Doors that answer what the test says: what a probe makes of each. With certificates: link-faults.test.ts. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { jest } from '@jest/globals';
import { findLinkFault } from './link-probe.ts';

const SETTINGS_FRAME = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const SETTINGS_OF_A_STREAM = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 1]);
const PING_FRAME = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
const TLS_ALERT = Buffer.from([0x15, 3, 3, 0, 2, 2, 10]);
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  jest.useRealTimers();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

/** A door that does `answer` with the first bytes of each caller. */
async function door(answer: (socket: Socket, greeting: Buffer) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', (greeting: Buffer) => answer(socket, greeting));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const saying = (answer: Buffer | string) => door((socket) => socket.write(answer));

/** A port at which nobody listens: it was free a moment ago. */
async function deadAddress(): Promise<string> {
  const address = await saying('');
  const server = servers.pop()!;
  await new Promise((resolve) => server.close(resolve));
  return address;
}

describe('a probe', () => {
  it('finds nobody', async () => {
    const address = await deadAddress();
    expect(await findLinkFault(address, undefined)).toEqual({ kind: 'refused' });
    expect(await findLinkFault(address, {})).toEqual({ kind: 'refused' });
  });

  it('greets as HTTP/2 does, and finds nothing wrong where it is answered so', async () => {
    const greetings: string[] = [];
    const address = await door((socket, greeting) => {
      greetings.push(greeting.toString('latin1'));
      socket.write(SETTINGS_FRAME);
    });
    expect(await findLinkFault(address, undefined)).toBeUndefined();
    expect(greetings).toHaveLength(1);
    expect(greetings[0]!.startsWith(PREFACE)).toBe(true);
  });

  it.each<[string, Buffer | string]>([
    ['other words', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a frame that does not come first', PING_FRAME],
    ['the settings of a stream', SETTINGS_OF_A_STREAM],
    ['half a frame', Buffer.concat([SETTINGS_FRAME.subarray(0, 8), TLS_ALERT])],
  ])('takes a door that answers %s for no member', async (_what, answer) => {
    expect(await findLinkFault(await saying(answer), undefined)).toEqual({ kind: 'noMember' });
    expect(await findLinkFault(await saying(answer), {})).toEqual({ kind: 'noMember' });
  });

  it('knows TLS by its alert, and says nothing of TLS that does not tell why it failed', async () => {
    const address = await saying(TLS_ALERT);
    expect(await findLinkFault(address, undefined)).toEqual({ kind: 'memberSpeaksTls' });
    expect(await findLinkFault(address, {})).toBeUndefined();
  });

  it('with TLS finds a member that speaks without it', async () => {
    expect(await findLinkFault(await saying(SETTINGS_FRAME), {})).toEqual({ kind: 'memberSpeaksPlaintext' });
  });

  it('says nothing of a door that hangs up, with TLS or without (link-probe P2)', async () => {
    const address = await door((socket) => socket.destroy());
    expect(await findLinkFault(address, undefined)).toBeUndefined();
    expect(await findLinkFault(address, {})).toBeUndefined();
  });

  it('ends at a door that says nothing (link-probe P1)', async () => {
    const greeted: (() => void)[] = [];
    const address = await door(() => greeted.shift()?.());
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
    for (const tls of [undefined, {}]) {
      const heard = new Promise<void>((resolve) => greeted.push(resolve));
      const fault = findLinkFault(address, tls);
      await heard;
      jest.advanceTimersByTime(1_000);
      expect(await fault).toBeUndefined();
    }
  });
});
