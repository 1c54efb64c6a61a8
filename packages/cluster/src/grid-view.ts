/**
 * What this member knows of the grid: table, maps, modules, and which partitions it serves. Follows both values of the
 * coordinator and calls those who must act on a change, in one order: storage first, then the rest.
 *
 * grid-view G1  Table and catalog are followed apart: a change of one is not passed on to those who follow the other.
 * grid-view G2  Of one grid neither value goes back. Another grid's takes its place whatever its version: the coordinator was
 *               started again, and went on with what a member holds.
 * grid-view G3  A caller that brings a catalog version is answered from that catalog or a later one, or not at all.
 * grid-view G4  However many ask for the newest at once, one question is under way, and one more stands for those who came
 *               while it was.
 * grid-view G5  A partition is served for who means the ownership that this member has: not for one whose table is older than
 *               it, and not for one whose table is newer than ours, by which it may be another's, or ours anew.
 * grid-view G6  Where members replicate, a partition is this member's while its replication says so (serving.ts): not yet while it
 *               is being promoted, not any more once it was fenced, whatever table is the newest here.
 */

import {
  assert,
  type Epoch,
  GridError,
  GridIncompleteError,
  isSystemMap,
  MapDroppedError,
  type MapId,
  type MemberId,
  type PartitionId,
  type ReplicaId,
  type ReplicaTransaction,
  refuseSystemMap,
  UnknownMapError,
} from '@ashlar/core';
import { closest } from 'fastest-levenshtein';
import {
  type CatalogedMap,
  type CatalogedModule,
  type CatalogState,
  DEFAULT_MAP_SETTINGS,
  type MapSettings,
} from './catalog-state.ts';
import type { Coordinator } from './coordinator.ts';
import type { MembershipAsk, Recovered } from './replicas/replica-control.ts';
import type { MembershipGrant } from './replicas/replica-controller.ts';
import { ServedWaits, type Wanted } from './served-waits.ts';
import type { Serving } from './serving.ts';
import { SharedCall } from './shared-call.ts';
import { type ControlCommand, type ControlState, isTableCommand } from './step.ts';
import type { TableState } from './table-state.ts';
import { VersionWaits, type WaitUntil } from './version-waits.ts';

/** Never reached by a caller's table version: the partition is not ours. */
const NOT_OURS = Infinity;

/** Who has a newer table may be served elsewhere: it is not kept waiting long. */
const TABLE_WAIT_MS = 1000;

/** Called with a value and the one before it; undefined: the listener has just begun to follow. */
export type Follow<T> = (now: T, before: T | undefined) => void;

export class GridView {
  readonly self: MemberId;
  readonly #coordinator: Coordinator;
  readonly #tableFollowers: Follow<TableState>[] = [];
  readonly #catalogFollowers: Follow<CatalogState>[] = [];
  readonly #bundleFollowers: ((hash: string) => void)[] = [];
  readonly #onFailure: (error: unknown) => void;
  readonly #refreshing: SharedCall<ControlState>;
  readonly #catalogWaits: VersionWaits;
  readonly #tableWaits: VersionWaits;
  readonly #servedWaits = new ServedWaits();
  readonly #standing: (() => Promise<void>)[] = [];
  #table: TableState;
  #serving: Serving | undefined;
  #isTellingServing = false;
  #catalog: CatalogState;
  #maps = new Map<string, CatalogedMap>();
  #byId = new Map<MapId, CatalogedMap>();
  #modules = new Map<string, CatalogedModule>();
  /** ownedSince[partition]: the table version at which our ownership of its present epoch began. */
  #ownedSince: Float64Array;

