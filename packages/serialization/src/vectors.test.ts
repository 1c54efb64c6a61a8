/** protos/vectors/*.json are what other languages are held to: they never change, they only grow. */
import { readFileSync } from 'node:fs';
import { Decimal } from '@ashlar/api';
import {
  decodeKey,
  decodeValue,
  encodeKey,
  encodeValue,
  type Key,
  murmur3,
  partitionHash,
  partitionOf,
} from './index.ts';

interface Typed {
  readonly null?: true;
  readonly boolean?: boolean;
  readonly string?: string;
  readonly number?: string;
  readonly bigint?: string;
  readonly bytes?: string;
  readonly dateMs?: number;
  readonly decimal?: string;
  readonly array?: readonly Typed[];
  readonly object?: readonly (readonly [string, Typed])[];
}

interface KeyVectors {
  readonly murmur3: readonly { readonly text: string; readonly seed: number; readonly hash: number }[];
  readonly keys: readonly {
    readonly key: Typed;
    readonly hex: string;
    readonly partitions: readonly {
      readonly affinityParts: number;
      readonly hash: number;
      readonly partitionOf256: number;
    }[];
  }[];
}

interface ValueVectors {
  readonly values: readonly { readonly value: Typed; readonly hex: string }[];
}

function vectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../protos/vectors/${name}`, import.meta.url), 'utf8'));
}

function fromTyped(typed: Typed): unknown {
  if (typed.boolean !== undefined) return typed.boolean;
  if (typed.string !== undefined) return typed.string;
  if (typed.number !== undefined) return Number(typed.number);
  if (typed.bigint !== undefined) return BigInt(typed.bigint);
  if (typed.bytes !== undefined) return Uint8Array.from(Buffer.from(typed.bytes, 'hex'));
  if (typed.dateMs !== undefined) return new Date(typed.dateMs);
  if (typed.decimal !== undefined) return Decimal.parse(typed.decimal);
  if (typed.array !== undefined) return typed.array.map(fromTyped);
  return typed.object === undefined
    ? null
    : Object.fromEntries(typed.object.map(([name, field]) => [name, fromTyped(field)]));
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('the published vectors of keys', () => {
  const { keys, murmur3: references } = vectors('keys.json') as KeyVectors;

  it('hold for the hash', () => {
    for (const { text, seed, hash } of references) {
      const bytes = Buffer.from(text, 'utf8');
      expect([text, murmur3(bytes, 0, bytes.length, seed)]).toEqual([text, hash]);
    }
  });

  it.each(keys)('hold for $hex', ({ key, hex, partitions }) => {
    const bytes = encodeKey(fromTyped(key) as Key);
    expect(hexOf(bytes)).toBe(hex);
    expect(hexOf(encodeKey(decodeKey(bytes)))).toBe(hex);
    for (const { affinityParts, hash, partitionOf256 } of partitions) {
      expect(partitionHash(bytes, 0, bytes.length, affinityParts)).toBe(hash);
      expect(partitionOf(bytes, 0, bytes.length, affinityParts, 256)).toBe(partitionOf256);
    }
  });
});

describe('the published vectors of values', () => {
  const { values } = vectors('values.json') as ValueVectors;

  it.each(values)('hold for $hex', ({ value, hex }) => {
    const bytes = encodeValue(fromTyped(value));
    expect(hexOf(bytes)).toBe(hex);
    expect(hexOf(encodeValue(decodeValue(bytes)))).toBe(hex);
  });
});
