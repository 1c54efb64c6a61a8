import { READY_MODULE } from '@ashlar/api';
import type { PartitionId } from '@ashlar/core';
import { keyLockId } from '@ashlar/partitions';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { RecordKind } from '@ashlar/storage';
import { type CallContext, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { jest } from '@jest/globals';
import { HandCommits } from './testing/hand-commits.ts';
import { bench, KEY, MAP, put, SESSION } from './testing/kv-bench.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a log that listeners hold and that is full', () => {
  it('takes what listeners of other members write, and of nobody else', async () => {
    const { service, stream, store, mapIsKnown } = bench({ waitingMax: 0 });
    mapIsKnown();
    store.addConsumer(0 as PartitionId, { durable: true });
    const { answers, send } = stream();
    let number = 0;
    const write = (): number => {
      send(put('x'.repeat(900), ++number));
      return answers.at(-1)!.statuses[0]!;
    };
    while (write() !== STATUS.FAILED);
    expect(answers.at(-1)!.errors[0]!.error.code).toBe('LOG_FULL');
    const refusing = { require: () => Promise.reject(new Error('never called')) } as unknown as CallContext;
    await service.openSession({ session: SESSION, clientName: 'a client' }, refusing);
    expect(write()).toBe(STATUS.FAILED);
    const asked: string[] = [];
    const context = { require: (permission: string) => asked.push(permission) } as unknown as CallContext;
    await service.openSession({ session: SESSION, clientName: 'member b', forListeners: true }, context);
    expect([write(), asked]).toEqual([STATUS.TRUE, ['member']]);
  });
});

describe('a batch that waited for its map while its link broke', () => {
  it('does not overwrite what the caller wrote after sending it again', async () => {
    const { stream, value, metrics, mapIsKnown, mapIsMade } = bench();
    const broken = stream();
    broken.send(put(1, 1));
    broken.close();
    mapIsKnown();
    const fresh = stream();
    fresh.send(put(1, 1, { resent: true }));
    fresh.send(put(2, 2));
    expect([fresh.answers.length, value()]).toEqual([2, 2]);
    mapIsMade();
    await turn();
    expect(value()).toBe(2);
    expect(metrics.maps.all.map(({ counts }) => counts[2])).toEqual([2]);
  });

  it('is applied when nobody sent it again', async () => {
    const { stream, value, mapIsMade } = bench();
    const waiting = stream();
    waiting.send(put(1, 1));
    mapIsMade();
    await turn();
    expect([waiting.answers.length, value()]).toEqual([1, 1]);
  });
});

