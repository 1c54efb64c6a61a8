/** A TCP link that a test can cut: a proxy on a port of its own before a member's port. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class CuttableLink {
  /** Where callers connect. */
  readonly port: number;
  /** Where the member has to listen. */
  readonly targetPort: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(port: number, targetPort: number, server: Server, sockets: Set<Socket>) {
    this.port = port;
    this.targetPort = targetPort;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async open(): Promise<CuttableLink> {
    const targetPort = await freePort();
    const sockets = new Set<Socket>();
    const server = createServer((caller) => {
      const target = connect(targetPort, '127.0.0.1');
      for (const [socket, other] of [
        [caller, target],
        [target, caller],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    return new CuttableLink(await listen(server), targetPort, server, sockets);
  }

  /** Breaks every connection; new ones are let through. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((closed) => server.close(closed));
  return port;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return (server.address() as { port: number }).port;
}
