/** A coordinator whose changes and answers are made by hand. */
import type { CatalogState } from '../catalog-state.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Recovered } from '../replicas/replica-control.ts';
import type { ControlState } from '../step.ts';
import type { TableState } from '../table-state.ts';
import { Watchers } from '../watchers.ts';

export class ManualCoordinator implements Coordinator {
  state: ControlState;
  /** What it answers to a refresh. */
  newest: ControlState;
  refreshes = 0;
  readonly tables = new Watchers<TableState>();
  readonly catalogs = new Watchers<CatalogState>();

  constructor(state: ControlState) {
    this.state = state;
    this.newest = state;
  }

  async submit(): Promise<ControlState> {
    throw new Error('nothing is changed here');
  }

  async transact(): Promise<TableState> {
    throw new Error('nothing is changed here');
  }

  async renew(): Promise<undefined> {
    return undefined;
  }

  async recover(): Promise<Recovered> {
    throw new Error('nothing is changed here');
  }

  async refresh(): Promise<ControlState> {
    this.refreshes++;
    return this.newest;
  }

  /** Another table takes the place of the present one, whatever it holds. */
  changeTable(change: Partial<TableState>): void {
    const table = { ...this.state.table, tableVersion: this.state.table.tableVersion + 1, ...change };
    this.state = { ...this.state, table };
    this.newest = this.state;
    this.tables.tell(table);
  }

  watchTable(listener: (table: TableState) => void): () => void {
    return this.tables.add(listener);
  }

  watchCatalog(listener: (catalog: CatalogState) => void): () => void {
    return this.catalogs.add(listener);
  }

  bundleAtHand(): undefined {
    return undefined;
  }

  async bundle(): Promise<string> {
    return 'text';
  }
}
