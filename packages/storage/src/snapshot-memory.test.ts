/** What snapshots hold: what they see, and no more; and how they give way where memory is full. */
import { GridError } from '@ashlar/core';
import { get, getAt, makeBench, put, remove, scanAt, settle } from './testing/store-bench.ts';

const KEYS = 100;
const MIB = 2 ** 20;
const keys = Array.from({ length: KEYS }, (_, key) => `k${key}`);
const value = (round: number, bytes: number): string => String.fromCharCode(97 + (round % 26)).repeat(bytes);

describe('snapshots beside many writes', () => {
  it('hold what they see each: versions in between are used again, however old the oldest is', () => {
    const { store, reader } = makeBench({ maxBytes: 4 * MIB, logBytesPerPartition: 65_536 });
    const seen: { id: number; version: number; round: number }[] = [];
    const bytes = 600;
    for (let round = 0; round < 400; round += 1) {
      for (const key of keys) put(store, key, value(round, bytes));
      if (round % 40 === 0) {
        const { id, version } = store.openSnapshot();
        seen.push({ id, version, round });
      }
      // Others come and go in between: what only they saw is free again.
      const passing = store.openSnapshot();
      for (const key of keys.slice(0, 10)) put(store, key, value(round, bytes));
      store.releaseSnapshot(passing.id);
      store.reclaim(500);
    }
    for (const { version, round } of seen) {
      const rows = scanAt(reader, version as never);
      expect(rows.size).toBe(KEYS);
      for (const key of keys) {
        expect(rows.get(key)).toBe(value(round, bytes));
        expect(getAt(reader, key, version as never)).toBe(value(round, bytes));
      }
    }
    store.checkInvariants();
    for (const { id } of seen) store.releaseSnapshot(id);
    settle(store);
    store.checkInvariants();
  });

  it('hold nothing of entries that came and went after them', () => {
    const { store, reader } = makeBench({ maxBytes: 4 * MIB, logBytesPerPartition: 65_536 });
    put(store, 'first', 'stays');
    const old = store.openSnapshot();
    remove(store, 'first');
    for (let round = 0; round < 20_000; round += 1) {
      put(store, `n${round}`, value(round, 600));
      remove(store, `n${round}`);
      if (round % 100 === 0) store.reclaim(1000);
    }
    expect(getAt(reader, 'first', old.version)).toBe('stays');
    expect([...scanAt(reader, old.version).keys()]).toEqual(['first']);
    put(store, 'first', 'again');
    remove(store, 'first');
    expect(getAt(reader, 'first', old.version)).toBe('stays');
    store.checkInvariants();
    store.releaseSnapshot(old.id);
    settle(store);
    store.checkInvariants();
    expect(get(store, 'first')).toBeUndefined();
  });

  it('keep a pin that is not raised yet from losing what it may be raised to', () => {
    const { store, reader } = makeBench();
    put(store, 'k', 'a');
    const pinned = store.pin();
    put(store, 'k', 'b');
    const between = store.openSnapshot();
    put(store, 'k', 'c');
    store.releaseSnapshot(between.id);
    settle(store);
    store.openAt(pinned.id, between.version);
    settle(store);
    expect(getAt(reader, 'k', between.version)).toBe('b');
    put(store, 'k', 'd');
    settle(store);
    expect(getAt(reader, 'k', between.version)).toBe('b');
    store.checkInvariants();
  });
});

describe('snapshots where memory is full', () => {
  const bytes = 5000;

  function full(giveWay: boolean) {
    const bench = makeBench({ maxBytes: 4 * MIB, logBytesPerPartition: 65_536 });
    const open: { id: number; version: number }[] = [];
    const ended: boolean[] = [];
    bench.store.onSnapshotPressure(() => {
      const oldest = giveWay ? open.shift() : undefined;
      if (oldest === undefined) return false;
      ended.push(bench.store.expireSnapshot(oldest.id));
      return true;
    });
    const write = (round: number): void => {
      for (const key of keys) put(bench.store, key, value(round, bytes));
    };
    return { ...bench, open, ended, write };
  }

  it('give way, one by one, and no write is refused', () => {
    const { store, reader, open, ended, write } = full(true);
    for (let round = 0; round < 60; round += 1) {
      write(round);
      open.push(store.openSnapshot());
    }
    expect(ended.length).toBeGreaterThan(20);
    expect(open.length).toBeGreaterThan(1);
    const [oldest] = open;
    expect(scanAt(reader, oldest!.version as never).size).toBe(KEYS);
    expect(reader.snapshotAlive(oldest!.id)).toBe(true);
    store.checkInvariants();
  });

  it('without anybody to end them, writes are refused until they are released', () => {
    const { store, open, write } = full(false);
    let refused: unknown;
    try {
      for (let round = 0; round < 60; round += 1) {
        write(round);
        open.push(store.openSnapshot());
      }
    } catch (error) {
      refused = error;
    }
    expect(GridError.is(refused, 'OUT_OF_MEMORY')).toBe(true);
    for (const { id } of open) store.releaseSnapshot(id);
    write(99);
    store.checkInvariants();
  });

  it('do not go for nothing: where live entries fill the memory they stay', () => {
    const { store, open, ended } = full(true);
    open.push(store.openSnapshot());
    const fill = (): void => {
      for (let n = 0; ; n += 1) put(store, `n${n}`, value(n, bytes));
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    expect(ended).toEqual([]);
  });

  it('a reader in its chunk delays what is freed, and the writer waits for it a moment', () => {
    const { store, reader, open, write } = full(true);
    for (let round = 0; round < 3; round += 1) {
      write(round);
      open.push(store.openSnapshot());
    }
    reader.enter();
    const attempt = (): void => {
      for (let round = 0; round < 60; round += 1) write(round);
    };
    expect(attempt).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    reader.leave();
    attempt();
    store.checkInvariants();
  });
});
