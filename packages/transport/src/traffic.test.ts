import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { GridError } from '@ashlar/core';
import { Traffic } from './traffic.ts';

const PORT = 7;

/** What Node announces of a socket that a server of this process has accepted. */
class Accepted extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort: number;
  readonly localPort: number;
  bytesWritten = 0;
  isCut = false;

  constructor(remotePort: number, localPort: number) {
    super();
    this.remotePort = remotePort;
    this.localPort = localPort;
    channel('net.server.socket').publish({ socket: this });
  }

  destroy(): void {
    this.isCut = true;
    this.emit('close');
  }
}

let traffic: Traffic;
let stop: () => void;

beforeEach(() => {
  traffic = new Traffic();
  stop = traffic.watch(PORT);
});

afterEach(() => stop());

describe('links', () => {
  it('to the port are counted, while they are open and in all', () => {
    const [first] = [new Accepted(1, PORT), new Accepted(2, PORT), new Accepted(3, PORT + 1)];
    expect([traffic.connections, traffic.connectionsTotal]).toEqual([2, 2]);
    first.emit('close');
    expect([traffic.connections, traffic.connectionsTotal]).toEqual([1, 2]);
  });

  it('are counted no more once the door is closed, but those that close', () => {
    const socket = new Accepted(1, PORT);
    stop();
    new Accepted(2, PORT);
    socket.emit('close');
    expect([traffic.connections, traffic.connectionsTotal]).toEqual([0, 1]);
  });

  it('are found by their peer, say what their sockets have taken, and can be cut', () => {
    const [mine, other] = [new Accepted(1, PORT), new Accepted(2, PORT)];
    const link = traffic.linkOf('127.0.0.1:1');
    mine.bytesWritten = 10;
    expect(link.bytesTaken).toBe(10);
    mine.bytesWritten = 25;
    expect(link.bytesTaken).toBe(25);
    link.cut();
    expect([mine.isCut, other.isCut, traffic.connections]).toEqual([true, false, 1]);
  });

  it('that nobody knows have taken nothing, and there is nothing to cut', () => {
    new Accepted(1, PORT).emit('close');
    for (const peer of ['127.0.0.1:1', 'unix:', '']) {
      const link = traffic.linkOf(peer);
      link.cut();
      expect(link.bytesTaken).toBe(0);
    }
  });
});

describe('errors', () => {
  it('are counted by their code, and those that are not ours as INTERNAL', () => {
    const full = new GridError('OVERLOADED', 'full');
    for (const thrown of [full, new TypeError('secret'), full, 'text', null]) traffic.refusal(thrown);
    expect([...traffic.errors]).toEqual([
      ['OVERLOADED', 2],
      ['INTERNAL', 3],
    ]);
  });

  it('go onto the wire with their text, where it is ours', () => {
    expect(traffic.refusal(new GridError('OVERLOADED', 'full')).details).toContain('full');
    expect(traffic.refusal(new TypeError('secret')).details).not.toContain('secret');
  });
});
