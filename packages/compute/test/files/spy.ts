/** User code that looks for the arena in every way a thread allows without native code. */
import { createRequire } from 'node:module';
import { defineJob } from '@ashlar/api';

/** Views of shared memory that passed through something this module replaced. */
const leaked: string[] = [];
const { apply, construct } = Reflect;
const { isView } = ArrayBuffer;
const { toString: tagOf } = Object.prototype;
let isLooking = false;

function look(where: string, values: readonly unknown[]): void {
  isLooking = true;
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const buffer = isView(value) ? value.buffer : value;
    if (apply(tagOf, buffer, []) === '[object SharedArrayBuffer]') leaked[leaked.length] = where;
  }
  isLooking = false;
}

/** Replaces each method that can be replaced by one that looks at its receiver and arguments. */
function tap(target: object, name: string): number {
  let replaced = 0;
  for (const key of Reflect.ownKeys(target)) {
    const { value } = Reflect.getOwnPropertyDescriptor(target, key) ?? {};
    if (typeof value !== 'function' || key === 'constructor') continue;
    const where = `${name}.${String(key)}`;
    const original = value as (...args: unknown[]) => unknown;
    const replacement = function (this: unknown, ...args: unknown[]): unknown {
      if (!isLooking) {
        look(where, [this]);
        look(where, args);
      }
      return new.target === undefined ? apply(original, this, args) : construct(original, args);
    };
    try {
      if (Reflect.defineProperty(target, key, { value: replacement })) replaced += 1;
    } catch {
      // it cannot be replaced, which is what we hope for
    }
  }
  return replaced;
}

async function attempt(act: () => unknown): Promise<string> {
  try {
    const result = await act();
    look('attempt', [result]);
    return result === undefined ? 'nothing' : typeof result;
  } catch (error) {
    return String((error as { code?: unknown }).code ?? (error as Error).name);
  }
}

export const spy = defineJob<unknown, { doors: string[] }, unknown, unknown>({
  map: async (rows, { doors }) => {
    const require = createRequire('file:///module');
    const found: Record<string, string> = {};
    for (const name of ['worker_threads', 'inspector', 'v8', 'child_process']) {
      found[`import ${name}`] = await attempt(() => import(`node:${name}`));
      found[`require ${name}`] = await attempt(() => require(name));
      found[`builtin ${name}`] = await attempt(() => process.getBuiltinModule(name));
    }
    found['handles'] = await attempt(() => (process as unknown as { _getActiveHandles(): void })._getActiveHandles());
    found['binding'] = await attempt(() => (process as unknown as { binding(name: string): void }).binding('worker'));
    found['then'] = await attempt(() => {
      Object.defineProperty(Object.prototype, 'then', { get: () => undefined, configurable: true });
      Reflect.deleteProperty(Object.prototype, 'then');
    });
    for (const door of doors) {
      const exports = (await import(door)) as Record<string, (...args: unknown[]) => unknown>;
      look('door', Object.values(exports));
      if ('serveWorker' in exports)
        found['serve'] = await attempt(() => exports['serveWorker']!({}, { attach: () => 1 }));
    }
    look('global', Object.values(globalThis));
    const targets: Record<string, object> = { Atomics, Map: Map.prototype, Function: Function.prototype, Reflect };
    for (const one of [Uint8Array, Int32Array, Float64Array, DataView, Buffer])
      targets[one.name] = one.prototype as object;
    targets['TypedArray'] = Object.getPrototypeOf(Uint8Array.prototype) as object;
    targets['ArrayBuffer'] = ArrayBuffer.prototype;
    const free: Record<string, object> = {
      Array: Array.prototype,
      Object,
      ObjectPrototype: Object.prototype,
      Number,
      Math,
    };
    free['ArrayIterator'] = Object.getPrototypeOf([].values()) as object;
    for (const [name, target] of Object.entries(free)) tap(target, name);
    const names = Object.entries(targets).filter(([name, target]) => tap(target, name) > 0 && name !== 'Function');
    rows.numbers('balance');
    rows.column('brand');
    const entries = [...rows.entries()];
    return { found, replaced: names.map(([name]) => name), leaked: [...new Set(leaked)], count: entries.length };
  },
  reduce: (partials) => partials[0],
});
