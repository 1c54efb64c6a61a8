import { type ReplicaId, seededRandom } from '@ashlar/core';
import { ABSENT } from '../history/operation.ts';
import { MemberStore } from './member-store.ts';
import { ToyCopy, type ToyRecord } from './toy-copy.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];

/** Records of a log whose epoch changes now and then, with what keys held before them. */
function records(count: number, seed = 1): ToyRecord[] {
  const random = seededRandom(seed);
  const values = new Map<string, number>();
  return Array.from({ length: count }, (_, at) => {
    const key = KEYS[random.below(KEYS.length)]!;
    const before = values.get(key) ?? ABSENT;
    values.set(key, at);
    const place = { partition: 0, sequence: at + 1, epoch: 1 + Math.floor(at / 7), version: (at + 1) * 10 };
    return { ...place, key, before, value: at, session: 1, request: at + 1 };
  });
}

describe('a copy', () => {
  const LOG = records(50);

  function copyOf(committed: number): ToyCopy {
    const copy = new ToyCopy();
    for (const record of LOG) copy.append(record);
    copy.commit(committed);
    return copy;
  }

  it('C2: shows what is committed, and knows what is not', () => {
    const copy = copyOf(30);
    for (const key of KEYS) {
      const upTo = (last: number): number | undefined =>
        LOG.slice(0, last).findLast((record) => record.key === key)?.value;
      expect([copy.shown(key), copy.newest(key)]).toEqual([upTo(30), upTo(50)]);
    }
  });

  it('knows what keys held at every version that its log reaches', () => {
    const copy = copyOf(50);
    copy.trim(21);
    expect([copy.valuesAt(199), copy.first, copy.last]).toEqual([undefined, 21, 50]);
    for (let version = 200; version <= 500; version += 5) {
      const held = new Map<string, number>();
      for (const record of LOG) if (record.version <= version) held.set(record.key, record.value);
      const values = copy.valuesAt(version)!;
      for (const key of KEYS) expect(values.get(key) ?? ABSENT).toBe(held.get(key) ?? ABSENT);
      expect(copy.sequenceAt(version)).toBe(Math.floor(version / 10));
    }
  });

  it('C1: takes only what follows', () => {
    const copy = copyOf(50);
    expect(() => copy.append({ ...LOG[0]!, sequence: 52, version: 9999 })).toThrow(/C1/);
    expect(() => copy.append({ ...LOG[0]!, sequence: 51, version: 500 })).toThrow(/C1/);
  });

  it('C3: trims nothing that is not committed', () => {
    const copy = copyOf(10);
    copy.trim(40);
    expect([copy.first, copy.last]).toEqual([11, 50]);
  });

  it('answers a request from its log, and says which it may have forgotten', () => {
    const copy = copyOf(50);
    copy.trim(21);
    expect([copy.answerOf(1, 21), copy.answerOf(1, 20)]).toEqual([LOG[20], undefined]);
    expect([copy.mayHaveForgotten(200), copy.mayHaveForgotten(201)]).toEqual([true, false]);
  });
});

describe('a store', () => {
  const PEER = 'b#2' as ReplicaId;
  const REF = { partition: 0, to: PEER, copy: 1 };

  function served(): MemberStore {
    const store = new MemberStore(10, 30);
    store.open(0, undefined, false);
    store.apply(0, 1, [records(40)], 0);
    store.copyOf(0)!.commit(35);
    return store;
  }

  it('S1: hands over what was committed when the transfer was opened, page by page, with its log', () => {
    const [from, to] = [served(), new MemberStore(10, 30)];
    from.trimServed(0);
    const start = from.openTransfer(REF)!;
    from.copyOf(0)!.commit(40);
    expect(start).toMatchObject({ sequence: 35, version: 350, logFrom: 25 });
    for (let number = 0; ; number++) {
      const page = from.page(REF, number)!;
      to.installPage(0, number, page.payload);
      expect(to.finishInstall(0, start)).toBe(page.isLast);
      if (page.isLast) break;
    }
    const copy = to.copyOf(0)!;
    expect([copy.first, copy.committed, copy.last, copy.lastVersion]).toEqual([25, 35, 35, 350]);
    const held = records(35);
    for (const key of KEYS) expect(copy.shown(key)).toBe(held.findLast((record) => record.key === key)?.value);
    expect([copy.answerOf(1, 25), copy.mayHaveForgotten(240)]).toEqual([held[24], true]);
  });

  it('passes over records that it has, and refuses a gap', () => {
    const store = served();
    expect(store.apply(0, 39, [[], records(42).slice(38)], 1)).toHaveLength(2);
    expect(store.apply(0, 44, [records(45).slice(43)], 0)).toBeUndefined();
    expect(store.apply(1, 1, [records(1)], 0)).toBeUndefined();
  });

  it('S2: keeps the log for who catches up, up to a bound', () => {
    const store = served();
    store.hold(0, PEER, 12);
    store.trimServed(0);
    expect(store.copyOf(0)!.first).toBe(12);
    store.hold(0, PEER, Infinity);
    store.trimServed(0);
    expect(store.copyOf(0)!.first).toBe(25);
  });

  it('reads runs of one epoch', () => {
    const store = served();
    store.begin();
    expect(store.add(0, 5 as never, 100_000)).toMatchObject({ recordEpoch: 1, count: 3 });
    expect(store.add(0, 8 as never, 250)).toMatchObject({ recordEpoch: 2, count: 2 });
    store.trimServed(0);
    expect(store.add(0, 24 as never, 100)).toBeUndefined();
    expect(store.finish()).toMatchObject([{ length: 3 }, { length: 2 }]);
  });
});
