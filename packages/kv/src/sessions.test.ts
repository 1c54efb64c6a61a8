import { GridError } from '@ashlar/core';
import { STATUS } from '@ashlar/transport';
import { BatchRecord, type KeptAnswer } from './batch-record.ts';
import { type Session, Sessions } from './sessions.ts';

const sessionsAt = (now: { ms: number }, sessionsMax = 10): Sessions => {
  let last = 0;
  return new Sessions({ leaseMs: 1000, sessionsMax, nowMs: () => now.ms, newId: () => ++last });
};

const find = (session: Session, number: number, asking?: BatchRecord): BatchRecord | undefined =>
  session.earlier(number, number, asking).find(number);
const answerOf = (record: BatchRecord, number: number): KeptAnswer => record.answerTo(record.indexOf(number));

describe('sessions', () => {
  it('W4: end when they are silent for their lease, and live on a sign of life', () => {
    const now = { ms: 0 };
    const sessions = sessionsAt(now);
    const { id } = sessions.open(0);
    now.ms = 900;
    expect(sessions.touch(id)).toBeDefined();
    now.ms = 1800;
    expect(sessions.touch(id)).toBeDefined();
    now.ms = 2801;
    expect(sessions.touch(id)).toBeUndefined();
    expect(sessions.count).toBe(0);
  });

  it('keep the id a client brings from another member', () => {
    expect(sessionsAt({ ms: 0 }).open(77).id).toBe(77);
  });

  it('W4: are refused when there are too many, and room is made by those that ended', () => {
    const now = { ms: 0 };
    const sessions = sessionsAt(now, 2);
    sessions.open(0);
    sessions.open(0);
    expect(() => sessions.open(0)).toThrow('2 sessions');
    now.ms = 5000;
    expect(sessions.open(0).id).toBe(3);
  });
});

describe('the answers of a session', () => {
  const answers = {
    statuses: Uint8Array.of(1, 1),
    valueEnds: [0, 3],
    values: Uint8Array.of(7, 8, 9),
    errors: [],
    errorOf: [],
  };

  it.each(['IN_DOUBT', 'STALE_EPOCH', 'LEASE_EXPIRED', 'SHUTTING_DOWN'] as const)(
    'W8: do not tell %s again: the repetition is applied',
    (code) => {
      const session = sessionsAt({ ms: 0 }).open(0);
      const record = session.note(new BatchRecord(5, 7));
      const full = new GridError('OUT_OF_MEMORY', 'full');
      const errors = [new GridError(code, 'nothing of it is here'), full];
      record.finish({ ...answers, statuses: Uint8Array.of(2, 1, 2), valueEnds: [], errors, errorOf: [1, 0, 2] });
      expect([5, 6, 7].map((number) => find(session, number))).toEqual([undefined, record, record]);
      expect(answerOf(record, 7)).toMatchObject({ error: full });
    },
  );

  it('are found again by number until the session confirms them (W1, W2)', () => {
    const session = sessionsAt({ ms: 0 }).open(0);
    const record = session.note(new BatchRecord(5, 6));
    record.finish(answers);
    expect(find(session, 6)).toBe(record);
    expect(answerOf(record, 5)).toMatchObject({ status: 1, value: undefined });
    expect(answerOf(record, 6)).toMatchObject({ status: 1, value: Uint8Array.of(7, 8, 9) });
    expect(find(session, 7)).toBeUndefined();
    session.raiseFloor(6);
    expect(session.recordCount).toBe(1);
    expect(() => find(session, 5)).toThrow('may or may not');
    session.raiseFloor(7);
    expect(session.recordCount).toBe(0);
  });

  it('W5: are those of the first batch that came with a number, and never awaited by that batch itself', () => {
    const session = sessionsAt({ ms: 0 }).open(0);
    const first = session.note(new BatchRecord(1, 2));
    const again = session.note(new BatchRecord(2, 3, [3, 2]));
    const last = session.note(new BatchRecord(3, 3));
    expect([find(session, 2, first), find(session, 2, again)]).toEqual([undefined, first]);
    expect([find(session, 3, again), find(session, 3, last)]).toEqual([undefined, again]);
  });

  it('W3: drop long values and say so', () => {
    const session = sessionsAt({ ms: 0 }).open(0);
    const record = session.note(new BatchRecord(1, 1));
    record.finish({
      statuses: Uint8Array.of(1),
      valueEnds: [70_000],
      values: new Uint8Array(70_000),
      errors: [],
      errorOf: [],
    });
    expect(answerOf(record, 1)).toMatchObject({ status: 1, value: undefined, valueDropped: true });
  });
});

