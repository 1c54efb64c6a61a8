/** What is answered to mutations that are sent again, where memory knows of them and where only the log does. */
import { READY_MODULE } from '@ashlar/api';
import type { Serving } from '@ashlar/cluster';
import { type Epoch, GridError, type PartitionId } from '@ashlar/core';
import { keyLockId } from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { jest } from '@jest/globals';
import { HandCommits } from './testing/hand-commits.ts';
import { type BenchOptions, bench, KEY, MAP, put, SESSION } from './testing/kv-bench.ts';

const PARTITION = 0 as PartitionId;
const OTHER = 8;
const AGAIN = { resent: true } as const;
const NOTHING = { values: new Uint8Array(0), valueEnds: undefined } as const;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(isTrue: () => boolean): Promise<void> {
  for (let turns = 0; turns < 10_000 && !isTrue(); turns++) await turn();
  expect(isTrue()).toBe(true);
}

/** A service that keeps no answers: what it knows of the past it has from the log. */
function forgetful(options: BenchOptions = {}) {
  const all = bench({ answerBytesMax: 0, ...options });
  all.mapIsKnown();
  all.sessions.open(OTHER);
  return all;
}

function op(opcode: number, value: unknown, number: number, changes: Partial<KvBatch> = {}): KvBatch {
  const nothing = value === undefined ? NOTHING : {};
  return put(value ?? 0, number, { opcodes: Uint8Array.of(opcode), ...nothing, ...changes });
}

function ready(exportName: string, args: unknown, number: number, changes: Partial<KvBatch> = {}): KvBatch {
  return op(OPCODE.PROCESS, args, number, {
    processors: [{ module: READY_MODULE, exportName }],
    processorOperations: Uint32Array.of(0),
    processorIndexes: Uint32Array.of(0),
    ...changes,
  });
}

/** Puts of several keys in one batch, numbered from `first`. */
function puts(names: readonly string[], first: number, changes: Partial<KvBatch> = {}): KvBatch {
  const keys = names.map((name) => encodeKey(name));
  const values = names.map((name) => encodeValue(name));
  const ends = (parts: readonly Uint8Array[]): Uint32Array => {
    let end = 0;
    return Uint32Array.from(parts, ({ length }) => (end += length));
  };
  return put(0, first, {
    count: names.length,
    opcodes: new Uint8Array(names.length).fill(OPCODE.PUT),
    partitions: new Uint32Array(names.length),
    ...{ keyEnds: ends(keys), keys: Buffer.concat(keys), valueEnds: ends(values), values: Buffer.concat(values) },
    ...changes,
  });
}

/** Status and value, or code, of the one operation of each batch. */
function seen(answers: readonly KvAnswers[]): [number, unknown][] {
  return answers.map(({ statuses, values, errors }) => [
    statuses[0]!,
    errors[0]?.error.code ?? (values.length === 0 ? undefined : decodeValue(values, 0, values.length)),
  ]);
}

describe('a mutation whose answer was withheld, for nobody could vouch for its partition at that moment', () => {
  /** A service whose leases end when its commits come, and hold again afterwards. */
  function doubtful() {
    let commits!: HandCommits;
    let isLeaseOver = false;
    const over = new GridError('LEASE_EXPIRED', 'no lease');
    const serving: Partial<Serving> = {
      servedChanges: 0,
      admits: () => !isLeaseOver,
      readRefusal: () => (isLeaseOver ? over : undefined),
      writeRefusal: () => (isLeaseOver ? over : undefined),
      isAllServedSince: () => !isLeaseOver,
    };
    const all = bench({ committer: (store) => (commits = new HandCommits(store)), serving });
    all.mapIsKnown();
    const commitInDoubt = (): void => {
      isLeaseOver = true;
      commits.commit();
      isLeaseOver = false;
    };
    return { ...all, commitInDoubt };
  }

  it.each<[string, KvBatch, [number, unknown], unknown]>([
    ['increment', ready('increment', { path: 'n', by: 1 }, 1), [STATUS.TRUE, 1], { n: 1 }],
    ['getAndPut', op(OPCODE.GET_AND_PUT, 'new', 1), [STATUS.FALSE, undefined], 'new'],
    ['putIfAbsent', op(OPCODE.PUT_IF_ABSENT, 'new', 1), [STATUS.TRUE, undefined], 'new'],
  ])('was applied, and is once when it is asked for again: %s', (_, batch, answer, after) => {
    const { stream, value, commitInDoubt, told } = doubtful();
    const { send, answers } = stream();
    send(batch);
    commitInDoubt();
    expect(seen(answers)).toEqual([[STATUS.FAILED, 'IN_DOUBT']]);
    send({ ...batch, ...AGAIN });
    expect([seen(answers)[1], value(), told().length]).toEqual([answer, after, 1]);
  });

  it('is void where its first copy comes behind the one that was in doubt', () => {
    const { stream, value, commitInDoubt, told } = doubtful();
    const { send, answers } = stream();
    send(ready('increment', { path: 'n', by: 1 }, 1, AGAIN));
    commitInDoubt();
    send(ready('increment', { path: 'n', by: 1 }, 1));
    expect([seen(answers)[1], value(), told().length]).toEqual([[STATUS.FAILED, 'OUTCOME_UNKNOWN'], { n: 1 }, 1]);
  });
});

