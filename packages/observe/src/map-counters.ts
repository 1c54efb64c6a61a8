/**
 * What is counted of each map. Counting is an addition to a number in a typed array, a few times a batch; names and
 * labels come in only when somebody asks.
 *
 * map-counters M1  The first MAPS_LABELLED_MAX maps of the catalog have counters of their own; what the others do is counted
 *                  together under OTHER_MAPS, so that the page of a grid with thousands of maps stays readable and cheap.
 *                  All members agree on which maps these are.
 * map-counters M2  A map that is dropped leaves its place to the next one. Its numbers go with it.
 */
import { LatencyHistogram } from './histogram.ts';

export const MAPS_LABELLED_MAX = 50;
/** Labels that no map can have: names have no parentheses. */
export const OTHER_MAPS = '(other)';
export const UNKNOWN_MAPS = '(unknown)';

/** Indexes into MapCounters.counts. */
export const COUNT = { hits: 0, misses: 1, puts: 2, removes: 3, calls: 4 } as const;
const COUNT_KINDS = 5;

export class MapCounters {
  readonly label: string;
  readonly counts = new Float64Array(COUNT_KINDS);
  readonly getLatency = new LatencyHistogram();
  readonly putLatency = new LatencyHistogram();

  constructor(label: string) {
    this.label = label;
  }
}

export class CountersByMap {
  readonly #byId = new Map<number, MapCounters>();
  readonly #other = new MapCounters(OTHER_MAPS);
  /** Reads of maps that do not exist. */
  readonly unknown = new MapCounters(UNKNOWN_MAPS);

  /** The catalog is this now, in the order in which its maps were made. */
  follow(maps: readonly { readonly id: number; readonly name: string }[]): void {
    const before = new Map(this.#byId);
    this.#byId.clear();
    for (const { id, name } of maps.slice(0, MAPS_LABELLED_MAX)) {
      this.#byId.set(id, before.get(id) ?? new MapCounters(name));
    }
  }

  /** The counters of a map: its own, or those that it shares (map-counters M1). */
  of({ id }: { readonly id: number }): MapCounters {
    return this.#byId.get(id) ?? this.#other;
  }

  /** Those of labelled maps, then the shared ones where they counted anything. */
  get all(): readonly MapCounters[] {
    const shared = [this.#other, this.unknown].filter(({ counts }) => counts.some((count) => count > 0));
    return [...this.#byId.values(), ...shared];
  }
}
