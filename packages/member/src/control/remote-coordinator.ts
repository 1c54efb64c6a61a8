/**
 * The coordinator as a member sees it that does not hold it: the same contract over `members` calls.
 *
 *   join -> state; watchControl -> every later state; submit -> changeCatalog, answered with the state that holds it
 *
 * A stream that ends is opened again; states only ever replace older ones, so a repeated or late one does no harm. A
 * coordinator that was started again and does not know this member any more is joined again, with the grid that is held
 * here: it goes on with it, or refuses by name, and the member serves on what it has.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ControlCommand,
  type ControlState,
  type Coordinator,
  checkedState,
  type JoinedMember,
} from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import type { MemberConnection } from '@ashlar/transport';
import type { Logger } from 'pino';

const RETRY_MS = 200;
/** A coordinator that refused is asked again so often. */
const REFUSED_RETRY_MS = 2000;
const REJOIN_TIMEOUT_MS = 5000;
/** A change of nothing: the answer holds the present state. */
const NO_CHANGE = new Uint8Array(0);
const CALL_TIMEOUT_MS = 5000;

export class RemoteCoordinator implements Coordinator {
  readonly #connection: MemberConnection;
  readonly #memberId: string;
  readonly #listeners = new Set<(state: ControlState) => void>();
  readonly #closing = new AbortController();
  readonly #log: CoordinatorLog;
  #state: ControlState;
  #isConnected = true;
  /** Once this member has joined: how it does. */
  #joining: { readonly self: JoinedMember; readonly options: JoinOptions } | undefined;
  #refusal: GridError | undefined;

  private constructor(connection: MemberConnection, memberId: string, state: ControlState, log: CoordinatorLog) {
    this.#connection = connection;
    this.#memberId = memberId;
    this.#state = state;
    this.#log = log;
    void this.#follow();
  }

  /**
   * Asks for the present state.
   *
   * @throws GridError CONNECT_TIMEOUT when nobody answers within `timeoutMs`; at once what no waiting mends: TLS_MISMATCH,
   *   UNTRUSTED_CERTIFICATE, CLIENT_CERTIFICATE_REFUSED, NOT_A_MEMBER, PERMISSION_DENIED, INVALID_ARGUMENT when who answers
   *   is not the coordinator's member
   */
  static async connect(
    connection: MemberConnection,
    memberId: string,
    timeoutMs: number,
    log: CoordinatorLog,
  ): Promise<RemoteCoordinator> {
    await reached(connection, timeoutMs);
    try {
      const { body } = await connection.members.changeCatalog({ body: NO_CHANGE }, { timeoutMs, onlyReads: true });
      return new RemoteCoordinator(connection, memberId, stateOf(body), log);
    } catch (error) {
      // A certificate of ours is looked at when the link stands already. Nothing was to be changed: all is as it was.
      const isBroken = GridError.is(error, 'MEMBER_UNREACHABLE') || GridError.is(error, 'OUTCOME_UNKNOWN');
      throw (isBroken ? await connection.findFault() : undefined) ?? error;
    }
  }

  /** Asks for a place in the grid. @throws GridError as the coordinator refuses */
  async join(self: JoinedMember, options: JoinOptions): Promise<void> {
    const state = await this.#ask(self, options, NO_CHANGE);
    this.#joining = { self, options };
    this.#accept(state);
  }

