import { NAME_BYTES_MAX, NAME_LENGTH_MAX } from '@ashlar/core';
import fc from 'fast-check';
import { BATCH_OPERATIONS_LIMIT, type KvAnswers, type KvBatch, OPCODE, type ProcessorReference } from './kv-batch.ts';
import { decodeAnswers, decodeBatch, encodeAnswers, encodeBatch, piecesOf } from './kv-codec.ts';
import { messageType } from './schema.ts';

function batchOf(changes: Partial<KvBatch> = {}): KvBatch {
  return {
    batchId: 7,
    session: 2 ** 52 + 1,
    firstRequest: 41,
    lowestUnanswered: 40,
    sessionVersion: 1_700_000_000_000_000,
    deadlineMs: 5000,
    consistency: 1,
    tableVersion: 3,
    catalogVersion: 4,
    atomic: true,
    resent: true,
    firstVersion: 1_600_000_000_000_000,
    maps: [
      { name: 'accounts', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 },
      { name: '__proto__', affinityParts: 2, declared: true, ttlMs: 1.5, maxIdleMs: 60_000, mapId: 9, newerThan: 3 },
    ],
    processors: [{ module: 'fraud', exportName: 'debit' }],
    count: 3,
    opcodes: Uint8Array.of(OPCODE.GET, OPCODE.PUT, OPCODE.PROCESS),
    mapIndexes: Uint32Array.of(0, 1, 0),
    partitions: Uint32Array.of(1, 255, 3),
    keyEnds: Uint32Array.of(2, 4, 7),
    keys: Uint8Array.of(1, 2, 3, 4, 5, 6, 7),
    valueEnds: Uint32Array.of(0, 3, 5),
    values: Uint8Array.of(9, 8, 7, 6, 5),
    ttlOperations: Uint32Array.of(1),
    ttlMs: Float64Array.of(60_000),
    ifVersionOperations: Uint32Array.of(1),
    ifVersions: Float64Array.of(1_700_000_000_000_001),
    processorOperations: Uint32Array.of(2),
    processorIndexes: Uint32Array.of(0),
    requestOffsets: Uint32Array.of(0, 5, 9),
    traces: [
      { traceparent: '00-ab-cd-01', tracestate: 'vendor=1' },
      { traceparent: '00-ef-cd-00', tracestate: '' },
    ],
    traceIndexes: Uint32Array.of(2, 0, 1),
    ...changes,
  };
}

function plain(value: object): object {
  return JSON.parse(
    JSON.stringify(value, (_, field) => (ArrayBuffer.isView(field) ? [...(field as Uint8Array)] : field)),
  ) as object;
}

/** The message of a batch with some fields as no encoder of ours would write them. */
function written(changes: Partial<KvBatch>): Buffer {
  const type = messageType('KvBatch');
  const fields = type.deserialize(encodeBatch(batchOf())) as Record<string, unknown>;
  for (const [name, value] of Object.entries(changes)) {
    if (value instanceof Uint8Array) fields[name] = Buffer.from(value);
    else fields[name] = ArrayBuffer.isView(value) ? [...(value as Uint32Array)] : (value ?? []);
  }
  return type.serialize(fields as never) as Buffer;
}

function answersOf(changes: Partial<KvAnswers> = {}): KvAnswers {
  return {
    batchId: 7,
    highestVersion: 1_700_000_000_000_000,
    tableVersion: 3,
    catalogVersion: 4,
    firstOperation: 0,
    statuses: Uint8Array.of(0, 1, 2, 1),
    valueEnds: Uint32Array.of(0, 3, 3, 5),
    values: Uint8Array.of(1, 2, 3, 4, 5),
    versions: Float64Array.of(0, 11, 0, 13),
    expiresAtMs: Float64Array.of(0, 0, 0, 1.5),
    errors: [{ operations: Uint32Array.of(2), error: { code: 'OUT_OF_MEMORY', message: 'full' } }],
    ...changes,
  };
}

