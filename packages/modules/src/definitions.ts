/** Finds what a module defines by loading it once: definitions carry their kind. */
import { GridError, isError } from '@ashlar/core';

/** One definition that a module exports. */
export type ModuleExport =
  | { readonly name: string; readonly kind: 'processor' | 'job' }
  | { readonly name: string; readonly kind: 'listener'; readonly on: 'after'; readonly map: string };

/** A module's text as something `import()` takes. Loaded once for each distinct text. */
export function moduleUrl(text: string): string {
  return `data:text/javascript;base64,${Buffer.from(text, 'utf8').toString('base64')}`;
}

/** Where a line of a bundle comes from. */
export type SourceOf = (line: number, column: number) => SourcePlace | undefined;

export interface SourcePlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** @throws GridError BUNDLE_FAILED when nothing is defined */
export function definitionsOf(exported: Readonly<Record<string, unknown>>, name: string): readonly ModuleExport[] {
  const found = definitionsIn(exported);
  if (found.length > 0) return found;
  throw new GridError('BUNDLE_FAILED', `module '${name}' exports no processor, job or listener`, {
    hint: 'export what defineProcessor, defineJob or defineListener returned',
  });
}

/**
 * @param sourceOf  finds the places that errors name
 * @throws GridError BUNDLE_FAILED when the text cannot be loaded
 */
export async function loadModule(
  text: string,
  name: string,
  sourceOf: SourceOf = () => undefined,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(moduleUrl(text))) as Record<string, unknown>;
  } catch (error) {
    const reason = isError(error) ? error.message : String(error);
    const place = placeOf(error, sourceOf);
    const where = place === undefined ? `module '${name}'` : `${place.file}:${place.line}:${place.column}`;
    throw new GridError('BUNDLE_FAILED', `${where} fails while it is loaded: ${reason}`, {
      cause: error,
      position: place && { offset: place.column - 1, line: place.line, column: place.column },
      details: place && { file: place.file },
    });
  }
}

/** Where the innermost call of the module stands in its source; undefined: no call of the module is on the stack. */
function placeOf(error: unknown, sourceOf: SourceOf): SourcePlace | undefined {
  const stack = isError(error) ? (error.stack ?? '') : '';
  const frame = /data:text\/javascript;base64,[\w+/=]*:(\d+):(\d+)/.exec(stack);
  return frame === null ? undefined : sourceOf(Number(frame[1]), Number(frame[2]));
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
