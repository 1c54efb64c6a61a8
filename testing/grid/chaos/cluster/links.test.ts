/** The links of a chaos run, between a caller and a door that answers every byte. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { CLIENT, type LinkRule, Links } from './links.ts';

let door: Server;
let links: Links;
let ports: number[];
/** What the door has received. */
let received: string;

beforeEach(async () => {
  received = '';
  door = createServer((socket) => {
    socket.on('data', (bytes) => {
      received += bytes.toString();
      socket.write(bytes.toString().toUpperCase());
    });
    socket.on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  const { port } = door.address() as AddressInfo;
  ({ links, ports } = await Links.listen([
    { name: 'a', port, sourceAddress: '127.0.0.11' },
    { name: 'b', port, sourceAddress: '127.0.0.12' },
  ]));
});

afterEach(async () => {
  links.close();
  door.close();
  await once(door, 'close');
});

/** A connection to the proxy of b, and what it has been told. */
async function call(localAddress: string): Promise<{ socket: Socket; told: () => string }> {
  const socket = connect({ port: ports[1]!, host: '127.0.0.1', localAddress });
  let told = '';
  socket.on('data', (bytes) => (told += bytes.toString()));
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return { socket, told: () => told };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A round trip by links that no rule of the test concerns: what went before it has passed. */
async function roundTrip(): Promise<void> {
  const { socket, told } = await call('127.0.0.11');
  socket.write('x');
  await until(() => told() === 'X');
  socket.destroy();
}

const cut = (from: string, to: string): LinkRule => ({ from, to, isCut: true, delayMs: 0 });

describe('links between members', () => {
  it('carry both ways, and know the caller by its address', async () => {
    links.set([cut('a', 'b')]);
    const client = await call('127.0.0.1');
    client.socket.write('hello');
    await until(() => client.told() === 'HELLO');
    client.socket.destroy();
  });

  it('hold what is sent the way that is cut, carry the other way, and hand all of it over when they heal', async () => {
    const client = await call('127.0.0.1');
    client.socket.write('one');
    await until(() => client.told() === 'ONE');
    links.set([cut('b', CLIENT)]);
    client.socket.write('two');
    await until(() => received === 'onetwo');
    await roundTrip();
    expect(client.told()).toBe('ONE');
    links.set([cut(CLIENT, 'b')]);
    await until(() => client.told() === 'ONETWO');
    client.socket.write('three');
    await roundTrip();
    expect(received.replaceAll('x', '')).toBe('onetwo');
    links.set([]);
    await until(() => client.told() === 'ONETWOTHREE');
    client.socket.destroy();
  });

  it('make no connection across a cut, whichever way it is, until it heals', async () => {
    links.set([cut('b', CLIENT)]);
    const client = await call('127.0.0.1');
    client.socket.write('early');
    await roundTrip();
    expect(received).toBe('x');
    links.set([]);
    await until(() => client.told() === 'EARLY');
    client.socket.destroy();
  });

  it('delay what they carry, in its order', async () => {
    links.set([{ from: CLIENT, to: 'b', isCut: false, delayMs: 60 }]);
    const client = await call('127.0.0.1');
    const sentMs = performance.now();
    client.socket.write('1');
    await roundTrip();
    client.socket.write('2');
    await until(() => client.told() === '12');
    expect(performance.now() - sentMs).toBeGreaterThanOrEqual(59);
    client.socket.destroy();
  });

  it('end with their caller, also while they are cut', async () => {
    const client = await call('127.0.0.1');
    const ended = new Promise<void>((resolve) => door.once('connection', (socket) => socket.once('close', resolve)));
    const late = await call('127.0.0.1');
    late.socket.write('x');
    await until(() => late.told() === 'X');
    links.set([cut(CLIENT, 'b')]);
    late.socket.destroy();
    client.socket.destroy();
    links.set([]);
    await ended;
  });
});
