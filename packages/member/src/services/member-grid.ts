/**
 * The grid as the member itself has it, for what its services and its user code ask of it: always within the call that they
 * ask for. Its connections are made when they are first needed; keys of this member take no detour over a socket.
 */
import type { Grid } from '@ashlar/api';
import type { CallScope } from '@ashlar/core';
import { RoutedGrid } from '@ashlar/grid';
import { Router } from '@ashlar/routing';
import type { KvService } from '@ashlar/transport';
import type { MemberParts } from '../member-parts.ts';

export class MemberGrid {
  readonly #parts: MemberParts;
  readonly #kv: () => KvService;
  readonly #forListeners: boolean;
  #grid: Promise<RoutedGrid> | undefined;

  /**
   * @param kv            this member's own service: its keys take no detour over a socket
   * @param forListeners  whether full logs take what comes this way
   */
  constructor(parts: MemberParts, kv: () => KvService, forListeners: boolean) {
    this.#parts = parts;
    this.#kv = kv;
    this.#forListeners = forListeners;
  }

  /**
   * Calls made of it end with the call that they are made in, within its time, and are of its trace.
   *
   * @throws GridError CONNECT_TIMEOUT while the member is not in its table yet
   */
  readonly within = async (scope: CallScope): Promise<Grid> => {
    this.#grid ??= this.#connect().catch((error: unknown) => {
      this.#grid = undefined;
      throw error;
    });
    return (await this.#grid).within(scope);
  };

  async close(): Promise<void> {
    const grid = await this.#grid?.catch(() => undefined);
    await grid?.close();
  }

  async #connect(): Promise<RoutedGrid> {
    const { config, control, catalog, address, metrics, security } = this.#parts;
    const context = { require: () => undefined } as never;
    const router = await Router.connect({
      seeds: [address],
      clientName: `member ${control.self}`,
      forListeners: this.#forListeners,
      onLinkFailure: (service) => metrics.linkFailed(service),
      catalog,
      spin: config.spin,
      ...security.peers,
      local: {
        memberId: control.self,
        openStream: (answers) => this.#kv().openStream(answers, context),
        openSession: (request) => this.#kv().openSession(request, context),
      },
    });
    return RoutedGrid.over(router);
  }
}
