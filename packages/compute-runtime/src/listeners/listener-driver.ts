/**
 * Which `after` listeners run on this member: those of the deployed modules whose map is there.
 *
 * A listener belongs to one map, not to a name (cluster: catalog-state C2), and is known by module, export and that map. When
 * the map is dropped it gets what is left of its events and has ended: a deployment of its module binds it to the map
 * that has the name by then. A new deployment under the name changes the code that its next events run through, lets it
 * out of quarantine, and nothing else: no event is lost or seen twice. Undeployed, it forgets its place.
 *
 * listener-driver D1  A change is followed here once every listener that it starts stands on committed checkpoints
 *                     (`standing`): a deployment is answered then, and a map that was made takes no write before.
 * listener-driver D2  When partitions come or go, listeners go on from the checkpoints that lie in those that are there.
 * listener-driver D3  One that was undeployed has gone before another with its name and map begins.
 * listener-driver D4  A log that came with a partition is held as it was held there until every listener stands on it.
 */
import type { CatalogState } from '@ashlar/cluster';
import type { Reading } from '@ashlar/observe';
import { ForgottenListeners } from './forgotten-listeners.ts';
import { listenerText } from './listener-records.ts';
import type { ListenerDependencies, ListenerSpec } from './listener-spec.ts';
import { RunningListener } from './running-listener.ts';

/** Listeners with a line of their own in the metrics. */
const LISTENERS_LABELLED_MAX = 50;

export class ListenerDriver {
  readonly #deps: ListenerDependencies;
  readonly #running = new Map<string, RunningListener>();
  /** Undeployed, and still delivering what their last steps wrote. */
  readonly #retiring = new Map<string, { readonly listener: RunningListener; readonly gone: Promise<void> }>();
  readonly #forgotten: ForgottenListeners;
  /** By id: starts once the one before it has gone. */
  readonly #starting = new Map<string, Promise<void>>();
  #ownership = '';
  /** Logs of partitions that came may be held for the listeners of the member that had them. */
  #isHolding = false;
  #isClosed = false;
  /** The catalog that was looked at last, and the listeners that it wants. */
  #wantedIn: { readonly catalog: CatalogState; readonly wanted: ReadonlyMap<string, ListenerSpec> } | undefined;

