/**
 * The coordinator as seen by a member that does not hold it: the same contract over `members` calls.
 *
 *   join, readControl -> both values; watchControl -> each that changes; submit -> changeCatalog, answered with the catalog
 *   a catalog that names new bundles -> they are fetched -> it is passed on
 *
 * A stream that ends is opened again; values only ever replace older ones, so a repeated or late one does no harm. A
 * coordinator that was started again and does not know this member any more is joined again, with the grid that is held
 * here: it goes on with that grid or refuses by name, and the member goes on serving what it has.
 *
 * remote-coordinator R1  A catalog is passed on when its bundles are at hand, or after BUNDLES_WAIT_MS: then `bundle` may find
 *                        them yet. Nothing else waits for them longer.
 * remote-coordinator R2  A table waits for no bundle, whether it comes with their catalog or behind it: who serves what changes at
 *                        once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  bundleHashesOf,
  type CatalogState,
  type ControlCommand,
  type ControlState,
  type Coordinator,
  isTableCommand,
  type JoinedMember,
  type MembershipAsk,
  type MembershipGrant,
  type Recovered,
  type TableCommand,
  type TableState,
  ToldValues,
} from '@ashlar/cluster';
import { GridError, type ReplicaId, type ReplicaTransaction } from '@ashlar/core';
import { encodeValue } from '@ashlar/serialization';
import type { ControlUpdate, MemberConnection } from '@ashlar/transport';
import type { Logger } from 'pino';
import { type BundleHolder, bundleFrom } from './bundle-search.ts';
import { heldBytes, NOTHING, valuesOf } from './control-values.ts';

const RETRY_MS = 200;
/** How often a coordinator that refused is asked again. */
const REFUSED_RETRY_MS = 2000;
const REJOIN_TIMEOUT_MS = 5000;
const CALL_TIMEOUT_MS = 5000;
/** What is to do with leases and copies is asked again soon by whoever wants it. */
const CONTROL_TIMEOUT_MS = 1000;
const BUNDLES_WAIT_MS = 2000;
const NOBODY = { gridId: '', tableVersion: 0, catalogVersion: 0 };

export type CoordinatorLog = Pick<Logger, 'info' | 'warn' | 'error'>;

export interface RemoteOptions {
  readonly log: CoordinatorLog;
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** The joiner's clock. */
  readonly version: () => number;
  /** Members that may have a bundle which the coordinator's member has not. */
  readonly others?: ((table: TableState) => Iterable<BundleHolder>) | undefined;
  /** Default BUNDLES_WAIT_MS. */
  readonly bundlesWaitMs?: number | undefined;
}

/** Values in the coordinator's answer that are new here. */
interface News {
  readonly table: TableState | undefined;
  readonly catalog: CatalogState | undefined;
}

interface Bundle {
  readonly hash: string;
  readonly text: string;
}

function broughtBy(command: ControlCommand): Bundle[] {
  return command.kind === 'putModule' ? [{ hash: command.module.hash, text: command.module.bundle }] : [];
}

export class RemoteCoordinator implements Coordinator {
  readonly #connection: MemberConnection;
  readonly #memberId: string;
  readonly #options: RemoteOptions;
  readonly #told = new ToldValues();
  watchTable: Coordinator['watchTable'] = this.#told.watchTable;
  watchCatalog: Coordinator['watchCatalog'] = this.#told.watchCatalog;
  bundleAtHand: Coordinator['bundleAtHand'] = this.#told.bundleAtHand;
  /** Bundles that were sought in vain when their catalog came. */
  readonly #sought = new Set<string>();
  readonly #closing = new AbortController();
  #state: ControlState;
  #isConnected = true;
  /** This member as it joined; undefined before. */
  #self: JoinedMember | undefined;
  #refusal: GridError | undefined;
  /** Whom the coordinator awaits before it takes this member back. */
  #waited: string | undefined;

