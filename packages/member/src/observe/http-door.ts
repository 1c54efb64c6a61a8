/**
 * The HTTP door: /metrics for Prometheus, /healthz (the process answers, its event loop turns), /readyz (it serves
 * its partitions; until then, and once it begins to stop, 503 and why as JSON).
 *
 * http-door H1  However often it is asked, the member makes at most one page in `metricsEveryMs`: callers share it
 *               (shared-page.ts).
 * http-door H2  Links, requests of a link and those of them that wait are bounded; a link that sends no request, or none any
 *               more, is closed after IDLE_MS, one that does not finish its headers too.
 * http-door H3  Beyond loopback it speaks TLS, and whoever reads the metrics shows who it is (security.ts); health is for
 *               all.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket, type TlsOptions } from 'node:tls';
import { GridError, shortText } from '@ashlar/core';
import { SharedPage } from '@ashlar/observe';
import type { HttpSecurity } from '../security.ts';

const CONNECTIONS_MAX = 128;
/** Requests of one link, in its life. */
const REQUESTS_MAX = 1000;
/** Unanswered requests of one link: pipelined ones. */
const WAITING_MAX = 8;
const IDLE_MS = 5000;
const REQUEST_MS = 10_000;
/** How often Node looks for links that are over their time. */
const CHECK_EVERY_MS = 500;

interface Page {
  readonly contentType: string;
  readonly text: string;
}

export interface HttpDoorOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: () => Promise<Page>;
  readonly metricsEveryMs: number;
  /** Why the member does not serve; empty: it does. */
  readonly notReady: () => readonly string[];
  /** What operators should know, ready or not. Default: nothing. */
  readonly notices?: () => readonly string[];
  /** Undefined: anybody may read, without TLS (http-door H3). */
  readonly security?: HttpSecurity | undefined;
}

export class HttpDoor {
  readonly #server: Server;
  readonly #options: HttpDoorOptions;
  readonly #metrics: SharedPage<{ readonly contentType: string; readonly bytes: Buffer }>;
  /** Requests of a link that wait for their answers. */
  readonly #waiting = new WeakMap<Socket, number>();

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#metrics = new SharedPage(async () => {
      const { contentType, text } = await options.metrics();
      return { contentType, bytes: Buffer.from(text) };
    }, options.metricsEveryMs);
    const timeouts = { requestTimeout: REQUEST_MS, headersTimeout: IDLE_MS, keepAliveTimeout: IDLE_MS };
    const settings = { ...timeouts, connectionsCheckingInterval: CHECK_EVERY_MS };
    const take = (request: IncomingMessage, response: ServerResponse): void => this.#take(request, response);
    const { security } = options;
    this.#server =
      security === undefined
        ? createServer(settings, take)
        : createTlsServer({ ...settings, ...tlsOf(security) }, take);
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.maxRequestsPerSocket = REQUESTS_MAX;
    this.#server.setTimeout(IDLE_MS);
  }

  /** http-door H2 */
  #take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const waiting = (this.#waiting.get(socket) ?? 0) + 1;
    if (waiting > WAITING_MAX) {
      socket.destroy();
      return;
    }
    this.#waiting.set(socket, waiting);
    response.once('close', () => this.#waiting.set(socket, this.#waiting.get(socket)! - 1));
    this.#answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end(`${shortText(error instanceof Error ? error.message : String(error))}\n`);
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

  /** http-door H3 */
  #mayRead({ headers, socket }: IncomingMessage): boolean {
    const { security } = this.#options;
    if (security === undefined) return true;
    const token = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
    return security.mayRead(token, socket instanceof TLSSocket && socket.authorized);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (status: number, body: string | Buffer, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'GET only\n');
    switch (pathOf(request.url ?? '/')) {
      case '/metrics': {
        if (!this.#mayRead(request)) {
          response.setHeader('www-authenticate', 'Bearer');
          return text(401, 'show the token of security.token: authorization: Bearer ...\n');
        }
        const { bytes, contentType } = await this.#metrics.get();
        return text(200, bytes, contentType);
      }
      case '/healthz':
        return text(200, 'ok\n');
      case '/readyz': {
        const reasons = this.#options.notReady();
        const ready = reasons.length === 0;
        const notices = this.#options.notices?.() ?? [];
        const told = { ready, reasons, ...(notices.length > 0 ? { notices } : {}) };
        return text(ready ? 200 : 503, `${JSON.stringify(told)}\n`, 'application/json');
      }
      default:
        return text(404, 'here are /metrics, /healthz and /readyz\n');
    }
  }
}

function tlsOf({ tls: { certificate: cert, key, clientAuthority: ca, clientAuth } }: HttpSecurity): TlsOptions {
  return { cert, key, ca, requestCert: clientAuth !== 'none', rejectUnauthorized: false, handshakeTimeout: IDLE_MS };
}

/** Without the query, and without the host of a proxy's request. Anything else is no path of ours. */
function pathOf(url: string): string {
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '');
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}
