/** A copy of a partition goes from member to member: whole, with its log, beside writers, and without a trace when it does not get there. */
import { type Epoch, GridError, type MapId, type PartitionId, type Sequence, type Version } from '@ashlar/core';
import { readRecordFrame } from '../log/record-frame.ts';
import {
  type Bench,
  bytesOf,
  closeAll,
  get,
  MAP,
  makeBench,
  PARTITION,
  put,
  recordsOf,
  remove,
  scanAt,
  settle,
  stagePut,
  textOf,
} from '../testing/store-bench.ts';
import { ENTRY_COLUMN, readTransferPage } from './page-codec.ts';
import type { CopyStart, PartitionPage, PartitionTransfer } from './transfer-contract.ts';

const OTHER = 2 as MapId;

/** A store without the partition. */
function joinerBench(options: Parameters<typeof makeBench>[0] = {}): Bench {
  const bench = makeBench(options);
  bench.store.closePartition(PARTITION);
  return bench;
}

/** Reads pages from `page` on and installs them. @returns how many there were */
function carry(transfer: PartitionTransfer, to: Bench, page = 0): number {
  for (; ; page++) {
    const read = transfer.readPage(page)!;
    to.store.installPage(PARTITION, page, read.bytes);
    if (read.isLast) return page + 1;
  }
}

function transferred(from: Bench, to: Bench): CopyStart {
  const transfer = from.store.openTransfer(PARTITION);
  carry(transfer, to);
  transfer.close();
  expect(to.store.finishInstall(PARTITION, transfer.start)).toBe('installed');
  return transfer.start;
}

/** What the joiner lacks, then the commit index. */
function follow(from: Bench, to: Bench): void {
  for (let next = to.store.heldSequence(PARTITION) + 1; next <= from.store.heldSequence(PARTITION); )
    next = to.store.applyFrame(readRecordFrame(from.store.readRun(PARTITION, next as Sequence, 1e5)!.payload));
  to.store.commitBackup(PARTITION, from.store.committedSequence(PARTITION));
}

function shown(bench: Bench, map = MAP): Map<string, string> {
  return scanAt(bench.reader, Number.MAX_SAFE_INTEGER as Version, PARTITION, map);
}

function expectNothingLeft(bench: Bench, maps: readonly MapId[] = [MAP, OTHER]): void {
  settle(bench.store);
  bench.store.checkInvariants();
  closeAll(bench.store, maps);
  bench.store.checkInvariants();
  expect(bench.store.stats()).toMatchObject({
    ...{ maps: [], slackBytes: 0, retiredBytes: 0, logBytes: 0, timers: 0, undecidedBatches: 0, snapshots: 0 },
  });
}

/** Keys, values and versions of entries; or the log and what it replaced. */
function contentOf({ bytes }: PartitionPage): unknown {
  const page = readTransferPage(bytes);
  const versions = Array.from({ length: page.count }, (_, row) => page.field(ENTRY_COLUMN.version, row));
  return [page.header.isLast, versions, textOf(page.first, 0, page.first.length), page.second.length];
}

function versionOf(bench: Bench, key: string): number {
  get(bench.store, key);
  return bench.store.found.version;
}

