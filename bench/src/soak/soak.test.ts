/** The short form of `npm run soak`: some seconds of each part. ASHLAR_SOAK_MS for longer ones. */
import { AnswersSoak } from './answers/answers-soak.ts';
import { GridSoak } from './grid/grid-soak.ts';
import { Ledger } from './grid/ledger.ts';
import { parseOptions } from './options.ts';
import { ReaderSoak } from './readers/reader-soak.ts';
import { rowOf, whatIsWrong } from './rows.ts';
import { StoreSoak } from './store/store-soak.ts';
import type { Tally } from './tally.ts';

const DURATION_MS = Number(process.env['ASHLAR_SOAK_MS'] ?? 5000);
const TIMEOUT_MS = DURATION_MS + 60_000;
/** Time for all grids together. */
const ANSWERS_MS = 2 * DURATION_MS;
const SEED = 7;

function expectSome(tally: Tally, names: readonly string[]): void {
  const missing = names.filter((name) => tally.get(name) === 0);
  expect(missing).toEqual([]);
}

describe('a store under threads', () => {
  it(
    'shows every snapshot as it was written: no torn, freed, future or missing row',
    async () => {
      const soak = new StoreSoak(SEED);
      await soak.run(AbortSignal.timeout(DURATION_MS));
      const done = ['puts', 'removes', 'expiries', 'batches aborted', 'maps dropped', 'columns dropped', 'scans'];
      expectSome(soak.tally, [...done, 'rows checked', 'lookups checked', 'walks over all invariants']);
    },
    TIMEOUT_MS,
  );
});

describe('two members under three clients', () => {
  it(
    'show no torn, freed, future or missing row, and every sum of a closed system as it was',
    async () => {
      const soak = new GridSoak(SEED);
      await soak.run(AbortSignal.timeout(DURATION_MS + 5000));
      const reads = ['statements', 'gets of many', 'events checked', 'rows checked', 'jobs', 'looks at the chain'];
      const writes = ['puts', 'puts that expire', 'removes', 'rows written by processors', 'transfers', 'links forged'];
      expectSome(soak.tally, [...reads, ...writes, 'sums by statements', 'sums by jobs', 'columns dropped']);
    },
    TIMEOUT_MS,
  );
});

describe('sixteen callers of known answers', () => {
  it(
    'get each of them whole, with 1, 2 and 4 threads, on one member and on two, while others are cancelled and killed',
    async () => {
      const soak = new AnswersSoak(SEED, ANSWERS_MS / 4);
      await soak.everyGrid(new AbortController().signal);
      expectSome(soak.tally, ['answers', 'cancelled', 'threads killed', 'events mirrored']);
    },
    ANSWERS_MS + 120_000,
  );
});

describe('a member under readers that do not read', () => {
  it(
    'refuses no write, gives the steady reader every row, and holds no more for the others than its bound',
    async () => {
      const soak = new ReaderSoak({ rows: 20_000, unread: 8, roundMs: 2000 });
      await soak.run(AbortSignal.timeout(1));
      expectSome(soak.tally, ['keys overwritten', 'rows read steadily', 'rounds']);
      const { tally } = soak;
      expect(tally.get('unread results that came whole') + tally.get('unread results that expired')).toBe(8);
    },
    TIMEOUT_MS,
  );
});

describe('what the soak looks for', () => {
  const row = rowOf(5, 3);

  it('is found in a row: fields of two writes, the bytes of another key, a checksum that does not fit', () => {
    expect(whatIsWrong(5, row)).toBeUndefined();
    expect(whatIsWrong(5, { ...row, fill: rowOf(5, 4).fill })).toMatch(/of write 3: fill is/);
    expect(whatIsWrong(5, { ...row, n: 4 })).toMatch(/of write 4: x is/);
    expect(whatIsWrong(5, rowOf(6, 3))).toMatch(/of key 6/);
    expect(whatIsWrong(5, { ...row, extra: 1 })).toBeDefined();
    expect(whatIsWrong(5, undefined)).toBeDefined();
  });

  it('is found by the ledger: a write before the floor, one that was not sent, a row that is missing', () => {
    const ledger = new Ledger(10);
    const before = ledger.view();
    const n = ledger.next(5);
    ledger.check(before, 5, rowOf(5, n), 'a test');
    expect(() => ledger.check(before, 5, rowOf(5, n + 1), 'a test')).toThrow(/future row/);
    ledger.stored(5, n);
    const after = ledger.view();
    expect(() => ledger.checkAll(after, new Set(), 'a test')).toThrow(/missing row/);
    ledger.removed(5, ledger.next(5));
    ledger.mayGo(5);
    expect(() => ledger.checkAll(after, new Set(), 'a test')).not.toThrow();
    ledger.check(after, 5, rowOf(5, n), 'a test that began before');
    expect(() => ledger.check(ledger.view(), 5, rowOf(5, n), 'a test')).toThrow(/removed or expired/);
  });
});

describe('the command line', () => {
  it('runs for five minutes with a seed by chance, or as it is told', () => {
    expect(parseOptions([], () => 0.5)).toEqual({
      ...{ durationMs: 300_000, seed: 2 ** 30, json: false },
      ...{ commitDelayMs: 20, commitDropPerMille: 0 },
    });
    const told = ['--minutes', '0.5', '--seed', '7', '--json', '--commit-delay', '0', '--commit-drops', '5'];
    expect(parseOptions(told, Math.random)).toEqual({
      durationMs: 30_000,
      seed: 7,
      json: true,
      commitDelayMs: 0,
      commitDropPerMille: 5,
    });
    expect(parseOptions(['--commit-delay', '15ms'], Math.random).commitDelayMs).toBe(15);
    for (const wrong of [
      ['--minutes', '0'],
      ['--seed', '1.5'],
      ['--minutes', 'x'],
      ['--turns', '1'],
      ['five'],
      ['--commit-delay', 'x'],
      ['--commit-delay', ''],
      ['--commit-drops', '-1'],
    ]) {
      expect(() => parseOptions(wrong, Math.random)).toThrow();
    }
  });
});