describe('a mutation that only the log remembers', () => {
  it.each<[string, KvBatch, [number, unknown], unknown]>([
    ['put', op(OPCODE.PUT, 'new', 5), [STATUS.TRUE, undefined], 'new'],
    ['replace', op(OPCODE.REPLACE, 'new', 5), [STATUS.TRUE, undefined], 'new'],
    ['getAndPut', op(OPCODE.GET_AND_PUT, 'new', 5), [STATUS.TRUE, 'old'], 'new'],
    ['remove', op(OPCODE.REMOVE, undefined, 5), [STATUS.TRUE, undefined], undefined],
    ['getAndRemove', op(OPCODE.GET_AND_REMOVE, undefined, 5), [STATUS.TRUE, 'old'], undefined],
  ])('is answered as before, whatever came since: %s', (_, batch, answer, after) => {
    const { stream, value } = forgetful();
    const [first, second] = [stream(1), stream(2)];
    first.send(put('old', 1));
    first.send(batch);
    expect(value()).toEqual(after);
    second.send(put('later', 6));
    second.send({ ...batch, ...AGAIN, batchId: 7 });
    expect([seen(first.answers).at(-1), seen(second.answers).at(-1), value()]).toEqual([answer, answer, 'later']);
  });

  it('is answered as before where there was nothing before: putIfAbsent, getAndPut', () => {
    for (const [opcode, status] of [
      [OPCODE.PUT_IF_ABSENT, STATUS.TRUE],
      [OPCODE.GET_AND_PUT, STATUS.FALSE],
    ] as const) {
      const { stream, told } = forgetful();
      const { send, answers } = stream();
      send(op(opcode, 'new', 1));
      send(op(opcode, 'new', 1, AGAIN));
      expect([seen(answers), told().length]).toEqual([
        [
          [status, undefined],
          [status, undefined],
        ],
        1,
      ]);
    }
  });

  it('is counted once, and answered with the sum of then: increment', () => {
    const { stream, value } = forgetful();
    const { send, answers } = stream();
    for (const number of [1, 2]) send(ready('increment', { path: 'n', by: 1 }, number));
    send(ready('increment', { path: 'n', by: 1 }, 1, AGAIN));
    expect([value(), seen(answers)[2]]).toEqual([{ n: 2 }, seen(answers)[0]]);
  });

  it('and that changed nothing is carried out now: its caller has no answer yet', () => {
    const { stream, value } = forgetful();
    const { send, answers } = stream();
    send(put('old', 1));
    send(op(OPCODE.PUT_IF_ABSENT, 'new', 2));
    send(op(OPCODE.REMOVE, undefined, 3));
    send(op(OPCODE.PUT_IF_ABSENT, 'new', 2, AGAIN));
    expect([seen(answers).map(([status]) => status), value()]).toEqual([[1, 0, 1, 1], 'new']);
  });

  it('is unknown once the log has dropped what came since it was first sent', () => {
    const { stream, store, value, clock } = forgetful();
    const { send, answers } = stream();
    const firstVersion = clock.tick();
    send(put('mine', 1));
    for (let number = 2; store.logInfo(PARTITION).firstSequence === 1; number++) send(put('x'.repeat(900), number));
    send(put('mine', 1, { ...AGAIN, firstVersion }));
    expect([seen(answers).at(-1), value()]).toEqual([[STATUS.FAILED, 'OUTCOME_UNKNOWN'], 'x'.repeat(900)]);
  });

  it('is unknown where its partition is here anew', () => {
    const { stream, store, value } = forgetful();
    const { send, answers } = stream();
    send(put('mine', 1));
    store.closePartition(PARTITION);
    store.openPartition(PARTITION, 2 as Epoch);
    send(put('mine', 1, AGAIN));
    expect([seen(answers).at(-1), value()]).toEqual([[STATUS.FAILED, 'OUTCOME_UNKNOWN'], undefined]);
  });

  it('is answered with an old value that memory has no room for', () => {
    const { stream } = forgetful({ answerBytesMax: 4 * 1500 });
    const { send, answers } = stream();
    const long = 'y'.repeat(1000);
    for (const number of [1, 2, 3]) send(op(OPCODE.GET_AND_PUT, long, number));
    for (const number of [1, 2, 3]) send(op(OPCODE.GET_AND_PUT, long, number, AGAIN));
    expect(seen(answers).slice(3)).toEqual(seen(answers).slice(0, 3));
  });

  it('of an atomic group applies none of it again, nor what of it did nothing', () => {
    const { stream, value } = forgetful();
    const { send, answers } = stream();
    const [a, k] = [encodeKey('a'), KEY];
    const values = encodeValue('v');
    const group = put('v', 1, {
      ...{ atomic: true, count: 2, opcodes: Uint8Array.of(OPCODE.PUT, OPCODE.REMOVE), partitions: new Uint32Array(2) },
      ...{ keyEnds: Uint32Array.of(a.length, a.length + k.length), keys: Buffer.concat([a, k]) },
      ...{ valueEnds: Uint32Array.of(values.length, values.length), values },
    });
    send(group);
    send(put('later', 3));
    send({ ...group, ...AGAIN, batchId: 4 });
    expect(answers.map(({ statuses }) => [...statuses])).toEqual([[1, 0], [1], [1, 0]]);
    expect(value()).toBe('later');
  });

  it('tells of each value that a key had within an atomic group', () => {
    const { stream } = forgetful();
    const { send, answers } = stream();
    send(put('before', 1));
    const swaps = puts(['k', 'k', 'k'], 2, {
      atomic: true,
      opcodes: Uint8Array.of(OPCODE.GET_AND_PUT, OPCODE.GET_AND_REMOVE, OPCODE.GET_AND_PUT),
    });
    send(swaps);
    send({ ...swaps, ...AGAIN, batchId: 9 });
    const [, first, again] = answers;
    expect([...first!.statuses]).toEqual([1, 1, 0]);
    expect([[...again!.statuses], again!.values]).toEqual([[...first!.statuses], first!.values]);
  });
});

