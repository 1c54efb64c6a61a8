import { EVENT_TYPE } from '@ashlar/core';
import type { EventColumns } from '@ashlar/serialization';
import { EventColumnsWriter } from './event-columns.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

interface Event {
  readonly type: number;
  readonly partition: number;
  readonly sequence: number;
  readonly version: number;
  readonly key: string;
  readonly value: string;
  readonly oldValue: string;
}

function write(writer: EventColumnsWriter, { type, partition, sequence, version, key, value, oldValue }: Event): void {
  writer.open(type as never, partition, sequence, version);
  // Out of the middle of what holds more, as the arena does.
  writer.appendKey(bytes(`<${key}>`), 1, 1 + key.length);
  if (value !== '') writer.appendValue(bytes(value), 0, value.length);
  if (oldValue !== '') writer.appendOldValue(bytes(oldValue), 0, oldValue.length);
  writer.close();
}

function read(columns: EventColumns): Event[] {
  const text = (source: Uint8Array, ends: Uint32Array, index: number): string =>
    Buffer.from(source.subarray(index === 0 ? 0 : ends[index - 1], ends[index])).toString();
  return Array.from({ length: columns.count }, (_, index) => ({
    type: columns.types[index]!,
    partition: columns.partitions[index]!,
    sequence: columns.sequences[index]!,
    version: columns.versions[index]!,
    key: text(columns.keys, columns.keyEnds, index),
    value: text(columns.values, columns.valueEnds, index),
    oldValue: text(columns.oldValues, columns.oldValueEnds, index),
  }));
}

const eventOf = (index: number): Event => ({
  ...{ type: index % 7, partition: index, sequence: 2 ** 40 + index, version: 2 ** 50 + index, key: `k${index}` },
  ...{ value: index % 3 === 0 ? '' : `v${index}`, oldValue: index % 2 === 0 ? '' : `o${index}` },
});

describe('events as columns', () => {
  it('C2: come back as they went in, each with its own bytes', () => {
    const writer = new EventColumnsWriter(10);
    const events = Array.from({ length: 10 }, (_, index) => eventOf(index));
    for (const event of events) write(writer, event);
    expect(writer.isFull).toBe(true);
    expect(read(writer.take())).toEqual(events);
  });

  it('are arrays of their own: what is written next touches none that was taken', () => {
    const writer = new EventColumnsWriter(4);
    write(writer, eventOf(1));
    const first = writer.take();
    expect([writer.count, writer.bytes, writer.isFull]).toEqual([0, 0, false]);
    write(writer, eventOf(5));
    expect([read(first), read(writer.take())]).toEqual([[eventOf(1)], [eventOf(5)]]);
  });

  it('are handed out as they lie, and the writer is empty then', () => {
    const writer = new EventColumnsWriter(4);
    for (const number of [1, 2]) write(writer, eventOf(number));
    expect(writer.drain((events) => read(events))).toEqual([eventOf(1), eventOf(2)]);
    expect([writer.count, writer.bytes]).toEqual([0, 0]);
    write(writer, eventOf(3));
    expect(() =>
      writer.drain(() => {
        throw new Error('not taken');
      }),
    ).toThrow('not taken');
    write(writer, eventOf(4));
    expect(read(writer.take())).toEqual([eventOf(4)]);
  });

  it('count the bytes that they take', () => {
    const writer = new EventColumnsWriter(4);
    write(writer, eventOf(1));
    const one = writer.bytes;
    expect(one).toBeGreaterThanOrEqual('k1v1o1'.length);
    write(writer, eventOf(1));
    expect(writer.bytes).toBe(2 * one);
  });

  it('C1: are whole or not there, and no more than there is room for', () => {
    const writer = new EventColumnsWriter(1);
    expect(() => writer.close()).toThrow('event-columns C1');
    writer.open(EVENT_TYPE.insert, 0, 1, 1);
    expect(() => writer.open(EVENT_TYPE.insert, 0, 2, 2)).toThrow('event-columns C1');
    expect(() => writer.take()).toThrow('event-columns C1');
    writer.close();
    expect(() => writer.open(EVENT_TYPE.insert, 0, 2, 2)).toThrow('event-columns C1');
    expect(writer.take().count).toBe(1);
  });
});
