/** The way into the grid over the network. */
import type { Grid } from '@ashlar/api';
import { RoutedGrid } from '@ashlar/grid';
import { Router } from '@ashlar/routing';
import { type ConnectOptions, DEFAULT_SEEDS } from './options.ts';
import { checkedToken, clientTls } from './security.ts';
import { checkSeeds } from './seeds.ts';
import { checkSpin } from './spin.ts';
import { presentTrace } from './tracing.ts';

/**
 * Finds the grid and opens a session.
 *
 * @throws (rejects with) GridError INVALID_ARGUMENT; CONNECT_TIMEOUT, GRID_INCOMPLETE within the time; at once CONNECTION_REFUSED,
 *   UNKNOWN_HOST, NOT_A_MEMBER, TLS_MISMATCH, UNTRUSTED_CERTIFICATE, CLIENT_CERTIFICATE_REFUSED, UNAUTHENTICATED,
 *   UNSUPPORTED_PROTOCOL
 * @example const grid = await connect({ seeds: ['127.0.0.1:7710'] })
 */
export async function connect(options: ConnectOptions = {}): Promise<Grid> {
  const { seeds = DEFAULT_SEEDS, sqlTimeoutMs, tls, token, spin = 'auto', ...rest } = options;
  checkSeeds(seeds);
  checkSpin(spin);
  const shown = { tls: clientTls(tls), token: checkedToken(token) };
  const router = await Router.connect({ ...rest, ...shown, spin, seeds, trace: await presentTrace() });
  return RoutedGrid.over(router, sqlTimeoutMs, spin);
}