describe('a session that the member does not know', () => {
  it('is answered from the log, and what is proved never to have been applied is applied', () => {
    const { stream, value, sessions, told } = forgetful();
    const [first, second] = [stream(1), stream(2)];
    first.send(ready('increment', { path: 'n', by: 1 }, 1));
    sessions.close(SESSION);
    second.send(ready('increment', { path: 'n', by: 1 }, 1, AGAIN));
    second.send(ready('increment', { path: 'n', by: 1 }, 2, AGAIN));
    second.send(ready('increment', { path: 'n', by: 1 }, 2, AGAIN));
    expect(seen(second.answers)).toEqual([seen(first.answers)[0], expect.anything(), seen(second.answers)[1]]);
    expect([value(), told().length]).toEqual([{ n: 2 }, 2]);
  });

  it('may send nothing new before it is opened, and first copies on the stream that it left are void', async () => {
    const { stream, value, sessions, service } = forgetful();
    const [first, second] = [stream(1), stream(2)];
    sessions.close(SESSION);
    second.send(put('again', 1, AGAIN));
    second.send(put('new', 2));
    first.send(put('again', 1));
    expect(seen(second.answers)).toEqual([
      [STATUS.TRUE, undefined],
      [STATUS.FAILED, 'SESSION_EXPIRED'],
    ]);
    const lease = await service.openSession({ session: SESSION, clientName: '' }, undefined as never);
    expect(lease.version).toBeGreaterThan(0);
    second.send(put('new', 3));
    first.send(put('again', 1));
    expect(seen(first.answers).map(([, code]) => code)).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
    expect(value()).toBe('new');
  });

  it('applies nothing that waited when it ended: nobody would find it', () => {
    const { stream, value, gate, sessions } = forgetful();
    const key = keyLockId(MAP.id, KEY, 0, KEY.length);
    gate.hold(key);
    const { send, answers } = stream();
    send(put('waits', 1));
    sessions.close(SESSION);
    gate.release(key);
    expect([seen(answers), value()]).toEqual([[[STATUS.FAILED, 'SESSION_EXPIRED']], undefined]);
  });

  it('has an unknown outcome where the member has no room for it', () => {
    const { stream, sessions } = forgetful();
    for (let id = 100; sessions.count < 10; id++) sessions.open(id);
    const { send, answers } = stream();
    send(put('again', 1, { ...AGAIN, session: 99 }));
    expect(seen(answers)).toEqual([[STATUS.FAILED, 'OUTCOME_UNKNOWN']]);
  });
});

