/**
 * How imported definitions find their name in the grid: `deploy` imports the file it bundled, which gives the very objects
 * the application imported, and notes under which module and export each was deployed. A file that this Node cannot import
 * (TypeScript without types to strip) gave no objects to anybody: its definitions are called by their names.
 */
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { EntryProcessor, Named } from '@ashlar/api';
import { GridError } from '@ashlar/core';

/** A processor, job or listener as the application holds it. */
export interface Definition {
  readonly kind: string;
  readonly name: Named | undefined;
}

/** A deployed or ready-made processor that is known by its names only. */
export function namedProcessor(name: Named): EntryProcessor<unknown, unknown, unknown> {
  return { kind: 'processor', name, run: notHere };
}

function notHere(): never {
  throw new GridError('INTERNAL', 'a processor runs beside its entry');
}

export class DefinitionNames {
  readonly #names = new WeakMap<object, Named>();

  /**
   * Notes what a file exports; a later deployment of the same definitions under another name replaces the names.
   *
   * @param path  absolute
   */
  async learn(path: string, module: string): Promise<void> {
    const exported = await import(pathToFileURL(realpathSync(path)).href).catch(() => ({}));
    for (const [exportName, value] of namedExports(exported as Record<string, unknown>)) {
      if (isDefinition(value)) this.#names.set(value, { module, exportName });
    }
  }

  /** @throws GridError UNKNOWN_EXPORT when its file was not deployed through this grid object */
  of(definition: Definition): Named {
    const named = definition.name ?? this.#names.get(definition);
    if (named !== undefined) return named;
    throw new GridError('UNKNOWN_EXPORT', `this ${definition.kind} was not deployed`, {
      hint: 'deploy the file first from which it is imported; new URL(…, import.meta.url) names it, also after tsc',
    });
  }
}

/** The named exports. For a CommonJS file those of `module.exports` too: Node finds names by reading the text, and not all. */
function namedExports(exported: Record<string, unknown>): [string, unknown][] {
  const { default: whole } = exported;
  const isObject = typeof whole === 'object' && whole !== null && !isDefinition(whole);
  return [...(isObject ? Object.entries(whole) : []), ...Object.entries(exported)];
}

function isDefinition(value: unknown): value is Definition {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  return value.kind === 'processor' || value.kind === 'job' || value.kind === 'listener';
}