  /** @param onFailure  gets what a listener throws, which keeps no other from being called (catalog-follower F3) */
  constructor(self: MemberId, coordinator: Coordinator, onFailure: (error: unknown) => void = () => undefined) {
    this.self = self;
    this.#onFailure = onFailure;
    this.#coordinator = coordinator;
    this.#refreshing = new SharedCall(() => coordinator.refresh());
    const waits = { refresh: () => this.refresh(), whose: `member '${self}'` };
    this.#catalogWaits = new VersionWaits({ ...waits, what: 'catalog', version: () => this.#catalog.catalogVersion });
    this.#tableWaits = new VersionWaits({
      ...waits,
      what: 'table',
      isAnswerFinal: true,
      version: () => this.#table.tableVersion,
    });
    const { table, catalog } = coordinator.state;
    this.#table = table;
    this.#catalog = catalog;
    this.#ownedSince = new Float64Array(table.partitionCount).fill(NOT_OURS);
    this.#takeTable(table, undefined);
    this.#takeCatalog(catalog);
    coordinator.watchTable((now) => this.#tableChanged(now));
    coordinator.watchCatalog((now) => this.#catalogChanged(now));
  }

  get table(): TableState {
    return this.#table;
  }

  get catalog(): CatalogState {
    return this.#catalog;
  }

  /** Undefined: the table alone decides. */
  get serving(): Serving | undefined {
    return this.#serving;
  }

  /** From now on replication says what this member serves (grid-view G6). To be called before anybody follows. */
  serveBy(serving: Serving): void {
    assert(this.#tableFollowers.length === 0, 'who serves is known before the table is followed');
    this.#serving = serving;
    this.#tellServing(this.#table);
    this.#lookAtServing();
  }

  /** This member has begun to serve partitions, or does not any more: whoever follows the table is told. */
  servingChanged(): void {
    // With the table, all are told of both.
    if (this.#isTellingServing) return;
    this.#lookAtServing();
    for (const follow of this.#tableFollowers) this.#telling(() => follow(this.#table, this.#table));
  }

  get partitionCount(): number {
    return this.#ownedSince.length;
  }

  /** Whether the expected members have joined and partitions have owners. */
  get isComplete(): boolean {
    return this.#table.owners.length > 0;
  }

  get maps(): ReadonlyMap<string, CatalogedMap> {
    return this.#maps;
  }

  /** @throws GridError GRID_INCOMPLETE while partitions have no owners: then the whole grid cannot be asked for anything */
  requireComplete(): void {
    if (!this.isComplete) throw new GridIncompleteError(this.#table);
  }

  /** Calls back with the present table and at every change of it. */
  onTable(follow: Follow<TableState>): void {
    this.#tableFollowers.push(follow);
    follow(this.#table, undefined);
  }

  /** Calls back with the present catalog and at every change of it. */
  onCatalog(follow: Follow<CatalogState>): void {
    this.#catalogFollowers.push(follow);
    follow(this.#catalog, undefined);
  }

  /** Calls back when a bundle that was asked for with `bundle` is at hand. */
  onBundle(follow: (hash: string) => void): void {
    this.#bundleFollowers.push(follow);
  }

  /** @param wait  resolves when its part of what the present state asks for is done; a change counts as followed only then */
  addStanding(wait: () => Promise<void>): void {
    this.#standing.push(wait);
  }

  /** Resolves when this member has done everything that the present state asks of it. */
  async stands(): Promise<void> {
    await Promise.all(this.#standing.map((wait) => wait()));
  }

  /** @throws GridError as `step` does; GRID_INCOMPLETE: an incomplete grid's catalog may yet become another's */
  async submit(command: ControlCommand): Promise<ControlState> {
    if (!isTableCommand(command)) this.requireComplete();
    return this.#coordinator.submit(command);
  }

  /** Changes of rows, as the coordinator's contract has it; what it answers is followed. */
  async transact(transaction: ReplicaTransaction): Promise<TableState> {
    const table = await this.#coordinator.transact(transaction);
    this.#tableChanged(table);
    return table;
  }

  /** As the coordinator's contract has it. */
  renew(replica: ReplicaId, asked: MembershipAsk): Promise<MembershipGrant | undefined> {
    return this.#coordinator.renew(replica, asked);
  }

  /** As the coordinator's contract has it. */
  async recover(partitions: readonly number[]): Promise<Recovered> {
    const outcome = await this.#coordinator.recover(partitions);
    this.#tableChanged(outcome.table);
    return outcome;
  }

  /** Whether this member serves a partition for a caller that routed with `tableVersion` (grid-view G5). */
  serves(partition: number, tableVersion: number): boolean {
    if (partition >= this.#ownedSince.length || tableVersion > this.#table.tableVersion) return false;
    return this.#ownedSince[partition]! <= tableVersion;
  }

  isMine(partition: number): boolean {
    return partition < this.#ownedSince.length && this.#ownedSince[partition]! !== NOT_OURS;
  }

  epochOf(partition: number): Epoch {
    return this.#serving?.epochOf(partition) || this.#table.epochs[partition]!;
  }

  /** The partitions of this member, ascending. */
  get ownPartitions(): PartitionId[] {
    const own: PartitionId[] = [];
    this.#ownedSince.forEach((since, partition) => {
      if (since !== NOT_OURS) own.push(partition as PartitionId);
    });
    return own;
  }

  /**
   * The map of a name, asking the coordinator once where it is not known.
   *
   * @throws GridError UNKNOWN_MAP; MEMBER_UNREACHABLE when the coordinator, who would know, cannot be asked
   */
  async mapNamed(name: string): Promise<CatalogedMap> {
    if (!this.#maps.has(name)) await this.confirm(`map '${name}'`);
    const known = this.#maps.get(name);
    if (known !== undefined) return known;
    const names = [...this.#maps.keys()];
    throw new UnknownMapError(name, names.length === 0 ? undefined : closest(name, names));
  }

  /**
   * The map of an id, asking the coordinator once where it is not known.
   *
   * @param name  for the error
   * @throws GridError MAP_DROPPED; where it is not known that the map is gone: LEASE_EXPIRED, or what asking fails with
   */
  async mapWithId(id: MapId, name: string): Promise<CatalogedMap> {
    if (this.#byId.get(id) === undefined && id > this.#catalog.mapIdFloor) await this.refresh();
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    // Ids only grow: nothing can be said of one above all that were heard of here.
    if (id > this.#catalog.mapIdFloor) {
      throw new GridError('LEASE_EXPIRED', `member '${this.self}' has not heard of map '${name}' yet`);
    }
    throw new MapDroppedError(name, { mapId: id, now: this.#maps.get(name)?.id ?? 0 });
  }

  /**
   * The map of a name for whoever writes to it, made if it is not there.
   *
   * @throws GridError INVALID_NAME, MAP_CONFLICT, MAP_DROPPED; PERMISSION_DENIED for a map of the grid's own (`sys.`)
   */
  async mapFor(name: string, settings: MapSettings, declared: boolean): Promise<CatalogedMap> {
    refuseSystemMap(name);
    return this.#mapFor(name, settings, declared);
  }

  /** A map of the grid's own, made if it is not there: for members only. @throws GridError MAP_DROPPED */
  systemMap(name: string): Promise<CatalogedMap> {
    assert(isSystemMap(name), 'what members keep for themselves lies in maps of the grid');
    return this.#mapFor(name, DEFAULT_MAP_SETTINGS, false);
  }

  async #mapFor(name: string, settings: MapSettings, declared: boolean): Promise<CatalogedMap> {
    // A caller without settings takes the map as it is, also one that another member made a moment ago.
    if (!declared && !this.#maps.has(name)) await this.refresh().catch(() => undefined);
    const known = this.#maps.get(name);
    if (known !== undefined && !declared) return known;
    if (known === undefined || !sameSettings(known, settings)) {
      this.#take(await this.submit({ kind: 'createMap', name, options: settings }));
    }
    const made = this.#maps.get(name);
    if (made !== undefined) return made;
    throw new MapDroppedError(name);
  }

  /** @throws GridError UNKNOWN_MODULE with the nearest name; MEMBER_UNREACHABLE as mapNamed() */
  async moduleNamed(name: string): Promise<CatalogedModule> {
    if (!this.#modules.has(name)) await this.confirm(`module '${name}'`);
    const known = this.#modules.get(name);
    if (known !== undefined) return known;
    throw this.#unknownModule(name);
  }

  /** Asks nobody, for a deployment is answered only when all members know it. @throws GridError UNKNOWN_MODULE */
  checkModule(name: string): void {
    if (!this.#modules.has(name)) throw this.#unknownModule(name);
  }

  #unknownModule(name: string): GridError {
    const names = [...this.#modules.keys()];
    return new GridError('UNKNOWN_MODULE', `unknown module '${name}'`, {
      hint: names.length === 0 ? 'deploy it: grid.deploy(file)' : `did you mean '${closest(name, names)}'?`,
      details: { module: name },
    });
  }

  moduleIfKnown(name: string): CatalogedModule | undefined {
    return this.#modules.get(name);
  }

  /** The text of a bundle that is at hand; undefined: it is not, `bundle` may find it. */
  bundleAtHand(hash: string): string | undefined {
    return this.#coordinator.bundleAtHand(hash);
  }

  /** Finds a bundle, and hands it to those who follow bundles first. @throws GridError BUNDLE_MISSING */
  async bundle(hash: string): Promise<string> {
    const text = await this.#coordinator.bundle(hash);
    for (const follow of this.#bundleFollowers) this.#telling(() => follow(hash));
    return text;
  }

  /** Asks the coordinator for the newest of both values. @throws GridError MEMBER_UNREACHABLE, DEADLINE_EXCEEDED */
  async refresh(): Promise<void> {
    this.#take(await this.#refreshing.call());
  }

  /**
   * Waits until the catalog here is at `version` or a later one, asking the coordinator where it does not come by itself
   * (grid-view G3).
   *
   * @returns undefined: it is already
   * @throws (rejects with) GridError LEASE_EXPIRED when the caller's time is over; CANCELLED
   */
  waitForCatalog(version: number, until: WaitUntil): Promise<void> | undefined {
    return version <= this.#catalog.catalogVersion ? undefined : this.#catalogWaits.wait(version, until);
  }

  /**
   * Catches up with the coordinator where a caller's table is newer than ours, for a second at most: it may know that
   * partitions have changed hands (grid-view G5). Where the coordinator has none so new either, the caller's is of another grid
   * and serves() refuses it. A grid that is not complete has no table to wait for.
   *
   * @returns undefined: it is here already
   * @throws (rejects with) GridError LEASE_EXPIRED, which is never said of what was sealed; CANCELLED
   */
  waitForTable(version: number, { deadlineMs, signal }: WaitUntil): Promise<void> | undefined {
    if (version <= this.#table.tableVersion || !this.isComplete) return undefined;
    const latestMs = performance.now() + TABLE_WAIT_MS;
    return this.#tableWaits.wait(version, { deadlineMs: Math.min(deadlineMs ?? latestMs, latestMs), signal });
  }

  /**
   * Waits until every one of these partitions has a primary, as long as the caller has time.
   *
   * @returns undefined: they have already
   * @throws GridError PARTITION_LOST; (rejects with) MEMBER_UNREACHABLE, PARTITION_LOST, CANCELLED, OVERLOADED
   */
  untilServed(partitions: Wanted, until: WaitUntil): Promise<void> | undefined {
    return this.#servedWaits.wait(this.#table, partitions, until);
  }

  /**
   * Asks for the newest catalog, so that what is not in it is nowhere.
   *
   * @param what  that is not known here
   * @throws GridError MEMBER_UNREACHABLE: nobody can be asked at this moment
   */
  async confirm(what: string): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      const cause = GridError.wrap(error);
      throw new GridError(
        'MEMBER_UNREACHABLE',
        `member '${this.self}' does not know ${what}, and the coordinator, who would, cannot be asked: ${cause.message}`,
        { hint: 'repeat the call; if it goes on, see that the member of the coordinator runs', cause },
      );
    }
  }

  #take({ table, catalog }: ControlState): void {
    this.#catalogChanged(catalog);
    this.#tableChanged(table);
  }

  #tableChanged(table: TableState): void {
    const before = this.#table;
    if (table.gridId === before.gridId && table.tableVersion <= before.tableVersion) return;
    this.#tellServing(table);
    this.#takeTable(table, before);
    for (const follow of this.#tableFollowers) this.#telling(() => follow(table, before));
    // Behind those who make it so: who waited for the table finds its partitions open.
    this.#tableWaits.reached(table.tableVersion);
    this.#servedWaits.tableChanged(table);
  }

  #tellServing(table: TableState): void {
    this.#isTellingServing = true;
    this.#telling(() => this.#serving?.onTable(table));
    this.#isTellingServing = false;
  }

  #catalogChanged(catalog: CatalogState): void {
    const before = this.#catalog;
    if (catalog.gridId === before.gridId && catalog.catalogVersion <= before.catalogVersion) return;
    this.#takeCatalog(catalog);
    for (const follow of this.#catalogFollowers) this.#telling(() => follow(catalog, before));
    // Behind those who make it so: who waited for the catalog finds its maps open.
    this.#catalogWaits.reached(catalog.catalogVersion);
  }

  #telling(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #takeCatalog(catalog: CatalogState): void {
    this.#catalog = catalog;
    this.#maps = new Map(catalog.maps.map((map) => [map.name, map]));
    this.#byId = new Map(catalog.maps.map((map) => [map.id, map]));
    this.#modules = new Map(catalog.modules.map((module) => [module.name, module]));
    assert(this.#maps.size === this.#byId.size, 'catalog-state C1: two maps of a catalog have one name or one id');
  }

  #takeTable(table: TableState, before: TableState | undefined): void {
    assert(table.partitionCount === this.#ownedSince.length, 'the number of partitions of a grid changed');
    this.#table = table;
    if (this.#serving !== undefined) {
      this.#lookAtServing();
      return;
    }
    for (let partition = 0; partition < this.#ownedSince.length; partition++) {
      const owner = table.owners[partition]?.[0];
      const isOwn = owner !== undefined && table.members[owner]!.id === this.self;
      const isSame = before !== undefined && before.epochs[partition] === table.epochs[partition];
      if (!isOwn) this.#ownedSince[partition] = NOT_OURS;
      else if (!isSame || this.#ownedSince[partition] === NOT_OURS) this.#ownedSince[partition] = table.tableVersion;
    }
  }

  /** An epoch is the version of the table that named its primary: whoever routed by that one, or a later one, means it. */
  #lookAtServing(): void {
    for (let partition = 0; partition < this.#ownedSince.length; partition++)
      this.#ownedSince[partition] = this.#serving?.epochOf(partition) || NOT_OURS;
  }
}

function sameSettings(map: CatalogedMap, settings: MapSettings): boolean {
  return (
    map.affinityParts === settings.affinityParts && map.ttlMs === settings.ttlMs && map.maxIdleMs === settings.maxIdleMs
  );
}
