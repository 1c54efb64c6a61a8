import type { EntryEvent } from '@ashlar/api';
import { GridError, seededRandom } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { EVENT_TYPES, type EventBatch } from '@ashlar/transport';
import { EventReader, type ResolvedOutput } from './event-reader.ts';
import { HandedPlaces } from './handed-places.ts';

type Numbers = EntryEvent<string, number>;

const DONE = { done: true, value: undefined };

let places: HandedPlaces;
let isPlaced: boolean;
let over: number;
let reader: EventReader<string, number>;

beforeEach(() => {
  places = new HandedPlaces(1);
  isPlaced = true;
  over = 0;
  reader = new EventReader('m', places, {
    isPlaced: () => isPlaced,
    onOver: () => {
      over += 1;
      reader.end(undefined);
    },
  });
});

/** Changes of key 'k' at these sequences, with these values. */
function batchOf(values: readonly number[]): EventBatch {
  const key = encodeKey('k');
  const bytes = values.map((value) => encodeValue(value));
  let valueEnd = 0;
  return {
    count: values.length,
    types: new Uint8Array(values.length).fill(EVENT_TYPES.indexOf('insert')),
    partitions: new Uint32Array(values.length),
    sequences: Float64Array.from(values),
    versions: Float64Array.from(values),
    keyEnds: Uint32Array.from(values, (_, index) => (index + 1) * key.length),
    keys: Buffer.concat(values.map(() => key)),
    valueEnds: Uint32Array.from(bytes, ({ length }) => (valueEnd += length)),
    values: Buffer.concat(bytes),
    oldValueEnds: new Uint32Array(values.length),
    oldValues: new Uint8Array(0),
  };
}

function put(...values: number[]): void {
  reader.putEvents({ kind: 'events', events: batchOf(values), number: 1 });
}

function resolved(version: number): ResolvedOutput {
  const counts = { batches: 0, dividedByZero: 0, oddValues: 0 };
  return { kind: 'resolved', version, partitions: [0], sequences: [version], ...counts };
}

const valueIn = ({ value }: IteratorResult<Numbers>): number | undefined => (value as Numbers | undefined)?.value;

describe('the reader of a subscription', () => {
  it('hands out what came in its order, also to those who asked before (event-reader E1)', async () => {
    const early = [reader.next(), reader.next(), reader.next()];
    put(1, 2);
    put(3, 4);
    expect((await Promise.all(early)).map(valueIn)).toEqual([1, 2, 3]);
    expect(valueIn(await reader.next())).toBe(4);
    expect([...places.sequences]).toEqual([4]);
  });

  it('hands out what came before the error, throws it once, and is done (event-reader E2)', async () => {
    put(1);
    reader.end(new GridError('SEQUENCE_GONE', 'gone'));
    expect(valueIn(await reader.next())).toBe(1);
    await expect(reader.next()).rejects.toMatchObject({ code: 'SEQUENCE_GONE' });
    expect(await reader.next()).toEqual(DONE);
    expect(over).toBe(1);
  });

  it('rejects the first of those who wait, and is done for the others', async () => {
    const waiting = [reader.next(), reader.next(), reader.next()];
    reader.end(new GridError('SLOW_CONSUMER', 'slow'));
    await expect(waiting[0]).rejects.toMatchObject({ code: 'SLOW_CONSUMER' });
    expect(await Promise.all(waiting.slice(1))).toEqual([DONE, DONE]);
  });

  it('is done at once when its reader wants no more', async () => {
    put(1, 2);
    await reader.next();
    reader.end(undefined);
    expect(await reader.next()).toEqual(DONE);
  });

  it('hands out nothing before all places are known (event-reader E3)', async () => {
    isPlaced = false;
    put(1);
    const first = reader.next();
    reader.wake();
    expect([...places.sequences]).toEqual([0]);
    isPlaced = true;
    reader.wake();
    expect(valueIn(await first)).toBe(1);
  });

  it('tells of a resolved version when what came before is taken', async () => {
    const told: number[] = [];
    put(1);
    reader.putResolved(resolved(7), ({ version }) => told.push(version));
    put(8);
    await reader.next();
    expect(told).toEqual([]);
    await reader.next();
    expect(told).toEqual([7]);
  });

  it('ends with what a listener of resolved versions throws', async () => {
    const waiting = [reader.next(), reader.next()];
    const wrong = new Error('of the application');
    reader.putResolved(resolved(7), () => {
      throw wrong;
    });
    await expect(waiting[0]).rejects.toBe(wrong);
    expect(await waiting[1]).toEqual(DONE);
    expect(over).toBe(1);
  });

  it('ends with a value that cannot be read', async () => {
    const events = { ...batchOf([1]), values: Uint8Array.of(0xc1) };
    reader.putEvents({ kind: 'events', events, number: 1 });
    await expect(reader.next()).rejects.toMatchObject({ code: 'CORRUPT_DATA' });
    expect(await reader.next()).toEqual(DONE);
  });

  it('takes a few messages, and more when some were taken', async () => {
    for (let at = 1; at <= 4; at++) put(at);
    expect(reader.hasRoom).toBe(false);
    let hasRoom = false;
    const room = reader.room().then(() => {
      hasRoom = true;
    });
    await Promise.resolve();
    expect(hasRoom).toBe(false);
    await reader.next();
    await room;
    expect(reader.hasRoom).toBe(true);
  });

  it('lets those who wait for room go when it ends', async () => {
    for (let at = 1; at <= 4; at++) put(at);
    const room = reader.room();
    reader.end(undefined);
    await room;
  });

  it('agrees with a plain list over random turns', async () => {
    const random = seededRandom(5);
    const taken: Promise<IteratorResult<Numbers>>[] = [];
    let next = 1;
    for (let turn = 0; turn < 2000; turn++) {
      if (random.next() < 0.4) put(...Array.from({ length: 1 + random.below(4) }, () => next++));
      else taken.push(reader.next());
    }
    while (taken.length < next - 1) taken.push(reader.next());
    const values = (await Promise.all(taken.slice(0, next - 1))).map(valueIn);
    expect(values).toEqual(Array.from({ length: next - 1 }, (_, index) => index + 1));
  });
});
