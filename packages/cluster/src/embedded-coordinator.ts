/**
 * The coordinator inside one member: the same contract, no high availability. When its member dies nothing can change
 * until it is back; what the grid holds is served on. Started again, it goes on with what a keeper has (both values, and the
 * bundles); without a keeper, with what living members hold (rebuild.ts), which it also asks for the bundles that it lacks.
 *
 * embedded-coordinator E1  A pair is kept before anybody sees it, and so is every bundle that it refers to and that a
 *                          deployment brought.
 * embedded-coordinator E3  A member that holds what was made after this run's beginning, and not by this run, proves that an older
 *                          state was restored: nothing more is changed, for what it gave would be given twice.
 * embedded-coordinator E2  Bundles that the newest catalog does not refer to are let go, after it is kept.
 */
import {
  assert,
  GridError,
  type MemberId,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTransaction,
  replicaIdOf,
} from '@ashlar/core';
import { missingBundle } from './bundles.ts';
import { bundleHashesOf, type CatalogState } from './catalog-state.ts';
import type { Coordinator } from './coordinator.ts';
import { restored } from './rebuild.ts';
import { Gathering, stillMissing } from './replicas/gathering.ts';
import {
  type ControlPorts,
  lostOf,
  type MembershipAsk,
  type Recovered,
  ReplicaControl,
} from './replicas/replica-control.ts';
import type { MembershipGrant } from './replicas/replica-controller.ts';
import { isReplicated } from './replicas/replicated-table.ts';
import { type ControlCommand, type ControlState, emptyState, step, type TableCommand } from './step.ts';
import type { JoinedMember, TableState } from './table-state.ts';
import { ToldValues } from './told-values.ts';

/** What the files of the first releases hold: the grid's name, and the floors below which nothing may be given again. */
export interface GridFloors {
  readonly gridId: string;
  readonly epochFloor: number;
  readonly mapIdFloor: number;
}

/** Where an embedded coordinator keeps its grid. */
export interface ControlKeeper {
  load(): ControlState | GridFloors | undefined;
  /** Keeps a pair before it is shown to anyone; both values or none. */
  save(state: ControlState): void;
  /** Undefined: it has none under the hash, or what it has there is damaged. */
  loadBundle(hash: string): string | undefined;
  saveBundle(hash: string, text: string): void;
  /** Lets go of every bundle but these. One that cannot be removed now is tried again with the next. */
  keepBundles(hashes: ReadonlySet<string>): void;
}

type JoinCommand = Extract<TableCommand, { kind: 'join' }>;

/** Keeps nothing: a coordinator that is started again goes on with what its members hold. */
export const NO_KEEPER: ControlKeeper = {
  load: () => undefined,
  save: () => undefined,
  loadBundle: () => undefined,
  saveBundle: () => undefined,
  keepBundles: () => undefined,
};

export interface EmbeddedOptions {
  readonly partitionCount: number;
  readonly expectedMembers: number;
  /** Default: 0. */
  readonly backups?: number;
  /** Default: 1. */
  readonly minInSync?: number;
  /** Names the grid when the keeper has nothing, and each run of a coordinator with copies. */
  readonly newGridId: () => string;
  readonly keeper: ControlKeeper;
  /**
   * Asks the members for a bundle that was lost here.
   *
   * @throws GridError BUNDLE_MISSING when none of them has it
   */
  readonly findBundle?: ((hash: string) => Promise<string>) | undefined;
  /** What a grid with copies is controlled with; may be left out where there are none. */
  readonly control?: ControlPorts;
}

export class EmbeddedCoordinator implements Coordinator {
  readonly #keeper: ControlKeeper;
  readonly #findBundle: EmbeddedOptions['findBundle'];
  readonly #told = new ToldValues();
  watchTable: Coordinator['watchTable'] = this.#told.watchTable;
  watchCatalog: Coordinator['watchCatalog'] = this.#told.watchCatalog;
  bundleAtHand: Coordinator['bundleAtHand'] = this.#told.bundleAtHand;
  readonly #gathering = new Gathering();
  /** Undefined: the grid holds no copies. */
  readonly #control: ReplicaControl | undefined;
  /** What was kept when this run began, as it was read. */
  readonly #kept: ControlState;
  readonly #onRefusal: ControlPorts['onRefusal'] | undefined;
  #state: ControlState;
  #refusal: GridError | undefined;

