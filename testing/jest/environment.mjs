/**
 * Node's environment with the host's own constructors: inside jest's vm realm, objects that come from workers, messages
 * or Node itself would fail `instanceof Map`, `Error`, `SharedArrayBuffer` and the like.
 *
 * Where members are told to commit late (`ASHLAR_TESTING_COMMIT_DELAY_MS`, see scripts/late-commit.mjs) every test and hook
 * may take LATE_FACTOR times its limit: calls that are awaited one by one take milliseconds each then.
 */
import { TestEnvironment } from 'jest-environment-node';

const LATE_FACTOR = 4;
const isLate = (process.env.ASHLAR_TESTING_COMMIT_DELAY_MS ?? '') !== '';

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

  /** Once all tests of a file are declared, and before the first of them runs. */
  handleTestEvent(event, state) {
    if (!isLate || event.name !== 'run_start') return;
    state.testTimeout *= LATE_FACTOR;
    stretch(state.rootDescribeBlock);
  }

  exportConditions() {
    return ['node', 'node-addons', '@ashlar/source'];
  }
}

/** Limits that tests and hooks of a block set for themselves. */
function stretch(block) {
  for (const hook of block.hooks) if (hook.timeout) hook.timeout *= LATE_FACTOR;
  for (const child of block.children) {
    if (child.type === 'describeBlock') stretch(child);
    else if (child.timeout) child.timeout *= LATE_FACTOR;
  }
}
