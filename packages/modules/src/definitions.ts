/** Finds what a module defines by loading it once: definitions carry their kind. */
import { GridError } from '@ashlar/core';

/** One definition that a module exports. */
export type ModuleExport =
  | { readonly name: string; readonly kind: 'processor' | 'job' }
  | { readonly name: string; readonly kind: 'listener'; readonly on: 'after'; readonly map: string };

/** A module's text as something `import()` takes. Loaded once for each distinct text. */
export function moduleUrl(text: string): string {
  return `data:text/javascript;base64,${Buffer.from(text, 'utf8').toString('base64')}`;
}

/**
 * @throws GridError BUNDLE_FAILED when the text cannot be loaded or defines nothing
 */
export async function definitionsOf(text: string, name: string): Promise<readonly ModuleExport[]> {
  const found = definitionsIn(await load(text, name));
  if (found.length > 0) return found;
  throw new GridError('BUNDLE_FAILED', `module '${name}' exports no processor, job or listener`, {
    hint: 'export what defineProcessor, defineJob or defineListener returned',
  });
}

async function load(text: string, name: string): Promise<Record<string, unknown>> {
  try {
    return (await import(moduleUrl(text))) as Record<string, unknown>;
  } catch (error) {
    const reason = Error.isError(error) ? error.message : String(error);
    throw new GridError('BUNDLE_FAILED', `module '${name}' fails while it is loaded: ${reason}`, { cause: error });
  }
}

/** The definitions among a loaded module's exports, in alphabetical order. Other exports are the module's own affair. */
export function definitionsIn(exported: Readonly<Record<string, unknown>>): readonly ModuleExport[] {
  const found: ModuleExport[] = [];
  for (const name of Object.keys(exported).sort()) {
    const value = exported[name];
    if (typeof value !== 'object' || value === null) continue;
    const { kind, on, map } = value as { kind?: unknown; on?: unknown; map?: unknown };
    if (kind === 'processor' || kind === 'job') found.push({ name, kind });
    else if (kind === 'listener' && on === 'after' && typeof map === 'string') found.push({ name, kind, on, map });
  }
  return found;
}
