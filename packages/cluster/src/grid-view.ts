/**
 * What this member knows of the grid: table, maps, modules, and which partitions it serves. Follows the coordinator and
 * tells those who must act on a change, in one order: storage first, then the rest.
 */

import {
  type Epoch,
  GridError,
  GridIncompleteError,
  MapDroppedError,
  type MapId,
  type MemberId,
  type PartitionId,
  type PartitionTable,
  UnknownMapError,
} from '@ashlar/core';
import { closest } from 'fastest-levenshtein';
import type { CatalogedMap, CatalogedModule, MapSettings } from './catalog.ts';
import { type ControlState, tableOf } from './control-state.ts';
import type { Coordinator } from './coordinator.ts';

/** Never reached by a caller's table version: the partition is not ours. */
const NOT_OURS = Infinity;

export interface Refreshable extends Coordinator {
  /** Asks for the newest state when something unknown is named: it may have been made a moment ago elsewhere. */
  refresh?(): Promise<ControlState>;
}

export class GridView {
  readonly self: MemberId;
  readonly #coordinator: Refreshable;
  readonly #listeners: ((state: ControlState, before: ControlState | undefined) => void)[] = [];
  readonly #onFailure: (error: unknown) => void;
  #state: ControlState;
  #table: PartitionTable;
  #maps = new Map<string, CatalogedMap>();
  #byId = new Map<MapId, CatalogedMap>();
  #modules = new Map<string, CatalogedModule>();
  /** ownedSince[partition]: the table version at which our ownership of its present epoch began. */
  #ownedSince: Float64Array;

  /** @param onFailure  told of what a listener throws: it keeps no other from being told (F3 of catalog-follower.ts) */
  constructor(self: MemberId, coordinator: Refreshable, onFailure: (error: unknown) => void = () => undefined) {
    this.self = self;
    this.#onFailure = onFailure;
    this.#coordinator = coordinator;
    this.#state = coordinator.state;
    this.#table = tableOf(this.#state);
    this.#ownedSince = new Float64Array(this.#state.partitionCount).fill(NOT_OURS);
    this.#take(this.#state, undefined);
    coordinator.watch((state) => this.#change(state));
  }

  get state(): ControlState {
    return this.#state;
  }

  get table(): PartitionTable {
    return this.#table;
  }

  get partitionCount(): number {
    return this.#state.partitionCount;
  }

  /** Whether the expected members have joined and partitions have owners. */
  get isComplete(): boolean {
    return this.#state.owners.length > 0;
  }

  get maps(): ReadonlyMap<string, CatalogedMap> {
    return this.#maps;
  }

  /** @throws GridError GRID_INCOMPLETE while partitions have no owners: nothing can be asked of all of the grid */
  requireComplete(): void {
    if (!this.isComplete) throw new GridIncompleteError(this.#table);
  }

  /** Calls back with the present state and at every change. */
  onChange(listener: (state: ControlState, before: ControlState | undefined) => void): void {
    this.#listeners.push(listener);
    listener(this.#state, undefined);
  }

  /** @throws GridError as `step` does; GRID_INCOMPLETE: an incomplete grid's catalog may yet become another's */
  async submit(command: Parameters<Coordinator['submit']>[0]): Promise<ControlState> {
    if (command.kind !== 'join' && command.kind !== 'stopAwaiting') this.requireComplete();
    return this.#coordinator.submit(command);
  }

  /** Whether this member serves a partition for a caller that routed with `tableVersion`. */
  serves(partition: number, tableVersion: number): boolean {
    return partition < this.#ownedSince.length && this.#ownedSince[partition]! <= tableVersion;
  }

  isMine(partition: number): boolean {
    return partition < this.#ownedSince.length && this.#ownedSince[partition]! !== NOT_OURS;
  }

  epochOf(partition: number): Epoch {
    return this.#state.epochs[partition]!;
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
    if (this.#byId.get(id) === undefined && id > this.#state.mapIdFloor) await this.refresh();
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    // Ids only grow: of one above all that were heard of here nothing can be said.
    if (id > this.#state.mapIdFloor) {
      throw new GridError('LEASE_EXPIRED', `member '${this.self}' has not heard of map '${name}' yet`);
    }
    throw new MapDroppedError(name, { mapId: id, now: this.#maps.get(name)?.id ?? 0 });
  }

  /** The map of a name, made if it is not there. @throws GridError INVALID_NAME, MAP_CONFLICT, MAP_DROPPED */
  async mapFor(name: string, settings: MapSettings, declared: boolean): Promise<CatalogedMap> {
    // Who names no settings takes the map as it is, also one that another member made a moment ago.
    if (!declared && !this.#maps.has(name)) await this.refresh().catch(() => undefined);
    const known = this.#maps.get(name);
    if (known !== undefined && !declared) return known;
    if (known === undefined || !sameSettings(known, settings)) {
      this.#change(await this.submit({ kind: 'createMap', name, options: settings }));
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

  /** A deployment is answered when all members know it: nobody is asked. @throws GridError UNKNOWN_MODULE */
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

  async refresh(): Promise<void> {
    if (this.#coordinator.refresh !== undefined) this.#change(await this.#coordinator.refresh());
  }

  /**
   * Asks for the newest catalog, so that what is not in it is nowhere.
   *
   * @param what  that is not known here
   * @throws GridError MEMBER_UNREACHABLE: nobody can tell at this moment
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

  #change(state: ControlState): void {
    const before = this.#state;
    // Of another grid: the coordinator was started again, and went on with what a member holds.
    const isOther = state.gridId !== before.gridId;
    const isNewer = state.tableVersion + state.catalogVersion > before.tableVersion + before.catalogVersion;
    if (!isOther && !isNewer) return;
    this.#take(state, before);
    for (const listener of this.#listeners) {
      try {
        listener(state, before);
      } catch (error) {
        this.#onFailure(error);
      }
    }
  }

  #take(state: ControlState, before: ControlState | undefined): void {
    this.#state = state;
    this.#table = tableOf(state);
    this.#maps = new Map(state.maps.map((map) => [map.name, map]));
    this.#byId = new Map(state.maps.map((map) => [map.id, map]));
    this.#modules = new Map(state.modules.map((module) => [module.name, module]));
    for (let partition = 0; partition < this.#ownedSince.length; partition++) {
      const owner = state.owners[partition]?.[0];
      const isOwn = owner !== undefined && state.members[owner]!.id === this.self;
      const isSame = before !== undefined && before.epochs[partition] === state.epochs[partition];
      if (!isOwn) this.#ownedSince[partition] = NOT_OURS;
      else if (!isSame || this.#ownedSince[partition] === NOT_OURS) this.#ownedSince[partition] = state.tableVersion;
    }
  }
}

function sameSettings(map: CatalogedMap, settings: MapSettings): boolean {
  return (
    map.affinityParts === settings.affinityParts && map.ttlMs === settings.ttlMs && map.maxIdleMs === settings.maxIdleMs
  );
}
