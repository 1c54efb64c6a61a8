/** The short way of an increment against the long one, and what the other ready-made processors leave in bytes. */
import { Decimal } from '@ashlar/api';
import { GridError, type Random, seededRandom } from '@ashlar/core';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import { readyProcessor } from './ready-made.ts';
import { ReadyRun } from './ready-run.ts';

/** Value, result and what becomes of the entry, or the code of the error. */
type Told = readonly unknown[];

const PATHS = ['n', 'a.n', 'a.b', 'list[1]', 'list[2].n', '"first name".n', 'a', 'é.n', '', 'x..y', 'long'];
const NUMBERS = [0, 1, -1, 0.5, 127, 128, 255, 65_535, 65_536, -32, -33, -129, 2 ** 31, 2 ** 32, 1e300, -0, Infinity];

function number(random: Random): number {
  return NUMBERS[random.below(NUMBERS.length)]!;
}

function element(random: Random, depth: number): unknown {
  const kinds: readonly (() => unknown)[] = [
    () => number(random),
    () => number(random),
    () => number(random),
    () => BigInt(random.below(100)),
    () => Decimal.parse('1.5'),
    () => 'x'.repeat(random.below(300)),
    () => null,
    () => true,
    () => new Date(5),
    () => (depth > 2 ? 1 : [element(random, depth + 1), element(random, depth + 1), element(random, depth + 1)]),
    () => (depth > 2 ? 1 : document(random, depth + 1)),
    () => (depth > 2 ? 1 : document(random, depth + 1)),
  ];
  return kinds[random.below(kinds.length)]!();
}

function document(random: Random, depth = 0): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of ['n', 'a', 'b', 'list', 'first name', 'é', 'long']) {
    if (random.below(4) > 0) fields[name] = element(random, depth);
  }
  return fields;
}

function bytesOf(run: ReadyRun): unknown {
  return run.action === 'set' ? decodeValue(run.bytes.slice(run.start, run.end)) : undefined;
}

function short(run: ReadyRun, name: string, value: unknown, args: unknown): Told {
  const bytes = value === undefined ? undefined : Buffer.concat([Buffer.alloc(3), encodeValue(value)]);
  const given = encodeValue(args);
  try {
    run.run(name, bytes, 3, bytes?.length ?? 0, given, 0, given.length);
  } catch (error) {
    return [GridError.wrap(error).code, GridError.wrap(error).message];
  }
  const result = run.result();
  return [run.action, bytesOf(run), result.length === 0 ? undefined : decodeValue(result), run.ttl];
}

function long(name: string, value: unknown, args: unknown): Told {
  try {
    const outcome = readyProcessor(name)(value, args);
    const { action, result } = outcome;
    return action === 'set' ? [action, outcome.value, result, outcome.ttl] : [action, undefined, result, undefined];
  } catch (error) {
    return [GridError.wrap(error).code, GridError.wrap(error).message];
  }
}

describe('a ready-made processor on bytes', () => {
  it('leaves what the function leaves, whatever the document, the path and the addend', () => {
    const random = seededRandom(42);
    const run = new ReadyRun();
    for (let round = 0; round < 5000; round++) {
      const value = random.below(20) === 0 ? undefined : random.below(20) === 0 ? 7 : document(random);
      const by = random.below(10) === 0 ? element(random, 3) : number(random);
      const ttl = random.below(10) === 0 ? { ttlMs: random.below(3) === 0 ? -5 : 1000 } : {};
      const args = { path: PATHS[random.below(PATHS.length)], by, ...ttl };
      expect(short(run, 'increment', value, args)).toEqual(long('increment', value, args));
    }
  });

  it('keeps the bytes around the number as they are', () => {
    const run = new ReadyRun();
    const value = encodeValue({ before: 'x'.repeat(50), n: 127, after: [1.5, null] });
    const args = encodeValue({ path: 'n', by: 1 });
    run.run('increment', value, 0, value.length, args, 0, args.length);
    expect(run.bytes.slice(run.start, run.end)).toEqual(
      encodeValue({ before: 'x'.repeat(50), n: 128, after: [1.5, null] }),
    );
    expect(decodeValue(run.result())).toBe(128);
  });

  it('counts the field that is shown where a document has two of one name', () => {
    const run = new ReadyRun();
    const value = Uint8Array.of(0x82, 0xa1, 0x6e, 1, 0xa1, 0x6e, 5);
    const args = encodeValue({ path: 'n', by: 1 });
    run.run('increment', value, 0, value.length, args, 0, args.length);
    expect([decodeValue(value), bytesOf(run)]).toEqual([{ n: 5 }, { n: 6 }]);
  });

  it('of any kind answers in bytes', () => {
    const run = new ReadyRun();
    const cases: readonly (readonly [string, unknown, unknown])[] = [
      ['append', { t: [1] }, { path: 't', items: [2] }],
      ['mergePatch', { a: 1 }, { patch: { b: { c: null } }, ttlMs: 1000 }],
      ['mergePatch', 'text', { patch: { b: 1 } }],
      ['compareAndSet', { a: 1 }, { expected: { a: 1 }, value: 2 }],
      ['compareAndSet', { a: 1 }, { expected: { a: 1 } }],
      ['compareAndSet', { a: 1 }, { expected: { a: 2 }, value: 2 }],
      ['increment', undefined, { path: 'n', by: 2n }],
      ['increment', { n: 1 }, { by: 2 }],
      ['unknown', { n: 1 }, {}],
    ];
    for (const [name, value, args] of cases) expect(short(run, name, value, args)).toEqual(long(name, value, args));
  });

  it('takes values of any length, and gives the memory of long ones back', () => {
    const run = new ReadyRun();
    for (const length of [10, 3 << 20, 10, 40_000, 10]) {
      const value = { text: 'x'.repeat(length), n: 1 };
      expect(short(run, 'increment', value, { path: 'n', by: 1000 })).toEqual([
        'set',
        { ...value, n: 1001 },
        1001,
        undefined,
      ]);
    }
  });
});