  constructor(options: EmbeddedOptions) {
    const { keeper, findBundle, control } = options;
    const { kept, state } = beginning(options);
    this.#kept = kept;
    this.#state = state;
    keeper.save(this.#state);
    this.#keeper = keeper;
    this.#findBundle = findBundle;
    this.#onRefusal = control?.onRefusal;
    this.#followCatalog(this.#state.catalog);
    for (const hash of this.#told.bundles.missing) {
      const text = keeper.loadBundle(hash);
      if (text !== undefined) this.#told.bundles.put(hash, text);
    }
    if (!isReplicated(this.#state.table)) return;
    assert(control !== undefined, 'a grid with copies is controlled by somebody');
    this.#control = new ReplicaControl(control, {
      table: () => this.#state.table,
      apply: (changes) => this.#changeRows(changes),
    });
  }

  get state(): ControlState {
    return this.#state;
  }

  /** Why nothing can be changed any more (embedded-coordinator E3). */
  get refusal(): GridError | undefined {
    return this.#refusal;
  }

  async submit(command: ControlCommand): Promise<ControlState> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (command.kind === 'join' && this.#control !== undefined) return this.#join(command, this.#control);
    const before = this.#state;
    const after = step(before, command);
    if (command.kind === 'putModule') this.#keepBundle(command.module, after.catalog);
    this.#take(after);
    if (command.kind === 'putModule' && after !== before) this.#holdBundle(command.module);
    if (after !== before) this.#told.tell(before, after);
    return after;
  }

  async transact({ changes }: ReplicaTransaction): Promise<TableState> {
    if (this.#refusal !== undefined) throw this.#refusal;
    return this.#control?.transact(changes) ?? this.#state.table;
  }

  async renew(replica: ReplicaId, asked: MembershipAsk): Promise<MembershipGrant | undefined> {
    if (this.#refusal !== undefined) throw this.#refusal;
    return this.#control?.renew(replica, asked);
  }

  async recover(partitions: readonly number[]): Promise<Recovered> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#control === undefined) {
      const wanted = lostOf(this.#state.table, partitions);
      this.#change({ kind: 'recover', partitions: wanted });
      return { recovered: wanted, table: this.#state.table };
    }
    return this.#gathering.isUnderWay ? this.#giveUp(partitions) : this.#control.recover(partitions);
  }

  /** Plans nothing any more. */
  close(): void {
    this.#control?.close();
  }

  /** What is here is the newest: nobody else changes it. */
  async refresh(): Promise<ControlState> {
    return this.#state;
  }

  async bundle(hash: string): Promise<string> {
    const atHand = this.#told.bundles.text(hash);
    if (atHand !== undefined) return atHand;
    if (this.#findBundle === undefined || !this.#told.bundles.isWanted(hash)) throw missingBundle(hash);
    const text = await this.#findBundle(hash);
    this.#told.bundles.put(hash, text);
    if (this.#told.bundles.isWanted(hash)) this.#keeper.saveBundle(hash, text);
    return text;
  }

  /* ---- A grid with copies -------------------------------------------------------------------------------------------- */

  #join(command: JoinCommand, control: ReplicaControl): ControlState {
    const { member, held } = command;
    if (held !== undefined && held.table.owners.length > 0) this.#checkHeld(member, held);
    const isOther = held !== undefined && held.table.gridId !== this.#state.table.gridId;
    const isLost = isOther && held.table.owners.length > 0 && this.#state.table.owners.length === 0;
    if (isLost) this.#gather(member, held);
    else {
      this.#gathering.check(member);
      this.#change({ kind: 'join', member, held: isOther ? held : undefined });
    }
    control.registered(replicaIdOf(member.id, member.incarnation));
    return this.#state;
  }

  /** embedded-coordinator E3 @throws GridError GRID_CONFLICT */
  #checkHeld({ id }: JoinedMember, { table, catalog }: ControlState): void {
    const { table: kept, catalog: keptCatalog } = this.#kept;
    if (table.gridId !== kept.gridId || table.run === this.#state.table.run) return;
    const isOlder = table.tableVersion > kept.tableVersion || catalog.catalogVersion > keptCatalog.catalogVersion;
    if (!isOlder) return;
    this.#refusal = new GridError(
      'GRID_CONFLICT',
      `what the coordinator kept is older (table ${kept.tableVersion}, catalog ${keptCatalog.catalogVersion}) than what member '${id}' holds (table ${table.tableVersion}, catalog ${catalog.catalogVersion})`,
      {
        hint: "stop the coordinator's member, give it back the newest cluster.dataDirectory, or remove coordinator.json there: then the grid is taken over from its members",
        details: { member: id, has: kept.tableVersion, holds: table.tableVersion },
      },
    );
    this.close();
    this.#onRefusal?.(this.#refusal);
    throw this.#refusal;
  }

  /** @throws GridError MEMBER_UNREACHABLE while members are missing; GRID_CONFLICT */
  #gather(member: JoinedMember, held: ControlState): void {
    this.#gathering.offer(this.#state, member, held);
    const missing = this.#gathering.missing(this.#state);
    if (missing.length > 0) throw stillMissing(missing);
    this.#takeOver([]);
  }

  #giveUp(partitions: readonly number[]): Recovered {
    const missing = this.#gathering.missing(this.#state);
    const concerned = this.#gathering.concerned(missing);
    const unnamed = partitions.length === 0 ? [] : concerned.filter((partition) => !partitions.includes(partition));
    if (unnamed.length > 0) throw alsoConcerned(missing, unnamed);
    this.#takeOver(missing);
    const { table } = this.#state;
    return { recovered: concerned.filter((partition) => !table.lost.includes(partition)), table };
  }

  #takeOver(givenUp: readonly MemberId[]): void {
    const before = this.#state;
    this.#take(this.#gathering.takeOver(before, givenUp, before.table.run));
    this.#told.tell(before, this.#state);
  }

