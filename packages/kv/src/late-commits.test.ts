/** What callers are told while commits come late, and when some never come. */
import { seededRandom } from '@ashlar/core';
import { HELD_KINDS, LateCommits } from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { jest } from '@jest/globals';
import { HandCommits } from './testing/hand-commits.ts';
import { bench, KEY, put } from './testing/kv-bench.ts';

const OTHER = 8;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function ready(partitionCount = 1) {
  let commits!: HandCommits;
  const all = bench({ partitionCount, committer: (store) => (commits = new HandCommits(store)) });
  all.mapIsKnown();
  all.sessions.open(OTHER);
  return { ...all, commits };
}

let lastBatch = 1000;
function read(opcode: number = OPCODE.GET, changes: Partial<KvBatch> = {}): KvBatch {
  const nothing = { values: new Uint8Array(0), valueEnds: undefined };
  return put(0, 1, { batchId: ++lastBatch, opcodes: Uint8Array.of(opcode), ...nothing, ...changes });
}

function op(opcode: number, value: unknown, number: number, changes: Partial<KvBatch> = {}): KvBatch {
  return put(value, number, { opcodes: Uint8Array.of(opcode), ...changes });
}

const ifVersion = (version: number): Partial<KvBatch> => ({
  ifVersionOperations: Uint32Array.of(0),
  ifVersions: Float64Array.of(version),
});

/** Status and value of each operation of a one-operation batch, by batch. */
function told(answers: readonly KvAnswers[]): [number, unknown][] {
  return answers.map(({ statuses, values, errors }) => {
    if (errors.length > 0) return [statuses[0]!, errors[0]!.error.code];
    return [statuses[0]!, values.length === 0 ? undefined : decodeValue(values, 0, values.length)];
  });
}

describe('an answer is told with the commit of what it tells', () => {
  it('of a put, which nobody else sees before', () => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(put(1, 1));
    other.send(read(OPCODE.GET, { session: OTHER }));
    expect([writer.answers, told(other.answers)]).toEqual([[], [[STATUS.FALSE, undefined]]]);
    commits.commit();
    other.send(read(OPCODE.GET, { session: OTHER }));
    expect(told(writer.answers)).toEqual([[STATUS.TRUE, undefined]]);
    expect(told(other.answers).at(-1)).toEqual([STATUS.TRUE, 1]);
  });

  it('of a remove, and of two writes of one key in flight', () => {
    const { stream, commits, value } = ready();
    const { send, answers } = stream();
    send(put(1, 1));
    send(put(2, 2));
    send(op(OPCODE.REMOVE, 0, 3));
    send(put(4, 4));
    expect([answers, commits.waiting.length]).toEqual([[], 4]);
    commits.commit();
    expect(told(answers)).toEqual([1, 2, 3, 4].map(() => [STATUS.TRUE, undefined]));
    expect(value()).toBe(4);
  });
});

