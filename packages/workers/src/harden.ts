/**
 * Makes a worker's realm ready for user code: what the harness passes its own memory through cannot be replaced.
 *
 * User code shares the realm with the harness. Without this, replacing `Uint8Array.prototype.subarray` or `Atomics.load`
 * would hand it the arena the next time the harness calls them. This is a fence against accidents and casual prying,
 * not a sandbox: a thread shares its process with everything in it (see the README).
 *
 * harden H1  Runs before the first user module is loaded, and once.
 * harden H2  Methods stay what they are and objects stay extensible, so that ordinary libraries (polyfills of missing methods,
 *            classes that override) still load. Object.prototype, Array.prototype and Error.prototype keep writable methods for
 *            the same reason: the harness gives no arena view to any of them.
 */
import { register } from './refused-builtins.ts';

let isHardened = false;

export function hardenRealm(): void {
  if (isHardened) return;
  isHardened = true;
  for (const target of memoryIntrinsics()) lock(target, Reflect.ownKeys(target));
  // Not its other methods: libraries assign `toString` to functions of theirs.
  lock(Function.prototype, ['apply', 'bind', 'call', Symbol.hasInstance]);
  // A promise resolved with an object asks it for `then`: a getter up there would see every object the harness awaits.
  Object.preventExtensions(Object.prototype);
  for (const name of ['_getActiveHandles', '_getActiveRequests', 'binding', '_linkedBinding', 'dlopen']) {
    Reflect.deleteProperty(process, name);
  }
  register();
}

/** Everything that is given views of shared memory as receiver or argument. */
function memoryIntrinsics(): object[] {
  const typedArray = Object.getPrototypeOf(Uint8Array) as { prototype: object };
  const constructors = [
    Uint8Array,
    Int8Array,
    Uint8ClampedArray,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
    DataView,
    ArrayBuffer,
    SharedArrayBuffer,
    Map,
    Set,
    WeakMap,
    Promise,
    Buffer,
  ];
  return [
    typedArray,
    typedArray.prototype,
    Atomics,
    Reflect,
    ...constructors,
    ...constructors.map((one) => one.prototype as object),
  ];
}

function lock(target: object, keys: readonly PropertyKey[]): void {
  for (const key of keys) {
    const found = Reflect.getOwnPropertyDescriptor(target, key);
    if (found === undefined || !found.configurable) continue;
    if ('value' in found) Reflect.defineProperty(target, key, { configurable: false, writable: false });
    else Reflect.defineProperty(target, key, { configurable: false });
  }
}
