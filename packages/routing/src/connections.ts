/** Connections to members, one a member: found through seeds, kept, and asked in turn for what any member can answer. */
import { CancelledError, GridError, type MemberAddress, type PartitionTable } from '@ashlar/core';
import {
  type CallOptions,
  type ConnectionOptions,
  connectMember,
  type HelloResponse,
  type MemberConnection,
} from '@ashlar/transport';

/** Protocol versions this caller speaks. */
export const PROTOCOL = { min: 1, max: 1 } as const;

const SEED_TRY_MS = 1_000;
const SEED_PAUSE_MS = 50;
const RETRY_PAUSE_MS = 20;
/** Failures that another seed or a later moment will not mend. */
const FINAL_CODES: readonly string[] = ['UNAUTHENTICATED', 'PERMISSION_DENIED', 'UNSUPPORTED_PROTOCOL'];

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #caller: string;
  /** By member id. */
  readonly #byMember = new Map<string, MemberConnection>();
  #turn = 0;

  constructor(options: ConnectionOptions, caller: string) {
    this.#options = options;
    this.#caller = caller;
  }

  /**
   * The seed that answers first.
   *
   * @throws (rejects with) GridError CONNECT_TIMEOUT, or what no waiting mends: UNAUTHENTICATED, UNSUPPORTED_PROTOCOL ...
   */
  async open(seeds: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<HelloResponse> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const leftMs = Math.max(1, deadlineMs - performance.now());
      const failures: GridError[] = [];
      const found = await this.#firstOf(seeds, Math.min(SEED_TRY_MS, leftMs), failures);
      if (found !== undefined) return found;
      const final = failures.find(({ code }) => FINAL_CODES.includes(code));
      if (final !== undefined) throw final;
      if (signal?.aborted === true) throw new CancelledError('connect');
      if (performance.now() + SEED_PAUSE_MS >= deadlineMs) throw connectTimeout(seeds, timeoutMs, failures[0]);
      await pause(SEED_PAUSE_MS);
    }
  }

  /** Asks all seeds at once; the others are let go when one has answered. Undefined: none did. */
  async #firstOf(
    seeds: readonly string[],
    timeoutMs: number,
    failures: GridError[],
  ): Promise<HelloResponse | undefined> {
    const connections = seeds.map((seed) => connectMember(seed, this.#options));
    const greetings = connections.map(async (connection) => ({
      connection,
      hello: await this.#greet(connection, timeoutMs),
    }));
    for (const greeting of greetings) greeting.catch((error: unknown) => failures.push(GridError.wrap(error)));
    const first = await Promise.any(greetings).catch(() => undefined);
    for (const connection of connections) if (connection !== first?.connection) connection.close();
    if (first !== undefined) this.#byMember.set(first.hello.memberId, first.connection);
    return first?.hello;
  }

  async #greet(connection: MemberConnection, timeoutMs: number): Promise<HelloResponse> {
    await connection.ready(timeoutMs);
    const request = { protocolMin: PROTOCOL.min, protocolMax: PROTOCOL.max, caller: this.#caller };
    const hello = await connection.admin.hello(request, { timeoutMs });
    if (hello.protocolMin > PROTOCOL.max || hello.protocolMax < PROTOCOL.min) {
      throw new GridError(
        'UNSUPPORTED_PROTOCOL',
        `the member speaks protocol ${hello.protocolMin} to ${hello.protocolMax}, this client ${PROTOCOL.max}`,
        { hint: 'install the client of the grid’s release' },
      );
    }
    return hello;
  }

  /** The connection to a member; made when there is none. */
  of(member: MemberAddress): MemberConnection {
    let connection = this.#byMember.get(member.id);
    if (connection === undefined) {
      connection = connectMember(member.address, this.#options);
      this.#byMember.set(member.id, connection);
    }
    return connection;
  }

  /** Closes connections to members that are not in `table`. */
  keepOnly(table: PartitionTable): void {
    for (const [id, connection] of this.#byMember) {
      if (table.members.some((member) => member.id === id)) continue;
      connection.close();
      this.#byMember.delete(id);
    }
  }

  /** Members in turn, those with a link first. */
  inTurn(table: PartitionTable): readonly MemberConnection[] {
    const start = this.#turn++;
    const all = table.members.map((_, index) => this.of(table.members[(start + index) % table.members.length]!));
    return [...all.filter((connection) => connection.isUp), ...all.filter((connection) => !connection.isUp)];
  }

  /**
   * Asks any member, the next one when a link is broken or a member leaves, until the time is over.
   *
   * @param ask  must be safe to repeat after a failure that is `retryable`
   */
  async any<T>(
    table: () => PartitionTable,
    options: CallOptions & { readonly timeoutMs: number },
    ask: (connection: MemberConnection, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = performance.now() + options.timeoutMs;
    for (;;) {
      let last: GridError | undefined;
      for (const connection of this.inTurn(table())) {
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0) break;
        try {
          return await ask(connection, { ...options, timeoutMs: leftMs });
        } catch (error) {
          last = GridError.wrap(error);
          if (!worthAnotherMember(last)) throw last;
        }
      }
      if (options.signal?.aborted === true) throw new CancelledError('the call');
      if (performance.now() + RETRY_PAUSE_MS >= deadlineMs) {
        throw last ?? new GridError('CONNECTION_LOST', `no member could be reached within ${options.timeoutMs} ms`);
      }
      await pause(RETRY_PAUSE_MS);
    }
  }

  close(): void {
    for (const connection of this.#byMember.values()) connection.close();
    this.#byMember.clear();
  }
}

export function worthAnotherMember(error: GridError): boolean {
  return error.code === 'CONNECTION_LOST' || error.code === 'SHUTTING_DOWN' || error.code === 'CONNECT_TIMEOUT';
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function connectTimeout(seeds: readonly string[], timeoutMs: number, cause: GridError | undefined): GridError {
  const reason = cause === undefined || cause.code === 'CONNECT_TIMEOUT' ? '' : `: ${cause.message}`;
  return new GridError('CONNECT_TIMEOUT', `no member answered at ${seeds.join(', ')} within ${timeoutMs} ms${reason}`, {
    hint: 'start one with `npx ashlar start`, or check the seeds',
    details: { seeds, timeoutMs },
    cause,
  });
}
