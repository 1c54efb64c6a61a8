/** The modules that a worker thread has loaded, by hash. The first load makes the realm ready for user code. */
import type { AfterListener, EntryProcessor, Job } from '@ashlar/api';
import { assert, GridError } from '@ashlar/core';
import { hardenRealm, userErrorToWire } from '@ashlar/workers';
import type { ModuleSource } from './module-registry.ts';

interface Definitions {
  readonly processor: EntryProcessor;
  readonly job: Job;
  readonly listener: AfterListener;
}

type Exports = Readonly<Record<string, unknown>>;

const loaded = new Map<string, Exports>();
const { from: bufferFrom } = Buffer;
const { hasOwn } = Object;

/**
 * A definition that a module exports: at once when the module is loaded, else as a promise.
 *
 * @throws GridError UNKNOWN_EXPORT; USER_CODE_FAILED when the module's top level throws
 */
export function definition<Kind extends keyof Definitions>(
  source: ModuleSource,
  exportName: string,
  kind: Kind,
): Definitions[Kind] | Promise<Definitions[Kind]> {
  const exports = loaded.get(source.hash);
  if (exports !== undefined) return pick(exports, source, exportName, kind);
  return load(source).then((fresh) => pick(fresh, source, exportName, kind));
}

/** What a loaded module exports. */
export function exportsOf(source: ModuleSource): Exports {
  const exports = loaded.get(source.hash);
  assert(exports !== undefined, 'definition() has loaded the module');
  return exports;
}

async function load(source: ModuleSource): Promise<Exports> {
  hardenRealm();
  const base64 = bufferFrom(source.text).toString('base64');
  try {
    const exports = (await import(`data:text/javascript;base64,${base64}`)) as Exports;
    loaded.set(source.hash, exports);
    return exports;
  } catch (error) {
    throw GridError.from(userErrorToWire(error, { module: source.name, exportName: '(top level)' }));
  }
}

function pick<Kind extends keyof Definitions>(
  exports: Exports,
  { name }: ModuleSource,
  exportName: string,
  kind: Kind,
): Definitions[Kind] {
  const found = hasOwn(exports, exportName) ? exports[exportName] : undefined;
  if (typeof found === 'object' && found !== null && 'kind' in found && found.kind === kind) {
    return found as Definitions[Kind];
  }
  throw new GridError('UNKNOWN_EXPORT', `module '${name}' exports no ${kind} '${exportName}'`, {
    details: { module: name, exportName },
  });
}