describe('an answer is told with the commit of what it was derived from', () => {
  it.each<[string, number, Partial<KvBatch>, [number, unknown]]>([
    ['a condition that fails', OPCODE.PUT_IF_ABSENT, {}, [STATUS.FALSE, undefined]],
    ['a version that is another', OPCODE.REPLACE, ifVersion(7), [STATUS.FALSE, undefined]],
    ['an old value that is replaced', OPCODE.GET_AND_PUT, {}, [STATUS.TRUE, 1]],
    ['an old value that is removed', OPCODE.GET_AND_REMOVE, {}, [STATUS.TRUE, 1]],
  ])('%s', (_, opcode, changes, expected) => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(put(1, 1));
    other.send(op(opcode, 2, 1, { session: OTHER, ...changes }));
    expect([writer.answers, other.answers]).toEqual([[], []]);
    commits.commit();
    expect(told(other.answers)).toEqual([expected]);
  });

  it('the absence of a key that was removed, to a mutation of anybody and to a read of its session', () => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(put(1, 1));
    commits.commit();
    writer.send(op(OPCODE.REMOVE, 0, 2));
    writer.send(read());
    other.send(op(OPCODE.REMOVE, 0, 1, { session: OTHER }));
    other.send(op(OPCODE.REPLACE, 3, 2, { session: OTHER }));
    other.send(read(OPCODE.GET, { session: OTHER }));
    expect([writer.answers.length, told(other.answers)]).toEqual([1, [[STATUS.TRUE, 1]]]);
    commits.commit();
    expect(told(writer.answers).slice(1)).toEqual([
      [STATUS.TRUE, undefined],
      [STATUS.FALSE, undefined],
    ]);
    expect(
      told(other.answers)
        .slice(1)
        .map(([status]) => status),
    ).toEqual([STATUS.FALSE, STATUS.FALSE]);
  });

  it.each([OPCODE.GET, OPCODE.PUT_IF_ABSENT, OPCODE.REMOVE])(
    'the absence of a key that is due (operation %i)',
    (opcode) => {
      const { stream, commits, later } = ready();
      const [writer, other] = [stream(), stream()];
      writer.send(put(1, 1, { ttlOperations: Uint32Array.of(0), ttlMs: Float64Array.of(5) }));
      commits.commit();
      later(20);
      other.send(opcode === OPCODE.GET ? read(opcode, { session: OTHER }) : op(opcode, 2, 1, { session: OTHER }));
      expect(other.answers).toEqual([]);
      commits.commit();
      const isDone = opcode === OPCODE.PUT_IF_ABSENT;
      expect(told(other.answers)).toEqual([[isDone ? STATUS.TRUE : STATUS.FALSE, undefined]]);
    },
  );

  it('a condition on the version of what is sealed', () => {
    const { stream, commits } = ready();
    const { send, answers } = stream();
    send(put(1, 1));
    send(read(OPCODE.GET_ENTRY));
    const [sealed] = commits.waiting;
    send(op(OPCODE.REPLACE, 2, 2, ifVersion(sealed!.version)));
    send(op(OPCODE.REPLACE, 3, 3, ifVersion(sealed!.version)));
    expect(answers).toEqual([]);
    commits.commit();
    expect(answers.find(({ versions }) => versions !== undefined)!.versions![0]).toBe(sealed!.version);
    expect(told(answers).map(([status]) => status)).toEqual([STATUS.TRUE, STATUS.TRUE, STATUS.TRUE, STATUS.FALSE]);
  });

  it('whatever an atomic batch saw and staged', () => {
    const { stream, commits } = ready();
    const { send, answers } = stream();
    send(put(1, 1));
    send(op(OPCODE.PUT_IF_ABSENT, 2, 2, { atomic: true }));
    send(op(OPCODE.GET_AND_PUT, 3, 3, { atomic: true }));
    expect(answers).toEqual([]);
    commits.commit();
    expect(told(answers).slice(1)).toEqual([
      [STATUS.FALSE, undefined],
      [STATUS.TRUE, 1],
    ]);
  });
});

describe('a read of a session', () => {
  it('sees what the session wrote, held, on every stream of it', () => {
    const { stream, commits } = ready();
    const [writer, reader] = [stream(), stream()];
    writer.send(put(1, 1));
    reader.send(read());
    expect(reader.answers).toEqual([]);
    commits.commit();
    expect(told(reader.answers)).toEqual([[STATUS.TRUE, 1]]);
  });

  it('sees what it wrote also where another session wrote after it', () => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(put(1, 1));
    other.send(put(2, 1, { session: OTHER }));
    writer.send(read());
    expect(writer.answers).toEqual([]);
    commits.commit();
    expect(told(writer.answers).at(-1)).toEqual([STATUS.TRUE, 2]);
  });

  it('is not held where the session has nothing undecided', () => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(put(1, 1));
    commits.commit();
    writer.send(put(2, 2));
    other.send(read(OPCODE.GET, { session: OTHER }));
    expect(told(other.answers)).toEqual([[STATUS.TRUE, 1]]);
  });

  it('that comes in a batch which only reads, and so names no session, sees what its stream wrote', () => {
    const { stream, commits } = ready();
    const { send, answers } = stream();
    send(put(1, 1));
    send(read(OPCODE.GET, { session: 0 }));
    expect(answers).toEqual([]);
    commits.commit();
    expect(told(answers).at(-1)).toEqual([STATUS.TRUE, 1]);
  });

  it('that a stream without a session sends sees what that stream wrote', () => {
    const { stream, commits } = ready();
    const { send, answers } = stream();
    send(put(1, 1, { session: 0 }));
    send(read(OPCODE.GET, { session: 0 }));
    expect(answers).toEqual([]);
    commits.commit();
    expect(told(answers).at(-1)).toEqual([STATUS.TRUE, 1]);
  });
});

