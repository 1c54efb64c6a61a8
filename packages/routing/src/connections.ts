/** Connections to members, one a member: found through seeds, kept, and asked in turn for what any member can answer. */
import {
  CancelledError,
  GridError,
  GridIncompleteError,
  isSilent,
  type MemberAddress,
  type PartitionTable,
  wasNeverSealed,
} from '@ashlar/core';
import {
  type CallOptions,
  type ConnectionOptions,
  connectMember,
  type HelloResponse,
  type MemberConnection,
} from '@ashlar/transport';
import { mayTakeOver } from './takeover.ts';

/** Protocol versions this caller speaks. */
export const PROTOCOL = { min: 1, max: 1 } as const;

const SEED_TRY_MS = 1_000;
const SEED_PAUSE_FIRST_MS = 50;
const SEED_PAUSE_MAX_MS = 500;
const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 200;
/** With less time left nobody is asked again: the last error says more than a deadline would. */
const ASK_LEAST_MS = 50;
/** Failures that another seed or a later moment will not mend. */
const FINAL_CODES: readonly string[] = [
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'UNSUPPORTED_PROTOCOL',
  // Thrown by the application's function that gives the token.
  'INVALID_ARGUMENT',
];
/** What stands between us and a seed and does not go away by waiting; the most telling ones first. */
const FAULT_CODES: readonly string[] = [
  'CLIENT_CERTIFICATE_REFUSED',
  'UNTRUSTED_CERTIFICATE',
  'TLS_MISMATCH',
  'NOT_A_MEMBER',
];
/** The same, unless members are about to be started. */
const ABSENCE_CODES: readonly string[] = ['UNKNOWN_HOST', 'CONNECTION_REFUSED'];

export interface OpenOptions {
  readonly timeoutMs: number;
  /** Members may not be there yet: where nobody listens, it is asked again within the time. */
  readonly waitForMembers: boolean;
  readonly signal?: AbortSignal;
}

