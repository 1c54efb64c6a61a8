/**
 * What every engine of the coordinator's contract has towards those who follow it: the watchers of both values, and the bundles
 * at hand. Engines keep one and give out its methods as their own.
 *
 * told-values T1  The catalog is told before the table: a grid that is taken over is complete with its table, and has its maps
 *                 by then.
 */
import { BundleStore } from './bundles.ts';
import type { CatalogState } from './catalog-state.ts';
import type { Coordinator } from './coordinator.ts';
import type { ControlState } from './step.ts';
import type { TableState } from './table-state.ts';
import { Watchers } from './watchers.ts';

export class ToldValues implements Pick<Coordinator, 'watchTable' | 'watchCatalog' | 'bundleAtHand'> {
  readonly bundles = new BundleStore();
  readonly #tables = new Watchers<TableState>();
  readonly #catalogs = new Watchers<CatalogState>();

  readonly watchTable: Coordinator['watchTable'] = (listener) => this.#tables.add(listener);
  readonly watchCatalog: Coordinator['watchCatalog'] = (listener) => this.#catalogs.add(listener);
  readonly bundleAtHand: Coordinator['bundleAtHand'] = (hash) => this.bundles.text(hash);

  /** Tells the values that differ (told-values T1). */
  tell(before: ControlState, after: ControlState): void {
    if (after.catalog !== before.catalog) this.#catalogs.tell(after.catalog);
    if (after.table !== before.table) this.#tables.tell(after.table);
  }

  /** Nobody is told any more. */
  clear(): void {
    this.#tables.clear();
    this.#catalogs.clear();
  }
}
