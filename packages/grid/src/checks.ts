/** What callers hand in, looked at before anything is made of it. */
import type { Condition, LoadOptions, MapOptions, PutOptions, SubscribeOptions } from '@ashlar/api';
import { GridError, TTL_MAX_MS, ttlNumber } from '@ashlar/core';
import type { OperationExtras } from '@ashlar/routing';
import { encodeParameters } from '@ashlar/serialization';
import { EVENT_TYPES } from '@ashlar/transport';

const PARTS_MAX = 0xffff;
const PARTITIONS_MAX = 0xffff_ffff;
const ON_SLOW: readonly string[] = ['lag', 'conflate', 'cut'];

/** @throws GridError INVALID_NAME when it is not even text; the grid decides which texts are names */
export function checkMapName(name: unknown): asserts name is string {
  if (typeof name === 'string') return;
  throw new GridError('INVALID_NAME', `a map's name is a string, not ${typeName(name)}`);
}

/** @throws GridError INVALID_ARGUMENT */
export function checkMapOptions({ affinityParts, ttlMs, maxIdleMs }: MapOptions): void {
  if (affinityParts !== undefined && !isWholeUpTo(affinityParts, PARTS_MAX)) {
    throw new GridError(
      'INVALID_ARGUMENT',
      `affinityParts is ${affinityParts}: a whole number of key parts is expected`,
    );
  }
  checkDuration('ttlMs', ttlMs);
  checkDuration('maxIdleMs', maxIdleMs);
}

/** @throws GridError INVALID_ARGUMENT */
export function extrasOf(options: (PutOptions & Condition) | undefined): OperationExtras | undefined {
  if (options === undefined) return undefined;
  const { ttlMs: given, ifVersion } = options;
  if (given === undefined && ifVersion === undefined) return undefined;
  const ttlMs = given === undefined ? undefined : ttlNumber(given);
  if (ifVersion !== undefined && !isWholeUpTo(ifVersion, Number.MAX_SAFE_INTEGER)) {
    throw new GridError('INVALID_ARGUMENT', `ifVersion is ${ifVersion}: the version of an entry is expected`);
  }
  return { ttlMs, ifVersion };
}

/** @throws GridError INVALID_ARGUMENT */
export function checkPartitions(partitions: unknown): void {
  if (partitions === 'all') return;
  const wrong = Array.isArray(partitions) ? partitions.find((one) => !isWholeUpTo(one, PARTITIONS_MAX)) : partitions;
  if (Array.isArray(partitions) && wrong === undefined && !partitions.includes(undefined)) return;
  throw new GridError('INVALID_ARGUMENT', `${String(wrong)}: a list of partitions is expected, or 'all'`);
}

/** @throws GridError INVALID_ARGUMENT */
export function checkIterable(what: string, items: unknown): void {
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return;
  throw new GridError('INVALID_ARGUMENT', `${what} takes an iterable, not ${typeName(items)}`);
}

/** @throws GridError INVALID_ARGUMENT */
export function checkLoad(entries: unknown, { onFailure, onProgress, bytesInFlightMax }: LoadOptions): void {
  if (typeof entries !== 'object' || entries === null || !(Symbol.asyncIterator in entries))
    checkIterable('load', entries);
  if (onFailure !== undefined && onFailure !== 'stop' && onFailure !== 'goOn') {
    throw new GridError('INVALID_ARGUMENT', `onFailure is '${String(onFailure)}'`, { hint: "one of 'stop', 'goOn'" });
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new GridError('INVALID_ARGUMENT', `onProgress is a function, not ${typeName(onProgress)}`);
  }
  if (bytesInFlightMax === undefined || (typeof bytesInFlightMax === 'number' && bytesInFlightMax > 0)) return;
  throw new GridError(
    'INVALID_ARGUMENT',
    `bytesInFlightMax is ${bytesInFlightMax}: a positive number of bytes is expected`,
  );
}

/** @throws GridError INVALID_ARGUMENT */
export function checkStatement(text: unknown): asserts text is string | TemplateStringsArray {
  if (typeof text === 'string' || (Array.isArray(text) && 'raw' in text)) return;
  throw new GridError('INVALID_ARGUMENT', `a statement is text or a tagged template, not ${typeName(text)}`);
}

/**
 * What a statement, or a condition, takes for its $1, $2 ...
 *
 * @throws GridError INVALID_PARAMETER for what is no list, and for a place that holds nothing or what no value can be
 */
export function parameterBytes(parameters: readonly unknown[]): Uint8Array {
  if (!Array.isArray(parameters)) {
    throw new GridError('INVALID_PARAMETER', `parameters are an array, not ${typeName(parameters)}`);
  }
  // Holes too, which indexOf() passes over.
  if (parameters.includes(undefined)) {
    const missing = [...parameters].indexOf(undefined);
    throw new GridError('INVALID_PARAMETER', `parameter $${missing + 1} is undefined`, { hint: 'null is SQL NULL' });
  }
  try {
    return encodeParameters(parameters);
  } catch (error) {
    const reason = GridError.wrap(error);
    throw new GridError('INVALID_PARAMETER', `a parameter cannot be sent: ${reason.message}`, { cause: error });
  }
}

/** @throws GridError INVALID_ARGUMENT, INVALID_TOKEN: a subscription to what there is not would wait for ever */
export function checkSubscribeOptions({ where, params, from, types, onSlow }: SubscribeOptions): void {
  for (const [name, given] of Object.entries({ where, from })) {
    if (given === undefined || typeof given === 'string') continue;
    throw new GridError('INVALID_ARGUMENT', `${name} of a subscription is a text, not ${typeName(given)}`);
  }
  if (from === '') {
    throw new GridError('INVALID_TOKEN', 'from is an empty text, which is not a token', {
      hint: "'now', or the token of an event, unchanged",
    });
  }
  for (const [name, given] of Object.entries({ params, types })) {
    if (given === undefined || Array.isArray(given)) continue;
    throw new GridError('INVALID_ARGUMENT', `${name} of a subscription is an array, not ${typeName(given)}`);
  }
  const unknown = types?.find((type) => !EVENT_TYPES.includes(type));
  if (unknown !== undefined) {
    throw new GridError('INVALID_ARGUMENT', `there are no events of type '${String(unknown)}'`, {
      hint: `types are ${EVENT_TYPES.join(', ')}`,
    });
  }
  if (onSlow === undefined || ON_SLOW.includes(onSlow)) return;
  throw new GridError('INVALID_ARGUMENT', `onSlow is '${String(onSlow)}'`, { hint: `one of ${ON_SLOW.join(', ')}` });
}

function checkDuration(name: string, ms: number | undefined): void {
  if (ms === undefined || (typeof ms === 'number' && ms > 0 && ms <= TTL_MAX_MS)) return;
  throw new GridError('INVALID_ARGUMENT', `${name} is ${ms}: a positive number of milliseconds is expected`, {
    hint: `at most ${TTL_MAX_MS}; leave it out for entries that never expire`,
  });
}

function isWholeUpTo(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

function typeName(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