describe('while the log is searched', () => {
  /** Its log is looked at record by record: 20 writes of the key, one more (MINE), and some of another one. */
  const MINE = 21;
  const slow = () => {
    const all = forgetful({ sliceRecords: 1 });
    const { send } = all.stream(1);
    const z = encodeKey('z');
    for (let number = 1; number < MINE; number++) send(put('before', number));
    send(put('mine', MINE));
    for (let number = 22; number < 50; number++) send(put('z', number, { keys: z, keyEnds: Uint32Array.of(z.length) }));
    return all;
  };

  it('nothing overtakes what is asked for: later writes and reads of its stream, writes of others', async () => {
    const { stream, value, sessions } = slow();
    sessions.close(SESSION);
    const [mine, other] = [stream(2), stream()];
    mine.send(op(OPCODE.GET_AND_PUT, 'first', 102, AGAIN));
    mine.send(op(OPCODE.GET_AND_PUT, 'second', 103, AGAIN));
    mine.send(op(OPCODE.GET, undefined, 1, { batchId: 104, session: 0 }));
    other.send(op(OPCODE.GET_AND_PUT, 'third', 1, { session: OTHER }));
    expect([mine.answers, other.answers]).toEqual([[], []]);
    await until(() => other.answers.length > 0 && mine.answers.length > 2);
    expect(seen(other.answers)).toEqual([[STATUS.TRUE, 'second']]);
    const byBatch = new Map(mine.answers.map((one) => [one.batchId, seen([one])[0]]));
    expect([102, 103, 104].map((id) => byBatch.get(id)?.[1])).toEqual(['mine', 'first', 'second']);
    expect(value()).toBe('third');
  });

  it('each is found, be it applied or not, in one pass', async () => {
    const { stream, store, value } = slow();
    const searches = jest.spyOn(store, 'searchAnswers');
    const { send, answers } = stream(2);
    send(puts(['k', 'new', 'k'], 1, { ...AGAIN, requestOffsets: Uint32Array.of(0, 999, MINE - 1) }));
    await until(() => answers.length > 0);
    expect(answers.map(({ statuses }) => [...statuses])).toEqual([[1, 1, 1]]);
    expect([value(), searches.mock.calls.length]).toEqual(['mine', 1]);
    searches.mockRestore();
  });

  it('the partition may go and come back: then nobody knows', async () => {
    const { stream, store, gate, sessions } = slow();
    sessions.close(SESSION);
    const { send, answers } = stream(2);
    send(put('never', 999, AGAIN));
    await turn();
    store.closePartition(PARTITION);
    store.openPartition(PARTITION, 2 as Epoch);
    await until(() => answers.length > 0);
    expect([seen(answers), gate.heldCount]).toEqual([[[STATUS.FAILED, 'OUTCOME_UNKNOWN']], 0]);
  });

  it('the partition may go: the next owner is to be asked, under the same number', async () => {
    const { stream, store, gate, sessions } = slow();
    sessions.close(SESSION);
    const { send, answers } = stream(2);
    send(put('never', 999, AGAIN));
    store.closePartition(PARTITION);
    await until(() => answers.length > 0);
    expect([seen(answers), gate.heldCount]).toEqual([[[STATUS.FAILED, 'STALE_EPOCH']], 0]);
  });
});

