/** Why members that are away are away, looked for once a loss: a silent one costs a second to find out nothing. */
import type { GridError } from '@ashlar/core';
import type { MemberConnection } from '@ashlar/transport';

interface Found {
  /** When the link was lost whose reason was looked for. */
  readonly sinceMs: number | undefined;
  readonly fault: Promise<GridError | undefined>;
}

export class MemberFaults {
  readonly #found = new WeakMap<MemberConnection, Found>();

  /** What no waiting mends: TLS, a certificate. Undefined: it is away, or back. */
  async lasting(connection: MemberConnection): Promise<GridError | undefined> {
    const sinceMs = connection.down?.sinceMs;
    let found = this.#found.get(connection);
    if (found === undefined || found.sinceMs !== sinceMs) {
      found = { sinceMs, fault: connection.findFault() };
      this.#found.set(connection, found);
    }
    const fault = await found.fault;
    return fault?.retryable === false ? fault : undefined;
  }
}