interface Known {
  readonly connection: MemberConnection;
  /** Address of the member as the partition table has it; a seed may be reached under another one. */
  readonly address: string;
}

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #caller: string;
  readonly #connect: typeof connectMember;
  /** What members take of a message, as the first one told; a member that is asked for itself tells its own. */
  #messageBytesMax: number | undefined;
  /** By member id. */
  readonly #byMember = new Map<string, Known>();
  /** By id of a member of the table: when the last connection was lost, milliseconds since 1970, while no new one stands. */
  readonly #lostMs = new Map<string, number>();
  /** Members that the last table takes for dead. */
  #silent: ReadonlySet<string> = new Set();
  #turn = 0;
  #serving: { readonly table: PartitionTable; readonly members: ReadonlySet<number | undefined> } | undefined;

  /** @param connect  makes the connection to an address */
  constructor(options: ConnectionOptions, caller: string, connect: typeof connectMember = connectMember) {
    this.#options = options;
    this.#caller = caller;
    this.#connect = connect;
  }

  /**
   * The seed that answers first.
   *
   * @throws (rejects with) GridError CONNECT_TIMEOUT, GRID_INCOMPLETE when those that answer have not joined their grid; at
   *   once what no waiting mends: UNAUTHENTICATED, UNSUPPORTED_PROTOCOL, and what stands between us and every seed
   *   (MemberConnection.findFault)
   */
  async open(seeds: readonly string[], options: OpenOptions): Promise<HelloResponse> {
    const { timeoutMs, waitForMembers, signal } = options;
    const deadlineMs = performance.now() + timeoutMs;
    let incomplete: GridError | undefined;
    for (let pauseMs = SEED_PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, SEED_PAUSE_MAX_MS)) {
      const leftMs = Math.max(1, deadlineMs - performance.now());
      const failures: GridError[] = [];
      const found = await this.#firstOf(seeds, Math.min(SEED_TRY_MS, leftMs), failures);
      if (found !== undefined) return found;
      const final = failures.find(({ code }) => FINAL_CODES.includes(code)) ?? faultOf(failures, waitForMembers);
      if (final !== undefined) throw final;
      if (signal?.aborted === true) throw new CancelledError('connect');
      // The last round may have had no time to find out what an earlier one did.
      incomplete = failures.find(({ code }) => code === 'GRID_INCOMPLETE') ?? incomplete;
      if (performance.now() + pauseMs >= deadlineMs) {
        throw incomplete ?? connectTimeout(seeds, timeoutMs, failures[0]);
      }
      await pause(pauseMs);
    }
  }

  /** Asks all seeds at once; the others are let go when one has answered. Undefined: none did. */
  async #firstOf(
    seeds: readonly string[],
    timeoutMs: number,
    failures: GridError[],
  ): Promise<HelloResponse | undefined> {
    const connections = seeds.map((seed) => this.#connect(seed, this.#options));
    const greetings = connections.map(async (connection) => ({
      connection,
      hello: await this.#greet(connection, timeoutMs).catch(explained(connection)),
    }));
    for (const greeting of greetings) greeting.catch((error: unknown) => failures.push(GridError.wrap(error)));
    const first = await Promise.any(greetings).catch(() => undefined);
    for (const connection of connections) if (connection !== first?.connection) connection.close();
    if (first === undefined) return undefined;
    const { memberId, table, limits } = first.hello;
    this.#messageBytesMax = limits.messageBytesMax;
    const { address } = table.members.find(({ id }) => id === memberId)!;
    this.#byMember.set(memberId, { connection: first.connection, address });
    return first.hello;
  }

  async #greet(connection: MemberConnection, timeoutMs: number): Promise<HelloResponse> {
    await connection.reach(timeoutMs);
    const request = { protocolMin: PROTOCOL.min, protocolMax: PROTOCOL.max, caller: this.#caller };
    const hello = await connection.admin.hello(request, { timeoutMs });
    if (hello.protocolMin > PROTOCOL.max || hello.protocolMax < PROTOCOL.min) {
      throw new GridError(
        'UNSUPPORTED_PROTOCOL',
        `the member speaks protocol ${hello.protocolMin} to ${hello.protocolMax}, this client ${PROTOCOL.max}`,
        { hint: 'install the client of the grid’s release' },
      );
    }
    // Its door opens before it has joined.
    if (!hello.table.members.some(({ id }) => id === hello.memberId)) throw new GridIncompleteError(hello.table);
    return hello;
  }

  /** The connection to a member; made when there is none. */
  of(member: MemberAddress): MemberConnection {
    const known = this.#byMember.get(member.id);
    if (known !== undefined) return known.connection;
    const lostMs = this.#lostMs.get(member.id);
    this.#lostMs.delete(member.id);
    const connection = this.#connect(member.address, {
      memberMessageBytesMax: this.#messageBytesMax,
      ...this.#options,
      lostMs,
    });
    this.#byMember.set(member.id, { connection, address: member.address });
    return connection;
  }

  /**
   * A new table: connections to members that are not in it, or have moved, are closed; those that are down are made anew,
   * for who changed the table may be the one that is back. Who waits for a member that is taken for dead by now is told so.
   */
  follow(table: PartitionTable): void {
    for (const [id, { connection, address }] of this.#byMember) {
      const isThere = table.members.some((member) => member.id === id && member.address === address);
      if (isThere && connection.down === undefined) continue;
      if (isThere) this.#lostMs.set(id, connection.down!.sinceMs);
      connection.abandon();
      this.#byMember.delete(id);
    }
    const ids = new Set<string>(table.members.map(({ id }) => id));
    for (const id of this.#lostMs.keys()) if (!ids.has(id)) this.#lostMs.delete(id);
    const before = this.#silent;
    this.#silent = new Set(table.silent);
    for (const id of this.#silent) if (!before.has(id)) this.#byMember.get(id)?.connection.giveUp();
  }

  /**
   * Members in turn: those with a link first, and of them those that serve something, for others may have been deposed; those
   * whose link is known to be down, or who are taken for dead, last.
   */
  inTurn(table: PartitionTable): readonly MemberConnection[] {
    const start = this.#turn++;
    const { members } = table;
    const serving = this.#servingIn(table);
    const ranked = members.map((_, offset) => {
      const index = (start + offset) % members.length;
      const member = members[index]!;
      const connection = this.of(member);
      return { connection, rank: isSilent(table, member.id) ? RANK_LAST : rankOf(connection, serving.has(index)) };
    });
    return ranked.toSorted((a, b) => a.rank - b.rank).map(({ connection }) => connection);
  }

  /** Indexes of the members that are primary of anything. */
  #servingIn(table: PartitionTable): ReadonlySet<number | undefined> {
    if (this.#serving?.table !== table) {
      this.#serving = { table, members: new Set(table.owners.map(([primary]) => primary)) };
    }
    return this.#serving.members;
  }

  /**
   * Asks any member, the next one when a link is broken or a member leaves, until the time is over. A grid that awaits
   * members is asked again until it is complete, and one in which a member is about to take over until it has. Where a member cannot
   * reach a third one, each other member is asked once: the link between two of them may be cut.
   *
   * @param ask  must be safe to repeat after a failure that is `retryable`
   * @param refresh  brings the newest table
   * @throws (rejects with) what the member answers; MEMBER_UNREACHABLE when none could be asked in time
   */
  async any<T>(
    table: () => PartitionTable,
    options: CallOptions & { readonly timeoutMs: number },
    ask: (connection: MemberConnection, options: CallOptions) => Promise<T>,
    refresh: () => Promise<void> = async () => undefined,
  ): Promise<T> {
    const deadlineMs = performance.now() + options.timeoutMs;
    let last: GridError | undefined;
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)) {
      let unreached: GridError | undefined;
      for (const connection of this.inTurn(table())) {
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0) break;
        try {
          return await ask(connection, { ...options, timeoutMs: leftMs });
        } catch (error) {
          const failure = GridError.wrap(error);
          // The reason for another attempt says more than that there was no time for it.
          if (failure.code === 'DEADLINE_EXCEEDED' && last?.code === 'GRID_INCOMPLETE') throw last;
          const passes =
            unreached === undefined ? await isPassing(failure, table, refresh) : worthAnotherMember(failure, table());
          if (passes) last = failure;
          else if (isAboutThird(failure)) unreached ??= failure;
          else throw failure;
        }
      }
      if (options.signal?.aborted === true) throw new CancelledError('the call');
      if (unreached !== undefined) throw unreached;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= retryMs + ASK_LEAST_MS) {
        await pause(Math.max(0, leftMs));
        throw last === undefined || isLinkFailure(last) ? nobodyThere(table(), options.timeoutMs) : last;
      }
      await pause(retryMs);
    }
  }

  close(): void {
    for (const { connection } of this.#byMember.values()) connection.close();
    this.#byMember.clear();
  }
}