/** Without what belongs to single operations, so that fewer of them make a batch too. */
const ONLY_DENSE = {
  processorOperations: new Uint32Array(0),
  processorIndexes: new Uint32Array(0),
  requestOffsets: undefined,
};

describe('a kv batch', () => {
  it('comes back as it was', () => {
    expect(plain(decodeBatch(encodeBatch(batchOf())))).toEqual(plain(batchOf()));
  });

  it('comes back as it was without its optional columns', () => {
    const bare = batchOf({
      mapIndexes: undefined,
      valueEnds: undefined,
      values: new Uint8Array(0),
      requestOffsets: undefined,
    });
    expect(plain(decodeBatch(encodeBatch(bare)))).toEqual(plain(bare));
  });

  it('names the map that its caller has learnt to know since the last batch', () => {
    const map = { name: 'm', affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 };
    const namedIn = (): object => decodeBatch(encodeBatch(batchOf({ maps: [map, map] }))).maps[0]!;
    const before = namedIn();
    map.mapId = 7;
    const learnt = namedIn();
    Object.assign(map, { mapId: 0, newerThan: 7 });
    expect([before, learnt, namedIn()]).toMatchObject([{ mapId: 0 }, { mapId: 7 }, { mapId: 0, newerThan: 7 }]);
  });

  it('is what any protobuf library reads and writes', () => {
    const type = messageType('KvBatch');
    const read = type.deserialize(encodeBatch(batchOf()));
    expect(read).toMatchObject({
      batchId: 7,
      session: 2 ** 52 + 1,
      partitions: [1, 255, 3],
      ttlMs: [60_000],
      maps: [{ name: 'accounts' }, { name: '__proto__', affinityParts: 2, maxIdleMs: 60_000 }],
    });
    expect(plain(decodeBatch(type.serialize(read)))).toEqual(plain(batchOf()));
  });

  it('may lie in shared memory', () => {
    const values = new Uint8Array(new SharedArrayBuffer(5));
    values.set([9, 8, 7, 6, 5]);
    const bytes = encodeBatch(batchOf({ values }));
    values.fill(0);
    expect([...decodeBatch(bytes).values]).toEqual([9, 8, 7, 6, 5]);
  });

  it('leaves out what lies behind its operations', () => {
    const { opcodes, keys, keyEnds } = decodeBatch(encodeBatch(batchOf({ count: 2, ...ONLY_DENSE })));
    expect([[...opcodes], [...keyEnds], [...keys]]).toEqual([
      [OPCODE.GET, OPCODE.PUT],
      [2, 4],
      [1, 2, 3, 4],
    ]);
  });

  it.each([
    ['an opcode of no kind', { opcodes: Uint8Array.of(0, 3, 99) }],
    ['too few partitions', { partitions: Uint32Array.of(1, 2) }],
    ['keys that end before they begin', { keyEnds: Uint32Array.of(4, 2, 7) }],
    ['keys that end beyond their bytes', { keyEnds: Uint32Array.of(2, 4, 0xffff_ffff) }],
    ['keys that leave bytes over', { keyEnds: Uint32Array.of(2, 4, 6) }],
    ['a map that is not named', { mapIndexes: Uint32Array.of(0, 2, 0) }],
    ['a time to live for no operation', { ttlOperations: Uint32Array.of(3) }],
    ['sparse columns of two lengths', { ttlMs: Float64Array.of(1, 2) }],
    ['a processor for a put', { processorOperations: Uint32Array.of(1) }],
    ['a process without processor', { processorOperations: new Uint32Array(0), processorIndexes: new Uint32Array(0) }],
    ['no map', { maps: [], mapIndexes: undefined }],
    ['a read consistency of no kind', { consistency: 2 }],
    ['request numbers that no number holds', { firstRequest: Number.MAX_SAFE_INTEGER }],
    ['too many maps', { maps: new Array(5000).fill(batchOf().maps[0]) }],
    [
      'more operations than one batch has',
      {
        ...ONLY_DENSE,
        opcodes: new Uint8Array(BATCH_OPERATIONS_LIMIT + 1),
        mapIndexes: undefined,
        partitions: new Uint32Array(BATCH_OPERATIONS_LIMIT + 1),
        keyEnds: new Uint32Array(BATCH_OPERATIONS_LIMIT + 1).fill(7),
        valueEnds: undefined,
        values: new Uint8Array(0),
      },
    ],
  ])('with %s is refused', (_, changes) => {
    expect(() => decodeBatch(written(changes))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('keeps no more of a name than says that it is too long (C4)', () => {
    for (const character of ['x', 'ß', '漢', '😀']) {
      const name = character.repeat(100_000);
      const maps = [
        { name, affinityParts: 0, declared: false, ttlMs: 0, maxIdleMs: 0, mapId: 0, newerThan: 0 },
        batchOf().maps[1]!,
      ];
      const processors = [{ module: name, exportName: name }];
      const traces = [{ traceparent: name, tracestate: name }, batchOf().traces[1]!];
      const decoded = decodeBatch(encodeBatch(batchOf({ maps, processors, traces })));
      const [{ module, exportName }] = decoded.processors as [ProcessorReference];
      for (const text of [decoded.maps[0]!.name, module, exportName]) {
        expect(text.length).toBeGreaterThan(NAME_LENGTH_MAX);
        expect(text.length).toBeLessThanOrEqual(NAME_BYTES_MAX);
      }
      expect(decoded.traces[0]!.tracestate.length).toBeLessThanOrEqual(1024);
    }
  });

  it('of any bytes is read or refused, never worse', () => {
    const bytes = encodeBatch(batchOf());
    const mutated = fc.record({
      at: fc.nat(bytes.length - 1),
      to: fc.nat(255),
      cut: fc.nat(bytes.length),
    });
    fc.assert(
      fc.property(mutated, ({ at, to, cut }) => {
        const changed = Buffer.from(bytes.subarray(0, cut));
        if (at < cut) changed[at] = to;
        refusedOrRead(() => decodeBatch(changed));
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => refusedOrRead(() => decodeBatch(random))),
      { numRuns: 2000 },
    );
  });
});

function refusedOrRead(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
}

describe('kv answers', () => {
  it('come back as they were', () => {
    const { errors, ...rest } = decodeAnswers(encodeAnswers(answersOf()));
    expect(plain(rest)).toEqual(plain({ ...answersOf(), errors: undefined }));
    expect([...errors[0]!.operations]).toEqual([2]);
    expect(errors[0]!.error).toMatchObject({ code: 'OUT_OF_MEMORY', message: 'full' });
  });

  it('that are large come in pieces that together are the same', () => {
    const pieces = [...piecesOf(answersOf(), 3)].map((piece) => decodeAnswers(encodeAnswers(piece)));
    expect(pieces.map(({ firstOperation, statuses }) => [firstOperation, statuses.length])).toEqual([
      [0, 3],
      [3, 1],
    ]);
    expect(pieces.map(({ values }) => [...values])).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(pieces.map(({ versions }) => [...(versions ?? [])])).toEqual([[0, 11, 0], [13]]);
    expect([...pieces[0]!.errors[0]!.operations]).toEqual([2]);
    expect(pieces[1]!.errors).toEqual([]);
  });

  it('that are large and a part of what is owed come in pieces of that part', () => {
    const part = { ...answersOf(), firstOperation: 7 };
    const pieces = [...piecesOf(part, 3), ...piecesOf(part, 100)];
    expect(pieces.map(({ firstOperation, statuses }) => [firstOperation, statuses.length])).toEqual([
      [7, 3],
      [10, 1],
      [7, 4],
    ]);
  });

  it('of any bytes are read or refused, never worse', () => {
    const bytes = encodeAnswers(answersOf());
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, to) => {
        const changed = Buffer.from(bytes);
        changed[at] = to;
        try {
          decodeAnswers(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