describe('a mutation that is sent again', () => {
  it('while its first sending is undecided joins it', () => {
    const { stream, commits, value } = ready();
    const [first, second] = [stream(1), stream(2)];
    first.send(op(OPCODE.PUT_IF_ABSENT, 1, 1));
    second.send(op(OPCODE.PUT_IF_ABSENT, 1, 1, { resent: true }));
    expect([second.answers, commits.waiting.length]).toEqual([[], 1]);
    commits.commit();
    expect([told(second.answers), value()]).toEqual([[[STATUS.TRUE, undefined]], 1]);
  });

  it('after it was lost is applied as if for the first time, once', async () => {
    const { stream, commits, value } = ready();
    const { send, answers } = stream();
    send(op(OPCODE.GET_AND_PUT, 1, 1));
    commits.drop();
    await turn();
    expect(told(answers)).toEqual([[STATUS.FAILED, 'IN_DOUBT']]);
    send(op(OPCODE.GET_AND_PUT, 1, 1, { batchId: 2, resent: true }));
    send(op(OPCODE.GET_AND_PUT, 1, 1, { batchId: 3, resent: true }));
    commits.commit();
    expect(told(answers).slice(1)).toEqual([
      [STATUS.FALSE, undefined],
      [STATUS.FALSE, undefined],
    ]);
    expect(value()).toBe(1);
  });
});

describe('what is lost', () => {
  it('takes with it whatever hung on it: mutations are in doubt, reads are read again', async () => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(put(1, 1));
    commits.commit();
    writer.send(put(2, 2));
    writer.send(read());
    writer.send(op(OPCODE.GET_AND_PUT, 3, 3));
    other.send(op(OPCODE.PUT_IF_ABSENT, 4, 1, { session: OTHER }));
    commits.drop();
    await turn();
    expect(told(writer.answers.slice(1)).sort()).toEqual(
      [
        [STATUS.FAILED, 'IN_DOUBT'],
        [STATUS.TRUE, 1],
        [STATUS.FAILED, 'IN_DOUBT'],
      ].sort(),
    );
    expect(told(other.answers)).toEqual([[STATUS.FAILED, 'IN_DOUBT']]);
    expect(writer.answers.every(({ values, errors }) => errors.length === 0 || values.length === 0)).toBe(true);
  });

  it('in one partition concerns no other', async () => {
    const { stream, commits } = ready(2);
    const { send, answers } = stream();
    send(two(1));
    commits.drop(1);
    commits.commit();
    await until(() => answers.flatMap(({ statuses }) => [...statuses]).length === 2);
    const outcomes = answers.flatMap(({ firstOperation = 0, statuses }) =>
      [...statuses].map((status, at) => [firstOperation + at, status]),
    );
    expect(outcomes.sort()).toEqual([
      [0, STATUS.TRUE],
      [1, STATUS.FAILED],
    ]);
  });
});

/** A put in each of two partitions. */
function two(number: number): KvBatch {
  const [a, b] = [keyIn(0), keyIn(1)];
  const values = encodeValue(number);
  return put(number, number, {
    count: 2,
    opcodes: Uint8Array.of(OPCODE.PUT, OPCODE.PUT),
    partitions: Uint32Array.of(0, 1),
    keyEnds: Uint32Array.of(a.length, a.length + b.length),
    keys: Buffer.concat([a, b]),
    valueEnds: Uint32Array.of(values.length, 2 * values.length),
    values: Buffer.concat([values, values]),
  });
}

it('a partition whose commits are late holds up no other, also of the same batch', async () => {
  const { stream, commits } = ready(2);
  const { send, answers } = stream();
  send(two(1));
  send(two(3));
  commits.commit(1);
  await until(() => answers.length === 2);
  expect(answers.map(({ firstOperation, statuses }) => [firstOperation, statuses.length])).toEqual([
    [1, 1],
    [1, 1],
  ]);
  commits.commit(0);
  expect(answers.length).toBe(4);
});

