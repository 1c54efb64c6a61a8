/** A map as calls name it: what a batch tells the member, and what routing needs to find a key's partition. */
import type { MapReference } from '@ashlar/transport';

export interface MapOptionsGiven {
  readonly affinityParts?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly maxIdleMs?: number | undefined;
}

/** One a map and router; its `affinityParts` may be learnt from a member (MAP_CONFLICT) unless they were declared. */
export class MapHandle implements MapReference {
  readonly name: string;
  readonly declared: boolean;
  readonly ttlMs: number;
  readonly maxIdleMs: number;
  affinityParts: number;

  /** @param options  given: the caller declares them, and a map with others is a conflict */
  constructor(name: string, options: MapOptionsGiven | undefined) {
    this.name = name;
    this.declared = options !== undefined;
    this.affinityParts = options?.affinityParts ?? 0;
    this.ttlMs = options?.ttlMs ?? 0;
    this.maxIdleMs = options?.maxIdleMs ?? 0;
  }
}
