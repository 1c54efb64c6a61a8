/**
 * A plain Map that answers as a grid map must: the dumb twin of `GridMap` for one caller.
 *
 * map-twin T1  Keys are equal as the grid says: integral numbers and bigints of equal value, 0 and -0, bytes by content.
 * map-twin T2  Every write gives the entry a new version; what the grid calls it is learnt by getEntry.
 */
import { Decimal, type GridKey } from '@ashlar/client';

interface TwinEntry {
  readonly key: GridKey;
  value: unknown;
  /** The grid's version where it was asked for since the last write. */
  version: number | undefined;
}

export class MapTwin {
  readonly #entries = new Map<string, TwinEntry>();

  get size(): number {
    return this.#entries.size;
  }

  has(key: GridKey): boolean {
    return this.#entries.has(keyText(key));
  }

  get(key: GridKey): unknown {
    return this.#entries.get(keyText(key))?.value;
  }

  put(key: GridKey, value: unknown): void {
    this.#entries.set(keyText(key), { key, value, version: undefined });
  }

  remove(key: GridKey): boolean {
    return this.#entries.delete(keyText(key));
  }

  clear(): void {
    this.#entries.clear();
  }

  versionOf(key: GridKey): number | undefined {
    return this.#entries.get(keyText(key))?.version;
  }

  learnVersion(key: GridKey, version: number): void {
    this.#entries.get(keyText(key))!.version = version;
  }

  /** Texts of all entries, sorted. */
  texts(): string[] {
    return [...this.#entries.values()].map(({ key, value }) => entryText(key, value)).toSorted();
  }
}

/** One text for all keys that are equal (map-twin T1). */
export function keyText(key: GridKey): string {
  if (Array.isArray(key)) return `[${key.map((part: GridKey) => keyText(part)).join(',')}]`;
  if (key instanceof Uint8Array) return `bytes ${Buffer.from(key).toString('hex')}`;
  if (typeof key === 'string') return JSON.stringify(key);
  if (typeof key === 'number' && !Number.isInteger(key)) return `number ${key}`;
  return `integer ${BigInt(key as number | bigint)}`;
}

export function entryText(key: GridKey, value: unknown): string {
  return `${keyText(key)} -> ${valueText(value)}`;
}

/** JSON that tells apart what JSON does not. */
export function valueText(value: unknown): string {
  return JSON.stringify(tagged(value)) ?? 'undefined';
}

function tagged(value: unknown): unknown {
  if (typeof value === 'bigint') return { bigint: `${value}` };
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { number: `${1 / value} ${value}` };
  if (value instanceof Date) return { date: value.getTime() };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (Decimal.is(value)) return { decimal: value.toString() };
  if (Array.isArray(value)) return value.map(tagged);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([field, inner]) => [field, tagged(inner)]);
}
