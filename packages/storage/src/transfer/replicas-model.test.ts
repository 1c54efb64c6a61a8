/**
 * A partition on three stores against a dumb twin: a list of what was done, in order. Random batches, also over a second partition,
 * records shipped in runs, commit indexes, copies that go over half way or whole, pages read twice, demotions with what is under way,
 * promotions with and without the tail of the one before, members that vanish, maps that come and go, memory that is short.
 */
import { type Epoch, GridError, type MapId, type PartitionId, type Sequence, seededRandom } from '@ashlar/core';
import fc from 'fast-check';
import type { WriteBatch } from '../batch/write-batch.ts';
import { RecordKind } from '../log/log-record.ts';
import { readRecordFrame } from '../log/record-frame.ts';
import {
  brief,
  type Done,
  nameOf,
  recordText,
  type Staged,
  type State,
  shownBy,
  stateOf,
} from '../testing/replicas-twin.ts';
import {
  type Bench,
  bytesOf,
  closeAll,
  makeBench,
  PARTITION,
  settle,
  stagePut,
  stageRemove,
  textOf,
} from '../testing/store-bench.ts';
import type { PartitionTransfer } from './transfer-contract.ts';

const MEMBERS = 3;
const ASIDE = 1 as PartitionId;
/** A map of the other partition alone. */
const KEPT_MAP = 90 as MapId;
const SESSION = 9;
const TICK_MS = 33;

interface Transfer {
  readonly to: number;
  readonly source: PartitionTransfer;
  page: number;
}

class Run {
  readonly random;
  readonly members: Bench[];
  primary = 0;
  epoch = 1;
  /** Those that hold a copy and follow. */
  readonly backups = new Set<number>();
  transfer: Transfer | undefined;
  /** By member: what was replaced while its copy was read had no deadline any more; from that sequence on it is replaced there, too. */
  readonly deadlinesFrom = new Map<number, number>();
  maps: MapId[] = [1 as MapId, 2 as MapId];
  nextMap = 100;
  /** What was sealed, oldest first; a demotion or a promotion without the tail takes some of it away. */
  done: Done[] = [];
  readonly waiting: WriteBatch[] = [];
  nextRequest = 1;
  /** Requests of batches that were lost. */
  readonly lost = new Set<number>();
  readonly counts = {
    transfers: 0,
    halfWay: 0,
    promotions: 0,
    demotions: 0,
    shipped: 0,
    short: 0,
    compared: 0,
    cutOut: 0,
  };

  constructor(seed: number, maxBytes: readonly number[]) {
    this.random = seededRandom(seed);
    this.members = maxBytes.map((bytes, member) => {
      const bench = makeBench({ maxBytes: bytes, logBytesPerPartition: 60_000, patchAtOnceMax: 8 });
      for (const map of [2 as MapId, KEPT_MAP]) bench.store.openMap(map, { affinityParts: 0 });
      if (member > 0) bench.store.closePartition(PARTITION);
      return bench;
    });
    this.#setIncarnation();
  }

