import { types } from 'node:util';
import type { EntryStream, LoadOptions as GivenOptions, GridKey, GridMap } from '@ashlar/api';
import { loadRows } from './load.ts';
import type { RowSource } from './rows.ts';

type LoadSource = Parameters<GridMap<GridKey, unknown>['load']>[0];

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

/** A map that takes `most` entries at once, then waits to be told. */
function slowMap(most: number) {
  const stored = new Map<GridKey, unknown>();
  const turns: PromiseWithResolvers<void>[] = [];
  const map = {
    async load(entries: LoadSource, options: GivenOptions = {}) {
      for await (const [key, value] of entries as AsyncIterable<readonly [GridKey, unknown]>) {
        stored.set(key, value);
        if (stored.size % most !== 0) continue;
        options.onProgress?.({ entries: stored.size, bytes: 0, failed: 0 });
        const turn = Promise.withResolvers<void>();
        turns.push(turn);
        await turn.promise;
      }
      return { entries: stored.size, bytes: 0, failed: 0, unknown: 0, failures: [] };
    },
  };
  return { map, stored, turns };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('loading a file', () => {
  it('reads only as fast as the grid takes (L1), and tells how far it is', async () => {
    const { map, stored, turns } = slowMap(10);
    const told: (readonly [number, number])[] = [];
    const loading = loadRows(rowsOf(100, 25), map, { onProgress: (rows, bytes) => told.push([rows, bytes]) });
    for (let answered = 0; answered < 10; answered++) {
      await turn();
      expect(stored.size).toBe((answered + 1) * 10);
      turns[answered]!.resolve();
    }
    expect(await loading).toMatchObject({ rows: 100, bytes: 100 });
    expect([...stored]).toEqual(Array.from({ length: 100 }, (_, n) => [n, { n }]));
    expect(told.slice(0, 3)).toEqual([
      [10, 0],
      [20, 0],
      [30, 25],
    ]);
  });

  it('ends with the first failure', async () => {
    const { map, turns } = slowMap(10);
    const loading = loadRows(rowsOf(100, 25), map);
    await turn();
    turns[0]!.reject(new Error('full'));
    await expect(loading).rejects.toThrow('full');
    expect(turns).toHaveLength(1);
  });

  it('stops at the limit, and when the signal fires', async () => {
    const { map, stored } = slowMap(1000);
    const stop = new AbortController();
    await loadRows(rowsOf(100, 25), map, { limit: 30, keyOf: (row) => `k${row['n']}` });
    expect(stored.size).toBe(30);
    expect([...stored.keys()].at(-1)).toBe('k29');
    stop.abort();
    const cancelled = loadRows(rowsOf(100, 25), map, { signal: stop.signal });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('waits once a batch, not once a row; batches without rows are passed over', async () => {
    const source: RowSource = {
      rowCount: 5,
      bytesTotal: 5,
      async *batches() {
        for (const rows of [[], [{ n: 0 }, { n: 1 }, { n: 2 }], [], [], [{ n: 3 }, { n: 4 }]]) {
          yield { rows, bytesRead: rows.length };
        }
      },
    };
    const asked: ('waits' | 'at hand')[] = [];
    const seen: unknown[] = [];
    const map = {
      async load(given: LoadSource) {
        const stream = (given as EntryStream<GridKey, unknown>)[Symbol.asyncIterator]();
        for (;;) {
          const answer = stream.next();
          asked.push(types.isPromise(answer) ? 'waits' : 'at hand');
          const next = await answer;
          if (next.done === true) return { entries: seen.length, bytes: 0, failed: 0, unknown: 0, failures: [] };
          seen.push(next.value);
        }
      },
    };
    expect(await loadRows(source, map)).toMatchObject({ rows: 5 });
    expect(seen).toEqual([0, 1, 2, 3, 4].map((n) => [n, { n }]));
    expect(asked).toEqual(['waits', 'at hand', 'at hand', 'waits', 'at hand', 'waits']);
  });

  it('tells what is wrong with the file, or with a row, as it was thrown', async () => {
    const { map, stored } = slowMap(1000);
    const damaged: RowSource = {
      ...rowsOf(10, 10),
      async *batches() {
        yield* rowsOf(10, 10).batches();
        throw new Error('row 10 is damaged');
      },
    };
    await expect(loadRows(damaged, map)).rejects.toThrow('row 10 is damaged');
    expect(stored.size).toBe(10);
    const odd = loadRows(rowsOf(10, 10), map, {
      keyOf: (_row, rowNumber) => {
        if (rowNumber === 7) throw new Error('row 7 has no key');
        return `odd ${rowNumber}`;
      },
    });
    await expect(odd).rejects.toThrow('row 7 has no key');
    expect(stored.size).toBe(17);
  });
});