const RANK_LAST = 3;

function rankOf({ isUp, down }: MemberConnection, isServing: boolean): number {
  if (isUp) return isServing ? 0 : 1;
  return down === undefined ? 2 : RANK_LAST;
}

/**
 * Whether it is worth to ask again: here, elsewhere, or of who takes over. Who stands in for a member changes without anybody's
 * asking, so the newest table decides.
 */
export async function isPassing(
  error: GridError,
  table: () => PartitionTable,
  refresh: () => Promise<void>,
): Promise<boolean> {
  if (worthAnotherMember(error, table())) return true;
  if (error.code !== 'MEMBER_UNREACHABLE') return false;
  await refresh();
  return worthAnotherMember(error, table());
}

/** Whether the member that was asked could not reach another one: others may. */
export function isAboutThird({ code, details }: GridError): boolean {
  return code === 'MEMBER_UNREACHABLE' && typeof details?.['member'] === 'string';
}

/** Whether another member, or the same a little later, may answer. */
function worthAnotherMember(error: GridError, table: PartitionTable): boolean {
  const { code } = error;
  return isLinkFailure(error) || wasNeverSealed(code) || code === 'GRID_INCOMPLETE' || mayTakeOver(error, table);
}

/** The error of a greeting that failed: with what stands in its way, where that can be found out. */
function explained(connection: MemberConnection): (error: unknown) => Promise<never> {
  return async (error) => {
    const failure = GridError.wrap(error);
    throw (isLinkFailure(failure) ? await connection.findFault() : undefined) ?? failure;
  };
}

/** What stands between us and all seeds: no waiting mends it. Undefined: it may be another matter a little later. */
function faultOf(failures: readonly GridError[], waitForMembers: boolean): GridError | undefined {
  const hopeless = waitForMembers ? FAULT_CODES : [...FAULT_CODES, ...ABSENCE_CODES];
  if (!failures.every(({ code }) => hopeless.includes(code))) return undefined;
  const [first] = failures.toSorted((a, b) => hopeless.indexOf(a.code) - hopeless.indexOf(b.code));
  const isOneOfMany = first?.code === 'CONNECTION_REFUSED' && failures.length > 1;
  return isOneOfMany ? nobodyListens(failures, first) : first;
}

function nobodyListens(failures: readonly GridError[], { code, hint, details }: GridError): GridError {
  const addresses = failures.map((failure) => String(failure.details?.['address']));
  return new GridError(code, `nobody listens at any of ${addresses.join(', ')}`, { hint, details });
}

function isLinkFailure({ code }: GridError): boolean {
  return code === 'CONNECTION_LOST' || code === 'CONNECT_TIMEOUT';
}

/** No member of the grid answered in time; nothing was done. */
export function nobodyThere({ members }: PartitionTable, timeoutMs: number): GridError {
  const addresses = members.map(({ id, address }) => (id === address ? id : `${id} at ${address}`));
  return new GridError('MEMBER_UNREACHABLE', `no member of the grid could be reached within ${timeoutMs} ms`, {
    hint: `are they running? ${addresses.join(', ')}`,
    details: { members: addresses, timeoutMs },
  });
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
