import type { EventBatch } from './event-batch.ts';
import { decodeSubscribeOutput, EncodedEvents, encodeSubscribeOutput, subscribeCreditBytes } from './event-codec.ts';
import { messageType } from './schema.ts';
import type { SubscribeOutput } from './services.ts';

const events: EventBatch = {
  count: 2,
  types: Uint8Array.of(0, 2),
  partitions: Uint32Array.of(3, 4),
  sequences: Float64Array.of(10, 2 ** 52),
  versions: Float64Array.of(1_700_000_000_000_000, 1_700_000_000_000_001),
  keyEnds: Uint32Array.of(1, 3),
  keys: Uint8Array.of(1, 2, 3),
  valueEnds: Uint32Array.of(2, 2),
  values: Uint8Array.of(7, 8),
  oldValueEnds: Uint32Array.of(0, 1),
  oldValues: Uint8Array.of(9),
};

function back(output: SubscribeOutput): SubscribeOutput {
  return decodeSubscribeOutput(encodeSubscribeOutput(output));
}

describe('answers of a subscription', () => {
  it('come back as they were', () => {
    const standing = {
      kind: 'standing',
      partitions: [1, 2],
      incarnations: [5, 6],
      sequences: [0, 9],
      partitionCount: 16,
      mapId: 7,
    } as const;
    expect(back(standing)).toEqual(standing);
    expect(
      back({
        kind: 'resolved',
        version: 12,
        partitions: [4, 9],
        sequences: [1, 2],
        batches: 3,
        dividedByZero: 2,
        oddValues: 3,
        mapId: 7,
      }),
    ).toEqual({
      kind: 'resolved',
      version: 12,
      partitions: [4, 9],
      sequences: [1, 2],
      batches: 3,
      dividedByZero: 2,
      oddValues: 3,
      mapId: 7,
    });
    const output = back({ kind: 'events', events, number: 4, mapId: 7 });
    expect(output).toMatchObject({ kind: 'events', number: 4, mapId: 7 });
    expect(output.kind === 'events' && [...output.events.sequences]).toEqual([10, 2 ** 52]);
    expect(output.kind === 'events' && [...output.events.oldValues]).toEqual([9]);
  });

  it('are what any protobuf library reads', () => {
    expect(
      messageType('SubscribeOutput').deserialize(encodeSubscribeOutput({ kind: 'events', events, number: 4 })),
    ).toMatchObject({
      events: { partitions: [3, 4], sequences: [10, 2 ** 52], keyEnds: [1, 3], number: 4 },
    });
    expect(
      messageType('SubscribeOutput').deserialize(
        encodeSubscribeOutput({
          kind: 'resolved',
          version: 12,
          partitions: [7],
          sequences: [3],
          batches: 2,
          dividedByZero: 2,
          oddValues: 3,
        }),
      ),
    ).toMatchObject({ resolved: { version: 12, partitions: [7], sequences: [3], batches: 2 } });
  });

  it('of unequal columns are refused', () => {
    const sent = (change: object): Buffer =>
      messageType('SubscribeOutput').serialize({
        events: { ...plain(events), number: 1, ...change },
      });
    expect(decodeSubscribeOutput(sent({}))).toMatchObject({ kind: 'events', number: 1 });
    for (const change of [{ versions: [1] }, { valueEnds: [2, 9] }, { keyEnds: [1] }]) {
      expect(() => decodeSubscribeOutput(sent(change))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});

/** As any protobuf library takes them. */
function plain(batch: EventBatch): object {
  const { count: _, ...columns } = batch;
  const isBytes = new Set(['types', 'keys', 'values', 'oldValues']);
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, isBytes.has(name) ? Buffer.from(column) : [...column]]),
  );
}

describe('events that are encoded where they were read', () => {
  /** As a writer has them: arrays with room behind what is in them. */
  const roomy: EventBatch = {
    count: 2,
    types: Uint8Array.of(0, 2, 9),
    partitions: Uint32Array.of(3, 4, 99),
    sequences: Float64Array.of(10, 2 ** 52, -1),
    versions: Float64Array.of(1_700_000_000_000_000, 1_700_000_000_000_001, -1),
    keyEnds: Uint32Array.of(1, 3, 1),
    keys: Uint8Array.of(1, 2, 3, 255, 255),
    valueEnds: Uint32Array.of(2, 2, 1),
    values: Uint8Array.of(7, 8, 255),
    oldValueEnds: Uint32Array.of(0, 1, 0),
    oldValues: Uint8Array.of(9, 255),
  };

  it('are the same message, and cost the same of the credit', () => {
    const encoded = new EncodedEvents(roomy, 4, 7);
    const output: SubscribeOutput = { kind: 'events', events, number: 4, mapId: 7 };
    expect(encodeSubscribeOutput(encoded)).toEqual(encodeSubscribeOutput(output));
    expect(subscribeCreditBytes(encoded)).toBe(subscribeCreditBytes(output));
    expect(encoded.events).toEqual((back(output) as { events: EventBatch }).events);
    expect([encoded.count, encoded.number, encoded.mapId]).toEqual([2, 4, 7]);
  });

  it.each([1, 16, 17, 40, 2000])('come back where there are %d of them', (count) => {
    const key = Uint8Array.of(5, 6);
    const batch: EventBatch = {
      count,
      types: new Uint8Array(count).fill(1),
      partitions: Uint32Array.from({ length: count }, (_, index) => index),
      sequences: Float64Array.from({ length: count }, (_, index) => 2 ** 40 + index),
      versions: Float64Array.from({ length: count }, (_, index) => 2 ** 50 + index),
      keyEnds: Uint32Array.from({ length: count }, (_, index) => (index + 1) * key.length),
      keys: Buffer.concat(Array.from({ length: count }, () => key)),
      valueEnds: Uint32Array.from({ length: count }, (_, index) => (index + 1) * 70),
      values: new Uint8Array(count * 70).fill(3),
      oldValueEnds: new Uint32Array(count),
      oldValues: new Uint8Array(0),
    };
    const decoded = decodeSubscribeOutput(encodeSubscribeOutput(new EncodedEvents(batch, 300, 0)));
    expect(decoded.kind === 'events' && plain(decoded.events)).toEqual(plain(batch));
    expect(decoded).toMatchObject({ kind: 'events', number: 300 });
  });
});