it('what is answered waits for the rest of its message as long as commits usually take, and no longer', () => {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  try {
    const { stream, commits, writes } = ready(2);
    const { send, answers } = stream();
    for (let commit = 0; commit < 100; commit++) writes.pace.note(4);
    send(two(1));
    commits.commit(1);
    jest.advanceTimersByTime(10);
    expect(answers).toEqual([]);
    jest.advanceTimersByTime(15);
    expect(answers.map(({ firstOperation, statuses }) => [firstOperation, statuses.length])).toEqual([[1, 1]]);
    commits.commit(0);
    expect(answers.length).toBe(2);
  } finally {
    jest.useRealTimers();
  }
});

it('a long batch whose partitions commit in any order is answered once an operation', async () => {
  const partitionCount = 8;
  const { stream, commits } = ready(partitionCount);
  const { send, answers } = stream();
  const count = 1000;
  const keys = Array.from({ length: count }, (_, at) => encodeKey(`k${at}`));
  const values = keys.map((_, at) => encodeValue(at));
  const endsOf = (parts: readonly Uint8Array[]): Uint32Array => {
    let end = 0;
    return Uint32Array.from(parts, ({ length }) => (end += length));
  };
  send(
    put(0, 1, {
      count,
      opcodes: new Uint8Array(count).fill(OPCODE.PUT),
      partitions: Uint32Array.from(keys, (key) => partitionOf(key, 0, key.length, 0, partitionCount)),
      keyEnds: endsOf(keys),
      keys: Buffer.concat(keys),
      valueEnds: endsOf(values),
      values: Buffer.concat(values),
    }),
  );
  const answered = (): number => answers.reduce((sum, { statuses }) => sum + statuses.length, 0);
  for (const partition of [1, 0, 2, 3, 4, 5, 6, 7]) {
    const before = answered();
    commits.commit(partition);
    await until(() => answered() > before);
  }
  const times = new Uint8Array(count);
  for (const { firstOperation = 0, statuses } of answers) {
    for (let at = 0; at < statuses.length; at++) times[firstOperation + at]!++;
  }
  expect(times.every((time) => time === 1)).toBe(true);
});

it('more batches than there may be under way wait for their turn, in order, and none is refused', async () => {
  const { stream, commits, value, store, writes } = ready();
  const { send, answers } = stream();
  const count = store.freeBatches + 1000;
  for (let number = 1; number <= count; number++) send(op(OPCODE.GET_AND_PUT, number, number));
  expect([answers.length, commits.waiting.length < count, writes.turns.waitingCount]).toEqual([0, true, 1]);
  while (answers.length < count) {
    commits.commit();
    await turn();
  }
  expect(told(answers).map(([, old]) => old)).toEqual([
    undefined,
    ...Array.from({ length: count - 1 }, (_, at) => at + 1),
  ]);
  expect([value(), writes.turns.waitingCount]).toEqual([count, 0]);
});

it('a batch that writes one key more often than there may be batches goes on in its turn', async () => {
  const { stream, commits, value, store } = ready();
  const { send, answers } = stream();
  const count = store.freeBatches + 10;
  const values = Array.from({ length: count }, (_, at) => encodeValue(at));
  let end = 0;
  send(
    put(0, 1, {
      count,
      opcodes: new Uint8Array(count).fill(OPCODE.PUT),
      partitions: new Uint32Array(count),
      keyEnds: Uint32Array.from({ length: count }, (_, at) => (at + 1) * KEY.length),
      keys: Buffer.concat(new Array<Uint8Array>(count).fill(KEY)),
      valueEnds: Uint32Array.from(values, ({ length }) => (end += length)),
      values: Buffer.concat(values),
    }),
  );
  send(read());
  const answered = (): number => answers.reduce((sum, { statuses }) => sum + statuses.length, 0);
  while (answered() < count + 1) {
    commits.commit();
    await turn();
  }
  expect(answers.every(({ errors }) => errors.length === 0)).toBe(true);
  expect([value(), told(answers.filter(({ batchId }) => batchId === lastBatch))]).toEqual([
    count - 1,
    [[STATUS.TRUE, count - 1]],
  ]);
});