describe('a copy', () => {
  it('holds all maps as they were committed when it was captured, and follows from there', () => {
    const options = { maxBytes: 2 ** 25 };
    const [primary, joiner] = [makeBench(options), joinerBench(options)];
    for (const { store } of [primary, joiner]) store.openMap(OTHER, { affinityParts: 0 });
    for (let key = 0; key < 5000; key++) put(primary.store, `k${key}`, `v${key}`);
    put(primary.store, 'long', 'v'.repeat(700_000));
    put(primary.store, 'x', '1', PARTITION, 0, OTHER);
    const sealed = primary.store.begin();
    stagePut(sealed, 'k1', 'sealed');
    sealed.seal();
    const transfer = primary.store.openTransfer(PARTITION);
    expect(transfer.start).toMatchObject({ sequence: 5002, logFrom: 1 });
    expect(transfer.start.version).toBeLessThan(sealed.version);
    const captured = [shown(primary), shown(primary, OTHER)];
    sealed.commit();
    let pages = 0;
    for (let isLast = false; !isLast; pages++) {
      const page = transfer.readPage(pages)!;
      expect(page.bytes.length).toBeLessThan(pages === 0 ? 400_000 : 800_000);
      joiner.store.installPage(PARTITION, pages, page.bytes);
      // Writers go on.
      put(primary.store, `k${pages}`, 'after');
      remove(primary.store, `k${pages + 100}`);
      put(primary.store, `new${pages}`, '1');
      primary.store.reclaim(1000);
      isLast = page.isLast;
    }
    expect(pages).toBeGreaterThan(5);
    transfer.close();
    expect(joiner.store.finishInstall(PARTITION, transfer.start)).toBe('installed');
    expect([shown(joiner), shown(joiner, OTHER)]).toEqual(captured);
    expect(versionOf(joiner, 'k77')).toBe(versionOf(primary, 'k77'));
    expect(joiner.store.entryCount(MAP, PARTITION)).toBe(5001);
    expect(joiner.store.logInfo(PARTITION)).toMatchObject({ committedSequence: 5002, firstSequence: 1 });
    joiner.store.checkInvariants();
    follow(primary, joiner);
    expect(shown(joiner)).toEqual(shown(primary));
    expect(recordsOf(joiner.store)).toEqual(recordsOf(primary.store));
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('of an empty partition is empty, and takes what comes', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    expect(transferred(primary, joiner)).toMatchObject({ sequence: 0, logFrom: 1 });
    put(primary.store, 'a', '1');
    follow(primary, joiner);
    expect([...shown(joiner)]).toEqual([['a', '1']]);
    expect(joiner.store.logInfo(PARTITION).incarnation).toBe(primary.store.logInfo(PARTITION).incarnation);
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('carries the log with old values, and shares with it what lives', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    for (const value of ['1', '2', '3']) put(primary.store, 'a', value.repeat(2000));
    put(primary.store, 'gone', 'g'.repeat(2000));
    remove(primary.store, 'gone');
    put(primary.store, 'again', '1');
    remove(primary.store, 'again');
    put(primary.store, 'again', '2');
    transferred(primary, joiner);
    expect(recordsOf(joiner.store)).toEqual(recordsOf(primary.store));
    const bytesOfValues = (bench: Bench): number =>
      bench.store.stats().maps.find(({ mapId }) => mapId === MAP)!.bytes.values;
    settle(primary.store);
    expect(bytesOfValues(joiner)).toBe(bytesOfValues(primary));
    joiner.store.readLog(PARTITION, 2 as Sequence, 1, (record) => {
      expect(record.checksum).toBe(record.computeChecksum());
      expect(record.oldVersion).toBeGreaterThan(0);
    });
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('carries only what the log still has, and knows how far back its answers reach', () => {
    const primary = makeBench({ logBytesPerPartition: 8192 });
    const joiner = joinerBench();
    const before = primary.clock.now();
    for (let round = 0; round < 200; round++) put(primary.store, `k${round % 7}`, `v${round}`);
    transferred(primary, joiner);
    const first = primary.store.logInfo(PARTITION).firstSequence;
    expect(first).toBeGreaterThan(100);
    expect(joiner.store.logInfo(PARTITION).firstSequence).toBe(first);
    expect(recordsOf(joiner.store, first)).toEqual(recordsOf(primary.store, first));
    const stateOf = (bench: Bench, floor: number): string => {
      const search = bench.store.searchAnswers(PARTITION, { session: 5, numbers: [1], floor });
      while (!search.step(100));
      return search.stateOf(0);
    };
    let version = 0;
    primary.store.readLog(PARTITION, first, 1, (record) => (version = record.version));
    for (const floor of [before, version - 2, version - 1, version])
      expect([floor - version, stateOf(joiner, floor)]).toEqual([floor - version, stateOf(primary, floor)]);
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('is whole though the log was dropped while it was read', () => {
    const primary = makeBench({ logBytesPerPartition: 8192 });
    const joiner = joinerBench();
    for (let round = 0; round < 100; round++) put(primary.store, `k${round}`, `v${round}`);
    const transfer = primary.store.openTransfer(PARTITION);
    const captured = shown(primary);
    joiner.store.installPage(PARTITION, 0, transfer.readPage(0)!.bytes);
    for (let round = 0; round < 300; round++) put(primary.store, `k${round % 50}`, `after${round}`);
    carry(transfer, joiner, 1);
    transfer.close();
    expect(joiner.store.finishInstall(PARTITION, transfer.start)).toBe('installed');
    expect(shown(joiner)).toEqual(captured);
    expect(joiner.store.logInfo(PARTITION)).toMatchObject({ firstSequence: 101, committedSequence: 100, bytes: 0 });
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('holds what durable consumers of its primary have still to read', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    put(primary.store, 'a', '1');
    put(primary.store, 'a', '2');
    primary.store.addConsumer(PARTITION, { durable: true, at: 2 as Sequence });
    transferred(primary, joiner);
    expect(joiner.store.logTerms(PARTITION)).toEqual({ trimFloor: 1, heldFrom: 2 });
  });

  it('promoted, goes on with sequence, version and answers, and expires what is due', () => {
    const options = { maxIdleMs: 10_000 };
    const [primary, joiner] = [makeBench(options), joinerBench(options)];
    put(primary.store, 'due', '1', PARTITION, (primary.time.ms + 300) * 1000);
    put(primary.store, 'idle', '1');
    primary.time.ms += 100;
    const batch = primary.store.begin({ requestSession: 7, requestNumber: 8 });
    stagePut(batch, 'a', '1');
    batch.answer(MAP, PARTITION, bytesOf('answered'), 0, 8);
    batch.requestNumber = 9;
    stagePut(batch, 'b', '1');
    batch.answer(MAP, PARTITION, bytesOf('answered at length'), 0, 18);
    batch.commit();
    transferred(primary, joiner);
    expect(joiner.store.roleOf(PARTITION)).toBe('backup');
    joiner.store.promotePartition(PARTITION, 4 as Epoch);
    const search = joiner.store.searchAnswers(PARTITION, { session: 7, numbers: [8, 9, 10], floor: 0 });
    while (!search.step(100));
    expect([0, 1, 2].map((index) => search.stateOf(index))).toEqual(['applied', 'applied', 'unknown']);
    expect(textOf(search.record(0).shortResult!, 0, 8)).toBe('answered');
    const result = search.result(1)!;
    result.positionValue();
    expect(textOf(result.bytes, result.start, result.stop)).toBe('answered at length');
    put(joiner.store, 'a', '2');
    expect(joiner.store.heldSequence(PARTITION)).toBe(6);
    expect(versionOf(joiner, 'a')).toBeGreaterThan(batch.version);
    joiner.time.ms += 1000;
    joiner.store.sweepExpired(100);
    expect(recordsOf(joiner.store, 6)).toEqual(['6 put a 1 -> 2', '7 expire due 1']);
    // Nobody knows who read what meanwhile: idle times begin anew.
    joiner.time.ms += 8900;
    joiner.store.sweepExpired(100);
    expect(get(joiner.store, 'b')).toBe('1');
    joiner.time.ms += 400;
    joiner.store.sweepExpired(100);
    expect(shown(joiner)).toEqual(new Map([['b', '1']]));
    for (const bench of [primary, joiner]) expectNothingLeft(bench, [MAP]);
  });

  it('keeps the time of last use while it is a backup, for whoever gets its copy from it', () => {
    const options = { maxIdleMs: 60_000 };
    const [primary, joiner, next] = [makeBench(options), joinerBench(options), joinerBench(options)];
    put(primary.store, 'a', '1');
    const usedAt = primary.time.ms;
    primary.time.ms += 5000;
    put(primary.store, 'b', '1');
    transferred(primary, joiner);
    joiner.time.ms = usedAt + 5000;
    joiner.store.promotePartition(PARTITION, 2 as Epoch);
    transferred(joiner, next);
    next.time.ms = usedAt + 5000;
    next.store.promotePartition(PARTITION, 3 as Epoch);
    next.time.ms += 59_000;
    next.store.sweepExpired(100);
    expect(shown(next).size).toBe(2);
    next.time.ms += 1100;
    next.store.sweepExpired(100);
    expect(shown(next).size).toBe(0);
  });
});

describe('a transfer', () => {
  it('reads a page again as it was, until the next one was read', () => {
    const [primary, joiner] = [makeBench({ maxBytes: 2 ** 25 }), joinerBench()];
    for (let key = 0; key < 5000; key++) put(primary.store, `k${key}`, 'v'.repeat(100));
    const transfer = primary.store.openTransfer(PARTITION);
    let page = 0;
    for (let isLast = false; !isLast; page++) {
      const first = transfer.readPage(page)!;
      put(primary.store, `k${page * 10}`, 'other');
      primary.store.reclaim(1000);
      const second = transfer.readPage(page)!;
      expect(contentOf(second)).toEqual(contentOf(first));
      joiner.store.installPage(PARTITION, page, second.bytes);
      // What comes twice is passed over.
      if (page > 0) joiner.store.installPage(PARTITION, page, second.bytes);
      isLast = first.isLast;
    }
    expect(() => transfer.readPage(page - 2)).toThrow('transfer X2');
    transfer.close();
    joiner.store.finishInstall(PARTITION, transfer.start);
    expect(joiner.store.entryCount(MAP, PARTITION)).toBe(5000);
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('leaves nothing behind when it is closed half way, on either side', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    for (let round = 0; round < 3000; round++) put(primary.store, `k${round % 1500}`, 'v'.repeat(300));
    const pages = ((): number => {
      const transfer = primary.store.openTransfer(PARTITION);
      const count = carry(transfer, joiner);
      transfer.close();
      joiner.store.closePartition(PARTITION);
      return count;
    })();
    expect(pages).toBeGreaterThan(3);
    for (let last = 0; last < pages; last++) {
      const transfer = primary.store.openTransfer(PARTITION);
      for (let page = 0; page <= last; page++)
        joiner.store.installPage(PARTITION, page, transfer.readPage(page)!.bytes);
      joiner.store.checkInvariants();
      joiner.store.closePartition(PARTITION);
      transfer.close();
      transfer.close();
      expect(transfer.readPage(last)).toBeUndefined();
      settle(joiner.store);
      joiner.store.checkInvariants();
      expect(joiner.store.entryCount(MAP, PARTITION)).toBe(0);
    }
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('begins anew with another page 0', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    for (let round = 0; round < 3000; round++) put(primary.store, `k${round}`, 'v'.repeat(100));
    const first = primary.store.openTransfer(PARTITION);
    joiner.store.installPage(PARTITION, 0, first.readPage(0)!.bytes);
    joiner.store.installPage(PARTITION, 1, first.readPage(1)!.bytes);
    first.close();
    put(primary.store, 'k1', 'newer');
    transferred(primary, joiner);
    expect(shown(joiner)).toEqual(shown(primary));
    for (const bench of [primary, joiner]) expectNothingLeft(bench);
  });

  it('ends when its partition leaves, or is demoted', () => {
    const { store } = makeBench();
    put(store, 'a', '1');
    put(store, 'a', '1', 1);
    const [closed, demoted] = [store.openTransfer(PARTITION), store.openTransfer(1 as PartitionId)];
    store.closePartition(PARTITION);
    store.demotePartition(1 as PartitionId);
    expect([closed.readPage(0), demoted.readPage(0)]).toEqual([undefined, undefined]);
    expect(store.stats().snapshots).toBe(0);
  });

  it('costs writers of its own partition one old version of an entry, and those of others nothing, however long it takes', () => {
    const other = 1 as PartitionId;
    const primary = makeBench({ maxBytes: 2 ** 24, partitionCount: 2, logBytesPerPartition: 10_000 });
    const { store } = primary;
    store.openPartition(other, 1 as Epoch);
    const writeAll = (partition: PartitionId, round: number): number => {
      for (let key = 0; key < 500; key++) put(store, `k${key}`, `${round}${'v'.repeat(100)}`, partition);
      settle(store);
      return store.stats().maps[0]!.bytes.values;
    };
    for (const partition of [PARTITION, other]) for (let round = 0; round < 3; round++) writeAll(partition, round);
    const transfer = store.openTransfer(PARTITION);
    transfer.readPage(0);
    expect(store.stats().snapshots).toBe(0);
    const ofOthers = Array.from({ length: 5 }, (_, round) => writeAll(other, round));
    expect(Math.max(...ofOthers) - ofOthers[0]!).toBeLessThan(10_000);
    const ofItsOwn = Array.from({ length: 5 }, (_, round) => writeAll(PARTITION, round));
    expect(Math.max(...ofItsOwn) - ofItsOwn[0]!).toBeLessThan(10_000);
    expect(ofItsOwn[0]! - ofOthers[4]!).toBeGreaterThan(500 * 100);
    transfer.close();
    primary.time.ms += 2000;
    expect(writeAll(PARTITION, 9) - ofOthers[0]!).toBeLessThan(10_000);
    expectNothingLeft(primary);
  });

  it('ends when writers need the memory that it holds', () => {
    const bench = makeBench({ maxBytes: 60 * 32_768 });
    const { store } = bench;
    for (let key = 0; key < 60; key++) put(store, `k${key}`, 'v'.repeat(12_000));
    const transfer = store.openTransfer(PARTITION);
    expect(transfer.readPage(0)).toBeDefined();
    for (let round = 0; round < 10; round++)
      for (let key = 0; key < 60; key++) put(store, `k${key}`, `${round}`.repeat(12_000));
    expect(transfer.readPage(1)).toBeUndefined();
    expectNothingLeft(bench, [MAP]);
  });

  it('waits with pages of maps that are not known yet; what is of a map that was dropped here is passed over', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    const DROPPED = 3 as MapId;
    for (const map of [OTHER, DROPPED]) primary.store.openMap(map, { affinityParts: 0 });
    for (const map of [MAP, OTHER, DROPPED])
      for (const value of ['1', '2']) put(primary.store, 'a', value, PARTITION, 0, map);
    const transfer = primary.store.openTransfer(PARTITION);
    carry(transfer, joiner);
    expect(joiner.store.finishInstall(PARTITION, transfer.start)).toBe('later');
    expect(() =>
      joiner.store.applyFrame(readRecordFrame(primary.store.readRun(PARTITION, 1 as Sequence, 1)!.payload)),
    ).toThrow();
    joiner.store.checkInvariants();
    joiner.store.openMap(OTHER, { affinityParts: 0 });
    expect(joiner.store.finishInstall(PARTITION, transfer.start)).toBe('later');
    joiner.store.openMap(DROPPED, { affinityParts: 0 });
    joiner.store.dropMap(DROPPED);
    expect(joiner.store.finishInstall(PARTITION, transfer.start)).toBe('installed');
    transfer.close();
    expect([get(joiner.store, 'a'), get(joiner.store, 'a', PARTITION, OTHER)]).toEqual(['2', '2']);
    expect(recordsOf(joiner.store)).toEqual(recordsOf(primary.store).slice(0, 4));
    expect(joiner.store.heldSequence(PARTITION)).toBe(6);
    expectNothingLeft(primary, [MAP, OTHER, DROPPED]);
    expectNothingLeft(joiner);
  });

  it('needs no map that was dropped at its source before', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    primary.store.openMap(OTHER, { affinityParts: 0 });
    for (const value of ['1', '2']) put(primary.store, 'a', value, PARTITION, 0, OTHER);
    put(primary.store, 'a', '1');
    primary.store.dropMap(OTHER);
    transferred(primary, joiner);
    put(primary.store, 'a', '2');
    follow(primary, joiner);
    expect([get(joiner.store, 'a'), joiner.store.heldSequence(PARTITION)]).toEqual(['2', 4]);
    for (const bench of [primary, joiner]) expectNothingLeft(bench, [MAP]);
  });

  it('is given up where memory is short, whole', () => {
    const primary = makeBench();
    for (let round = 0; round < 400; round++) put(primary.store, `k${round}`, 'v'.repeat(4000));
    const joiner = joinerBench({ maxBytes: 40 * 32_768 });
    const transfer = primary.store.openTransfer(PARTITION);
    expect(() => carry(transfer, joiner)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    joiner.store.checkInvariants();
    joiner.store.closePartition(PARTITION);
    transfer.close();
    expectNothingLeft(joiner);
  });

  it('goes on without the log where memory has room for the entries alone, unless durable consumers want some of it', () => {
    const primary = makeBench({ maxBytes: 2 ** 24 });
    for (const key of ['a', 'b', 'c']) {
      put(primary.store, key, key.repeat(600_000));
      put(primary.store, key, key);
    }
    const joiner = joinerBench({ maxBytes: 60 * 32_768, logBytesPerPartition: 4096 });
    const fill = (): void => {
      for (let key = 0; ; key++) put(joiner.store, `k${key}`, 'v'.repeat(4000), 1);
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    for (let key = 0; key < 40; key++) remove(joiner.store, `k${key}`, 1);
    settle(joiner.store);
    const { version } = transferred(primary, joiner);
    expect(shown(joiner)).toEqual(shown(primary));
    expect(joiner.store.logInfo(PARTITION)).toMatchObject({ firstSequence: 7, committedSequence: 6, bytes: 0 });
    const search = joiner.store.searchAnswers(PARTITION, { session: 5, numbers: [1], floor: version - 1 });
    while (!search.step(100));
    expect(search.stateOf(0)).toBe('unknown');
    joiner.store.checkInvariants();
    joiner.store.closePartition(PARTITION);
    const { firstSequence } = primary.store.logInfo(PARTITION);
    const consumer = primary.store.addConsumer(PARTITION, { durable: true, at: firstSequence });
    const transfer = primary.store.openTransfer(PARTITION);
    expect(() => carry(transfer, joiner)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
    joiner.store.checkInvariants();
    transfer.close();
    consumer.close();
    for (const bench of [primary, joiner]) expectNothingLeft(bench, [MAP]);
  });

  it('refuses pages that are not whole', () => {
    const [primary, joiner] = [makeBench(), joinerBench()];
    put(primary.store, 'a', '1');
    const { bytes } = primary.store.openTransfer(PARTITION).readPage(0)!;
    for (let at = 0; at < bytes.length; at += 3) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0x10;
      try {
        joiner.store.installPage(PARTITION, 0, damaged);
        throw new Error(`byte ${at} was not missed`);
      } catch (error) {
        expect(GridError.is(error, 'INVALID_ARGUMENT')).toBe(true);
      }
    }
    expect(() => joiner.store.installPage(PARTITION, 0, bytes.subarray(0, 40))).toThrow('too short');
    expect(joiner.store.isPartitionOpen(PARTITION)).toBe(false);
  });
});
