import type { GridKey } from '@ashlar/api';
import { loadRows } from './load.ts';
import type { RowSource } from './rows.ts';

/** A file of `count` rows {n: 0}, {n: 1} ... in batches of `batchRows`. */
function rowsOf(count: number, batchRows: number): RowSource {
  return {
    rowCount: count,
    bytesTotal: count,
    async *batches(limit = count) {
      for (let from = 0; from < Math.min(count, limit); from += batchRows) {
        const to = Math.min(from + batchRows, count, limit);
        yield { rows: Array.from({ length: to - from }, (_, at) => ({ n: from + at })), bytesRead: to };
      }
    },
  };
}

/** A map whose putAll ends when told to. */
function slowMap() {
  const stored = new Map<GridKey, unknown>();
  const waiting: PromiseWithResolvers<void>[] = [];
  const map = {
    putAll: async (entries: Iterable<readonly [GridKey, unknown]>) => {
      const turn = Promise.withResolvers<void>();
      waiting.push(turn);
      await turn.promise;
      for (const [key, value] of entries) stored.set(key, value);
    },
  };
  return { map, stored, waiting };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('loading a file', () => {
  it('keeps a bounded number of batches under way (L1)', async () => {
    const { map, stored, waiting } = slowMap();
    const loading = loadRows(rowsOf(100, 25), map, { batchRows: 10, inFlightMax: 3 });
    for (let answered = 0; answered < 12; ) {
      await turn();
      expect(waiting.length - answered).toBeLessThanOrEqual(3);
      while (answered < waiting.length) waiting[answered++]!.resolve();
    }
    expect(await loading).toMatchObject({ rows: 100, bytes: 100 });
    expect([...stored]).toEqual(Array.from({ length: 100 }, (_, n) => [n, { n }]));
  });

  it('ends with the first failure, when nothing is under way any more (L2)', async () => {
    const { map, waiting } = slowMap();
    const loading = loadRows(rowsOf(100, 25), map, { batchRows: 10, inFlightMax: 3 });
    let ended = false;
    const outcome = loading.catch((error: unknown) => error).finally(() => (ended = true));
    await turn();
    waiting[1]!.reject(new Error('full'));
    await turn();
    expect(ended).toBe(false);
    waiting[0]!.resolve();
    waiting[2]!.resolve();
    expect(await outcome).toMatchObject({ message: 'full' });
    expect(waiting).toHaveLength(3);
  });

  it('stops at the limit, and when the signal fires', async () => {
    const stored: GridKey[] = [];
    const stop = new AbortController();
    const putAll = async (entries: Iterable<readonly [GridKey, unknown]>) => {
      for (const [key] of entries) stored.push(key);
    };
    await loadRows(rowsOf(100, 25), { putAll }, { limit: 30, keyOf: (row) => `k${row['n']}` });
    expect(stored).toHaveLength(30);
    expect(stored.at(-1)).toBe('k29');
    stop.abort();
    const cancelled = loadRows(rowsOf(100, 25), { putAll }, { signal: stop.signal });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
