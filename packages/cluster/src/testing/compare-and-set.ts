/**
 * A coordinator over two values that are changed by compare-and-set, and blobs by hash: what a consensus engine has. In memory,
 * for tests: that the contract fits such an engine, and that its steps stay right however many handles step at once.
 *
 *   read the pair -> step -> swap what differs, if both are still as read, the new bundle with it -> else from the start
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { ReplicaId, ReplicaTransaction } from '@ashlar/core';
import { missingBundle } from '../bundles.ts';
import { bundleHashesOf } from '../catalog-state.ts';
import type { Coordinator } from '../coordinator.ts';
import {
  type ControlPorts,
  lostOf,
  type MembershipAsk,
  type Recovered,
  ReplicaControl,
} from '../replicas/replica-control.ts';
import type { MembershipGrant } from '../replicas/replica-controller.ts';
import { type ControlCommand, type ControlState, step } from '../step.ts';
import type { TableState } from '../table-state.ts';
import { ToldValues } from '../told-values.ts';
import { Watchers } from '../watchers.ts';

const NO_BUNDLES: ReadonlyMap<string, string> = new Map();

/** The engine: what all handles share. */
export class SharedValues {
  #state: ControlState;
  readonly #bundles = new Map<string, string>();
  readonly watchers = new Watchers<ControlState>();
  /** Swaps that came too late. */
  conflicts = 0;

  /** Beside the engine, as one of the members would run it; undefined: the grid holds no copies. */
  readonly control: ReplicaControl | undefined;

  constructor(state: ControlState, control?: ControlPorts) {
    this.#state = state;
    if (control === undefined) return;
    this.control = new ReplicaControl(control, {
      table: () => this.#state.table,
      apply: (changes) => void this.swap(this.#state, step(this.#state, { kind: 'replicas', changes }), NO_BUNDLES),
    });
  }

  get state(): ControlState {
    return this.#state;
  }

  bundle(hash: string): string | undefined {
    return this.#bundles.get(hash);
  }

  /** One transaction: both values and the bundles, or nothing. @returns whether `before` was still the newest */
  swap(before: ControlState, after: ControlState, brought: ReadonlyMap<string, string>): boolean {
    if (before.table !== this.#state.table || before.catalog !== this.#state.catalog) {
      this.conflicts++;
      return false;
    }
    this.#state = after;
    const wanted = bundleHashesOf(after.catalog);
    for (const [hash, text] of brought) this.#bundles.set(hash, text);
    for (const hash of this.#bundles.keys()) if (!wanted.has(hash)) this.#bundles.delete(hash);
    // As a stream from the engine: later, and perhaps behind a newer one.
    setImmediate(() => this.watchers.tell(after));
    return true;
  }
}

export class CompareAndSetCoordinator implements Coordinator {
  readonly #shared: SharedValues;
  readonly #told = new ToldValues();
  watchTable: Coordinator['watchTable'] = this.#told.watchTable;
  watchCatalog: Coordinator['watchCatalog'] = this.#told.watchCatalog;
  bundleAtHand: Coordinator['bundleAtHand'] = this.#told.bundleAtHand;
  readonly #stop: () => void;
  #state: ControlState;

  constructor(shared: SharedValues) {
    this.#shared = shared;
    this.#state = shared.state;
    this.#stop = shared.watchers.add((state) => this.#accept(state));
  }

  get state(): ControlState {
    return this.#state;
  }

  async submit(command: ControlCommand): Promise<ControlState> {
    for (;;) {
      const before = await this.#read();
      const after = step(before, command);
      const isDone = after === before || this.#shared.swap(before, after, broughtBy(command, after));
      if (!isDone) continue;
      this.#accept(after);
      return after;
    }
  }

  async transact({ changes }: ReplicaTransaction): Promise<TableState> {
    const { table } = await this.submit({ kind: 'replicas', changes });
    for (const change of changes) if (change.kind === 'register') this.#shared.control?.registered(change.replica);
    return table;
  }

  async renew(replica: ReplicaId, asked: MembershipAsk): Promise<MembershipGrant | undefined> {
    await turn();
    return this.#shared.control?.renew(replica, asked);
  }

  async recover(partitions: readonly number[]): Promise<Recovered> {
    await turn();
    const { control } = this.#shared;
    if (control === undefined) {
      const recovered = lostOf(this.#shared.state.table, partitions);
      return { recovered, table: (await this.submit({ kind: 'recover', partitions: recovered })).table };
    }
    const outcome = control.recover(partitions);
    this.#accept(this.#shared.state);
    return outcome;
  }

  async refresh(): Promise<ControlState> {
    this.#accept(await this.#read());
    return this.#state;
  }

  async bundle(hash: string): Promise<string> {
    await turn();
    const text = this.#shared.bundle(hash);
    if (text === undefined) throw missingBundle(hash);
    this.#told.bundles.put(hash, text);
    return text;
  }

  close(): void {
    this.#stop();
  }

  /** There and back: others step meanwhile. */
  async #read(): Promise<ControlState> {
    await turn();
    const { state } = this.#shared;
    await turn();
    return state;
  }

  #accept({ table, catalog }: ControlState): void {
    const before = this.#state;
    this.#state = {
      table: table.tableVersion > before.table.tableVersion ? table : before.table,
      catalog: catalog.catalogVersion > before.catalog.catalogVersion ? catalog : before.catalog,
    };
    if (this.#state.catalog !== before.catalog) this.#told.bundles.follow(this.#state.catalog);
    this.#told.tell(before, this.#state);
  }
}

function broughtBy(command: ControlCommand, { catalog }: ControlState): ReadonlyMap<string, string> {
  if (command.kind !== 'putModule' || !bundleHashesOf(catalog).has(command.module.hash)) return new Map();
  return new Map([[command.module.hash, command.module.bundle]]);
}
