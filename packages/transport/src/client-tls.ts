/**
 * How a client proves who it is, and whom it trusts; and the same as credentials of the gRPC library.
 *
 * client-tls T1  The member's certificate must be signed by the authority and name the host that was asked for, or
 *                `serverName`. An IP address is looked for among the certificate's addresses and never sent as a server name
 *                (RFC 6066).
 */
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';

/** TLS settings of a client: a type of our own, so that types of applications name no library. */
export interface ClientTls {
  /** PEM; default: the system's. */
  readonly authority?: Buffer;
  /** PEM. */
  readonly key?: Buffer;
  /** PEM. */
  readonly certificate?: Buffer;
  /** Name that certificates of members must have. Default: the host that is connected to. */
  readonly serverName?: string;
}

/** Without the brackets of an IPv6 address. @param address  host:port */
export function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) };
}

/** What a TLS handshake with the member at `address` is made with (client-tls T1). */
export function handshakeOptions(address: string, tls: ClientTls, secureContext: SecureContext): ConnectionOptions {
  const host = tls.serverName ?? hostAndPort(address).host;
  const name = isIP(host) === 0 ? { servername: host } : {};
  return { secureContext, host, ...name, ALPNProtocols: ['h2'] };
}

export function secureContextOf({ authority, key, certificate }: ClientTls): SecureContext {
  return createSecureContext({ ca: authority, key, cert: certificate });
}

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/** The library's own would send IP addresses as server names. */
export class TlsCredentials extends ChannelCredentials {
  readonly #options: ConnectionOptions;

  constructor(address: string, tls: ClientTls) {
    super();
    this.#options = handshakeOptions(address, tls, secureContextOf(tls));
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(_target: unknown, _options: unknown, callCredentials?: CallCredentials): Connector {
    return {
      connect: async (socket) => ({ socket: await shakeHands(socket, this.#options), secure: true }),
      waitForReady: async () => undefined,
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }
}

function shakeHands(socket: Socket, options: ConnectionOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secured = connect({ ...options, socket }, () => resolve(secured));
    // For as long as it lives: what breaks later is reported by the session that uses it.
    secured.on('error', reject);
    secured.once('close', () => reject(new Error('closed before TLS was agreed on')));
  });
}
