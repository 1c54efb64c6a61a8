/**
 * Many entries a call: getAll, processAll. They encode in slices of a few milliseconds, and wait while too much
 * is queued, so that a load of millions neither blocks the event loop nor fills the memory.
 */
import { type Key, KeyWriter } from '@ashlar/serialization';
import { isMutation } from '@ashlar/transport';
import type { OperationExtras } from './batch-builder.ts';
import type { CallLimits } from './call-target.ts';
import { clientClosed } from './errors.ts';
import { GroupCall } from './group-call.ts';
import { checkKeyLength } from './key-checks.ts';
import type { MapHandle } from './map-handle.ts';
import type { Router } from './router.ts';
import { Slices } from './slices.ts';

/** Bytes that a text takes as a key besides those of its characters. */
const KEY_OTHER_BYTES = 8;

/** One operation a key; results in the order of the keys. */
export async function forAll(
  router: Router,
  opcode: number,
  map: MapHandle,
  keys: Iterable<Key>,
  value: unknown,
  extras: OperationExtras | undefined,
  limits: CallLimits,
  what: string,
): Promise<readonly unknown[]> {
  if (router.isClosed) throw clientClosed();
  const all: readonly Key[] = Array.isArray(keys) ? keys : [...keys];
  if (isMutation(opcode)) checkKeys(all, router.limits.keyBytesMax);
  const group = new GroupCall(opcode, what, router.traced(limits), router, all);
  const slices = new Slices(router, group);
  try {
    for (let index = 0; index < all.length && !group.done; index++) {
      router.addTo(group, group.ask(), opcode, map, all[index]!, value, extras);
      const rest = slices.next();
      if (rest === undefined || (await rest)) continue;
      group.skip(all.length - index - 1, router.whatIsMissing());
      break;
    }
  } catch (error) {
    group.abandon(error);
  }
  group.close();
  return group.finished;
}

/** Keys of mutations are all checked before any of them is sent. @throws GridError INVALID_KEY, KEY_TOO_LARGE */
function checkKeys(keys: readonly Key[], keyBytesMax: number): void {
  const writer = new KeyWriter();
  for (const key of keys) {
    // Most keys are known to fit without being encoded: a character has at most three bytes.
    if (typeof key === 'number' ? !Number.isNaN(key) : typeof key === 'string' && isShort(key, keyBytesMax)) continue;
    writer.reset();
    writer.write(key);
    checkKeyLength(writer, keyBytesMax);
  }
}

function isShort(key: string, keyBytesMax: number): boolean {
  return key.length * 3 + KEY_OTHER_BYTES <= keyBytesMax && key.isWellFormed();
}
