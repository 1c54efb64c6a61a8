/** What `connect` takes. */

/** A PEM text: what stands in the file, not its name. */
export type Pem = string | Uint8Array;

/** TLS of the connections to members. `{}`: the system's authorities are believed. */
export interface TlsOptions {
  /** Authorities that sign the members' certificates. Default: those of the system. Also `authority`. */
  readonly ca?: Pem;
  /** Our certificate, for members that ask for one (`security.clientAuth`), with those that signed it. Also `certificate`. */
  readonly cert?: Pem;
  /** The private key of our certificate. */
  readonly key?: Pem;
  /** Name that members' certificates must have. Default: the host that is connected to. */
  readonly serverName?: string;
  readonly authority?: Pem;
  readonly certificate?: Pem;
}

export interface ConnectOptions {
  /** host:port of members to ask first; the others are found. Default: 127.0.0.1:7710. */
  readonly seeds?: readonly string[];
  /** Bearer token (`security.token` of the grid), or a function that gives the present one, asked for at every call. */
  readonly token?: string | (() => string | undefined);
  /** TLS; members with `security.certFile` need it. */
  readonly tls?: TlsOptions;
  /** Milliseconds until connecting fails. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /**
   * Whether to go on asking, within `connectTimeoutMs`, where nobody listens at any seed: for who starts together with its
   * grid. Default false: CONNECTION_REFUSED at once.
   */
  readonly waitForMembers?: boolean;
  /** Timeout of key-value calls that name none, in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** Timeout of statements that name none, in milliseconds. Default 30 000. */
  readonly sqlTimeoutMs?: number;
  /**
   * Whether the process keeps its event loop turning for a moment (0.5 ms at most) while a few key-value calls are out, instead
   * of being put to sleep and woken: a call that is alone under way takes half the time. `auto`, the default: where there is a core
   * for it that nobody else wants. `off`: never.
   */
  readonly spin?: 'auto' | 'off';
  /** Name that operators see. */
  readonly clientName?: string;
}

export const DEFAULT_SEEDS: readonly string[] = ['127.0.0.1:7710'];
