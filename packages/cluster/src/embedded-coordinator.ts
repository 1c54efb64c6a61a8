/**
 * The coordinator inside one member: the same contract, no high availability. When its member dies nothing can change
 * until it is back; what the grid holds is served on. Started again, it goes on with what a keeper has (both values, and the
 * bundles); without a keeper, with what living members hold (rebuild.ts), which it also asks for the bundles that it lacks.
 *
 * embedded-coordinator E1  A pair is kept before anybody sees it, and so is every bundle that it refers to and that a
 *                          deployment brought.
 * embedded-coordinator E2  Bundles that the newest catalog does not refer to are let go, after it is kept.
 */
import { missingBundle } from './bundles.ts';
import { bundleHashesOf, type CatalogState } from './catalog-state.ts';
import type { Coordinator } from './coordinator.ts';
import { restored } from './rebuild.ts';
import { type ControlCommand, type ControlState, emptyState, step } from './step.ts';
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
  /** Names the grid when the keeper has nothing. */
  readonly newGridId: () => string;
  readonly keeper: ControlKeeper;
  /**
   * Asks the members for a bundle that was lost here.
   *
   * @throws GridError BUNDLE_MISSING when none of them has it
   */
  readonly findBundle?: ((hash: string) => Promise<string>) | undefined;
}

export class EmbeddedCoordinator implements Coordinator {
  readonly #keeper: ControlKeeper;
  readonly #findBundle: EmbeddedOptions['findBundle'];
  readonly #told = new ToldValues();
  watchTable: Coordinator['watchTable'] = this.#told.watchTable;
  watchCatalog: Coordinator['watchCatalog'] = this.#told.watchCatalog;
  bundleAtHand: Coordinator['bundleAtHand'] = this.#told.bundleAtHand;
  #state: ControlState;

  constructor(options: EmbeddedOptions) {
    const { partitionCount, expectedMembers, backups = 0, minInSync = 1, newGridId, keeper, findBundle } = options;
    const kept = keeper.load();
    if (kept !== undefined && 'table' in kept && kept.table.owners.length > 0) this.#state = restored(kept);
    else {
      const { gridId, epochFloor, mapIdFloor } = floorsOf(kept) ?? {
        gridId: newGridId(),
        epochFloor: 0,
        mapIdFloor: 0,
      };
      const settings = { partitionCount, expectedMembers, backups, minInSync };
      this.#state = emptyState({ gridId, epochFloor, mapIdFloor, ...settings });
    }
    keeper.save(this.#state);
    this.#keeper = keeper;
    this.#findBundle = findBundle;
    this.#followCatalog(this.#state.catalog);
    for (const hash of this.#told.bundles.missing) {
      const text = keeper.loadBundle(hash);
      if (text !== undefined) this.#told.bundles.put(hash, text);
    }
  }

  get state(): ControlState {
    return this.#state;
  }

  async submit(command: ControlCommand): Promise<ControlState> {
    const before = this.#state;
    const after = step(before, command);
    if (command.kind === 'putModule') this.#keepBundle(command.module, after.catalog);
    if (after === before) return before;
    this.#keeper.save(after);
    this.#state = after;
    if (after.catalog !== before.catalog) this.#followCatalog(after.catalog);
    if (command.kind === 'putModule') this.#holdBundle(command.module);
    this.#told.tell(before, after);
    return after;
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

/** What must not be given twice by a grid that begins anew: its keeper's floors, or those of a grid that never was complete. */
function floorsOf(kept: ControlState | GridFloors | undefined): GridFloors | undefined {
  if (kept === undefined || !('table' in kept)) return kept;
  const { table, catalog } = kept;
  return { gridId: table.gridId, epochFloor: table.epochFloor, mapIdFloor: catalog.mapIdFloor };
}
