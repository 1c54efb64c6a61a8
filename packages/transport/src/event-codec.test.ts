import type { EventBatch } from './event-batch.ts';
import { decodeSubscribeOutput, encodeSubscribeOutput } from './event-codec.ts';
import { messageType } from './proto-files.ts';
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
    const broken = { ...events, versions: Float64Array.of(1) };
    expect(() => back({ kind: 'events', events: broken, number: 1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    const beyond = { ...events, valueEnds: Uint32Array.of(2, 9) };
    expect(() => back({ kind: 'events', events: beyond, number: 1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