describe('refusals among the answers', () => {
  const answers = () => ({
    statuses: Uint8Array.of(STATUS.REFUSED, STATUS.TRUE, STATUS.TRUE, STATUS.REFUSED),
    valueEnds: [3, 70_003, 70_003, 70_005],
    values: Uint8Array.of(1, 2, 3, ...new Uint8Array(70_000), 8, 9),
    errors: [],
    errorOf: [],
  });

  it('W3: are kept where other values are too long to be', () => {
    const record = sessionsAt({ ms: 0 }).open(0).note(new BatchRecord(1, 4));
    record.finish(answers());
    expect([1, 2, 3, 4].map((number) => answerOf(record, number))).toMatchObject([
      { status: STATUS.REFUSED, value: Uint8Array.of(1, 2, 3), valueDropped: false },
      { status: STATUS.TRUE, value: undefined, valueDropped: true },
      { status: STATUS.TRUE, value: undefined, valueDropped: false },
      { status: STATUS.REFUSED, value: Uint8Array.of(8, 9), valueDropped: false },
    ]);
  });

  it('W3: are known as such where the budget leaves no room for what they say', () => {
    const options = { leaseMs: 1000, sessionsMax: 1, nowMs: () => 0, newId: () => 1, answerBytesMax: 4 * 353 };
    const record = new Sessions(options).open(0).note(new BatchRecord(1, 4));
    record.finish(answers());
    expect(answerOf(record, 4)).toMatchObject({
      status: STATUS.REFUSED,
      value: undefined,
      valueDropped: true,
    });
  });
});

describe('the budget of answers (W3)', () => {
  const answers = (bytes: number) => ({
    statuses: Uint8Array.of(1),
    valueEnds: [bytes],
    values: new Uint8Array(bytes),
    errors: [],
    errorOf: [],
  });
  const opened = (answerBytesMax: number, now = { ms: 0 }) => {
    let last = 0;
    return new Sessions({ leaseMs: 1000, sessionsMax: 10, nowMs: () => now.ms, newId: () => ++last, answerBytesMax });
  };

  it('drops values that do not fit, and keeps outcomes', () => {
    const session = opened(400_000).open(0);
    const records = [1, 2, 3].map((number) => session.note(new BatchRecord(number, number)));
    for (const record of records) record.finish(answers(40_000));
    const kept = records.map((record, index) => answerOf(record, index + 1));
    expect(kept.map(({ status, valueDropped }) => [status, valueDropped])).toEqual([
      [1, false],
      [1, false],
      [1, true],
    ]);
    session.raiseFloor(3);
    const next = session.note(new BatchRecord(4, 4));
    next.finish(answers(40_000));
    expect(answerOf(next, 4).valueDropped).toBe(false);
  });

  it('gives up the oldest answers of a session that confirms nothing, and of no other; what is worked on stays', () => {
    const sessions = opened(400_000);
    const [greedy, other] = [sessions.open(0), sessions.open(0)];
    const kept = other.note(new BatchRecord(1, 1000));
    kept.finish({ ...answers(0), valueEnds: [] });
    const worked = greedy.note(new BatchRecord(1, 1000));
    for (let first = 1001; first < 9000; first += 1000) {
      greedy.note(new BatchRecord(first, first + 999)).finish({ ...answers(0), valueEnds: [] });
    }
    expect([find(greedy, 1), find(other, 1)]).toEqual([worked, kept]);
    expect([find(greedy, 1001), greedy.hasForgotten(1001), other.hasForgotten(1)]).toEqual([undefined, true, false]);
    expect(find(greedy, 8500)).toBeDefined();
    expect(greedy.recordCount).toBeLessThan(5);
  });

  it('of nothing keeps no answer: the log has them all', () => {
    const session = opened(0).open(0);
    session.note(new BatchRecord(1, 1)).finish({ ...answers(0), valueEnds: [] });
    expect([session.recordCount, session.hasForgotten(1), session.mayHave(1, 1)]).toEqual([0, true, true]);
  });

  it('is given back when sessions end, whatever comes of their batches later', () => {
    const now = { ms: 0 };
    const sessions = opened(400_000, now);
    for (let round = 0; round < 20; round++) {
      const session = sessions.open(0);
      const record = session.note(new BatchRecord(1, 4000));
      if (round % 2 === 0) sessions.close(session.id);
      else now.ms += 2000;
      sessions.sweep();
      record.finish(answers(1000));
    }
    const session = sessions.open(0);
    session.note(new BatchRecord(1, 10)).finish(answers(1000));
    expect(session.recordCount).toBe(1);
  });
});