describe('a first copy that a stalled link holds', () => {
  const UNKNOWN = { statuses: Uint8Array.of(STATUS.FAILED), errors: [{ error: { code: 'OUTCOME_UNKNOWN' } }] };
  const ready = () => {
    const all = bench();
    all.mapIsKnown();
    return all;
  };
  const increment = (firstRequest: number, changes: Partial<KvBatch> = {}): KvBatch => {
    const values = encodeValue({ path: 'n', by: 1 });
    return put(0, firstRequest, {
      opcodes: Uint8Array.of(OPCODE.PROCESS),
      processors: [{ module: READY_MODULE, exportName: 'increment' }],
      processorOperations: Uint32Array.of(0),
      processorIndexes: Uint32Array.of(0),
      valueEnds: Uint32Array.of(values.length),
      values,
      ...changes,
    });
  };

  it.each([
    ['in numbers only', undefined, undefined],
    ['in numbered streams', 1, 2],
  ])('does not apply after its resend, %s', (_, old, now) => {
    const { stream, value } = ready();
    const [stalled, fresh] = [stream(old), stream(now)];
    fresh.send(put(1, 1, { resent: true }));
    fresh.send(put(2, 2));
    stalled.send(put(1, 1));
    expect([fresh.answers.length, stalled.answers.length, value()]).toEqual([2, 1, 2]);
  });

  it('is answered as its resend was while the session has not confirmed that answer', () => {
    const { stream } = ready();
    const [stalled, fresh] = [stream(), stream()];
    fresh.send(put(1, 1, { resent: true, opcodes: Uint8Array.of(OPCODE.PUT_IF_ABSENT) }));
    stalled.send(put(1, 1, { opcodes: Uint8Array.of(OPCODE.PUT_IF_ABSENT) }));
    expect(stalled.answers).toMatchObject([{ statuses: Uint8Array.of(STATUS.TRUE) }]);
  });

  it('does not apply once the answer to its resend is confirmed and forgotten', () => {
    const { stream, value, sessions } = ready();
    const [stalled, fresh] = [stream(), stream()];
    fresh.send(put(1, 1, { resent: true }));
    fresh.send(put(2, 2, { lowestUnanswered: 2 }));
    expect(sessions.touch(SESSION)?.recordCount).toBe(1);
    stalled.send(put(1, 1));
    expect(stalled.answers).toMatchObject([UNKNOWN]);
    expect(value()).toBe(2);
  });

  it('does not apply when it was given up and never sent again', () => {
    const { stream, value } = ready();
    const [stalled, fresh] = [stream(1), stream(2)];
    fresh.send(put(2, 2));
    stalled.send(put(1, 1));
    expect(stalled.answers).toMatchObject([UNKNOWN]);
    expect(value()).toBe(2);
  });

  it('does not apply below what the session confirmed to another member', () => {
    const { stream, value, sessions } = ready();
    sessions.touch(SESSION)!.raiseFloor(10);
    const stalled = stream();
    stalled.send(put(1, 1));
    expect(stalled.answers).toMatchObject([UNKNOWN]);
    expect(value()).toBeUndefined();
  });

  it('applies when it arrives first, and its resend is answered alike', () => {
    const { stream, value } = ready();
    const [stalled, fresh] = [stream(1), stream(2)];
    stalled.send(increment(1));
    fresh.send(increment(1, { resent: true }));
    expect([value(), stalled.answers.length, fresh.answers.length]).toEqual([{ n: 1 }, 1, 1]);
    expect(fresh.answers[0]!.values).toEqual(stalled.answers[0]!.values);
  });

  it('joins its resend while that waits for the key', () => {
    const { stream, value, gate } = ready();
    const [stalled, fresh] = [stream(), stream()];
    const name = keyLockId(MAP.id, KEY, 0, KEY.length);
    gate.hold(name);
    fresh.send(increment(1, { resent: true }));
    stalled.send(increment(1));
    gate.release(name);
    expect([value(), stalled.answers.length, fresh.answers.length]).toEqual([{ n: 1 }, 1, 1]);
  });

  it('does not count up twice, be it a processor or part of an atomic batch', () => {
    const { stream, value } = ready();
    const [stalled, fresh] = [stream(), stream()];
    fresh.send(increment(1, { resent: true }));
    fresh.send(put({ n: 7 }, 2, { resent: true, atomic: true }));
    fresh.send(increment(3));
    stalled.send(increment(1));
    stalled.send(put({ n: 7 }, 2, { atomic: true }));
    expect(value()).toEqual({ n: 8 });
  });

  it('of a session that is not known changes nothing and may be repeated', () => {
    const { stream, value, sessions } = ready();
    sessions.close(SESSION);
    const stalled = stream(1);
    stalled.send(put(1, 1));
    expect(stalled.answers).toMatchObject([{ errors: [{ error: { code: 'SESSION_EXPIRED' } }] }]);
    expect(value()).toBeUndefined();
  });

  it('is void also when it waited for its map meanwhile', async () => {
    const { stream, value, mapIsKnown, mapIsMade } = bench();
    const stalled = stream(1);
    stalled.send(put(1, 1));
    mapIsKnown();
    const fresh = stream(2);
    fresh.send(put(2, 2));
    mapIsMade();
    await turn();
    expect(stalled.answers).toMatchObject([UNKNOWN]);
    expect(value()).toBe(2);
  });
});

