/**
 * The ready-made processors: pure functions over decoded values that the partition's writer runs itself.
 * Values are plain documents (see serialization); what a function is given it does not change.
 */
import { types as nodeTypes } from 'node:util';
import { Decimal, READY_MODULE } from '@ashlar/api';
import { GridError, ttlNumber } from '@ashlar/core';
import { equalValues } from './equal-values.ts';
import { parsePath, readPath, writePath } from './path-text.ts';

/** What is to be done with the entry, and the result of the call. */
export type ReadyOutcome =
  | { readonly action: 'keep'; readonly result: unknown }
  /** `ttl`: a number of core's time-to-live.ts. */
  | { readonly action: 'set'; readonly value: unknown; readonly result: unknown; readonly ttl?: number | undefined }
  | { readonly action: 'remove'; readonly result: unknown };

/** @param value  the entry's value, decoded; undefined: there is none */
export type ReadyProcessor = (value: unknown, args: unknown) => ReadyOutcome;

type Fields = Readonly<Record<string, unknown>>;

/**
 * A ready-made processor by its name.
 *
 * @throws GridError UNKNOWN_EXPORT
 */
export function readyProcessor(exportName: string): ReadyProcessor {
  const found = READY.get(exportName);
  if (found !== undefined) return found;
  throw new GridError('UNKNOWN_EXPORT', `there is no ready-made processor '${exportName}'`, {
    hint: `there are ${[...READY.keys()].join(', ')}`,
    details: { module: READY_MODULE, exportName },
  });
}

/** All of them take `ttlMs`. */
function datedBy(run: ReadyProcessor): ReadyProcessor {
  return (value, args) => withTtl(run(value, args), args);
}

/** @throws GridError INVALID_ARGUMENT, whatever becomes of the entry */
function withTtl(outcome: ReadyOutcome, args: unknown): ReadyOutcome {
  const { ttlMs } = args as Fields;
  if (ttlMs === undefined) return outcome;
  const ttl = ttlNumber(ttlMs);
  return outcome.action === 'set' ? { ...outcome, ttl } : outcome;
}

/** Whether calls of the module run on the writer. */
export function isReadyModule(module: string): boolean {
  return module === READY_MODULE;
}

/** Adds to the number at a path, 0 when missing. Decimals and bigints keep their type and add exactly. */
function increment(value: unknown, args: unknown): ReadyOutcome {
  const { path, by } = fieldsOf(args, 'increment');
  const segments = parsePath(text(path, 'increment', 'path'));
  const sum = plus(readPath(value, segments), by, String(path));
  return { action: 'set', value: writePath(value, segments, sum), result: sum };
}

function plus(current: unknown, by: unknown, path: string): unknown {
  if (typeof by === 'number' && (current === undefined || current === null || typeof current === 'number')) {
    return (current ?? 0) + by;
  }
  if (typeof by === 'bigint' && (current === undefined || current === null || typeof current === 'bigint')) {
    return (current ?? 0n) + by;
  }
  if (typeof current === 'bigint' && typeof by === 'number' && Number.isSafeInteger(by)) return current + BigInt(by);
  if (Decimal.is(current) || Decimal.is(by)) {
    const terms = [current ?? 0, by].map((term) => decimalOf(term));
    if (terms[0] !== undefined && terms[1] !== undefined) return terms[0].plus(terms[1]);
  }
  throw new GridError('TYPE_MISMATCH', `increment: '${path}' holds ${kindOf(current)} and 'by' is ${kindOf(by)}`, {
    hint: 'both must be numbers, bigints or decimals',
    details: { path },
  });
}

function decimalOf(value: unknown): Decimal | undefined {
  if (Decimal.is(value)) return value;
  if (typeof value === 'bigint') return Decimal.of(value, 0);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return Decimal.of(BigInt(value), 0);
  return undefined;
}

/**
 * JSON merge patch of a document; a value that is none is refused, not replaced. @see RFC 7396
 */
function mergePatch(value: unknown, args: unknown): ReadyOutcome {
  const { patch } = fieldsOf(args, 'mergePatch');
  if (!isFields(patch)) throw wrongArgument('mergePatch', 'patch', 'an object');
  if (value !== undefined && !isFields(value)) {
    throw new GridError('TYPE_MISMATCH', `mergePatch: the value is not an object but ${kindOf(value)}`, {
      hint: 'put replaces a whole value',
    });
  }
  return { action: 'set', value: merged(value, patch), result: undefined };
}

function merged(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const fields = new Map(isFields(target) ? Object.entries(target) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) fields.delete(name);
    else fields.set(name, merged(fields.get(name), change));
  }
  // Not Object.assign: a field may be called "__proto__".
  return Object.fromEntries(fields);
}

/** Appends to the array at a path, made when missing; answers its new length. */
function append(value: unknown, args: unknown): ReadyOutcome {
  const { path, items } = fieldsOf(args, 'append');
  const segments = parsePath(text(path, 'append', 'path'));
  if (!Array.isArray(items)) throw wrongArgument('append', 'items', 'an array');
  const current = readPath(value, segments) ?? [];
  if (!Array.isArray(current)) {
    throw new GridError('TYPE_MISMATCH', `append: '${String(path)}' holds ${kindOf(current)}, not an array`, {
      details: { path: String(path) },
    });
  }
  const longer: unknown[] = [...(current as unknown[]), ...(items as unknown[])];
  return { action: 'set', value: writePath(value, segments, longer), result: longer.length };
}

/** Stores `value` (undefined: removes) when the entry's value equals `expected` (undefined: absent). */
function compareAndSet(value: unknown, args: unknown): ReadyOutcome {
  const { expected, value: wanted } = fieldsOf(args, 'compareAndSet');
  if (!equalValues(value, expected)) return { action: 'keep', result: false };
  if (wanted !== undefined) return { action: 'set', value: wanted, result: true };
  return { action: value === undefined ? 'keep' : 'remove', result: true };
}

const READY: ReadonlyMap<string, ReadyProcessor> = new Map(
  Object.entries({ increment, mergePatch, append, compareAndSet }).map(([name, run]) => [name, datedBy(run)]),
);

function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function fieldsOf(args: unknown, name: string): Fields {
  if (isFields(args)) return args;
  throw new GridError('INVALID_ARGUMENT', `${name} takes its arguments as an object`);
}

function text(value: unknown, name: string, argument: string): string {
  if (typeof value === 'string') return value;
  throw wrongArgument(name, argument, 'a text');
}

function wrongArgument(name: string, argument: string, wanted: string): GridError {
  return new GridError('INVALID_ARGUMENT', `${name}: '${argument}' must be ${wanted}`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (nodeTypes.isDate(value)) return 'a date';
  if (nodeTypes.isUint8Array(value)) return 'bytes';
  return Decimal.is(value) ? 'a decimal' : `a ${typeof value}`;
}
