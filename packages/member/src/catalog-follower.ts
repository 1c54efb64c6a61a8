/**
 * Brings store and modules to what the grid's table and catalog say: maps, partitions at their epochs, deployed code.
 *
 *   table, catalog -> what is there differs? -> one step a difference -> a step that failed is tried again
 *   a module whose bundle is not at hand -> it is sought -> deployed when it comes
 *
 * catalog-follower F1  Steps come from what is there now, not from what the last value said: one that was missed leaves
 *                      nothing behind.
 * catalog-follower F2  A partition whose epoch has risen had another primary meanwhile: what was here of it goes, also where
 *                      no table said so.
 * catalog-follower F3  A step that fails keeps no other step from being done, and no later value from being followed. It is
 *                      tried again with the next value, and every RETRY_MS; whoever asks for what it would have made gets
 *                      its error.
 * catalog-follower F4  Under a module's name the newest deployment runs or none: while its bundle is missing, calls of it are
 *                      refused with BUNDLE_MISSING, and an older text no longer runs.
 */
import type { CatalogedModule, CatalogState, TableState } from '@ashlar/cluster';
import { missingBundle } from '@ashlar/cluster';
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
  /** Hashes of bundles that are sought. */
  readonly #seeking = new Set<string>();
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Follows from now on. */
  constructor(parts: FollowerParts, retryMs = RETRY_MS) {
    this.#parts = parts;
    this.#retryMs = retryMs;
    const { control } = parts;
    // Maps first: who finds a partition open finds its maps.
    control.onCatalog(() => this.#follow());
    control.onTable(() => this.#follow());
    control.onBundle(() => this.#follow());
  }

  /** The first step that could not be done with the newest values; undefined: all are. */
  get failure(): GridError | undefined {
    const [first] = this.#failures.values();
    return first;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  #follow(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#retry);
    this.#failures.clear();
    const { table, catalog } = this.#parts.control;
    this.#followMaps(catalog);
    this.#followPartitions(table);
    this.#followModules(catalog);
    if (this.#failures.size === 0) return;
    this.#retry = setTimeout(() => this.#follow(), this.#retryMs);
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

  #followMaps({ maps }: CatalogState): void {
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

  #followPartitions({ owners, epochs }: TableState): void {
    const { store, control } = this.#parts;
    // Copies come and go, and change their roles, as replication says.
    if (control.serving !== undefined) return;
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

  #followModules({ modules }: CatalogState): void {
    const { modules: registry, log } = this.#parts;
    for (const name of this.#generations.keys()) {
      if (modules.some((module) => module.name === name)) continue;
      registry.remove(name);
      this.#generations.delete(name);
      log.info({ module: name }, 'module removed');
    }
    for (const module of modules) {
      if (this.#generations.get(module.name) !== module.generation) this.#followModule(module);
    }
  }

  #followModule(module: CatalogedModule): void {
    const { modules: registry, control, log } = this.#parts;
    const { name, hash, generation } = module;
    const text = control.bundleAtHand(hash);
    if (text === undefined) {
      // Known by name from now on: when it is undeployed before its bundle comes, nothing of it stays.
      this.#generations.set(name, LACKING);
      registry.lack(name, missingBundle(hash));
      this.#failures.set(`module ${name}`, missingBundle(hash));
      void this.#seek(hash, name);
      return;
    }
    this.#attempt(`module ${name}`, () => {
      registry.add({ name, hash, text, exports: module.exports.map(exportOf), limits: limitsOf(module) });
      this.#generations.set(name, generation);
      log.info({ module: name, hash }, 'module deployed');
    });
  }

  /** Looks for a bundle; when it is found, `onBundle` is called. */
  async #seek(hash: string, name: string): Promise<void> {
    if (this.#seeking.has(hash)) return;
    this.#seeking.add(hash);
    try {
      await this.#parts.control.bundle(hash);
    } catch (error) {
      this.#parts.log.warn({ err: error, module: name }, 'the bundle of a module is missing: it is sought again');
    } finally {
      this.#seeking.delete(hash);
    }
  }
}

/** Generations are versions of catalogs: from 1. */
const LACKING = 0;

function limitsOf({ wallMs, heapBytes }: CatalogedModule) {
  return { ...(wallMs > 0 ? { wallMs } : {}), ...(heapBytes > 0 ? { heapBytes } : {}) };
}

function exportOf({ name, kind, map }: CatalogedModule['exports'][number]): ModuleExport {
  return kind === 'listener' ? { name, kind, on: 'after', map } : { name, kind: kind === 'job' ? 'job' : 'processor' };
}