  /** All copies of a log have one incarnation, as replication gives it. */
  #setIncarnation(): void {
    const { store } = this.members[0]!;
    store.closePartition(PARTITION);
    store.openPartition(PARTITION, 1 as Epoch, { incarnation: 1 });
  }

  get source(): Bench {
    return this.members[this.primary]!;
  }

  below(bound: number): number {
    return this.random.below(bound);
  }

  step(): void {
    const dice = this.below(100);
    if (dice < 34) this.write();
    else if (dice < 46) this.commitOldest();
    else if (dice < 58) this.ship();
    else if (dice < 64) this.commitBackup();
    else if (dice < 78) this.transferOn();
    else if (dice < 81) this.giveUpTransfer();
    else if (dice < 84) this.failOver();
    else if (dice < 86) this.vanish();
    else if (dice < 90) this.passTime();
    else if (dice < 92) this.changeMaps();
    else if (dice < 97) this.members[this.below(MEMBERS)]!.store.reclaim(1 + this.below(200));
    else this.compare();
  }

  /* ---- Writing -------------------------------------------------------------------------------------------------------- */

  write(): void {
    const { store } = this.source;
    const isWhole = this.below(3) === 0;
    const batch = store.begin({ oncePerKey: !isWhole, requestSession: SESSION });
    const staged: Staged[] = [];
    const state = this.stateAt(Infinity);
    const before = store.heldSequence(PARTITION);
    for (let left = 1 + this.below(8); left > 0; left--) {
      batch.requestNumber = this.nextRequest++;
      const one = this.stageOne(batch, state, staged);
      if (one === 'cut') break;
    }
    batch.requestNumber = 0;
    if (this.below(4) === 0 && this.waiting.length < 8)
      stagePut(batch, `k${this.below(20)}`, 'aside', ASIDE, 0, KEPT_MAP);
    batch.seal();
    this.waiting.push(batch);
    this.#note(before, batch.version, staged);
  }

  stageOne(batch: WriteBatch, state: State, staged: Staged[]): 'cut' | 'refused' | 'staged' {
    const map = this.maps[this.below(this.maps.length)]!;
    const key = `k${this.below(25)}`;
    const request = batch.requestNumber;
    const isAgain = staged.findIndex((one) => one.map === map && one.key === key);
    const row = state.get(nameOf(map, key));
    const old = isAgain >= 0 ? staged[isAgain]!.old : row?.value;
    try {
      if (this.below(4) === 0) {
        // A step that removes what it has put itself leaves no record where nothing was before: left to the store's own model.
        if (isAgain >= 0) return 'refused';
        if (!stageRemove(batch, key, PARTITION, map)) return batch.wantsCut ? 'cut' : 'refused';
        staged.push({
          ...{ map, kind: RecordKind.remove, key, value: undefined, old, deadline: 0, request, result: undefined },
        });
        state.delete(nameOf(map, key));
        return 'staged';
      }
      const value = this.randomValue();
      const deadline = this.below(5) === 0 ? (this.source.time.ms + 2000 + this.below(4000)) * 1000 : 0;
      if (!stagePut(batch, key, value, PARTITION, deadline, map)) return 'cut';
      const result = this.below(3) === 0 && isAgain < 0 ? 'r'.repeat(1 + this.below(30)) : undefined;
      if (result !== undefined) batch.answer(map, PARTITION, bytesOf(result), 0, result.length);
      if (isAgain >= 0) staged.splice(isAgain, 1);
      staged.push({ ...{ map, kind: RecordKind.put, key, value, old, deadline, request, result } });
      state.set(nameOf(map, key), { value, version: Infinity, deadline });
      return 'staged';
    } catch (error) {
      if (!GridError.is(error, 'OUT_OF_MEMORY') && !GridError.is(error, 'LOG_FULL')) throw error;
      return 'refused';
    }
  }

  randomValue(): string {
    const length = this.below(30) === 0 ? 300_000 : this.below(8) === 0 ? this.below(20_000) : this.below(120);
    return String.fromCharCode(97 + this.below(26)).repeat(length);
  }

  /** The sequences of told records are the log's. */
  #note(before: number, version: number, staged: readonly Staged[]): void {
    const { store } = this.source;
    const told: number[] = [];
    for (let from = before + 1; from <= store.heldSequence(PARTITION); ) {
      const run = store.readRun(PARTITION, from as Sequence, 1e9)!;
      const frame = readRecordFrame(run.payload);
      for (let index = 0; index < run.count; index++)
        if (frame.field('kind', index) < RecordKind.superseded) told.push(from + index);
      from += run.count;
    }
    expect(told.length).toBe(staged.length);
    for (const [index, one] of staged.entries()) this.done.push({ ...one, sequence: told[index]!, version });
  }

  commitOldest(): void {
    this.waiting.shift()?.commit();
  }

  passTime(): void {
    const ms = this.below(1500);
    for (const { time } of this.members) time.ms += ms;
    this.expire();
  }

  /** Until nothing is due any more: the sweep sees it a tick later. Backups do nothing. */
  expire(): void {
    while (this.waiting.length > 0) this.commitOldest();
    do {
      for (const { time } of this.members) time.ms += 2 * TICK_MS;
      const before = this.source.store.heldSequence(PARTITION);
      const state = this.stateAt(Infinity);
      for (const { store } of this.members) while (!store.sweepExpired(50));
      for (let sequence = before + 1; sequence <= this.source.store.heldSequence(PARTITION); sequence++)
        this.#noteExpiry(sequence, state);
    } while (this.#isAnyDue());
  }

  #isAnyDue(): boolean {
    const now = this.source.clock.now();
    return [...this.stateAt(Infinity).values()].some(({ deadline }) => deadline !== 0 && deadline <= now);
  }

  #noteExpiry(sequence: number, state: State): void {
    const { store, clock } = this.source;
    store.readLog(PARTITION, sequence as Sequence, 1, (record) => {
      record.positionKey();
      const key = textOf(record.bytes, record.start, record.stop);
      const row = state.get(nameOf(record.mapId, key));
      expect([record.kind, (row?.deadline ?? Infinity) <= clock.now()]).toEqual([RecordKind.expire, true]);
      this.done.push({
        ...{ sequence, map: record.mapId, kind: record.kind, key, value: undefined, old: row!.value },
        ...{ deadline: 0, version: record.version, request: 0, result: undefined },
      });
    });
  }

  changeMaps(): void {
    if (this.below(3) > 0 || this.maps.length > 3) {
      if (this.maps.length < 2) return;
      const [dropped] = this.maps.splice(this.below(this.maps.length), 1);
      for (const { store } of this.members) store.dropMap(dropped!);
      return;
    }
    const map = this.nextMap++ as MapId;
    this.maps.push(map);
    for (const { store } of this.members) store.openMap(map, { affinityParts: 0 });
  }

  /* ---- Copies --------------------------------------------------------------------------------------------------------- */

  ship(member = [...this.backups][this.below(Math.max(1, this.backups.size))], bytesMax = 1 + this.below(5000)): void {
    if (member === undefined) return;
    const to = this.members[member]!.store;
    const next = (to.heldSequence(PARTITION) + 1) as Sequence;
    if (next > this.source.store.heldSequence(PARTITION)) return;
    const run = this.source.store.readRun(PARTITION, next, bytesMax);
    if (run === undefined) {
      this.loseCopy(member);
      return;
    }
    this.counts.shipped += 1;
    this.#orShort(member, () => to.applyFrame(readRecordFrame(run.payload)));
  }

  commitBackup(): void {
    for (const member of this.backups)
      this.members[member]!.store.commitBackup(PARTITION, this.source.store.committedSequence(PARTITION));
  }

  loseCopy(member: number): void {
    this.backups.delete(member);
    this.members[member]!.store.closePartition(PARTITION);
  }

  /** @returns whether there was memory; the copy is given up where there was none */
  #orShort(member: number, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (!GridError.is(error, 'OUT_OF_MEMORY')) throw error;
      this.counts.short += 1;
      this.loseCopy(member);
      return false;
    }
  }

  transferOn(): void {
    if (this.transfer === undefined) {
      const free = [...this.members.keys()].filter((member) => member !== this.primary && !this.backups.has(member));
      if (free.length === 0) return;
      this.transfer = {
        to: free[this.below(free.length)]!,
        source: this.source.store.openTransfer(PARTITION),
        page: 0,
      };
      if (this.below(2) === 0)
        this.source.store.holdForReplica(PARTITION, 'joiner', this.transfer.source.start.sequence + 1);
    }
    const { transfer } = this;
    const to = this.members[transfer.to]!.store;
    for (let pages = 1 + this.below(3); pages > 0; pages--) {
      let page = transfer.source.readPage(transfer.page);
      if (this.below(3) === 0) page = transfer.source.readPage(transfer.page);
      if (page === undefined) {
        this.giveUpTransfer();
        return;
      }
      if (!this.#orShort(transfer.to, () => to.installPage(PARTITION, transfer.page, page.bytes))) {
        this.giveUpTransfer();
        return;
      }
      transfer.page += 1;
      if (page.isLast) {
        this.finishTransfer(transfer);
        return;
      }
    }
  }

  finishTransfer({ to, source }: Transfer): void {
    const { store } = this.members[to]!;
    expect(store.finishInstall(PARTITION, source.start)).toBe('installed');
    source.close();
    this.transfer = undefined;
    this.source.store.holdForReplica(PARTITION, 'joiner', Infinity);
    this.counts.transfers += 1;
    expect(store.heldSequence(PARTITION)).toBe(source.start.sequence);
    this.deadlinesFrom.set(to, this.source.store.heldSequence(PARTITION));
    this.compareMember(to, true);
    this.backups.add(to);
  }

  giveUpTransfer(): void {
    if (this.transfer === undefined) return;
    this.counts.halfWay += 1;
    this.transfer.source.close();
    this.members[this.transfer.to]!.store.closePartition(PARTITION);
    this.source.store.holdForReplica(PARTITION, 'joiner', Infinity);
    this.transfer = undefined;
  }

  /* ---- Failover ------------------------------------------------------------------------------------------------------- */

  /** Somebody who holds all that is committed takes over. */
  failOver(): void {
    const { store } = this.source;
    const committed = store.committedSequence(PARTITION);
    const able = [...this.backups].filter((member) => this.members[member]!.store.heldSequence(PARTITION) >= committed);
    if (able.length === 0) return;
    const next = able[this.below(able.length)]!;
    this.giveUpTransfer();
    const open = this.below(2) === 0 && this.waiting.length < 4 ? store.begin({ requestSession: SESSION }) : undefined;
    if (open !== undefined) {
      stagePut(open, 'open', 'never', PARTITION, 0, this.maps[0]!);
      stagePut(open, 'aside', 'kept', ASIDE, 0, KEPT_MAP);
    }
    if (this.below(2) === 0) this.demoteTo(next);
    else this.dieFor(next);
    this.endLostBatches();
    if (open !== undefined) {
      expect(open.lostPartitions).toEqual([PARTITION]);
      open.commit();
      this.counts.cutOut += 1;
    }
    this.epoch += 1;
    const to = this.members[next]!;
    const held = to.store.heldSequence(PARTITION);
    for (const member of this.backups)
      if (this.members[member]!.store.heldSequence(PARTITION) > held) this.loseCopy(member);
    to.store.commitBackup(PARTITION, held);
    to.store.promotePartition(PARTITION, this.epoch as Epoch);
    this.backups.delete(next);
    this.primary = next;
    this.counts.promotions += 1;
    this.compareMember(next, true);
  }

  /** The one before hands over all that it has sealed, and follows. */
  demoteTo(next: number): void {
    const { primary } = this;
    const { store } = this.source;
    const held = store.heldSequence(PARTITION);
    this.counts.demotions += 1;
    this.backups.add(primary);
    if (!this.#orShort(primary, () => store.demotePartition(PARTITION))) {
      this.cutAt(next);
      return;
    }
    expect(store.heldSequence(PARTITION)).toBe(held);
    while (this.backups.has(next) && this.members[next]!.store.heldSequence(PARTITION) < held) this.ship(next, 1e5);
    // It had no room for the tail: the one before is the longest, and serves again.
    if (!this.backups.has(next)) throw new Error('a member that is promoted has room in this model');
  }

  /** The one before is gone, and what nobody else holds with it. */
  dieFor(next: number): void {
    this.source.store.closePartition(PARTITION);
    this.cutAt(next);
  }

  cutAt(next: number): void {
    const held = this.members[next]!.store.heldSequence(PARTITION);
    for (const one of this.done) if (one.sequence > held && one.request !== 0) this.lost.add(one.request);
    this.done = this.done.filter(({ sequence }) => sequence <= held);
  }

  /** Batches that staged elsewhere too go on without the partition. */
  endLostBatches(): void {
    for (const batch of this.waiting) {
      expect(batch.state === 'aborted' || batch.lostPartitions.includes(PARTITION) || batch.state === 'sealed').toBe(
        true,
      );
      if (batch.state === 'sealed') batch.commit();
    }
    this.waiting.length = 0;
  }

  vanish(): void {
    const [member] = this.backups;
    if (member !== undefined) this.loseCopy(member);
  }

  /* ---- Against the twin ------------------------------------------------------------------------------------------------- */

  stateAt(sequence: number): State {
    return stateOf(this.done, this.maps, sequence);
  }

  compare(): void {
    this.counts.compared += 1;
    for (const { store } of this.members) store.checkInvariants();
    this.compareMember(this.primary, true);
    for (const member of this.backups) this.compareMember(member, false);
  }

  /** What a member shows, and its log, as they were when what it has committed was done. */
  compareMember(member: number, isEvenWithAnswers: boolean): void {
    const { store } = this.members[member]!;
    const committed = store.committedSequence(PARTITION);
    const areDeadlinesThere = committed >= (this.deadlinesFrom.get(member) ?? 0);
    expect([member, brief(this.shown(member), areDeadlinesThere)]).toEqual([
      member,
      brief(this.stateAt(committed), areDeadlinesThere),
    ]);
    const { firstSequence } = store.logInfo(PARTITION);
    const expected = this.done.filter(({ sequence }) => sequence >= firstSequence && sequence <= committed);
    const told = this.toldBy(member, firstSequence);
    const known = new Set(told.map(({ sequence }) => sequence));
    // What is of maps that were dropped may have lost its content on the way.
    expect(told).toEqual(
      expected.filter(({ sequence, map }) => this.maps.includes(map) || known.has(sequence)).map(recordText),
    );
    if (isEvenWithAnswers) this.compareAnswers(member);
  }

  shown(member: number): State {
    return shownBy(this.members[member]!, this.maps);
  }

  toldBy(member: number, from: Sequence): ReturnType<typeof recordText>[] {
    const told: ReturnType<typeof recordText>[] = [];
    this.members[member]!.store.readLog(PARTITION, from, 1e6, (record) => {
      record.positionKey();
      const key = textOf(record.bytes, record.start, record.stop);
      record.positionValue();
      const value = record.hasValue ? textOf(record.bytes, record.start, record.stop) : undefined;
      record.positionOldValue();
      const old = record.hasOldValue ? textOf(record.bytes, record.start, record.stop) : undefined;
      const { sequence, mapId, kind, expiresAt, version, requestNumber } = record;
      const one = { sequence, map: mapId, kind, key, value, old, deadline: expiresAt, version, request: requestNumber };
      told.push(recordText({ ...one, result: undefined }));
    });
    return told;
  }

  /** What a caller would be told that sends its request again. */
  compareAnswers(member: number): void {
    const { store } = this.members[member]!;
    const byRequest = new Map(this.done.filter(({ request }) => request !== 0).map((one) => [one.request, one]));
    const numbers = Array.from({ length: Math.min(60, this.nextRequest - 1) }, (_, at) => this.nextRequest - 1 - at);
    if (numbers.length === 0) return;
    const search = store.searchAnswers(PARTITION, { session: SESSION, numbers, floor: 2 });
    while (!search.step(100));
    const { firstSequence } = store.logInfo(PARTITION);
    numbers.forEach((number, index) => {
      const state = search.stateOf(index);
      const one = byRequest.get(number);
      if (one === undefined) {
        // Refused, superseded, or lost: then it was never done.
        if (this.lost.has(number)) expect([number, state]).not.toEqual([number, 'applied']);
        return;
      }
      if (one.sequence > store.heldSequence(PARTITION)) return;
      // Its answer may be there when its change is not any more: that says as much.
      if (one.sequence < firstSequence && one.result !== undefined) return;
      expect([number, state]).toEqual([number, one.sequence >= firstSequence ? 'applied' : 'unknown']);
      if (state === 'applied' && this.maps.includes(one.map)) this.compareAnswer(search, index, one);
    });
  }

  compareAnswer(search: ReturnType<Bench['store']['searchAnswers']>, index: number, { result, old }: Done): void {
    const record = search.record(index);
    record.positionOldValue();
    expect(brief(record.hasOldValue ? textOf(record.bytes, record.start, record.stop) : undefined)).toBe(brief(old));
    if (result === undefined) return;
    const short = search.record(index).shortResult;
    if (short !== undefined) {
      expect(textOf(short, 0, short.length)).toBe(result);
      return;
    }
    const long = search.result(index);
    // A long one is a record of its own, behind that of the change: the first of them may be dropped already.
    long!.positionValue();
    expect(textOf(long!.bytes, long!.start, long!.stop)).toBe(result);
  }

  finish(): void {
    this.giveUpTransfer();
    while (this.waiting.length > 0) this.commitOldest();
    for (const member of [...this.backups])
      while (
        this.backups.has(member) &&
        this.members[member]!.store.heldSequence(PARTITION) < this.source.store.heldSequence(PARTITION)
      )
        this.ship(member, 1e5);
    this.commitBackup();
    this.compare();
    for (const { store } of this.members) {
      settle(store);
      store.checkInvariants();
      closeAll(store, [...this.maps, KEPT_MAP]);
      store.checkInvariants();
      const { maps, slackBytes, retiredBytes, logBytes, timers, undecidedBatches, snapshots } = store.stats();
      expect([maps, slackBytes, retiredBytes, logBytes, timers, undecidedBatches, snapshots]).toEqual([
        [],
        0,
        0,
        0,
        0,
        0,
        0,
      ]);
    }
  }
}

const RUNS = Number(process.env['ASHLAR_MODEL_RUNS'] ?? 12);

describe('three stores and a dumb twin', () => {
  it('agree over writes, transfers, demotions and promotions', () => {
    const total = { transfers: 0, halfWay: 0, promotions: 0, demotions: 0, cutOut: 0 };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const run = new Run(seed, [2 ** 24, 2 ** 24, 2 ** 24]);
        for (let index = 0; index < 500; index++) run.step();
        for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += run.counts[name];
        run.finish();
      }),
      { numRuns: RUNS },
    );
    for (const [name, count] of Object.entries(total)) expect([name, count > 0]).toEqual([name, true]);
  });

  it('agree where one of them is short of memory', () => {
    let short = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const run = new Run(seed, [2 ** 24, 2 ** 24, 40 * 32_768]);
        run.failOver = () => undefined;
        for (let index = 0; index < 400; index++) run.step();
        short += run.counts.short;
        run.finish();
      }),
      { numRuns: RUNS },
    );
    expect(short).toBeGreaterThan(0);
  });
});
