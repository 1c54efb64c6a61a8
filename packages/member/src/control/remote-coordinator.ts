/**
 * The coordinator as a member sees it that does not hold it: the same contract over `members` calls.
 *
 *   join -> state; watchControl -> every later state; submit -> changeCatalog, answered with the state that holds it
 *
 * A stream that ends is opened again; states only ever replace older ones, so a repeated or late one does no harm.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlCommand, ControlState, Coordinator, JoinedMember } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import type { ControlUpdate, MemberConnection } from '@ashlar/transport';

const RETRY_MS = 200;
/** A change of nothing: the answer holds the present state. */
const NO_CHANGE = new Uint8Array(0);
const CALL_TIMEOUT_MS = 5000;

export class RemoteCoordinator implements Coordinator {
  readonly #connection: MemberConnection;
  readonly #memberId: string;
  readonly #listeners = new Set<(state: ControlState) => void>();
  readonly #closing = new AbortController();
  #state: ControlState;
  #isConnected = true;

  private constructor(connection: MemberConnection, memberId: string, state: ControlState) {
    this.#connection = connection;
    this.#memberId = memberId;
    this.#state = state;
    void this.#follow();
  }

  /**
   * Finds the coordinator and its present state.
   *
   * @throws GridError CONNECT_TIMEOUT when nobody answers within `timeoutMs`
   */
  static async connect(connection: MemberConnection, memberId: string, timeoutMs: number): Promise<RemoteCoordinator> {
    await connection.ready(timeoutMs);
    for await (const { catalog } of connection.members.watchControl({ memberId }, { timeoutMs })) {
      return new RemoteCoordinator(connection, memberId, stateOf(catalog));
    }
    throw new GridError('CONNECTION_LOST', `${connection.address} did not tell the state of its grid`);
  }

  /** Asks for a place in the grid. @throws GridError as the coordinator refuses */
  async join(self: JoinedMember, options: JoinOptions): Promise<void> {
    const { timeoutMs, protocolMin, protocolMax, version } = options;
    const { id, address, httpAddress, zone, incarnation } = self;
    const member = { id, address, httpAddress, zone };
    const request = { member, incarnation, version, gridId: this.#state.gridId, protocolMin, protocolMax };
    const { catalog } = await this.#connection.members.join(request, { timeoutMs });
    this.#accept(stateOf(catalog));
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
    const { body } = await this.#connection.members.changeCatalog({ body: NO_CHANGE }, { timeoutMs: CALL_TIMEOUT_MS });
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
          this.#isConnected = true;
          this.#acceptUpdate(update);
        }
      } catch {
        // The coordinator is away, or we are closing: what matters is that the stream ended.
      }
      this.#isConnected = false;
      await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  #acceptUpdate(update: ControlUpdate): void {
    if (update.catalog.length > 0) this.#accept(stateOf(update.catalog));
  }

  #accept(state: ControlState): void {
    if (state.gridId !== this.#state.gridId) return;
    const isNewer =
      state.tableVersion >= this.#state.tableVersion &&
      state.catalogVersion >= this.#state.catalogVersion &&
      state.tableVersion + state.catalogVersion > this.#state.tableVersion + this.#state.catalogVersion;
    if (!isNewer) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
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
  readonly version: number;
}

export function stateBytes(state: ControlState): Uint8Array {
  return encodeValue(state);
}

function stateOf(bytes: Uint8Array): ControlState {
  const state = decodeValue(bytes);
  if (typeof state === 'object' && state !== null && 'gridId' in state) return state as ControlState;
  throw new GridError('CORRUPT_DATA', 'a control state could not be read');
}
