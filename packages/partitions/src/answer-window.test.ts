import { type Epoch, HybridClock, type MapId, type PartitionId } from '@ashlar/core';
import { MemberStore, type WriteBatch } from '@ashlar/storage';
import { AnswerWindow } from './answer-window.ts';

const MAP = 1 as MapId;
const PARTITION = 0 as PartitionId;
const SESSION = 77;

function bench() {
  let ms = 1_000_000;
  const time = { monotonicMs: () => ms, wallMs: () => ms };
  const clock = new HybridClock(time);
  const store = MemberStore.create({ maxBytes: 8 << 20, partitionCount: 1, maxWorkers: 0, hashSeed: 1, clock });
  store.openMap(MAP, { affinityParts: 0 });
  store.openPartition(PARTITION, 1 as Epoch);
  ms += 1;
  const floor = clock.now();
  ms += 1;
  const stage = (number: number, key: string, value: string | undefined): WriteBatch => {
    const batch = store.begin({ requestSession: SESSION, requestNumber: number });
    const [keyBytes, bytes] = [Buffer.from(key), Buffer.from(value ?? '')];
    if (value === undefined) batch.remove(MAP, PARTITION, keyBytes, 0, keyBytes.length);
    else batch.put(MAP, PARTITION, keyBytes, 0, keyBytes.length, batch.value(bytes, 0, bytes.length));
    return batch;
  };
  const window = new AnswerWindow(store, 2);
  const find = (...numbers: number[]) => window.find(PARTITION, { session: SESSION, numbers, floor });
  return { store, stage, find, floor };
}

describe('the log as answer window', () => {
  it('tells what a mutation did, what it replaced, and its result', async () => {
    const { stage, find } = bench();
    const put = stage(1, 'k', 'old');
    put.commit();
    for (let number = 10; number < 20; number++) stage(number, 'other', 'x').commit();
    const processed = stage(2, 'k', 'new');
    processed.answer(MAP, PARTITION, Buffer.from('made'), 0, 4);
    processed.commit();
    stage(3, 'none', undefined).commit();
    const [first, second, third] = await find(1, 2, 3);
    const { version } = put;
    expect(first).toEqual({
      ...{ kind: 'applied', change: 'put', version, oldVersion: 0, oldValue: undefined, result: undefined },
    });
    expect(second).toMatchObject({ kind: 'applied', change: 'put', version: processed.version, oldVersion: version });
    expect(second).toMatchObject({
      oldValue: new Uint8Array(Buffer.from('old')),
      result: new Uint8Array(Buffer.from('made')),
    });
    expect(third).toEqual({ kind: 'notApplied' });
  });

  it('joins what is undecided: tells it once it is committed, and that it was not applied where it is lost', async () => {
    for (const isLost of [false, true]) {
      const { stage, find } = bench();
      const batch = stage(1, 'k', 'v');
      batch.seal();
      let answered: unknown;
      const asked = Promise.resolve(find(1)).then((outcomes) => (answered = outcomes[0]));
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(answered).toBeUndefined();
      if (isLost) batch.abort();
      else batch.commit();
      await asked;
      expect(answered).toMatchObject({ kind: isLost ? 'notApplied' : 'applied' });
    }
  });

  it('does not know what is no longer there', async () => {
    const { store, stage, find } = bench();
    stage(1, 'k', 'v').commit();
    store.closePartition(PARTITION);
    store.openPartition(PARTITION, 2 as Epoch);
    expect(await find(1)).toEqual([{ kind: 'unknown' }]);
    store.closePartition(PARTITION);
    expect(() => find(1)).toThrow(expect.objectContaining({ code: 'SEQUENCE_GONE' }));
  });

  it('W5: looks at so many records a turn, whoever asks; short searches do not wait for long ones', async () => {
    const { store, stage, find } = bench();
    stage(1, 'k', 'v').commit();
    for (let number = 10; number < 40; number++) stage(number, 'other', 'x').commit();
    stage(2, 'k', 'w').commit();
    const told: string[] = [];
    const long = Promise.resolve(find(1)).then(() => told.push('long'));
    const short = Promise.resolve(find(2)).then(() => told.push('short'));
    expect(told).toEqual([]);
    await Promise.all([long, short]);
    expect(told).toEqual(['short', 'long']);
    store.checkInvariants();
  });

  it('copies old values only of those that want them', () => {
    const { store, stage, floor } = bench();
    for (const [number, value] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ] as const)
      stage(number, 'k', value).commit();
    const query = { session: SESSION, numbers: [2, 3], floor };
    expect(new AnswerWindow(store).find(PARTITION, query, new Set([3]))).toMatchObject([
      { kind: 'applied', oldValue: undefined },
      { kind: 'applied', oldValue: new Uint8Array(Buffer.from('b')) },
    ]);
  });

  it('W5: tells at once what this turn has room for', () => {
    const { stage, find } = bench();
    stage(1, 'k', 'v').commit();
    expect(find(1)).toMatchObject([{ kind: 'applied', change: 'put' }]);
  });
});
