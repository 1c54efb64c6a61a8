/**
 * The HTTP door: /metrics for Prometheus, /healthz (the process answers, its event loop turns), /readyz (it serves
 * its partitions; until then, and once it is told to stop, 503 and why as JSON).
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GridError } from '@ashlar/core';

export interface HttpDoorOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Why the member does not serve; empty: it does. */
  readonly notReady: () => readonly string[];
}

export class HttpDoor {
  readonly #server: Server;
  readonly #options: HttpDoorOptions;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
        response.end(`${error instanceof Error ? error.message : error}\n`);
      });
    });
  }

  /** @returns the port it listens on. @throws GridError PORT_IN_USE */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    try {
      this.#server.listen(port, host);
      await once(this.#server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      throw new GridError('PORT_IN_USE', `port ${port} on ${host} is taken`, {
        hint: 'stop what listens there or choose another one with --http-port',
        details: { port },
      });
    }
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'GET only\n');
    switch (new URL(request.url ?? '/', 'http://member').pathname) {
      case '/metrics': {
        const page = await this.#options.metrics();
        return text(200, page.text, page.contentType);
      }
      case '/healthz':
        return text(200, 'ok\n');
      case '/readyz': {
        const reasons = this.#options.notReady();
        const ready = reasons.length === 0;
        return text(ready ? 200 : 503, `${JSON.stringify({ ready, reasons })}\n`, 'application/json');
      }
      default:
        return text(404, 'here are /metrics, /healthz and /readyz\n');
    }
  }
}
