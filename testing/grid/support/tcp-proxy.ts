/**
 * A TCP proxy between a client and a member: what it forwards, loses, holds back and cuts is the test's to say.
 *
 *   client <-> proxy <-> member
 *
 * A link that stalls: hold() keeps requests back, abandon() ends the client's side only, flow() lets new links through,
 * and deliver() hands the member what the abandoned links still carry.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A port that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Which way bytes are lost: they are read and thrown away, the connection stays. */
export type Loss = 'none' | 'requests' | 'answers';

interface Link {
  readonly client: Socket;
  readonly member: Socket;
  /** Requests that the member has not been given. */
  held: Buffer[];
  isAbandoned: boolean;
}

export class TcpProxy {
  readonly address: string;
  loss: Loss = 'none';
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #holds = false;

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param targetPort  of the member, on loopback */
  static async listen(targetPort: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TcpProxy(server);
    server.on('connection', (client) => proxy.#join(client, connect(targetPort, '127.0.0.1')));
    return proxy;
  }

  #join(client: Socket, member: Socket): void {
    const link: Link = { client, member, held: [], isAbandoned: false };
    this.#links.add(link);
    client.on('data', (bytes) => {
      if (this.#holds) link.held.push(bytes);
      else if (this.loss !== 'requests') member.write(bytes);
    });
    member.on('data', (bytes) => {
      if (this.loss !== 'answers' && !link.isAbandoned) client.write(bytes);
    });
    for (const socket of [client, member]) {
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
    }
    client.on('close', () => {
      if (!link.isAbandoned) member.destroy();
    });
    member.on('close', () => {
      this.#links.delete(link);
      client.destroy();
    });
  }

  /** From here on requests are held, on new links too. */
  hold(): void {
    this.#holds = true;
  }

  /** Answers are not taken any more on the links that are open: members find their sockets full. */
  stopTaking(): void {
    for (const { member } of this.#links) member.pause();
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    let sum = 0;
    for (const { held } of this.#links) for (const bytes of held) sum += bytes.length;
    return sum;
  }

  /** The client's ends break, the member's stay. */
  abandon(): void {
    for (const link of this.#links) {
      link.isAbandoned = true;
      link.client.destroy();
    }
  }

  /** Requests flow again, on the links that were not abandoned. */
  flow(): void {
    this.#holds = false;
    for (const link of this.#links) if (!link.isAbandoned) deliverHeld(link);
  }

  /** What abandoned links held reaches the member. */
  deliver(): void {
    for (const link of this.#links) if (link.isAbandoned) deliverHeld(link);
  }

  /** Breaks every connection; new ones are taken. */
  cut(): void {
    for (const { client, member } of this.#links) {
      client.destroy();
      member.destroy();
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }
}

function deliverHeld(link: Link): void {
  for (const bytes of link.held.splice(0)) link.member.write(bytes);
}