  /** @param held  the control state that is held here, where the coordinator is to go on with it */
  async #ask(self: JoinedMember, options: JoinOptions, held: Uint8Array): Promise<ControlState> {
    const { timeoutMs, protocolMin, protocolMax, version } = options;
    const { id, address, httpAddress, zone, incarnation } = self;
    const member = { id, address, httpAddress, zone };
    const { gridId } = this.#state;
    const request = { member, incarnation, version: version(), gridId, protocolMin, protocolMax, held };
    const { catalog } = await this.#connection.members.join(request, { timeoutMs });
    return stateOf(catalog);
  }

  /** Why the coordinator does not take this member back. */
  get refusal(): GridError | undefined {
    return this.#refusal;
  }

  get state(): ControlState {
    return this.#state;
  }

  /** What the member at an address is called, as far as the state tells. */
  nameAt(address: string): string | undefined {
    return this.#state.members.find((member) => member.address === address)?.id;
  }

  /** Whether the stream of states stands: without it the catalog cannot change, what is here is served on. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  async submit(command: ControlCommand): Promise<ControlState> {
    if (this.#refusal !== undefined) throw this.#refusal;
    const body = encodeValue(command);
    const deadlineMs = performance.now() + CALL_TIMEOUT_MS;
    for (;;) {
      const timeoutMs = Math.max(1, deadlineMs - performance.now());
      try {
        const answer = await this.#connection.members.changeCatalog({ body }, { timeoutMs });
        const state = stateOf(answer.body);
        this.#accept(state);
        return state;
      } catch (error) {
        const isOver = this.#closing.signal.aborted || performance.now() + RETRY_MS >= deadlineMs;
        if (isOver || this.#connection.down !== undefined || !mayRepeat(command, error)) throw error;
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  async refresh(): Promise<ControlState> {
    // Not by opening a stream and leaving it: a peer that resets many streams has its connection closed.
    const options = { timeoutMs: CALL_TIMEOUT_MS, onlyReads: true };
    const { body } = await this.#connection.members.changeCatalog({ body: NO_CHANGE }, options);
    this.#accept(stateOf(body));
    return this.#state;
  }

  watch(listener: (state: ControlState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closing.abort();
    this.#listeners.clear();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        for await (const update of this.#connection.members.watchControl({ memberId: this.#memberId }, { signal })) {
          if (update.catalog.length === 0) continue;
          const state = stateOf(update.catalog);
          if (this.#joining !== undefined && !this.#isIn(state)) await this.#joinAgain();
          else this.#accept(state);
          this.#tellConnected(true);
        }
      } catch {
        // The coordinator is away, or refuses, or we are closing: what matters is that the stream ended.
      }
      if (!signal.aborted) this.#tellConnected(false);
      const pauseMs = this.#refusal === undefined ? RETRY_MS : REFUSED_RETRY_MS;
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Whether the coordinator knows this member, as it is, in the grid that it is in. */
  #isIn({ gridId, members, awaited }: ControlState): boolean {
    const { id, incarnation } = this.#joining!.self;
    const isKnown = members.some((member) => member.id === id && member.incarnation === incarnation);
    return isKnown && gridId === this.#state.gridId && !awaited.includes(id);
  }

  async #joinAgain(): Promise<void> {
    const { self, options } = this.#joining!;
    try {
      const state = await this.#ask(self, { ...options, timeoutMs: REJOIN_TIMEOUT_MS }, stateBytes(this.#state));
      this.#refusal = undefined;
      this.#accept(state);
      this.#log.info({ grid: state.gridId, table: state.tableVersion }, 'joined the coordinator again');
    } catch (error) {
      const refusal = GridError.wrap(error);
      if (!refusal.retryable && refusal.message !== this.#refusal?.message) {
        this.#refusal = refusal;
        this.#log.error({ err: refusal }, 'the coordinator does not take this member back; it serves on what it holds');
      }
      throw refusal;
    }
  }

  #tellConnected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    const facts = { coordinator: this.#connection.address };
    if (isConnected) this.#log.info(facts, 'coordinator is back');
    else this.#log.warn(facts, 'coordinator is lost: maps and modules cannot be made, members cannot join');
  }

  #accept(state: ControlState): void {
    const before = this.#state;
    if (state.gridId === before.gridId) {
      const isNewer =
        state.tableVersion >= before.tableVersion &&
        state.catalogVersion >= before.catalogVersion &&
        state.tableVersion + state.catalogVersion > before.tableVersion + before.catalogVersion;
      if (!isNewer) return;
    } else if (this.#joining !== undefined && before.owners.length > 0) {
      // A grid that holds something is left by nobody.
      return;
    }
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

/** Resolves when there is a link. A coordinator that is not there yet is waited for; one that cannot be talked to is not. */
async function reached(connection: MemberConnection, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const leftMs = Math.max(1, deadlineMs - performance.now());
    const isThere = await connection.reach(leftMs).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    const fault = await connection.findFault();
    if (fault !== undefined && !fault.retryable) throw fault;
    if (performance.now() + RETRY_MS >= deadlineMs) throw notReached(connection.address, timeoutMs, fault);
    await sleep(RETRY_MS);
  }
}

function notReached(address: string, timeoutMs: number, fault: GridError | undefined): GridError {
  const why = fault === undefined ? '' : `: ${fault.message}`;
  return new GridError('CONNECT_TIMEOUT', `no coordinator answered at ${address} within ${timeoutMs} ms${why}`, {
    hint: 'is the member of cluster.join running? it is the one that joins nobody',
    details: { address, timeoutMs },
    cause: fault,
  });
}

/**
 * A broken link may have swallowed the answer only. Creating a map that is there already, as it is, changes nothing, nor
 * does dropping one that is gone, by its id.
 */
function mayRepeat(command: ControlCommand, error: unknown): boolean {
  const isIdempotent = command.kind === 'createMap' || (command.kind === 'dropMap' && command.mapId !== undefined);
  return isIdempotent && (GridError.is(error, 'MEMBER_UNREACHABLE') || GridError.is(error, 'OUTCOME_UNKNOWN'));
}

export interface JoinOptions {
  readonly timeoutMs: number;
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** The joiner's clock. */
  readonly version: () => number;
}

export type CoordinatorLog = Pick<Logger, 'info' | 'warn' | 'error'>;

export function stateBytes(state: ControlState): Uint8Array {
  return encodeValue(state);
}

/** @throws GridError CORRUPT_DATA */
export function stateOf(bytes: Uint8Array): ControlState {
  let value: unknown;
  try {
    value = decodeValue(bytes);
  } catch (error) {
    throw new GridError('CORRUPT_DATA', 'a control state could not be read', { cause: error });
  }
  return checkedState(value);
}
