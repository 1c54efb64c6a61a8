import type { TraceContext } from '@ashlar/core';
import { decodeKey, decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { decodeBatch, OPCODE } from '@ashlar/transport';
import fc from 'fast-check';
import { type BatchBuilder, type BatchHeader, NOTHING } from './batch-builder.ts';
import { MapHandle } from './map-handle.ts';
import type { DetachedOperation } from './sealed-batch.ts';
import { addTo, type GivenOperation, getOf, NotedTarget, newBuilder, putOf } from './testing/operations.ts';

const HEADER: BatchHeader = {
  ...{ batchId: 1, session: 7, firstRequest: 1, lowestUnanswered: 1, sessionVersion: 5, deadlineMs: 100 },
  ...{ tableVersion: 3, catalogVersion: 2, resent: false, firstVersion: 0 },
};
const MAPS = [new MapHandle('first', undefined), new MapHandle('second', { affinityParts: 1 })];
const TRACES: readonly TraceContext[] = [1, 2].map((n) => ({ traceparent: `00-${n}-01`, tracestate: '' }));
const PARTITIONS = 4;

const anyTarget = fc
  .tuple(fc.constantFrom(100, 150, 900, Number.POSITIVE_INFINITY), fc.constantFrom(undefined, ...TRACES))
  .map(([deadlineMs, trace]) => new NotedTarget(deadlineMs, trace));
const anyOperation: fc.Arbitrary<GivenOperation> = fc.record(
  {
    opcode: fc.constantFrom(OPCODE.GET, OPCODE.PUT, OPCODE.REMOVE),
    key: fc.oneof(fc.string({ maxLength: 8 }), fc.integer()),
    value: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
    map: fc.constantFrom(...MAPS),
    partition: fc.nat(PARTITIONS - 1),
    position: fc.nat(50),
    target: anyTarget,
    extras: fc.record({ ttlMs: fc.integer({ min: 1, max: 1e6 }), ifVersion: fc.nat(1e9) }, { requiredKeys: [] }),
  },
  { requiredKeys: ['opcode', 'key'] },
);
const anyOperations = fc.array(anyOperation, { minLength: 1, maxLength: 40 });

/** Operations of a message, as far as this file looks at them. */
function contentsOf(message: Buffer) {
  const { opcodes, partitions, keys, keyEnds, values, valueEnds } = decodeBatch(message);
  const between = (bytes: Uint8Array, ends: Uint32Array | undefined, index: number): Uint8Array =>
    bytes.subarray(index === 0 ? 0 : (ends?.[index - 1] ?? 0), ends?.[index] ?? 0);
  return Array.from(opcodes, (opcode, index) => {
    const value = between(values, valueEnds, index);
    return {
      ...{ opcode, partition: partitions[index], key: decodeKey(between(keys, keyEnds, index)) },
      value: value.length === 0 ? undefined : decodeValue(value),
    };
  });
}

function asGiven({ opcode, key, value, partition = 0 }: GivenOperation) {
  return { opcode, partition, key, value };
}

function numbersUpTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

describe('batch-builder B1', () => {
  const refusals: readonly unknown[] = [
    { deep: ['text', { inner: () => 'a function' }] },
    new Uint8Array((1 << 20) + 1),
    {
      first: 'written before it throws',
      get second(): never {
        throw new Error('of the getter');
      },
    },
  ];

  it('a refused value leaves no trace: the message is the one that it would be without', () => {
    const whether = fc.array(fc.option(fc.constantFrom(...refusals), { nil: NOTHING }), { maxLength: 40 });
    fc.assert(
      fc.property(anyOperations, whether, (operations, refused) => {
        const builder = newBuilder();
        for (const [index, operation] of operations.entries()) {
          const before = [builder.bytes, builder.count, builder.mutations];
          const value = refused[index] ?? NOTHING;
          if (value !== NOTHING) expect(() => builder.writeValue(value)).toThrow();
          expect([builder.bytes, builder.count, builder.mutations]).toEqual(before);
          addTo(builder, operation);
        }
        expect(builder.seal(HEADER)).toEqual(addTo(newBuilder(), ...operations).seal(HEADER));
      }),
      { numRuns: 50 },
    );
  });
});

describe('batch-builder B2', () => {
  it('a sealed message stays as it is while its builder is filled again', () => {
    const builder = addTo(newBuilder(), putOf('a'), putOf('b'));
    const { opcodes, targets, positions, maps } = builder;
    const message = builder.seal(HEADER);
    const before = contentsOf(message);
    builder.reset();
    addTo(builder, ...numbersUpTo(100).map((key) => getOf(`other ${key}`, { map: MAPS[1]!, position: 9 })));
    builder.seal(HEADER);
    expect(contentsOf(message)).toEqual(before);
    expect([Array.from(opcodes), targets.length, positions[0], maps.length]).toEqual([
      ...[[OPCODE.PUT, OPCODE.PUT], 2, 0, 1],
    ]);
  });

  it('a builder used again makes the messages that new ones would, whatever it held before', () => {
    fc.assert(
      fc.property(fc.array(anyOperations, { minLength: 2, maxLength: 4 }), (batches) => {
        const builder = newBuilder();
        for (const operations of batches) {
          const fresh = addTo(newBuilder(), ...operations);
          addTo(builder, ...operations);
          expect(builder.seal(HEADER)).toEqual(fresh.seal(HEADER));
          expect([builder.mutations, builder.minDeadlineMs]).toEqual([fresh.mutations, fresh.minDeadlineMs]);
          builder.reset();
          expect([builder.count, builder.bytes, builder.mutations]).toEqual([0, 0, 0]);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('a batch in the making', () => {
  it('carries its operations in their order, growing as it needs', () => {
    const operations = numbersUpTo(3000).map((key) =>
      key % 3 === 0 ? getOf(key) : putOf(key, { partition: key % 4 }),
    );
    const builder = addTo(newBuilder(), ...operations);
    expect(contentsOf(builder.seal(HEADER))).toEqual(operations.map(asGiven));
    expect([builder.count, builder.mutations]).toEqual([3000, 2000]);
  });

  it('knows the position of each operation among those of its target', () => {
    for (const positions of [numbersUpTo(2000), numbersUpTo(2000).map((at) => (at === 1999 ? 5 : 0)), [0, 0, 3]]) {
      const builder = addTo(newBuilder(), ...positions.map((position) => getOf('k', { position })));
      expect(Array.from(builder.positions.subarray(0, positions.length))).toEqual(positions);
    }
  });

  it('says nothing of columns in which all operations are alike', () => {
    const one = decodeBatch(addTo(newBuilder(), getOf('a'), getOf('b')).seal(HEADER));
    const { mapIndexes, valueEnds, requestOffsets, deadlineExtras, traces, traceIndexes } = one;
    expect([mapIndexes, valueEnds, requestOffsets, deadlineExtras, traceIndexes]).toEqual(new Array(5).fill(undefined));
    expect([traces, one.ttlMs.length, one.processors]).toEqual([[], 0, []]);
  });

  it('names each map and each processor once', () => {
    const extras = (exportName: string) => ({ processor: { module: 'm', exportName } });
    const calls = ['one', 'two', 'one'].map((name, index) => ({
      ...{ opcode: OPCODE.PROCESS, key: index, map: MAPS[index % 2]!, extras: extras(name) },
    }));
    const batch = decodeBatch(addTo(newBuilder(), ...calls).seal(HEADER));
    expect([batch.maps.map(({ name }) => name), Array.from(batch.mapIndexes!)]).toEqual([
      ...[
        ['first', 'second'],
        [0, 1, 0],
      ],
    ]);
    expect([batch.processors.length, Array.from(batch.processorIndexes)]).toEqual([2, [0, 1, 0]]);
  });

  it('tells how much later each caller stops waiting, unless it is but a moment', () => {
    const timed = (...deadlines: readonly number[]) => {
      const puts = deadlines.map((deadlineMs, key) => putOf(key, { target: new NotedTarget(deadlineMs) }));
      const { deadlineExtras } = decodeBatch(addTo(newBuilder(), ...puts).seal(HEADER));
      return deadlineExtras === undefined ? undefined : Array.from(deadlineExtras);
    };
    expect(timed(1000, 1050, 1020)).toBeUndefined();
    expect(timed(1000, 4000, 1050)).toEqual([0, 3000, 50]);
    expect(timed(1000, Number.POSITIVE_INFINITY)).toEqual([0, 0xffff_ffff]);
    expect(timed(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)).toBeUndefined();
  });

  it('tells of which trace each operation is, in as few words as it can', () => {
    const traced = (...which: readonly (TraceContext | undefined)[]) => {
      const gets = which.map((trace, key) => getOf(key, { target: new NotedTarget(100, trace) }));
      const { traces, traceIndexes } = decodeBatch(addTo(newBuilder(), ...gets).seal(HEADER));
      return [traces.map(({ traceparent }) => traceparent), traceIndexes && Array.from(traceIndexes)];
    };
    const [one, two] = TRACES;
    const texts = TRACES.map(({ traceparent }) => traceparent);
    expect(traced(one, one)).toEqual([[texts[0]], undefined]);
    expect(traced(undefined, one)).toEqual([[texts[0]], [0, 1]]);
    expect(traced(two, undefined, one, two)).toEqual([
      [texts[1], texts[0]],
      [1, 0, 2, 1],
    ]);
  });

  it('knows beforehand how long its message will be at most, where one call of one map fills it', () => {
    fc.assert(
      fc.property(anyOperations, fc.nat(200), (operations, everyMs) => {
        const target = new NotedTarget(100, TRACES[0]);
        const builder = newBuilder();
        for (const operation of operations) {
          addTo(builder, { ...operation, map: MAPS[0]!, target });
          target.deadlineMs += everyMs;
        }
        expect(builder.seal(HEADER).length).toBeLessThanOrEqual(builder.wireBytes);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a batch that is split', () => {
  it('gives every operation to the builder of its partition, in the order that they had', () => {
    fc.assert(
      fc.property(anyOperations, (given) => {
        const operations = given.map((operation) => ({ ...operation, map: MAPS[0]!, extras: {} }));
        const builders = new Map<number, BatchBuilder>();
        const builderOf = (partition: number): BatchBuilder => {
          const builder = builders.get(partition) ?? newBuilder({ atomic: true });
          builders.set(partition, builder);
          return builder;
        };
        addTo(newBuilder({ atomic: true }), ...operations).moveTo(builderOf, { ttlMs: 5 });
        for (const [partition, builder] of builders) {
          const wanted = operations.filter((one) => (one.partition ?? 0) === partition);
          const message = builder.seal(HEADER);
          expect(contentsOf(message)).toEqual(wanted.map(asGiven));
          expect(Array.from(decodeBatch(message).ttlMs)).toEqual(wanted.map(() => 5));
          const { targets, positions } = builder;
          expect(targets.map((_, index) => positions[index])).toEqual(wanted.map(({ position = 0 }) => position));
        }
        const moved = [...builders.values()].reduce((sum, { count }) => sum + count, 0);
        expect(moved).toBe(operations.length);
      }),
      { numRuns: 50 },
    );
  });

  it('takes values as they are encoded, before any that is to be', () => {
    const builder = addTo(newBuilder(), putOf('a'));
    expect(() => builder.writeEncoded(encodeValue(1))).toThrow();
    const mixed = newBuilder();
    mixed.writeEncoded(encodeValue('as it is'));
    const key = encodeKey('x');
    mixed.writeKey(key, 0, key.length);
    mixed.add(OPCODE.PUT, MAPS[0]!, 0, undefined, new NotedTarget(), 0);
    addTo(mixed, putOf('y', { value: 'encoded here', map: MAPS[0]! }));
    expect(contentsOf(mixed.seal(HEADER)).map(({ value }) => value)).toEqual(['as it is', 'encoded here']);
  });
});

describe('operations that are sent again', () => {
  const range = { session: 7, first: 1, version: 0, left: 9 };
  const again = (builder: BatchBuilder, number: number | undefined, mapId: number | undefined): void => {
    const key = encodeKey(number ?? 'none');
    const rest = { ttlMs: undefined, ifVersion: undefined, processor: undefined, consistency: 0, atomic: false };
    const operation: DetachedOperation = {
      ...{ opcode: number === undefined ? OPCODE.GET : OPCODE.REMOVE, map: MAPS[0]!, mapId, key, ...rest },
      ...{ value: new Uint8Array(0), target: new NotedTarget(), position: 0 },
      request: number === undefined ? undefined : { range, number },
    };
    builder.writeEncoded(operation.value);
    builder.writeKey(key, 0, key.length);
    builder.addAgain(operation, 0);
  };

  it('keep their numbers, counted from the lowest of them', () => {
    const builder = newBuilder();
    for (const number of [undefined, 9, undefined, 4]) again(builder, number, undefined);
    expect(builder.firstRequestNumber).toBe(4);
    const message = builder.seal({ ...HEADER, firstRequest: 4, resent: true });
    expect(Array.from(decodeBatch(message).requestOffsets!)).toEqual([0, 5, 0, 0]);
  });

  it('mean the map that they were meant for, beside others that mean the one which has the name', () => {
    const builder = newBuilder();
    for (const mapId of [11, undefined, 12, 11]) again(builder, 1, mapId);
    const { maps, mapIndexes } = decodeBatch(builder.seal({ ...HEADER, resent: true }));
    expect(maps.map(({ name, mapId }) => [name, mapId])).toEqual([
      ...[
        ['first', 11],
        ['first', 0],
        ['first', 12],
      ],
    ]);
    expect(Array.from(mapIndexes!)).toEqual([0, 1, 2, 0]);
  });
});