describe('a mutation that is sent again while the first sending is worked on', () => {
  it('is answered with its own, not with the whole of its batch', () => {
    const { stream, gate } = forgetful();
    const held = encodeKey('held');
    const key = keyLockId(MAP.id, held, 0, held.length);
    gate.hold(key);
    const [first, second] = [stream(1), stream(2)];
    first.send(puts(['free', 'held', 'last'], 1));
    second.send(puts(['last'], 3, AGAIN));
    second.send(puts(['held'], 2, AGAIN));
    expect([first.answers, second.answers.map(({ batchId }) => batchId)]).toEqual([[], [3]]);
    gate.release(key);
    expect([first.answers.length, second.answers.map(({ batchId }) => batchId)]).toEqual([1, [3, 2]]);
  });

  it('is answered with the error of its own', () => {
    const { stream, gate } = forgetful();
    const held = encodeKey('held');
    const key = keyLockId(MAP.id, held, 0, held.length);
    gate.hold(key);
    const [first, second] = [stream(1), stream(2)];
    const bad = { ttlOperations: Uint32Array.of(0, 1), ttlMs: Float64Array.of(-5, -5) };
    first.send(puts(['free', 'held'], 1, bad));
    second.send(puts(['free', 'held'], 1, { ...AGAIN, ...bad }));
    gate.release(key);
    expect(second.answers.flatMap(({ errors }) => errors.map(({ error }) => error.code))).toEqual(['INVALID_ARGUMENT']);
    expect(second.answers.map(({ statuses }) => [...statuses])).toEqual([[STATUS.FAILED, STATUS.FAILED]]);
  });

  it('and is known to the log alone joins the commit, and is applied where that is lost', async () => {
    for (const isLost of [false, true]) {
      let commits!: HandCommits;
      const { stream, sessions, store, value } = forgetful({ committer: (made) => (commits = new HandCommits(made)) });
      const [first, second] = [stream(1), stream(2)];
      first.send(ready('increment', { path: 'n', by: 1 }, 1));
      sessions.close(SESSION);
      second.send(ready('increment', { path: 'n', by: 1 }, 1, AGAIN));
      await turn();
      expect(second.answers).toEqual([]);
      if (isLost) commits.drop(PARTITION);
      else commits.commit();
      for (let turns = 0; turns < 5; turns++) await turn();
      commits.commit();
      await until(() => second.answers.length > 0);
      expect([seen(second.answers).map(([status]) => status), value()]).toEqual([[STATUS.TRUE], { n: 1 }]);
      store.checkInvariants();
    }
  });
});

describe('a mutation that never came', () => {
  it('is applied without a look at the log where session and partition have been here since it was first sent', () => {
    const { stream, store, clock, value } = forgetful();
    const { send, answers } = stream();
    const searches = jest.spyOn(store, 'searchAnswers');
    send(put('sent', 5, AGAIN));
    expect([seen(answers).at(-1), searches.mock.calls.length]).toEqual([[STATUS.TRUE, undefined], 0]);
    const firstVersion = clock.tick();
    store.openPartition(PARTITION, 2 as Epoch);
    send(put('of another owner', 6, { ...AGAIN, firstVersion }));
    expect([seen(answers).at(-1), searches.mock.calls.length]).toEqual([[STATUS.TRUE, undefined], 1]);
    expect(value()).toBe('of another owner');
    searches.mockRestore();
  });
});

describe('a batch that is sent again and refused as a whole', () => {
  it('says nothing of what became of its first copy', () => {
    const { stream, clock } = forgetful();
    const { send, answers } = stream();
    send(put('x', 1, { ...AGAIN, sessionVersion: clock.now() + 10_000_000 }));
    send(put('x', 2, { sessionVersion: clock.now() + 10_000_000 }));
    expect(seen(answers).map(([, code]) => code)).toEqual(['OUTCOME_UNKNOWN', 'CLOCK_AHEAD']);
  });
});

it('a first copy whose record memory has given up is void', () => {
  const { stream, value } = forgetful();
  const [late, fresh] = [stream(), stream()];
  fresh.send(op(OPCODE.PUT_IF_ABSENT, 'x', 1, AGAIN));
  fresh.send(op(OPCODE.REMOVE, undefined, 2));
  late.send(op(OPCODE.PUT_IF_ABSENT, 'x', 1));
  expect([seen(late.answers), value()]).toEqual([[[STATUS.FAILED, 'OUTCOME_UNKNOWN']], undefined]);
});
