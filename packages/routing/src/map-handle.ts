/** A map as calls name it: what a batch says of it to the member, and what routing needs to find a key's partition. */
import type { MapReference } from '@ashlar/transport';

export interface MapOptionsGiven {
  readonly affinityParts?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly maxIdleMs?: number | undefined;
}

/**
 * One a map and router. Which map has the name is learnt from answers, and named in every batch from then on: a mutation
 * meant for a map that was dropped is refused (MAP_DROPPED) and sent again for the one that has the name by then.
 * `affinityParts` may be learnt too (MAP_CONFLICT), unless they were declared.
 */
export class MapHandle implements MapReference {
  readonly name: string;
  readonly declared: boolean;
  readonly ttlMs: number;
  readonly maxIdleMs: number;
  affinityParts: number;
  /** 0: not known. */
  mapId = 0;
  newerThan = 0;

  /** @param options  given: the caller declares them, and a map with others is a conflict */
  constructor(name: string, options: MapOptionsGiven | undefined) {
    this.name = name;
    this.declared = options !== undefined;
    this.affinityParts = options?.affinityParts ?? 0;
    this.ttlMs = options?.ttlMs ?? 0;
    this.maxIdleMs = options?.maxIdleMs ?? 0;
  }

  /** Takes note of the id that a member reports for the name; 0: none. Older reports are ignored: ids only grow. */
  learn(mapId: number): void {
    if (mapId > this.mapId && mapId > this.newerThan) this.mapId = mapId;
  }

  /**
   * The map with this id was dropped, and what was learnt of it goes with it.
   *
   * @param now  of the map that has the name since; 0: none that is known
   */
  drop(mapId: number, now = 0): void {
    this.newerThan = Math.max(this.newerThan, mapId);
    if (this.mapId <= mapId) {
      this.mapId = 0;
      if (!this.declared) this.affinityParts = 0;
    }
    this.learn(now);
  }

  /** Another grid: its ids mean other maps. */
  forget(): void {
    this.mapId = 0;
    this.newerThan = 0;
  }
}

/** The handles of one router: one a name and options. */
export class MapHandles {
  readonly #handles = new Map<string, MapHandle>();

  of(name: string, options: MapOptionsGiven | undefined): MapHandle {
    const key = options === undefined ? name : `${name}\n${JSON.stringify(options)}`;
    let handle = this.#handles.get(key);
    if (handle === undefined) {
      handle = new MapHandle(name, options);
      this.#handles.set(key, handle);
    }
    return handle;
  }

  dropped(name: string, mapId: number): void {
    for (const handle of this.#handles.values()) if (handle.name === name) handle.drop(mapId);
  }

  /** Another grid took the place of ours. */
  forget(): void {
    for (const handle of this.#handles.values()) handle.forget();
  }
}
