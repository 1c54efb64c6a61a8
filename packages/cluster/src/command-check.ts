/**
 * Commands that change the catalog, looked at field by field before any state changes: they come from wires, and what one
 * member takes every other has to be able to follow.
 *
 * command-check K1  What comes out has the fields of its type and no others, each within its bounds.
 * command-check K2  A refusal says which field, what it holds, and what is wanted.
 */
import { checkName, GridError, HEAP_BYTES_MAX, HEAP_BYTES_MIN, WALL_MS_MAX } from '@ashlar/core';
import { bundleHash, isBundleHash } from './bundles.ts';
import type { CatalogedExport, MapSettings } from './catalog-state.ts';

/** A module without its code. */
export interface ModuleFacts {
  readonly name: string;
  readonly hash: string;
  readonly exports: readonly Omit<CatalogedExport, 'mapId'>[];
  readonly wallMs: number;
  readonly heapBytes: number;
}

/** A module as a deployment hands it in. */
export interface ModuleCommand extends ModuleFacts {
  readonly bundle: string;
}

export type CatalogCommand =
  | { readonly kind: 'createMap'; readonly name: string; readonly options: MapSettings }
  /** `mapId`: only that map, whatever has the name by now. */
  | { readonly kind: 'dropMap'; readonly name: string; readonly mapId?: number | undefined }
  | { readonly kind: 'putModule'; readonly module: ModuleCommand }
  | { readonly kind: 'removeModule'; readonly name: string };

type Fields = Readonly<Record<string, unknown>>;

/** Most elements of a key. */
const AFFINITY_PARTS_MAX = 0xffff;
/** A hundred years: deadlines stay far below 2^53 microseconds. */
const DURATION_MS_MAX = 100 * 365 * 86_400_000;
const EXPORTS_MAX = 1000;
const EXPORT_KINDS: readonly unknown[] = ['processor', 'job', 'listener'];
const SHOWN_CHARACTERS_MAX = 60;

/**
 * @param command  anything
 * @returns the command that it is, made of checked fields alone
 * @throws GridError INVALID_ARGUMENT, INVALID_NAME
 */
export function checkedCommand(command: unknown): CatalogCommand {
  const fields = fieldsOf(command, 'a change of the catalog');
  switch (fields['kind']) {
    case 'createMap':
      return { kind: 'createMap', name: nameOf('map', fields['name']), options: settingsOf(fields['options']) };
    case 'dropMap':
      return { kind: 'dropMap', name: nameOf('map', fields['name']), mapId: mapIdOf(fields['mapId']) };
    case 'putModule':
      return { kind: 'putModule', module: moduleOf(fields['module']) };
    case 'removeModule':
      return { kind: 'removeModule', name: nameOf('module', fields['name']) };
    default:
      throw refused('kind of a change of the catalog', fields['kind'], 'createMap, dropMap, putModule or removeModule');
  }
}

function settingsOf(options: unknown): MapSettings {
  const { affinityParts, ttlMs, maxIdleMs } = fieldsOf(options, "a map's options");
  return {
    affinityParts: wholeOf('affinityParts', affinityParts, AFFINITY_PARTS_MAX),
    ttlMs: durationOf('ttlMs', ttlMs),
    maxIdleMs: durationOf('maxIdleMs', maxIdleMs),
  };
}

function mapIdOf(mapId: unknown): number | undefined {
  return mapId === undefined || mapId === null ? undefined : wholeOf('mapId', mapId, Number.MAX_SAFE_INTEGER);
}

function moduleOf(module: unknown): ModuleCommand {
  const facts = checkedModule(module);
  const bundle = textOf(`the bundle of module '${facts.name}'`, (module as Fields)['bundle']);
  const actual = bundleHash(bundle);
  if (facts.hash === actual) return { ...facts, bundle };
  throw refused(`hash of module '${facts.name}'`, facts.hash, `${actual}, the SHA-256 of its bundle`);
}