  #changeRows(changes: readonly ReplicaChange[]): void {
    this.#change({ kind: 'replicas', changes });
  }

  #change(command: TableCommand): void {
    const before = this.#state;
    this.#take(step(before, command));
    if (this.#state !== before) this.#told.tell(before, this.#state);
  }

  /* ---- What is kept -------------------------------------------------------------------------------------------------- */

  /** embedded-coordinator E1 */
  #take(after: ControlState): void {
    const before = this.#state;
    if (after === before) return;
    this.#keeper.save(after);
    this.#state = after;
    if (after.catalog !== before.catalog) this.#followCatalog(after.catalog);
  }

  /** embedded-coordinator E1. Also where the module is there already: its bundle may have been lost. */
  #keepBundle({ hash, bundle }: { readonly hash: string; readonly bundle: string }, after: CatalogState): void {
    if (this.#told.bundles.text(hash) !== undefined || !bundleHashesOf(after).has(hash)) return;
    this.#keeper.saveBundle(hash, bundle);
    this.#holdBundle({ hash, bundle });
  }

  #holdBundle({ hash, bundle }: { readonly hash: string; readonly bundle: string }): void {
    const isLacking = this.#told.bundles.isWanted(hash) && this.#told.bundles.text(hash) === undefined;
    if (isLacking) this.#told.bundles.put(hash, bundle);
  }

  #followCatalog(catalog: CatalogState): void {
    this.#told.bundles.follow(catalog);
    this.#keeper.keepBundles(bundleHashesOf(catalog));
  }
}

/** What a run begins with: the grid that was kept, or a new one; and what was kept, of which nobody holds a newer one. */
function beginning(options: EmbeddedOptions): { readonly kept: ControlState; readonly state: ControlState } {
  const { partitionCount, expectedMembers, backups = 0, minInSync = 1, newGridId, keeper } = options;
  const kept = keeper.load();
  if (kept !== undefined && 'table' in kept && kept.table.owners.length > 0) {
    const { table, catalog } = restored(kept);
    return {
      kept,
      state: isReplicated(table) ? { table: { ...table, run: newGridId() }, catalog } : { table, catalog },
    };
  }
  const floors = floorsOf(kept) ?? { gridId: newGridId(), epochFloor: 0, mapIdFloor: 0 };
  const run = backups === 0 ? '' : newGridId();
  const state = emptyState({ ...floors, ...{ partitionCount, expectedMembers, backups, minInSync, run } });
  return { kept: state, state };
}

function alsoConcerned(missing: readonly MemberId[], partitions: readonly number[]): GridError {
  return new GridError(
    'INVALID_ARGUMENT',
    `${missing.join(', ')} hold, or were to hold, copies of partitions ${partitions.join(', ')}, too`,
    {
      hint: 'name all of them, or start the members',
      details: { members: missing, partitions: partitions.map(String) },
    },
  );
}

/** What must not be given twice by a grid that begins anew: its keeper's floors, or those of a grid that never was complete. */
function floorsOf(kept: ControlState | GridFloors | undefined): GridFloors | undefined {
  if (kept === undefined || !('table' in kept)) return kept;
  const { table, catalog } = kept;
  return { gridId: table.gridId, epochFloor: table.epochFloor, mapIdFloor: catalog.mapIdFloor };
}
