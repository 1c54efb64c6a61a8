/** The outside world of a command, handed in: streams, environment, Ctrl-C, the grid. Tests hand in their own. */
import type { Grid } from '@ashlar/api';
import type { TextStream } from '@ashlar/terminal';

export interface ConnectRequest {
  /** host:port of members. */
  readonly seeds: readonly string[];
  readonly connectTimeoutMs?: number;
  /** Bearer token. */
  readonly token?: string;
  /** PEM texts; undefined: without TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly serverName?: string };
}

/** Settings of a member as typed: what they mean, and what environment, file and defaults add, the member knows. */
export interface MemberRequest {
  /** By the setting's dotted path: { 'grpc.port': '7720' }. */
  readonly flags: Readonly<Record<string, string | boolean>>;
  /** How they were typed, where not by --set: { 'grpc.port': '--port' }. */
  readonly flagNames: Readonly<Record<string, string>>;
  /** Settings file that was asked for. */
  readonly configFile: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface RunningMember {
  readonly name: string;
  /** host:port of the gRPC door. */
  readonly address: string;
  /** host:port of the HTTP door. */
  readonly httpAddress: string;
  /** How it is spoken to there. Default http. */
  readonly httpScheme?: 'http' | 'https';
  /** Orderly shutdown; resolves when both doors are closed. Idempotent. */
  stop(): Promise<void>;
}

/** The input of a command, and whether a person types it. */
export type InputStream = NodeJS.ReadableStream & { readonly isTTY?: boolean };

export interface CliIo {
  readonly stdin: InputStream;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** While it is registered, Ctrl-C calls back and the signal does not fire. @returns ends that */
  onInterrupt(callback: () => void): () => void;
  /** Calls back when the process that holds the other end of stdin is gone. */
  onParentGone(callback: () => void): void;
  /** Calls back for every key pressed on a terminal, Ctrl-C among them; returns the way to stop. Absent: no terminal. */
  readonly onKey?: ((pressed: (key: string) => void) => () => void) | undefined;
  connect(request: ConnectRequest): Promise<Grid>;
  startMember(request: MemberRequest): Promise<RunningMember>;
}