describe('a search among many records', () => {
  it('finds what looking at each would, the first that came', () => {
    const session = sessionsAt({ ms: 0 }).open(0);
    const records = Array.from({ length: 40 }, (_, index) => {
      const numbers = Array.from({ length: 30 }, (_, at) => 1 + ((index * 7 + at * 11) % 300));
      return session.note(new BatchRecord(Math.min(...numbers), Math.max(...numbers), numbers));
    });
    const earlier = session.earlier(1, 300, records[35]);
    for (let number = 1; number <= 300; number++) {
      const first = records.slice(0, 35).find((record) => [...record.numbers()].includes(number));
      expect(earlier.find(number)).toBe(first);
      expect(first?.indexOf(number)).toBe(first === undefined ? undefined : [...first.numbers()].indexOf(number));
    }
  });
});

describe('a number that comes to a session', () => {
  const opened = () => sessionsAt({ ms: 0 }).open(0);

  it('is new above all that came, and may have come before below them', () => {
    const session = opened();
    session.note(new BatchRecord(3, 5));
    expect([session.mayHave(6, 9), session.mayHave(5, 9), session.mayHave(1, 2)]).toEqual([false, true, false]);
  });

  it('is not new below the floor, though none like it ever came here', () => {
    const session = opened();
    session.raiseFloor(100);
    expect([session.mayHave(50, 50), session.mayHave(100, 100)]).toEqual([true, false]);
    expect(() => find(session, 50)).toThrow('may or may not');
  });

  it('W6: is void on a stream older than one that was seen, and not where streams are not counted', () => {
    const session = opened();
    session.enter(1);
    session.enter(3);
    session.enter(3);
    expect(() => session.enter(2)).toThrow(expect.objectContaining({ code: 'OUTCOME_UNKNOWN', retryable: false }));
    expect(() => session.enter(0)).not.toThrow();
  });
});

describe('a session that ended', () => {
  it('W7: is opened again under its id without its answers; first copies of what came before are void', () => {
    const now = { ms: 0 };
    const sessions = sessionsAt(now);
    const before = sessions.open(77);
    before.note(new BatchRecord(3, 5));
    now.ms = 5000;
    expect([sessions.touch(77), before.isEnded]).toEqual([undefined, true]);
    const again = sessions.open(77);
    expect([again.mayHave(4, 4), again.mayHave(6, 9)]).toEqual([true, false]);
    expect([find(again, 4), again.hasForgotten(4), again.hasForgotten(6)]).toEqual([undefined, true, false]);
  });

  it('W7: is resumed by what it sends again, and may send what is new once it is opened', () => {
    const sessions = sessionsAt({ ms: 0 }, 2);
    const resumed = sessions.resume(77)!;
    expect([resumed.isOpen, sessions.touch(77), sessions.resume(77)]).toEqual([false, resumed, resumed]);
    expect([sessions.open(77), resumed.isOpen]).toEqual([resumed, true]);
    sessions.open(78);
    expect(sessions.resume(79)).toBeUndefined();
  });

  it('R1: proves that a number never came only for what was sent since it is known, and not forgotten', () => {
    let version = 100;
    const sessions = new Sessions({
      ...{ leaseMs: 1000, sessionsMax: 10, nowMs: () => 0, newId: () => 1, answerBytesMax: 0 },
      versionNow: () => version,
    });
    const session = sessions.open(77);
    version = 200;
    session
      .note(new BatchRecord(1, 5))
      .finish({ statuses: new Uint8Array(5), valueEnds: [], values: new Uint8Array(0), errors: [], errorOf: [] });
    expect([session.neverCame(6, 99), session.neverCame(6, 100), session.neverCame(5, 150)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('W7: is forgotten behind as many others as there may be', () => {
    const sessions = sessionsAt({ ms: 0 }, 2);
    for (const id of [1, 2, 3]) {
      sessions.open(id).note(new BatchRecord(1, 1));
      sessions.close(id);
    }
    expect([1, 2].map((id) => sessions.open(id).mayHave(1, 1))).toEqual([false, true]);
  });
});