/**
 * A module without its bundle, as a catalog has it.
 *
 * @throws GridError INVALID_ARGUMENT, INVALID_NAME
 */
export function checkedModule(module: unknown): ModuleFacts {
  const fields = fieldsOf(module, 'a module');
  const name = nameOf('module', fields['name']);
  return {
    name,
    hash: hashOf(name, fields['hash']),
    exports: exportsOf(name, fields['exports']),
    wallMs: wallOf(name, fields['wallMs']),
    heapBytes: heapOf(name, fields['heapBytes']),
  };
}

function hashOf(module: string, hash: unknown): string {
  if (isBundleHash(hash)) return hash;
  throw refused(`hash of module '${module}'`, hash, 'the SHA-256 of its bundle, 64 hexadecimal digits');
}

function exportsOf(module: string, exports: unknown): ModuleFacts['exports'] {
  if (!Array.isArray(exports)) throw refused(`exports of module '${module}'`, exports, 'a list of what it exports');
  if (exports.length > EXPORTS_MAX) {
    throw new GridError(
      'INVALID_ARGUMENT',
      `module '${module}' exports ${exports.length} definitions, more than ${EXPORTS_MAX}`,
      { hint: 'split it into several modules', details: { exports: exports.length, limit: EXPORTS_MAX } },
    );
  }
  const checked = exports.map((one) => exportOf(module, one));
  const names = new Set(checked.map(({ name }) => name));
  if (names.size === checked.length) return checked;
  throw new GridError('INVALID_ARGUMENT', `module '${module}' exports the same name more than once`);
}

function exportOf(module: string, exported: unknown): ModuleFacts['exports'][number] {
  const { name, kind, map } = fieldsOf(exported, `an export of module '${module}'`);
  if (!EXPORT_KINDS.includes(kind)) {
    throw refused(`kind of an export of module '${module}'`, kind, 'processor, job or listener');
  }
  return {
    name: nameOf('export', name),
    kind: kind as string,
    map: kind === 'listener' ? nameOf('map', map) : '',
  };
}

function wallOf(module: string, wallMs: unknown): number {
  if (typeof wallMs === 'number' && wallMs >= 0 && wallMs <= WALL_MS_MAX) return wallMs;
  throw refused(`limits.wallMs of module '${module}'`, wallMs, `a number of milliseconds up to ${WALL_MS_MAX}`);
}

function heapOf(module: string, heapBytes: unknown): number {
  const isNumber = typeof heapBytes === 'number';
  if (isNumber && (heapBytes === 0 || (heapBytes >= HEAP_BYTES_MIN && heapBytes <= HEAP_BYTES_MAX))) return heapBytes;
  throw refused(`limits.heapBytes of module '${module}'`, heapBytes, `a number of bytes from ${HEAP_BYTES_MIN} on`);
}

/* ---- Fields ------------------------------------------------------------------------------------------------------- */

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new GridError('INVALID_ARGUMENT', `${what} is an object, not ${shown(value)}`);
}

function nameOf(what: string, name: unknown): string {
  if (typeof name !== 'string') {
    throw new GridError('INVALID_NAME', `a ${what}'s name is text, not ${shown(name)}`);
  }
  checkName(what, name);
  return name;
}

function textOf(what: string, text: unknown): string {
  if (typeof text === 'string') return text;
  throw refused(what, text, 'text');
}

function wholeOf(what: string, value: unknown, most: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number;
  throw refused(what, value, `a whole number from 0 to ${most}`);
}

/** 0: none. */
function durationOf(what: string, ms: unknown): number {
  if (typeof ms === 'number' && ms >= 0 && ms <= DURATION_MS_MAX) return ms;
  throw refused(what, ms, `a number of milliseconds from 0 (none) to ${DURATION_MS_MAX}`);
}

function refused(what: string, value: unknown, wanted: string): GridError {
  return new GridError('INVALID_ARGUMENT', `${what} is ${shown(value)}`, { hint: `wanted: ${wanted}` });
}

/** A value as messages show it. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN_CHARACTERS_MAX));
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
