/**
 * Which `after` listeners run on this member: those of the deployed modules whose map is there.
 *
 * A listener is known by module, export and map. A new deployment under the name changes the code that its next events
 * run through, and nothing else: no event is lost or seen twice. Undeployed, it forgets its place.
 */
import type { ControlState } from '@ashlar/cluster';
import { ListenerRunner } from '@ashlar/compute';
import { type ListenerDependencies, type ListenerWish, RunningListener } from './running-listener.ts';

export class ListenerDriver {
  readonly #deps: ListenerDependencies;
  readonly #runner: ListenerRunner;
  readonly #running = new Map<string, RunningListener>();

  constructor(deps: ListenerDependencies) {
    this.#deps = deps;
    this.#runner = new ListenerRunner(deps.parts.userLanes, deps.parts.modules);
    const { metrics } = deps.parts;
    metrics.counter('ashlar_listener_events_total', 'Events that listeners have done with.', () =>
      this.#sum(({ done }) => done),
    );
    metrics.counter('ashlar_listener_failures_total', 'Event groups that listeners were given up on.', () =>
      this.#sum(({ failures }) => failures),
    );
    metrics.gauge('ashlar_listener_lag_records', 'Log records that listeners have not read.', () =>
      this.#sum(({ lag }) => lag),
    );
    // At once: a map's first put follows the change that creates the map, and its listeners must stand by then.
    deps.parts.control.onChange((state) => this.#follow(state));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((listener) => listener.stop()));
  }

  #sum(read: (listener: RunningListener) => number): number {
    let total = 0;
    for (const listener of this.#running.values()) total += read(listener);
    return total;
  }

  /** Starts what is deployed and has its map, stops what is deployed no more. */
  #follow(state: ControlState): void {
    const wanted = wantedListeners(state);
    for (const [id, listener] of this.#running) {
      if (wanted.has(id)) continue;
      this.#running.delete(id);
      void listener.stop();
    }
    if (!this.#deps.parts.control.isComplete) return;
    for (const [id, wish] of wanted) {
      if (this.#running.has(id) || !this.#deps.parts.control.maps.has(wish.map)) continue;
      this.#running.set(id, new RunningListener(wish, this.#runner, this.#deps));
    }
  }
}

/** By module, export and map. */
function wantedListeners(state: ControlState): Map<string, ListenerWish> {
  const wanted = new Map<string, ListenerWish>();
  for (const { name: module, exports } of state.modules) {
    for (const { name: exportName, kind, map } of exports) {
      if (kind === 'listener') wanted.set(`${module}.${exportName} ${map}`, { module, exportName, map });
    }
  }
  return wanted;
}
