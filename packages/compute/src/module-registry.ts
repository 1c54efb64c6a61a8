/**
 * The modules of a member, in the main thread: by name (the newest deployment) and by hash.
 *
 * A module's text lies in shared memory and its reference goes with every task: a worker that has not met the hash yet
 * loads it on the spot, whichever worker it is and however often workers are replaced. Nobody keeps a list of which
 * worker has which module.
 */
import { createHash } from 'node:crypto';
import type { ModuleLimits } from '@ashlar/api';
import { GridError, HEAP_BYTES_MIN } from '@ashlar/core';
import type { ModuleExport } from '@ashlar/modules';
import { keepLoopsInterruptible } from '@ashlar/workers';

/** A module as tasks carry it. */
export interface ModuleSource {
  readonly name: string;
  readonly hash: string;
  /** UTF-8. */
  readonly text: SharedArrayBuffer;
}

export interface RegisteredModule extends ModuleSource {
  readonly exports: readonly ModuleExport[];
  readonly limits: KnownLimits;
}

/** A module's limits with the defaults filled in. */
export interface KnownLimits {
  /** Wall clock of one call, milliseconds. */
  readonly wallMs: number;
  /** The same for jobs; undefined: none. */
  readonly jobWallMs: number | undefined;
  /** As asked for, bytes. */
  readonly heapBytes: number;
  /**
   * Heap and external memory at which the worker is stopped, bytes: heapBytes and what the collector may leave lying
   * around, for V8 reports what is in use, not what is alive (60 MB alive were seen as 230 to 400 MB in use).
   */
  readonly memoryMax: number;
}

export const DEFAULT_WALL_MS = 1000;
export const DEFAULT_HEAP_BYTES = 256 << 20;
const GARBAGE_FACTOR = 1.5;
const YOUNG_GARBAGE_BYTES = 64 << 20;

/** Limits of modules that set none of their own. */
export interface DefaultLimits {
  readonly wallMs: number;
  readonly heapBytes: number;
}

export class ModuleRegistry {
  readonly #byName = new Map<string, RegisteredModule>();
  /** By name: why a module that is deployed cannot run here yet. */
  readonly #lacking = new Map<string, GridError>();
  readonly #defaults: DefaultLimits;

  constructor(defaults: DefaultLimits = { wallMs: DEFAULT_WALL_MS, heapBytes: DEFAULT_HEAP_BYTES }) {
    this.#defaults = defaults;
  }

  /**
   * Adds a module, or replaces the one of that name.
   *
   * @throws GridError INVALID_ARGUMENT when the hash is not the text's, or a limit makes no sense
   */
  add(module: {
    readonly name: string;
    readonly hash: string;
    readonly text: string;
    readonly exports: readonly ModuleExport[];
    readonly limits?: ModuleLimits | undefined;
  }): RegisteredModule {
    keepLoopsInterruptible();
    const bytes = Buffer.from(module.text, 'utf8');
    const hash = createHash('sha256').update(bytes).digest('hex');
    if (hash !== module.hash) {
      throw new GridError('INVALID_ARGUMENT', `module '${module.name}' has the hash ${hash}, not ${module.hash}`);
    }
    const text = new SharedArrayBuffer(bytes.length);
    new Uint8Array(text).set(bytes);
    const added = { name: module.name, hash, text, exports: module.exports, limits: limitsOf(module, this.#defaults) };
    this.#byName.set(module.name, added);
    this.#lacking.delete(module.name);
    return added;
  }

  /** Notes that a module is deployed whose text is not here yet: nothing runs under the name, not even an older text. */
  lack(name: string, why: GridError): void {
    this.#byName.delete(name);
    this.#lacking.set(name, why);
  }

  /** @returns whether there was one */
  remove(name: string): boolean {
    return this.#lacking.delete(name) || this.#byName.delete(name);
  }

  find(name: string): RegisteredModule | undefined {
    return this.#byName.get(name);
  }

  /** In the order of their names. */
  list(): readonly RegisteredModule[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * The module that exports such a definition.
   *
   * @throws GridError UNKNOWN_MODULE, UNKNOWN_EXPORT; BUNDLE_MISSING when its text is not here yet
   */
  resolve(name: string, exportName: string, kind: ModuleExport['kind']): RegisteredModule {
    const module = this.#byName.get(name);
    if (module === undefined) {
      const why = this.#lacking.get(name);
      if (why !== undefined) throw why;
      throw new GridError('UNKNOWN_MODULE', `no module '${name}' is deployed`, {
        hint: 'deploy its file first',
        details: { module: name, deployed: [...this.#byName.keys()].sort() },
      });
    }
    const found = module.exports.find((one) => one.name === exportName);
    if (found?.kind === kind) return module;
    const exports = module.exports.filter((one) => one.kind === kind).map((one) => one.name);
    throw new GridError('UNKNOWN_EXPORT', `module '${name}' exports no ${kind} '${exportName}'`, {
      hint: exports.length === 0 ? `it exports no ${kind}` : `it exports ${exports.join(', ')}`,
      details: { module: name, exportName, exports },
    });
  }
}

/** The part of a module that goes with a task. */
export function sourceOf({ name, hash, text }: RegisteredModule): ModuleSource {
  return { name, hash, text };
}

function limitsOf(
  { name, limits = {} }: { name: string; limits?: ModuleLimits | undefined },
  defaults: DefaultLimits,
): KnownLimits {
  const { wallMs = defaults.wallMs, heapBytes = defaults.heapBytes } = limits;
  if (!(wallMs > 0))
    throw new GridError('INVALID_ARGUMENT', `module '${name}': limits.wallMs is above 0, not ${wallMs}`);
  if (!(heapBytes >= HEAP_BYTES_MIN)) {
    throw new GridError('INVALID_ARGUMENT', `module '${name}': limits.heapBytes is ${HEAP_BYTES_MIN} or more`);
  }
  const memoryMax = heapBytes * GARBAGE_FACTOR + YOUNG_GARBAGE_BYTES;
  return { wallMs, jobWallMs: limits.wallMs, heapBytes, memoryMax };
}
