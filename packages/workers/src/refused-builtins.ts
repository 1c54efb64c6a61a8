/**
 * Node modules that user code in a worker may not load: they read any object of the thread (inspector, heap snapshots)
 * or the harness's ports (worker_threads), or start processes.
 *
 * The harness has loaded what it needs before; its own imports are bound already.
 */

import { registerHooks } from 'node:module';
import { GridError } from '@ashlar/core';

const REFUSED = new Set(['child_process', 'cluster', 'inspector', 'inspector/promises', 'v8', 'worker_threads']);

function refusedName(specifier: string): string | undefined {
  const name = specifier.startsWith('node:') ? specifier.slice(5) : specifier;
  return REFUSED.has(name) ? name : undefined;
}

function refusal(name: string): GridError {
  return new GridError('PERMISSION_DENIED', `code in the grid may not load node:${name}`, {
    details: { module: `node:${name}` },
  });
}

export function register(): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const name = refusedName(specifier);
      if (name !== undefined) throw refusal(name);
      return nextResolve(specifier, context);
    },
  });
  const { getBuiltinModule } = process;
  Reflect.defineProperty(process, 'getBuiltinModule', {
    value: (id: string) => {
      const name = refusedName(String(id));
      if (name !== undefined) throw refusal(name);
      return Reflect.apply(getBuiltinModule, process, [id]) as unknown;
    },
  });
}
