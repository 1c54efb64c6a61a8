import type { Epoch } from '@ashlar/core';
import { ChangeBench, HeldCommits } from '../testing/change-bench.ts';

const KEYS = Array.from({ length: 20 }, (_, key) => key);
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Settled or not by now. */
async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'fulfilled' | 'rejected'> {
  const pending = { status: 'pending' } as const;
  await turns();
  const [ended] = await Promise.allSettled([Promise.race([promise, Promise.resolve(pending)])]);
  return ended!.status === 'fulfilled' && ended!.value === pending ? 'pending' : ended!.status;
}

describe('a change of rows on one member', () => {
  it('is as if it had never been where one row fails, and holds nothing afterwards', async () => {
    const bench = new ChangeBench();
    for (const key of KEYS) bench.put(key, { n: key, by: key === 13 ? 0 : 1 });
    await expect(bench.run(bench.change('UPDATE m SET n = n / by'))).rejects.toMatchObject({
      code: 'DIVISION_BY_ZERO',
    });
    const insert = bench.insert([...KEYS.map((key) => [key + 100, { n: 0 }] as const), [7, { n: 0 }]]);
    await expect(bench.run(insert)).rejects.toMatchObject({ code: 'DUPLICATE_KEY', details: { map: 'm', key: '7' } });
    expect(KEYS.map((key) => [bench.get(key), bench.get(key + 100)])).toEqual(
      KEYS.map((key) => [{ n: key, by: key === 13 ? 0 : 1 }, undefined]),
    );
    expect(bench.isQuiet()).toBe(true);
    bench.store.checkInvariants();
  });

  it('of rows that have changed since the snapshot looks at them again, at what is sealed too', async () => {
    const committer = new HeldCommits();
    const bench = new ChangeBench({ committer });
    for (const key of KEYS) bench.put(key, { n: 1 });
    committer.commitAll();
    const updates = KEYS.slice(0, 10).map(() => bench.change('UPDATE m SET n = n + 1'));
    const ended = updates.map((update) => bench.run(update));
    for (const one of ended) expect(await stateOf(one)).toBe('pending');
    expect(bench.get(3)).toEqual({ n: 1 });
    committer.commitAll();
    for (const one of ended) expect(await one).toMatchObject({ affected: KEYS.length });
    expect(KEYS.map((key) => bench.get(key))).toEqual(KEYS.map(() => ({ n: 11 })));
    expect(bench.writes.held.of('statement')).toBe(10);
  });

  it('that finds nothing to do because of what is undecided says so once that is decided', async () => {
    const committer = new HeldCommits();
    const bench = new ChangeBench({ committer });
    bench.put('k', { n: 1 });
    committer.commitAll();
    const remove = bench.change('DELETE FROM m WHERE n = 1');
    const insert = bench.insert([['new', { n: 0 }]], 'nothing');
    bench.put('k', { n: 2 });
    bench.put('new', { n: 9 });
    const ended = [bench.run(remove), bench.run(insert)];
    for (const one of ended) expect(await stateOf(one)).toBe('pending');
    committer.commitAll();
    for (const one of ended) expect(await one).toMatchObject({ affected: 0 });
    expect([bench.get('k'), bench.get('new')]).toEqual([{ n: 2 }, { n: 9 }]);
  });

  it('tells an error that it derives from what is undecided once that is decided, and not where it is lost', async () => {
    for (const isLost of [false, true]) {
      const committer = new HeldCommits();
      const bench = new ChangeBench({ committer });
      bench.put('odd', { n: 1 });
      committer.commitAll();
      const update = bench.change('UPDATE m SET n = n + 1');
      const insert = bench.insert([['new', { n: 5 }]]);
      bench.put('odd', { n: 'text' });
      bench.put('new', { n: 9 });
      const ended = [bench.run(update), bench.run(insert)];
      for (const one of ended) expect(await stateOf(one)).toBe('pending');
      expect(bench.gate.heldCount).toBe(0);
      if (isLost) committer.dropAll();
      else committer.commitAll();
      await turns();
      committer.commitAll();
      const codes = (await Promise.allSettled(ended)).map((one) =>
        one.status === 'rejected' ? one.reason.code : 'done',
      );
      expect(codes).toEqual(isLost ? ['done', 'done'] : ['TYPE_MISMATCH', 'DUPLICATE_KEY']);
      expect([bench.get('odd'), bench.get('new')]).toEqual(isLost ? [{ n: 2 }, { n: 5 }] : [{ n: 'text' }, { n: 9 }]);
    }
  });

  it('staged-change G4: waits where as many batches are under way as there may be, and holds nothing meanwhile', async () => {
    const bench = new ChangeBench();
    bench.put('k', { n: 1 });
    const batches = bench.takeAllBatches();
    const leaving = new AbortController();
    const update = bench.run(bench.change('UPDATE m SET n = n + 1'));
    const left = bench.run(bench.change('UPDATE m SET n = 7'), leaving.signal);
    const inserts = [1, 2, 3].map((key) => bench.run(bench.insert([[key, { n: key }]])));
    expect(await stateOf(update)).toBe('pending');
    expect(bench.gate.heldCount).toBe(0);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
    for (const batch of batches) batch.abort();
    expect(await update).toMatchObject({ affected: 1 });
    for (const insert of inserts) expect(await insert).toMatchObject({ affected: 1 });
    expect([bench.get('k'), bench.isQuiet(), bench.writes.turns.waitingCount]).toEqual([{ n: 2 }, true, 0]);
  });

  it('whose sealed batch is lost is in doubt', async () => {
    const committer = new HeldCommits();
    const bench = new ChangeBench({ committer });
    bench.put('k', { n: 1 });
    committer.commitAll();
    const update = bench.run(bench.change('UPDATE m SET n = 2'));
    expect(await stateOf(update)).toBe('pending');
    committer.dropAll();
    await expect(update).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(bench.get('k')).toEqual({ n: 1 });
  });

  it('larger than the logs may hold is refused before it stages or holds anything, unless it may go in pieces', async () => {
    const bench = new ChangeBench({ maxBytes: 16 << 20 });
    const { bytesMax } = bench.store.logRoom();
    const text = 'x'.repeat(64 << 10);
    const rows = Math.ceil(bytesMax / text.length) + 4;
    for (let key = 0; key < rows; key++) bench.put(key, { text });
    const before = bench.store.logInfo(bench.partitionOf(0)).committedSequence;
    for (const statement of ['UPDATE m SET n = 1', 'DELETE FROM m']) {
      await expect(bench.run(bench.change(statement))).rejects.toMatchObject({
        code: 'LOG_FULL',
        hint: expect.stringMatching(/fewer rows.*clear\(\).*memory\.maxBytes/),
        details: { bytesWanted: expect.any(Number), limitBytes: bytesMax },
      });
      await expect(bench.part(bench.change(statement)).find()).rejects.toMatchObject({ code: 'LOG_FULL' });
    }
    expect(bench.store.logInfo(bench.partitionOf(0)).committedSequence).toBe(before);
    expect(bench.isQuiet()).toBe(true);
    const cleared = await bench.run(bench.change('DELETE FROM m', [], { inPieces: true }));
    expect(cleared.affected).toBe(rows);
  });

  it.each(['UPDATE m SET n = 2', 'DELETE FROM m'])(
    'finds nothing less where a partition was lost: %s',
    async (text) => {
      const bench = new ChangeBench();
      for (const key of KEYS) bench.put(key, { n: 1 });
      const change = bench.change(text);
      const lost = bench.partitionOf(KEYS[0]!);
      bench.lost = lost;
      bench.store.closePartition(lost);
      bench.store.openPartition(lost, 3 as Epoch);
      await expect(bench.run(change)).rejects.toThrow(`lost ${lost}`);
      bench.lost = -1;
      const others = KEYS.filter((key) => bench.partitionOf(key) !== lost);
      expect(others.map((key) => bench.get(key))).toEqual(others.map(() => ({ n: 1 })));
      expect(bench.isQuiet()).toBe(true);
    },
  );

  it('does nothing in a partition that the member lost meanwhile', async () => {
    const bench = new ChangeBench();
    bench.put('k', { n: 1 });
    const part = bench.part(bench.change('UPDATE m SET n = 2'));
    await part.stage(true);
    bench.lost = bench.partitionOf('k');
    await expect(part.commit()).rejects.toThrow('lost');
    expect(bench.get('k')).toEqual({ n: 1 });
    expect(bench.isQuiet()).toBe(true);
  });
});
