/** The member's own way to keys of the whole grid, made when it is first needed. */
import { Router } from '@ashlar/routing';
import type { KvService } from '@ashlar/transport';
import type { MemberParts } from '../member-parts.ts';

export class GridRouter {
  readonly #parts: MemberParts;
  readonly #kv: () => KvService;
  readonly #forListeners: boolean;
  #router: Promise<Router> | undefined;

  /**
   * @param kv            this member's own service: its keys take no detour over a socket
   * @param forListeners  whether full logs take what comes this way
   */
  constructor(parts: MemberParts, kv: () => KvService, forListeners: boolean) {
    this.#parts = parts;
    this.#kv = kv;
    this.#forListeners = forListeners;
  }

  /** @throws GridError CONNECT_TIMEOUT while the member is not in its table yet */
  readonly get = (): Promise<Router> => {
    this.#router ??= this.#connect().catch((error: unknown) => {
      this.#router = undefined;
      throw error;
    });
    return this.#router;
  };

  async close(): Promise<void> {
    const router = await this.#router?.catch(() => undefined);
    await router?.close();
  }

  #connect(): Promise<Router> {
    const { control, catalog, address, config, metrics, security } = this.#parts;
    const context = { require: () => undefined } as never;
    return Router.connect({
      seeds: [address],
      clientName: `member ${control.self}`,
      forListeners: this.#forListeners,
      messageBytesMax: config.limits.messageBytes,
      onLinkFailure: (service) => metrics.linkFailed(service),
      catalog,
      ...security.peers,
      local: {
        memberId: control.self,
        openStream: (answers) => this.#kv().openStream(answers, context),
        openSession: (request) => this.#kv().openSession(request, context),
      },
    });
  }
}
