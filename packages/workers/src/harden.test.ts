/** The realm of user code, in a thread of its own: a hardened realm stays so. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Notes what each attempt gives, or the code or name of what it throws. */
const PROLOGUE = `
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const told = {};
const attempt = (name, act) => {
  try {
    told[name] = act();
  } catch (error) {
    told[name] = error.code ?? error.name;
  }
};
`;

/** @param attempts  statements that call attempt(name, act) in the hardened realm */
async function inHardenedRealm(attempts: string): Promise<Record<string, unknown>> {
  const code = `${PROLOGUE}
    import(workerData).then(({ hardenRealm }) => {
      hardenRealm();
      hardenRealm();
      ${attempts}
      parentPort.postMessage(told);
    });`;
  const worker = new Worker(code, { eval: true, workerData: new URL('./harden.ts', import.meta.url).href });
  try {
    const [told] = (await once(worker, 'message')) as [Record<string, unknown>];
    return told;
  } finally {
    await worker.terminate();
  }
}

describe('a hardened realm', () => {
  it('keeps what memory passes through as it is', async () => {
    const told = await inHardenedRealm(`
      const spy = () => 'spied';
      const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
      attempt('subarray', () => { typedArray.subarray = spy; });
      attempt('own subarray', () => { Uint8Array.prototype.subarray = spy; });
      attempt('buffer', () => { Object.defineProperty(typedArray, 'buffer', { get: spy }); });
      attempt('Atomics.load', () => { Atomics.load = spy; });
      attempt('Reflect.apply', () => { Reflect.apply = spy; });
      attempt('DataView', () => { DataView.prototype.getInt8 = spy; });
      attempt('Map.get', () => { Map.prototype.get = spy; });
      attempt('then', () => { Promise.prototype.then = spy; });
      attempt('Buffer', () => { Buffer.prototype.write = spy; });
      attempt('call', () => { Function.prototype.call = spy; });
      attempt('a then of all objects', () => { Object.defineProperty(Object.prototype, 'then', { get: spy }); });
      attempt('deleted', () => delete Map.prototype.get);
    `);
    expect(new Set(Object.values(told))).toEqual(new Set(['TypeError']));
  });

  it('refuses the modules that read other code’s memory, by every way to them', async () => {
    const told = await inHardenedRealm(`
      for (const name of ['v8', 'node:v8', 'worker_threads', 'node:inspector', 'inspector/promises', 'child_process', 'cluster']) {
        attempt('require ' + name, () => { require(name); });
        attempt('builtin ' + name, () => { process.getBuiltinModule(name); });
      }
      for (const name of ['binding', '_linkedBinding', 'dlopen', '_getActiveHandles']) attempt(name, () => { process[name](); });
    `);
    const { binding, _linkedBinding, dlopen, _getActiveHandles, ...modules } = told;
    expect([binding, _linkedBinding, dlopen, _getActiveHandles]).toEqual(Array(4).fill('TypeError'));
    expect(Object.keys(modules)).toHaveLength(14);
    expect(new Set(Object.values(modules))).toEqual(new Set(['PERMISSION_DENIED']));
  });

  it('loads ordinary libraries: polyfills, classes that override, functions with a toString (harden H2)', async () => {
    const told = await inHardenedRealm(`
      attempt('a polyfill', () => {
        Array.prototype.polyfilled = () => 1;
        Map.prototype.polyfilled = () => 2;
        return [].polyfilled() + new Map().polyfilled();
      });
      attempt('an override', () => {
        class Twice extends Map { get(key) { return super.get(key) * 2; } }
        return new Twice([['a', 21]]).get('a');
      });
      attempt('a toString', () => {
        const named = () => undefined;
        named.toString = () => 'named';
        return String(named);
      });
      attempt('a module', () => typeof require('node:fs').readFileSync + typeof process.getBuiltinModule('path').join);
    `);
    expect(told).toEqual({
      'a polyfill': 3,
      'an override': 42,
      'a toString': 'named',
      'a module': 'functionfunction',
    });
  });
});