describe('a batch is said to be over, for its memory to be used again,', () => {
  const ready = (committer?: NonNullable<Parameters<typeof bench>[0]>['committer']) => {
    const all = bench(committer === undefined ? {} : { committer });
    all.mapIsKnown();
    return all;
  };
  const read = { opcodes: Uint8Array.of(OPCODE.GET), values: new Uint8Array(0), valueEnds: undefined };

  it('once, when it was answered at once', () => {
    const { over, send } = ready().stream();
    send(put(1, 1, { batchId: 11 }));
    send(put(0, 1, { batchId: 12, ...read }));
    send(put(2, 2, { batchId: 13, atomic: true }));
    expect(over).toEqual([11, 12, 13]);
  });

  it('not when anything of it failed, was repeated, or called a processor', () => {
    const { answers, over, send } = ready().stream();
    send(put('x'.repeat(2000), 1, { batchId: 11 }));
    expect(answers[0]!.statuses).toEqual(Uint8Array.of(STATUS.FAILED));
    send(put(1, 2, { batchId: 12, resent: true }));
    const values = encodeValue({ path: 'n', by: 1 });
    const call = {
      opcodes: Uint8Array.of(OPCODE.PROCESS),
      processors: [{ module: READY_MODULE, exportName: 'increment' }],
      processorOperations: Uint32Array.of(0),
      processorIndexes: Uint32Array.of(0),
      valueEnds: Uint32Array.of(values.length),
      values,
    };
    send(put({ n: 1 }, 3, { batchId: 13 }));
    send(put(0, 4, { batchId: 14, ...call }));
    expect([answers.length, over]).toEqual([4, [13]]);
  });

  it('not when it waited for a key', () => {
    const { stream, gate } = ready();
    const { answers, over, send } = stream();
    const name = keyLockId(MAP.id, KEY, 0, KEY.length);
    gate.hold(name);
    send(put(1, 1, { batchId: 11 }));
    expect(answers).toHaveLength(0);
    gate.release(name);
    expect([answers.length, over]).toEqual([1, []]);
  });

  it('not when its commit came late', () => {
    let commits: HandCommits | undefined;
    const { answers, over, send } = ready((store) => (commits = new HandCommits(store))).stream();
    send(put(1, 1, { batchId: 11 }));
    commits!.commit();
    expect([answers.length, over]).toEqual([1, []]);
  });
});

it('each record has the number of its own mutation, in whatever order they come', () => {
  const { stream, store, mapIsKnown } = bench();
  mapIsKnown();
  const { send } = stream();
  send(put(1, 5));
  const values = encodeValue(2);
  const keys = ['a', 'b', 'c'].map((name) => encodeKey(name));
  const [a, b] = [keys[0]!.length, keys[1]!.length];
  const many = put(2, 10, {
    count: 3,
    opcodes: Uint8Array.of(OPCODE.PUT, OPCODE.GET, OPCODE.PUT),
    partitions: new Uint32Array(3),
    keyEnds: Uint32Array.of(a, a + b, a + b + keys[2]!.length),
    keys: Buffer.concat(keys),
    valueEnds: Uint32Array.of(values.length, values.length, 2 * values.length),
    values: Buffer.concat([values, values]),
  });
  send(many);
  send({ ...many, batchId: 20, firstRequest: 20, requestOffsets: Uint32Array.of(4, 0, 1) });
  const numbers: number[] = [];
  store.readLog(0 as PartitionId, 1 as never, 100, (record) => {
    numbers.push(record.requestNumber);
  });
  expect(numbers).toEqual([5, 10, 11, 24, 21]);
});