it('answers held are counted by what they tell', () => {
  const { stream, commits, writes } = ready();
  const [writer, other] = [stream(), stream()];
  writer.send(put(1, 1));
  writer.send(op(OPCODE.GET_AND_PUT, 2, 2));
  writer.send(read());
  writer.send(op(OPCODE.PUT_IF_ABSENT, 3, 3));
  writer.send(op(OPCODE.REMOVE, 3, 4));
  other.send(op(OPCODE.REPLACE, 3, 1, { session: OTHER }));
  writer.send(op(OPCODE.REMOVE, 3, 4, { batchId: 77, resent: true }));
  commits.commit();
  const counts = HELD_KINDS.map((kind) => [kind, writes.held.of(kind)]).filter(([, count]) => count !== 0);
  expect(Object.fromEntries(counts)).toEqual({
    ...{ put: 1, 'old-value': 1, 'own-read': 1, condition: 1, remove: 1, absence: 1, duplicate: 1 },
  });
});

describe.each([1, 2, 3, 4])('operations that one caller sends without waiting (seed %i)', (seed) => {
  it('are answered as if they were run one by one', async () => {
    const random = seededRandom(seed);
    const { stream, mapIsKnown } = bench({
      committer: (store) =>
        new LateCommits(store, {
          ...{ random: seededRandom(seed), delayMaxMs: 3, dropShare: 0, nowMs: () => performance.now() },
          later: (ms, run) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
          },
        }),
    });
    mapIsKnown();
    const { send, answers } = stream();
    const twin = new Map<string, number>();
    const expected = new Map<number, [number, unknown]>();
    const kinds: number[] = [OPCODE.PUT, OPCODE.GET, OPCODE.GET_AND_PUT, OPCODE.PUT_IF_ABSENT, OPCODE.REPLACE];
    kinds.push(OPCODE.REMOVE, OPCODE.GET_AND_REMOVE, OPCODE.HAS);
    let number = 1;
    for (let batchId = 1; batchId <= 600; batchId++) {
      const name = `k${random.below(4)}`;
      const opcode = kinds[random.below(kinds.length)]!;
      const isRead = opcode === OPCODE.GET || opcode === OPCODE.HAS;
      const key = encodeKey(name);
      const changes = { batchId, opcodes: Uint8Array.of(opcode), keyEnds: Uint32Array.of(key.length), keys: key };
      send(isRead ? read(opcode, changes) : put(batchId, number++, { ...changes, atomic: random.below(5) === 0 }));
      expected.set(batchId, run(twin, opcode, name, batchId));
      if (random.below(8) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(3)));
    }
    await until(() => answers.length === expected.size);
    for (const one of answers) expect([one.batchId, ...told([one])]).toEqual([one.batchId, expected.get(one.batchId)]);
  });
});

/** What an operation is answered by a map. */
function run(twin: Map<string, number>, opcode: number, key: string, value: number): [number, unknown] {
  const old = twin.get(key);
  const has = twin.has(key);
  const isTrue = (is: boolean): number => (is ? STATUS.TRUE : STATUS.FALSE);
  switch (opcode) {
    case OPCODE.PUT:
      twin.set(key, value);
      return [STATUS.TRUE, undefined];
    case OPCODE.GET:
      return [isTrue(has), old];
    case OPCODE.HAS:
      return [isTrue(has), undefined];
    case OPCODE.PUT_IF_ABSENT:
      if (!has) twin.set(key, value);
      return [isTrue(!has), undefined];
    case OPCODE.REPLACE:
      if (has) twin.set(key, value);
      return [isTrue(has), undefined];
    case OPCODE.GET_AND_PUT:
      twin.set(key, value);
      return [isTrue(has), old];
    default:
      twin.delete(key);
      return [isTrue(has), opcode === OPCODE.GET_AND_REMOVE ? old : undefined];
  }
}

/** A key in this partition of a grid of two. */
function keyIn(partition: number): Uint8Array {
  for (let at = 0; ; at++) {
    const key = encodeKey(`k${at}`);
    if (partitionOf(key, 0, key.length, 0, 2) === partition) return key;
  }
}
