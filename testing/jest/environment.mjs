/**
 * Node's environment with the host's own constructors: inside jest's vm realm, objects that come from workers, messages
 * or Node itself would fail `instanceof Map`, `Error`, `SharedArrayBuffer` and the like.
 */
import { TestEnvironment } from 'jest-environment-node';

const HOST_GLOBALS = [
  'SharedArrayBuffer',
  'ArrayBuffer',
  'Atomics',
  'Error',
  'TypeError',
  'RangeError',
  'SyntaxError',
  'AggregateError',
  'Map',
  'Set',
  'Date',
  'Promise',
  'RegExp',
  'DataView',
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'Uint8ClampedArray',
  'Math',
];

export default class HostRealmEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    for (const name of HOST_GLOBALS) this.global[name] = globalThis[name];
  }

  exportConditions() {
    return ['node', 'node-addons', '@ashlar/source'];
  }
}