describe('a key that comes again in a batch', () => {
  const twice = (changes: Partial<KvBatch>): KvBatch => {
    const one = put(1, 1);
    return put(1, 1, {
      count: 2,
      opcodes: Uint8Array.of(OPCODE.PUT, OPCODE.PUT),
      partitions: Uint32Array.of(0, 0),
      keyEnds: Uint32Array.of(KEY.length, 2 * KEY.length),
      keys: Buffer.concat([KEY, KEY]),
      valueEnds: Uint32Array.of(one.values.length, 2 * one.values.length),
      values: Buffer.concat([encodeValue(1), encodeValue(2)]),
      ...changes,
    });
  };

  it('has a version for each write', () => {
    const { stream, told, mapIsKnown } = bench();
    mapIsKnown();
    stream().send(twice({}));
    const [first, second] = told();
    expect([first!.value, second!.value, told().length]).toEqual([1, 2, 2]);
    expect(second!.version).toBeGreaterThan(first!.version);
  });

  it('has one, that of its last write, where the batch applies as a whole', () => {
    const { stream, told, mapIsKnown } = bench();
    mapIsKnown();
    stream().send(twice({ atomic: true }));
    expect(told()).toEqual([{ kind: RecordKind.put, version: expect.any(Number), value: 2 }]);
  });

  it.each([false, true])(
    'and a key that was due have a version each for its end and its new value (atomic: %s)',
    async (atomic) => {
      const { stream, told, mapIsKnown, later } = bench();
      mapIsKnown();
      const { send } = stream();
      send(put(1, 1, { ttlOperations: Uint32Array.of(0), ttlMs: Float64Array.of(5) }));
      later(20);
      send(put(2, 2, { atomic }));
      expect(told().map(({ kind, value }) => [kind, value])).toEqual([
        [RecordKind.put, 1],
        [RecordKind.expire, undefined],
        [RecordKind.put, 2],
      ]);
      expect(new Set(told().map(({ version }) => version)).size).toBe(3);
    },
  );
});

