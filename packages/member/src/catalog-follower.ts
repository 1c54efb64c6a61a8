/**
 * Makes store and modules what the grid's control state says: maps, partitions at their epochs, deployed code.
 *
 *   state -> what is there differs? -> one step a difference -> a step that failed is tried again
 *
 * F1  Steps come from what is there now, not from what the last state said: a state that was missed leaves nothing behind.
 * F2  A partition whose epoch has risen had another primary meanwhile: what was here of it goes, also where no state said so.
 * F3  A step that fails keeps no other step, and no later state, from being followed. It is tried again with the next state,
 *     and every RETRY_MS; who asks for what it would have made is told its error.
 */
import type { CatalogedModule, ControlState } from '@ashlar/cluster';
import { type Epoch, GridError, type PartitionId } from '@ashlar/core';
import type { ModuleExport } from '@ashlar/modules';
import { openMap } from '@ashlar/partitions';
import type { MemberParts } from './member-parts.ts';

const RETRY_MS = 1000;

export type FollowerParts = Pick<MemberParts, 'store' | 'control' | 'modules' | 'log'>;

export class CatalogFollower {
  readonly #parts: FollowerParts;
  readonly #retryMs: number;
  /** By step: why it failed last. */
  readonly #failures = new Map<string, GridError>();
  /** By name: the generation that runs here. */
  readonly #generations = new Map<string, number>();
  #retry: NodeJS.Timeout | undefined;

  /** Follows from now on. */
  constructor(parts: FollowerParts, retryMs = RETRY_MS) {
    this.#parts = parts;
    this.#retryMs = retryMs;
    parts.control.onChange((state) => this.#follow(state));
  }

  /** The first step that could not be done with the newest state; undefined: all are. */
  get failure(): GridError | undefined {
    const [first] = this.#failures.values();
    return first;
  }

  close(): void {
    clearTimeout(this.#retry);
  }

  #follow(state: ControlState): void {
    clearTimeout(this.#retry);
    this.#failures.clear();
    this.#followMaps(state);
    this.#followPartitions(state);
    this.#followModules(state);
    if (this.#failures.size === 0) return;
    this.#retry = setTimeout(() => this.#follow(this.#parts.control.state), this.#retryMs);
    this.#retry.unref();
  }

  #attempt(step: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#failures.set(step, GridError.wrap(error));
      this.#parts.log.error({ err: error, step }, 'a change of the grid could not be followed: it is tried again');
    }
  }

  #followMaps({ maps }: ControlState): void {
    const { store, log } = this.#parts;
    const wanted = new Set(maps.map(({ id }) => id));
    for (const id of store.mapIds) {
      if (wanted.has(id)) continue;
      this.#attempt(`drop map ${id}`, () => {
        store.dropMap(id);
        log.info({ mapId: id }, 'map dropped');
      });
    }
    for (const map of maps) {
      if (!store.hasMap(map.id)) this.#attempt(`open map ${map.name}`, () => openMap(store, map));
    }
  }

  #followPartitions({ owners, epochs }: ControlState): void {
    const { store, control } = this.#parts;
    owners.forEach((_owners, index) => {
      const partition = index as PartitionId;
      this.#attempt(`partition ${index}`, () => {
        const epoch = epochs[index] as Epoch;
        const isMine = control.isMine(index);
        const known = store.epochOf(partition);
        if (known !== undefined && (!isMine || known !== epoch)) store.closePartition(partition);
        if (isMine) store.openPartition(partition, epoch);
      });
    });
  }

  #followModules({ modules }: ControlState): void {
    const { modules: registry, log } = this.#parts;
    for (const name of this.#generations.keys()) {
      if (modules.some((module) => module.name === name)) continue;
      registry.remove(name);
      this.#generations.delete(name);
      log.info({ module: name }, 'module removed');
    }
    for (const module of modules) {
      const { name, hash, generation } = module;
      if (this.#generations.get(name) === generation) continue;
      this.#attempt(`module ${name}`, () => {
        registry.add({
          name,
          hash,
          text: module.bundle,
          exports: module.exports.map(exportOf),
          limits: limitsOf(module),
        });
        this.#generations.set(name, generation);
        log.info({ module: name, hash }, 'module deployed');
      });
    }
  }
}

function limitsOf({ wallMs, heapBytes }: CatalogedModule) {
  return { ...(wallMs > 0 ? { wallMs } : {}), ...(heapBytes > 0 ? { heapBytes } : {}) };
}

function exportOf({ name, kind, map }: CatalogedModule['exports'][number]): ModuleExport {
  return kind === 'listener' ? { name, kind, on: 'after', map } : { name, kind: kind === 'job' ? 'job' : 'processor' };
}
