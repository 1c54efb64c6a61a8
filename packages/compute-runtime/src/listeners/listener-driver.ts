/**
 * Which `after` listeners run on this member: those of the deployed modules whose map is there.
 *
 * A listener belongs to one map, not to a name (cluster/catalog.ts, C2), and is known by module, export and that map. When
 * the map is dropped it gets what is left of its events and has ended: a deployment of its module binds it to the map
 * that has the name by then. A new deployment under the name changes the code that its next events run through, lets it
 * out of quarantine, and nothing else: no event is lost or seen twice. Undeployed, it forgets its place.
 */
import type { CatalogState } from '@ashlar/cluster';
import { ListenerRunner } from '@ashlar/compute';
import type { Reading } from '@ashlar/observe';
import { type ListenerDependencies, type ListenerSpec, RunningListener } from './running-listener.ts';

/** Listeners with a line of their own in the metrics. */
const LISTENERS_LABELLED_MAX = 50;
const START_RETRY_MS = 5000;

export class ListenerDriver {
  readonly #deps: ListenerDependencies;
  readonly #runner: ListenerRunner;
  readonly #running = new Map<string, RunningListener>();
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(deps: ListenerDependencies) {
    this.#deps = deps;
    this.#runner = new ListenerRunner(deps.parts.userLanes, deps.parts.modules);
    const { metrics } = deps.parts;
    metrics.counter('ashlar_listener_events_total', 'Events that listeners have done with.', () =>
      this.#sum(({ done }) => done),
    );
    metrics.counter(
      'ashlar_listener_failures_total',
      'Runs of listeners that failed by their own fault: an error, a limit exceeded, their thread ended.',
      () => this.#sum(({ failures }) => failures),
    );
    metrics.counter('ashlar_listener_passed_over_total', 'Groups of events that listeners were given up on.', () =>
      this.#sum(({ passedOver }) => passedOver),
    );
    metrics.gauge(
      'ashlar_listener_state',
      'What a listener does here: 1 in its state: healthy, failing, quarantined, waiting for a map, or ended with one.',
      () => this.#states(),
      ['listener', 'map', 'state'],
    );
    metrics.gauge('ashlar_listener_lag_records', 'Log records that listeners have not read.', () =>
      this.#sum(({ lag }) => lag),
    );
    metrics.gauge(
      'ashlar_listeners',
      'Listeners of the deployed modules: running, waiting for the first map of their name, or ended with a map that was dropped.',
      () => countsByState(deps.parts.control.catalog),
      ['state'],
    );
    // At once: a map's first put follows the change that creates the map, and its listeners must stand by then.
    deps.parts.control.onCatalog(() => this.#follow());
    deps.parts.control.onTable(() => this.#follow());
  }

  async close(): Promise<void> {
    clearTimeout(this.#retryTimer);
    await Promise.all([...this.#running.values()].map((listener) => listener.stop()));
  }

  /** Of the first LISTENERS_LABELLED_MAX. */
  #states(): readonly Reading[] {
    const states = new Map([...this.#running].map(([id, { spec, state }]) => [id, { spec, state: state as string }]));
    const { catalog } = this.#deps.parts.control;
    for (const [id, spec] of wantedListeners(catalog)) {
      if (states.has(id)) continue;
      const state = stateOfListener(spec, catalog);
      // It should run: starting it failed, and is tried again.
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
    const wanted = wantedListeners(catalog);
    const deployed = new Map([...wanted.values()].map((spec) => [nameOf(spec), spec.generation]));
    for (const [id, listener] of this.#running) {
      const isGettingTheRest = !listener.hasEnded && stateOfListener(listener.spec, catalog) === 'ended';
      const generation = deployed.get(nameOf(listener.spec));
      if (generation !== undefined && (wanted.has(id) || isGettingTheRest)) {
        listener.follow({ ...listener.spec, generation });
        continue;
      }
      this.#running.delete(id);
      void listener.stop();
    }
    if (!this.#deps.parts.control.isComplete) return;
    clearTimeout(this.#retryTimer);
    for (const [id, spec] of wanted) {
      if (!this.#running.has(id) && stateOfListener(spec, catalog) === 'running') this.#start(id, spec);
    }
  }

  /** One that cannot start (too many subscriptions) keeps no other from it, and is tried again. */
  #start(id: string, spec: ListenerSpec): void {
    const { log } = this.#deps.parts;
    try {
      this.#running.set(id, new RunningListener(spec, this.#runner, this.#deps));
    } catch (error) {
      log.error({ err: error, listener: nameOf(spec), map: spec.map }, 'a listener could not be started');
      clearTimeout(this.#retryTimer);
      this.#retryTimer = setTimeout(() => this.#follow(), START_RETRY_MS);
      this.#retryTimer.unref();
    }
  }
}

function nameOf({ module, exportName }: ListenerSpec): string {
  return `${module}.${exportName}`;
}

/** By module, export and map. */
function wantedListeners(catalog: CatalogState): Map<string, ListenerSpec> {
  const wanted = new Map<string, ListenerSpec>();
  for (const { name: module, exports, generation } of catalog.modules) {
    for (const { name: exportName, kind, map, mapId } of exports) {
      if (kind !== 'listener') continue;
      wanted.set(`${module}.${exportName} ${map} ${mapId}`, { module, exportName, map, mapId, generation });
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