  private constructor(connection: MemberConnection, memberId: string, state: ControlState, options: RemoteOptions) {
    this.#connection = connection;
    this.#memberId = memberId;
    this.#state = state;
    this.#options = options;
    this.#told.bundles.follow(state.catalog);
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
    options: RemoteOptions,
  ): Promise<RemoteCoordinator> {
    await reached(connection, timeoutMs);
    try {
      const made = new RemoteCoordinator(connection, memberId, await stateAt(connection, timeoutMs), options);
      for (const { hash, text } of await made.#findBundles(made.#state.catalog, [])) made.#told.bundles.put(hash, text);
      void made.#follow();
      return made;
    } catch (error) {
      // Our certificate is checked only when the link is up already. The call was to change nothing, so nothing is in doubt.
      const isBroken = GridError.is(error, 'MEMBER_UNREACHABLE') || GridError.is(error, 'OUTCOME_UNKNOWN');
      throw (isBroken ? await connection.findFault() : undefined) ?? error;
    }
  }

  /** Asks for a place in the grid, for this member. @throws GridError as the coordinator refuses */
  async join(self: JoinedMember, timeoutMs: number): Promise<void> {
    const news = await this.#ask(self, NOTHING, timeoutMs);
    this.#self = self;
    await this.#accept(news);
  }

  /** @param held  table and catalog that are held here, where the coordinator is to go on with them */
  async #ask(member: JoinedMember, held: Uint8Array, timeoutMs: number): Promise<News> {
    const { protocolMin, protocolMax, version } = this.#options;
    const { incarnation, ...address } = member;
    const { gridId } = this.#state.table;
    const request = { member: address, incarnation, version: version(), gridId, protocolMin, protocolMax, held };
    return valuesOf(await this.#connection.members.join(request, { timeoutMs }));
  }

  /** Why the coordinator does not take this member back. */
  get refusal(): GridError | undefined {
    return this.#refusal;
  }

  get state(): ControlState {
    return this.#state;
  }

  /** Name of the member at an address, as far as the table knows. */
  nameAt(address: string): string | undefined {
    return this.#state.table.members.find((member) => member.address === address)?.id;
  }

  /** Whether the stream of changes is up: without it the catalog cannot change, and what is here is served on. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** @throws GridError as `step` does; INVALID_ARGUMENT: only the coordinator's own member stops awaiting others */
  async submit(command: ControlCommand): Promise<ControlState> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (isTableCommand(command)) return this.#submitTable(command);
    const body = encodeValue(command);
    const deadlineMs = performance.now() + CALL_TIMEOUT_MS;
    for (;;) {
      const timeoutMs = Math.max(1, deadlineMs - performance.now());
      try {
        const answer = await this.#connection.members.changeCatalog({ body }, { timeoutMs });
        const { catalog } = valuesOf({ table: NOTHING, catalog: answer.body });
        await this.#accept({ table: undefined, catalog }, broughtBy(command));
        return this.#state;
      } catch (error) {
        const isOver = this.#closing.signal.aborted || performance.now() + RETRY_MS >= deadlineMs;
        if (isOver || this.#connection.down !== undefined || !mayRepeat(command, error)) throw error;
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  async #submitTable(command: TableCommand): Promise<ControlState> {
    if (command.kind === 'join') {
      const held = command.held === undefined ? NOTHING : heldBytes(command.held);
      await this.#accept(await this.#ask(command.member, held, CALL_TIMEOUT_MS));
      return this.#state;
    }
    throw new GridError('INVALID_ARGUMENT', `${command.kind} is for the member that holds the coordinator`);
  }

  async refresh(): Promise<ControlState> {
    // Not by opening a stream and leaving it: a peer that resets many streams has its connection closed.
    const { gridId, tableVersion } = this.#state.table;
    const { catalogVersion } = this.#state.catalog;
    const has = { gridId, tableVersion, catalogVersion };
    const update = await this.#connection.members.readControl(has, { timeoutMs: CALL_TIMEOUT_MS });
    await this.#accept(valuesOf(update));
    return this.#state;
  }

  /** A transaction that is sent again changes nothing twice: whoever proposes it looks at the table, and sends it again. */
  async transact(transaction: ReplicaTransaction): Promise<TableState> {
    if (this.#refusal !== undefined) throw this.#refusal;
    const body = encodeValue(transaction);
    const { table } = await this.#connection.members.transact({ body }, { timeoutMs: CONTROL_TIMEOUT_MS });
    await this.#accept(valuesOf({ table, catalog: NOTHING }));
    return this.#state.table;
  }

  async renew(replica: ReplicaId, asked: MembershipAsk): Promise<MembershipGrant | undefined> {
    const timeoutMs = CONTROL_TIMEOUT_MS;
    const { granted, ...grant } = await this.#connection.members.renew({ replica, ...asked }, { timeoutMs });
    return granted ? grant : undefined;
  }

  async recover(partitions: readonly number[]): Promise<Recovered> {
    const { members } = this.#connection;
    const { recovered, table } = await members.recover({ partitions }, { timeoutMs: CALL_TIMEOUT_MS });
    await this.#accept(valuesOf({ table, catalog: NOTHING }));
    return { recovered, table: this.#state.table };
  }

  async bundle(hash: string): Promise<string> {
    const atHand = this.#told.bundles.text(hash);
    if (atHand !== undefined) return atHand;
    const text = await this.#findBundle(hash);
    this.#told.bundles.put(hash, text);
    return text;
  }

  close(): void {
    this.#closing.abort();
    this.#told.clear();
  }

  /** The coordinator's member is asked first: a deployment gives it there. */
  #findBundle(hash: string, signal = this.#closing.signal): Promise<string> {
    const others = this.#options.others?.(this.#state.table) ?? [];
    return bundleFrom([this.#connection, ...others], hash, signal);
  }

  /** Those of a catalog's bundles that are not here, once each. What was not found is left to `bundle` (remote-coordinator R1). */
  async #findBundles(catalog: CatalogState, brought: readonly Bundle[]): Promise<Bundle[]> {
    const isLacking = (hash: string): boolean =>
      this.#told.bundles.text(hash) === undefined &&
      !this.#sought.has(hash) &&
      !brought.some((one) => one.hash === hash);
    const lacking = [...bundleHashesOf(catalog)].filter(isLacking);
    if (lacking.length === 0) return [];
    const { bundlesWaitMs = BUNDLES_WAIT_MS } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(bundlesWaitMs)]);
    const found: Bundle[] = [];
    for (const hash of lacking) {
      const text = await this.#findBundle(hash, signal).catch(() => undefined);
      if (text === undefined) this.#sought.add(hash);
      else found.push({ hash, text });
    }
    return found;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        for await (const update of this.#connection.members.watchControl({ memberId: this.#memberId }, { signal })) {
          await this.#follows(update);
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

  async #follows(update: ControlUpdate): Promise<void> {
    const news = valuesOf(update);
    if (this.#self !== undefined && news.table !== undefined && !this.#isIn(news.table, this.#self)) {
      await this.#joinAgain(this.#self);
    } else this.#acceptLater(news);
  }

  /** The next update does not wait for the bundles of this one (remote-coordinator R2). */
  #acceptLater(news: News): void {
    this.#accept(news).catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'news of the coordinator were followed in part');
    });
  }

  /** Whether the coordinator knows this member, as it is, in the grid that it is in. */
  #isIn({ gridId, members, awaited }: TableState, { id, incarnation }: JoinedMember): boolean {
    const isKnown = members.some((member) => member.id === id && member.incarnation === incarnation);
    return isKnown && gridId === this.#state.table.gridId && !awaited.includes(id);
  }