describe('a batch with something wrong in it', () => {
  const ready = () => {
    const all = bench();
    all.mapIsKnown();
    return all;
  };
  const failed = (code: string) => [{ statuses: Uint8Array.of(STATUS.FAILED), errors: [{ error: { code } }] }];

  it.each<[string, Partial<KvBatch>]>([
    ['a time to live of NaN', { ttlOperations: Uint32Array.of(0), ttlMs: Float64Array.of(Number.NaN) }],
    ['a negative time to live', { ttlOperations: Uint32Array.of(0), ttlMs: Float64Array.of(-5) }],
    ['an endless time to live', { ttlOperations: Uint32Array.of(0), ttlMs: Float64Array.of(Infinity) }],
  ])('such as %s is refused by operation', (_, changes) => {
    const { stream, value } = ready();
    const one = stream();
    one.send(put(1, 1, changes));
    expect(one.answers).toMatchObject(failed('INVALID_ARGUMENT'));
    expect(value()).toBeUndefined();
  });

  it.each([Number.NaN, -1, 1.5, Infinity])('such as a condition on version %d is refused', (version) => {
    const { stream, value } = ready();
    const one = stream();
    one.send(put(1, 1));
    const condition = { ifVersionOperations: Uint32Array.of(0), ifVersions: Float64Array.of(version) };
    one.send(put(2, 2, { opcodes: Uint8Array.of(OPCODE.REPLACE), ...condition }));
    expect(one.answers.slice(1)).toMatchObject(failed('INVALID_ARGUMENT'));
    expect(value()).toBe(1);
  });

  it('such as a name that is none refuses mutations of that map only', async () => {
    const { stream, value, mapIsMade } = ready();
    mapIsMade();
    const one = stream();
    const values = encodeValue(1);
    one.send(
      put(1, 1, {
        maps: ['m', 'no name'].map((name) => ({ ...put(1, 1).maps[0]!, name })),
        count: 3,
        opcodes: Uint8Array.of(OPCODE.PUT, OPCODE.PUT, OPCODE.GET),
        mapIndexes: Uint32Array.of(0, 1, 1),
        partitions: new Uint32Array(3),
        keyEnds: Uint32Array.of(KEY.length, KEY.length * 2, KEY.length * 3),
        keys: Buffer.concat([KEY, KEY, KEY]),
        valueEnds: Uint32Array.of(values.length, values.length * 2, values.length * 2),
        values: Buffer.concat([values, values]),
      }),
    );
    await turn();
    expect([...one.answers[0]!.statuses]).toEqual([STATUS.TRUE, STATUS.FAILED, STATUS.FALSE]);
    expect(one.answers[0]!.errors).toMatchObject([{ error: { code: 'INVALID_NAME' } }]);
    expect(value()).toBe(1);
  });

  it('and an exception that nobody foresaw is answered, and the next one too (B4)', () => {
    const { stream, value, store } = ready();
    const one = stream();
    const find = jest.spyOn(store, 'findNewest').mockImplementation(() => {
      throw new TypeError('a mistake of ours');
    });
    const begin = jest.spyOn(store, 'begin').mockImplementation(() => {
      throw new TypeError('a mistake of ours');
    });
    one.send(put(1, 1));
    one.send(put(1, 2, { opcodes: Uint8Array.of(OPCODE.GET), valueEnds: undefined }));
    one.send(put(1, 3, { atomic: true }));
    find.mockRestore();
    begin.mockRestore();
    one.send(put(4, 4));
    expect(one.answers).toMatchObject([...failed('INTERNAL'), ...failed('INTERNAL'), ...failed('INTERNAL'), {}]);
    expect(value()).toBe(4);
  });

  it('and an exception in a step that comes out of the gate is its own (B4)', () => {
    const { stream, value, store, gate } = ready();
    const [one, other] = [stream(), stream()];
    const name = keyLockId(MAP.id, KEY, 0, KEY.length);
    gate.hold(name);
    one.send(put(1, 1));
    one.send(put(2, 2, { atomic: true }));
    other.send(put(3, 3));
    const begin = jest.spyOn(store, 'begin');
    begin.mockImplementationOnce(() => {
      throw new TypeError('a mistake of ours');
    });
    gate.release(name);
    expect(one.answers).toMatchObject([...failed('INTERNAL'), { statuses: Uint8Array.of(STATUS.TRUE) }]);
    expect(other.answers).toMatchObject([{ statuses: Uint8Array.of(STATUS.TRUE) }]);
    expect(value()).toBe(3);
    begin.mockRestore();
  });

  it('and too many waiters are refused, atomic batches too', () => {
    const { stream, gate } = ready();
    const one = stream();
    gate.hold(keyLockId(MAP.id, KEY, 0, KEY.length));
    for (let number = 1; number <= 12; number++) one.send(put(number, number, { atomic: number > 5 }));
    expect(one.answers).toMatchObject([...failed('OVERLOADED'), ...failed('OVERLOADED')]);
    expect(gate.waitingCount).toBe(10);
  });

  it('and as many mutations as one may have is answered in good time when it is sent again', () => {
    const { stream } = ready();
    const one = stream();
    const count = 100_000;
    const many = put(1, 1, {
      count,
      resent: true,
      opcodes: new Uint8Array(count).fill(OPCODE.REMOVE),
      partitions: new Uint32Array(count),
      keyEnds: Uint32Array.from({ length: count }, (_, at) => (at + 1) * KEY.length),
      keys: Buffer.concat(new Array<Uint8Array>(count).fill(KEY)),
      valueEnds: undefined,
    });
    one.send(many);
    one.send({ ...many, batchId: 2, requestOffsets: Uint32Array.from({ length: count }, (_, at) => count - 1 - at) });
    expect(one.answers.map(({ statuses }) => statuses.length)).toEqual([count, count]);
    expect(one.answers.flatMap(({ errors }) => errors)).toEqual([]);
  });
});
