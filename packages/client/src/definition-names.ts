/**
 * How imported definitions find their name in the grid: `deploy` imports the file it bundled, which gives the very objects
 * the application imported, and notes under which module and export each was deployed.
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Named } from '@ashlar/api';
import { GridError } from '@ashlar/core';

/** A processor, job or listener as the application holds it. */
export interface Definition {
  readonly kind: string;
  readonly name: Named | undefined;
}

export class DefinitionNames {
  readonly #names = new WeakMap<object, Named>();

  /** Notes what `file` exports; a later deployment of the same definitions under another name replaces the names. */
  async learn(file: string | URL, module: string): Promise<void> {
    const path = typeof file === 'string' && !file.startsWith('file:') ? resolve(file) : fileURLToPath(file);
    const exported = (await import(pathToFileURL(realpathSync(path)).href)) as Record<string, unknown>;
    for (const [exportName, value] of Object.entries(exported)) {
      if (isDefinition(value)) this.#names.set(value, { module, exportName });
    }
  }

  /** @throws GridError UNKNOWN_EXPORT when its file was not deployed through this grid object */
  of(definition: Definition): Named {
    const named = definition.name ?? this.#names.get(definition);
    if (named !== undefined) return named;
    throw new GridError('UNKNOWN_EXPORT', `this ${definition.kind} was not deployed`, {
      hint: "call grid.deploy('./its-file.ts') first, and import it from that file",
    });
  }
}

function isDefinition(value: unknown): value is Definition {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  return value.kind === 'processor' || value.kind === 'job' || value.kind === 'listener';
}