  async #joinAgain(self: JoinedMember): Promise<void> {
    try {
      const news = await this.#ask(self, heldBytes(this.#state), REJOIN_TIMEOUT_MS);
      this.#refusal = undefined;
      this.#waited = undefined;
      await this.#accept(news);
      const { gridId, tableVersion } = this.#state.table;
      this.#options.log.info({ grid: gridId, table: tableVersion }, 'joined the coordinator again');
    } catch (error) {
      const refusal = GridError.wrap(error);
      if (!refusal.retryable && refusal.message !== this.#refusal?.message) {
        this.#refusal = refusal;
        const what = 'the coordinator does not take this member back; it serves on what it holds';
        this.#options.log.error({ err: refusal }, what);
      }
      // It gathers what its members hold, and names those who are missing.
      const missing = refusal.retryable ? String(refusal.details?.['members'] ?? '') : '';
      if (missing !== '' && missing !== this.#waited) {
        this.#waited = missing;
        this.#options.log.warn({ err: refusal }, 'the coordinator has lost the grid and awaits members');
      }
      throw refusal;
    }
  }

  #tellConnected(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    const facts = { coordinator: this.#connection.address };
    const { log } = this.#options;
    if (isConnected) log.info(facts, 'coordinator is back');
    else log.warn(facts, 'coordinator is lost: maps and modules cannot be made, members cannot join');
  }

  /** @param brought  bundles that came with the news */
  async #accept(news: News, brought: readonly Bundle[] = []): Promise<void> {
    const { table, catalog } = news;
    if (table?.gridId === this.#state.table.gridId) this.#take({ table, catalog: undefined }, []);
    const found = catalog !== undefined && this.#takes(catalog) ? await this.#findBundles(catalog, brought) : [];
    // Looked at again: another answer may have been taken while bundles were fetched.
    this.#take(news, [...brought, ...found]);
  }

  /** @param bundles  that have come with the news, or for them */
  #take({ table, catalog }: News, bundles: readonly Bundle[]): void {
    const before = this.#state;
    const after = {
      table: table !== undefined && this.#takes(table) ? table : before.table,
      catalog: catalog !== undefined && this.#takes(catalog) ? catalog : before.catalog,
    };
    // One value of another grid is nothing without the other.
    if (after.table.gridId !== after.catalog.gridId) return;
    this.#state = after;
    if (after.catalog !== before.catalog) {
      for (const hash of this.#told.bundles.follow(after.catalog)) this.#sought.delete(hash);
      for (const { hash, text } of bundles) this.#told.bundles.put(hash, text);
    }
    this.#told.tell(before, after);
  }

  /** Whether a value takes the place of the one that is held. No member leaves a grid that holds something. */
  #takes(value: TableState | CatalogState): boolean {
    const { table, catalog } = this.#state;
    const isNewer =
      'tableVersion' in value ? value.tableVersion > table.tableVersion : value.catalogVersion > catalog.catalogVersion;
    return value.gridId === table.gridId ? isNewer : this.#self === undefined || table.owners.length === 0;
  }
}

/** @throws GridError as the call; INVALID_ARGUMENT: it is not the coordinator's member */
async function stateAt(connection: MemberConnection, timeoutMs: number): Promise<ControlState> {
  const { table, catalog } = valuesOf(await connection.members.readControl(NOBODY, { timeoutMs }));
  if (table !== undefined && catalog !== undefined) return { table, catalog };
  throw new GridError('CORRUPT_DATA', 'the coordinator told a grid without its table or its catalog');
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
