/** The random choices of a fuzzer: the same seed gives the same inputs, whatever they meet. */

import { type Random, seededRandom } from '../../packages/core/src/index.ts';
import { encodeValue } from '../../packages/serialization/src/index.ts';

/** Maps that inputs name; the first ones hold entries. */
export const MAPS = ['fuzz', 'numbers', 'texts', 'other', 'none'] as const;
const ODD_TEXTS = [
  '',
  ' ',
  '\0',
  'ß',
  '漢字',
  '😀',
  'a'.repeat(129),
  'x'.repeat(3000),
  '__proto__',
  'constructor',
  "'",
  '"',
  '%',
  '../x',
];
const ODD_NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.5,
  127,
  128,
  255,
  256,
  65_535,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e300,
  5e-324,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const DEPTH_MAX = 6;

export class Chance {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }

  /** One time in `odds`. */
  once(odds: number): boolean {
    return this.below(odds) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(lengthMax: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(lengthMax + 1) }, () => this.below(256)));
  }

  number(): number {
    return this.once(2) ? this.pick(ODD_NUMBERS) : this.below(1000);
  }

  /** From 0, as unsigned fields of messages have it. */
  whole(): number {
    return this.pick([0, 1, 2, this.below(300), this.below(2 ** 32), 2 ** 32, Number.MAX_SAFE_INTEGER]);
  }

  map(): string {
    return this.once(6) ? this.text() : this.pick(MAPS);
  }

  text(): string {
    return this.once(2) ? this.pick(ODD_TEXTS) : this.bytes(20).toString('latin1');
  }

  /** A value that can be stored, of any shape. */
  value(depth = 0): unknown {
    const kind = this.below(depth < DEPTH_MAX ? 12 : 8);
    switch (kind) {
      case 0:
        return null;
      case 1:
        return this.once(2);
      case 2:
      case 3:
        return this.number();
      case 4:
        return this.text();
      case 5:
        return new Uint8Array(this.bytes(30));
      case 6:
        return BigInt(this.below(2 ** 32)) ** BigInt(this.below(4)) * (this.once(2) ? 1n : -1n);
      case 7:
        return new Date(this.below(2 ** 32) * 1000);
      case 8:
      case 9:
        return Array.from({ length: this.below(5) }, () => this.value(depth + 1));
      default:
        return Object.fromEntries(Array.from({ length: this.below(5) }, () => [this.field(), this.value(depth + 1)]));
    }
  }

  field(): string {
    return this.once(8) ? this.text() : this.pick(['a', 'b', 'n', 'k', 'tags', 'deep']);
  }

  /** MessagePack that is a value, nearly one, or none. */
  messagePack(value: unknown = this.value()): Buffer {
    const bytes = Buffer.from(encodeValue(value));
    return this.once(3) ? this.mutated(bytes) : bytes;
  }

  /** The bytes with some of them changed, cut, repeated or put between. */
  mutated(bytes: Uint8Array): Buffer {
    let changed = Buffer.from(bytes);
    for (let times = 1 + this.below(4); times > 0; times--) {
      const at = this.below(changed.length + 1);
      const kind = this.below(5);
      if (kind === 0 && at < changed.length) changed[at] = this.below(256);
      else if (kind === 1 && at < changed.length) changed[at]! ^= 1 << this.below(8);
      else if (kind === 2) changed = changed.subarray(0, at);
      else if (kind === 3) changed = Buffer.concat([changed.subarray(0, at), this.bytes(8), changed.subarray(at)]);
      else changed = Buffer.concat([changed, changed.subarray(at, at + 20)]);
    }
    return changed;
  }
}