  constructor(deps: ListenerDependencies) {
    this.#deps = deps;
    this.#forgotten = new ForgottenListeners({
      ...{ parts: deps.parts, gate: deps.gate },
      isKnown: (id) => this.#wanted().has(id) || this.#retiring.has(id),
      times: deps.forgetTimes,
    });
    this.#countInMetrics();
    deps.parts.control.onCatalog(() => this.#follow());
    deps.parts.control.onTable(() => this.#follow());
    deps.parts.control.addStanding(() => this.standing());
  }

  /** Resolves once every listener that is to run here stands on committed checkpoints. Never rejects. */
  async standing(): Promise<void> {
    await Promise.all(this.#starting.values());
    await Promise.all([...this.#running.values()].map((listener) => listener.standing));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#forgotten.close();
    const all = [...this.#running.values(), ...[...this.#retiring.values()].map(({ listener }) => listener)];
    await Promise.all(all.map((listener) => listener.stop()));
  }

  #countInMetrics(): void {
    const { metrics, control } = this.#deps.parts;
    const sum = (read: (listener: RunningListener) => number) => () => this.#sum(read);
    metrics.counter(
      'ashlar_listener_events_total',
      'Events that listeners have done with.',
      sum(({ done }) => done),
    );
    metrics.counter(
      'ashlar_listener_failures_total',
      'Runs of listeners that failed by their own fault: an error, a limit exceeded, their thread ended.',
      sum(({ failures }) => failures),
    );
    metrics.counter(
      'ashlar_listener_passed_over_total',
      'Events that listeners were given up on, or refused, and writes that can never be taken.',
      sum(({ passedOver }) => passedOver),
    );
    metrics.counter(
      'ashlar_listener_gaps_total',
      'Partitions whose log did not reach back to the checkpoint of a listener: it may have missed events.',
      sum(({ gaps }) => gaps),
    );
    metrics.gauge(
      'ashlar_listener_undelivered_writes',
      'Writes of listeners that the partitions they are for have not taken yet.',
      () => this.#deps.relay.undelivered,
    );
    metrics.gauge(
      'ashlar_listener_state',
      'What a listener does here: 1 in its state: healthy, failing, quarantined, waiting for a map, or ended with one.',
      () => this.#states(),
      ['listener', 'map', 'state'],
    );
    metrics.gauge(
      'ashlar_listener_lag_records',
      'Log records that listeners have not read.',
      sum(({ lag }) => lag),
    );
    metrics.gauge(
      'ashlar_listeners',
      'Listeners of the deployed modules: running, waiting for the first map of their name, or ended with a map that was dropped.',
      () => countsByState(control.catalog),
      ['state'],
    );
  }

  /** The states of the first LISTENERS_LABELLED_MAX listeners. */
  #states(): readonly Reading[] {
    const states = new Map([...this.#running].map(([id, { spec, state }]) => [id, { spec, state: state as string }]));
    const { catalog } = this.#deps.parts.control;
    for (const [id, spec] of wantedListeners(catalog)) {
      if (states.has(id)) continue;
      const state = stateOfListener(spec, catalog);
      // It should run, and waits for the one before it to be gone.
      states.set(id, { spec, state: state === 'running' ? 'failing' : state });
    }
    return [...states.values()].slice(0, LISTENERS_LABELLED_MAX).map(({ spec, state }) => ({
      labels: { listener: nameOf(spec), map: spec.map, state },
      value: 1,
    }));
  }

  #sum(read: (listener: RunningListener) => number): number {
    let total = 0;
    for (const listener of this.#running.values()) total += read(listener);
    return total;
  }

  /** Starts what is deployed and has its map, stops what is deployed no more. */
  #follow(): void {
    const { catalog } = this.#deps.parts.control;
    const wanted = this.#wanted();
    const deployed = new Map([...wanted.values()].map((spec) => [nameOf(spec), spec.generation]));
    for (const [id, listener] of this.#running) {
      const isGettingTheRest = !listener.hasEnded && stateOfListener(listener.spec, catalog) === 'ended';
      const generation = deployed.get(nameOf(listener.spec));
      if (generation !== undefined && (wanted.has(id) || isGettingTheRest)) {
        listener.follow({ ...listener.spec, generation });
        continue;
      }
      this.#running.delete(id);
      this.#retire(id, listener);
    }
    if (!this.#deps.parts.control.isComplete) return;
    this.#followPartitions();
    for (const [id, spec] of wanted) {
      if (!this.#running.has(id) && stateOfListener(spec, catalog) === 'running') this.#start(id, spec);
    }
    if (this.#isHolding) void this.#takeOverHolds();
  }

  #wanted(): ReadonlyMap<string, ListenerSpec> {
    const { catalog } = this.#deps.parts.control;
    if (this.#wantedIn?.catalog !== catalog) this.#wantedIn = { catalog, wanted: wantedListeners(catalog) };
    return this.#wantedIn.wanted;
  }

  /** What listeners held of the logs where partitions come from is held until those here stand (listener-driver D4). */
  async #takeOverHolds(): Promise<void> {
    const ownership = this.#ownership;
    await this.standing();
    if (this.#isClosed || ownership !== this.#ownership || !this.#isHolding) return;
    this.#isHolding = false;
    const { control, store } = this.#deps.parts;
    for (const partition of control.ownPartitions) store.holdLog(partition, Infinity);
  }

  #followPartitions(): void {
    const { control } = this.#deps.parts;
    const epochs = control.ownPartitions.map((partition) => `${partition}:${control.epochOf(partition)}`);
    const ownership = [control.table.gridId, ...epochs].join();
    if (ownership === this.#ownership) return;
    this.#ownership = ownership;
    this.#isHolding = true;
    for (const listener of this.#running.values()) listener.reopen();
    // What lies in partitions that came may belong to listeners that were undeployed meanwhile.
    this.#forgotten.expect();
  }

  #retire(id: string, listener: RunningListener): void {
    const gone = listener.retire().then(() => {
      if (this.#retiring.get(id)?.listener === listener) this.#retiring.delete(id);
      this.#forgotten.expect(id);
    });
    this.#retiring.set(id, { listener, gone });
  }

  #start(id: string, spec: ListenerSpec): void {
    const before = this.#retiring.get(id);
    if (before === undefined) {
      this.#running.set(id, new RunningListener(spec, this.#deps, false));
      return;
    }
    if (this.#starting.has(id)) return;
    const start = async (): Promise<void> => {
      await before.listener.stop();
      await before.gone;
      this.#starting.delete(id);
      const now = wantedListeners(this.#deps.parts.control.catalog).get(id);
      if (now === undefined || this.#running.has(id) || this.#isClosed) return;
      const listener = new RunningListener(now, this.#deps, true);
      this.#running.set(id, listener);
      await listener.standing;
    };
    this.#starting.set(id, start());
  }
}

function nameOf({ module, exportName }: ListenerSpec): string {
  return `${module}.${exportName}`;
}

/** By their ids: module, export and map. Those that wait for a map go by their name alone. */
function wantedListeners(catalog: CatalogState): Map<string, ListenerSpec> {
  const wanted = new Map<string, ListenerSpec>();
  for (const { name: module, exports, generation } of catalog.modules) {
    for (const { name: exportName, kind, map, mapId } of exports) {
      if (kind !== 'listener') continue;
      const spec = { module, exportName, map, mapId, generation };
      wanted.set(listenerText(spec), spec);
    }
  }
  return wanted;
}

const LISTENER_STATES = ['running', 'waiting', 'ended'] as const;
export type ListenerState = (typeof LISTENER_STATES)[number];

/** What is to become of a listener in the grid: it waits for a map, runs, or has ended with its map. */
export function stateOfListener({ mapId }: Pick<ListenerSpec, 'mapId'>, { maps }: CatalogState): ListenerState {
  if (mapId === 0) return 'waiting';
  return maps.some(({ id }) => id === mapId) ? 'running' : 'ended';
}

function countsByState(catalog: CatalogState) {
  const states = [...wantedListeners(catalog).values()].map((spec) => stateOfListener(spec, catalog));
  return LISTENER_STATES.map((one) => ({
    labels: { state: one },
    value: states.filter((listener) => listener === one).length,
  }));
}
