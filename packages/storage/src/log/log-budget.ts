/**
 * The memory of all logs of a member: one budget, shared by the partitions, with a floor for each.
 *
 *   [ floor 0 | floor 1 | ... | floor n ][ shared: whoever writes more takes more ........................ ] = bytesMax
 *
 * A record that the budget has no room for drops history first: the oldest that nobody holds, of whichever log, so that
 * about the same time is kept of all of them. What is undecided stays, and what a durable consumer has not read: where that
 * fills the budget, writers are delayed from 80 % on, and then refused (LOG_FULL) until it is committed, or read.
 * Writer's thread only.
 *
 * log-budget B1  A log has its floor in any case: what others hold never keeps it from that.
 * log-budget B2  All logs together stay within the budget, but for B3 and B4.
 * log-budget B3  A durable consumer's own writes are always taken: it could never let go of the logs otherwise. So are the
 *                records of another member, which has made room for them, and the answers beside changes that are
 *                taken already.
 * log-budget B4  A step that no budget would ever hold is taken where nothing else is kept beyond the floors: one long
 *                value; or all of a batch, where no durable consumer would hold it.
 * log-budget B5  Nothing undecided is dropped, nor what a durable consumer has not read.
 * log-budget B6  What replicas that catch up have not read keeps nobody from writing: it goes once nothing else does.
 */
import { assert, GridError } from '@ashlar/core';
import type { LogHolder } from './log-consumer.ts';
import type { PartitionLog } from './partition-log.ts';

/** How full the log is for writers, counting what is undecided or held. */
export type LogState = 'ok' | 'delay' | 'full';

const DELAY_SHARE = 0.8;
/** A partition's floor as a share of an even part of the budget. */
const FLOOR_SHARE = 1 / 8;
/** Least room that is made in one go: what one record names is fetched from memory while another is worked on. */
const ROOM_TOGETHER_BYTES = 4096;
/** Records by which a log beyond its own bound shrinks with each append; without appends it begins to after a while. */
const SHRINK_RECORDS = 512;
const SHRINK_AFTER_US = 2_000_000;
const GIVEN_UP_TOGETHER = 32;
/** What must stay is counted again after so much of the budget was appended. */
const COUNT_AGAIN_SHARE = 1 / 16;
/** Share of the time span which the logs cover that is given up together. */
const TIME_TOGETHER_SHARE = 1 / 32;

export interface LogBudgetOptions {
  readonly bytesMax: number;
  readonly partitionCount: number;
  /** Most that one log keeps of history; Infinity: what the budget has room for. */
  readonly historyBytesMax: number;
  /** The clock, in version units. */
  readonly now: () => number;
}

export class LogBudget {
  readonly bytesMax: number;
  readonly floorBytes: number;
  readonly historyBytesMax: number;
  /** Bytes of all logs: records and the values they name. */
  bytesUsed = 0;
  /** The part of `bytesUsed` that logs have beyond their floors. */
  excessBytes = 0;
  /** What logs may have beyond the floors of all that are open. */
  sharedBytes: number;
  /** Records that durable consumers have done with; rises. */
  consumed = 0;
  /** Changes whenever something may be dropped that could not be before. */
  #releases = 0;
  /** #releases when nothing was found to drop. */
  #fruitlessAt = -1;
  /** Bytes appended, ever. */
  #appended = 0;
  /** #appended when the bytes that must stay were last counted, and their sum then. */
  #countedAt = 0;
  #kept = 0;
  readonly #logs: PartitionLog[] = [];
  #cursor = 0;
  /** Logs that give up what is not newer than #victimsUpTo, the oldest last. */
  #victims: PartitionLog[] = [];
  #victimsUpTo = 0;
  readonly #now: () => number;
  /** Logs beyond historyBytesMax, and since when. */
  readonly #overgrown = new Map<PartitionLog, number>();

  constructor({ bytesMax, partitionCount, historyBytesMax, now }: LogBudgetOptions) {
    assert(
      bytesMax > 0 && partitionCount > 0 && historyBytesMax > 0,
      'a budget has bytes, and partitions to share them',
    );
    this.bytesMax = bytesMax;
    this.sharedBytes = bytesMax;
    this.historyBytesMax = historyBytesMax;
    this.floorBytes = Math.floor((bytesMax * FLOOR_SHARE) / partitionCount);
    this.#now = now;
  }

  open(log: PartitionLog): void {
    assert(log.bytes === 0, 'a log is opened when it is empty');
    this.#logs.push(log);
    this.sharedBytes -= this.floorBytes;
  }

  close(log: PartitionLog): void {
    const at = this.#logs.indexOf(log);
    assert(at >= 0 && log.bytes === 0, 'a log is closed once, when it is empty');
    this.#logs.splice(at, 1);
    this.#victims.length = 0;
    this.sharedBytes += this.floorBytes;
    this.noteRelease();
  }

  /** The most that one statement can have in the logs, however its records lie in them. */
  get statementBytesMax(): number {
    return this.sharedBytes + this.floorBytes;
  }

  /* ---- Counting ----------------------------------------------------------------------------------------------- */

  /** A log has grown, or (negative) shrunk. */
  noteBytes(log: PartitionLog, bytes: number): void {
    const after = log.bytes;
    const { floorBytes, historyBytesMax } = this;
    this.bytesUsed += bytes;
    if (bytes > 0) this.#appended += bytes;
    this.excessBytes += Math.max(0, after - floorBytes) - Math.max(0, after - bytes - floorBytes);
    if (after > historyBytesMax !== after - bytes > historyBytesMax) this.#noteOvergrown(log, after > historyBytesMax);
  }

  #noteOvergrown(log: PartitionLog, isOvergrown: boolean): void {
    if (isOvergrown) this.#overgrown.set(log, this.#now());
    else this.#overgrown.delete(log);
  }

  /** Something was committed or read: it may be dropped now. */
  noteRelease(): void {
    this.#releases += 1;
  }

  noteConsumed(records: number): void {
    this.consumed += records;
    this.#releases += 1;
  }

  /** Bytes that are undecided or held, in all logs, about. O(logs). */
  get keptBytes(): number {
    let kept = 0;
    for (const log of this.#logs) kept += log.keptBytes;
    this.#kept = kept;
    this.#countedAt = this.#appended;
    return kept;
  }

  /** Bytes that could be given up, about, and not too many. O(1) on average. */
  get historyBytes(): number {
    if (this.#appended - this.#countedAt > this.bytesMax * COUNT_AGAIN_SHARE) void this.keptBytes;
    return Math.max(0, this.bytesUsed - this.#kept - (this.#appended - this.#countedAt));
  }

  /** As keptBytes >= bytes; counted only where it may be. */
  #keepsAtLeast(bytes: number): boolean {
    return this.#kept + this.#appended - this.#countedAt >= bytes && this.keptBytes >= bytes;
  }

  stateOf(log: PartitionLog): LogState {
    const own = log.keptBytes;
    if (own < this.floorBytes || !this.#keepsAtLeast(this.statementBytesMax * DELAY_SHARE)) return 'ok';
    return this.#isFull(ROOM_TOGETHER_BYTES) ? 'full' : 'delay';
  }

  /** Whether no record of so many bytes has room beyond the floors, whatever history is given up. */
  #isFull(wanted: number): boolean {
    let excess = wanted;
    for (const log of this.#logs) excess += Math.max(0, log.keptBytes - this.floorBytes);
    return excess > this.sharedBytes;
  }

  /* ---- Making room ---------------------------------------------------------------------------------------------- */

  /** Whether a record has room without dropping anything. */
  hasRoom(log: PartitionLog, wanted: number): boolean {
    const after = log.bytes + wanted;
    if (after > this.historyBytesMax) return false;
    return after <= this.floorBytes || this.excessBytes + wanted <= this.sharedBytes;
  }

  /**
   * Drops history until a record has room.
   *
   * @param isProgress  it is taken in any case (log-budget B3)
   * @throws GridError LOG_FULL
   */
  makeRoom(log: PartitionLog, wanted: number, isProgress: boolean): void {
    this.#shrinkTo(log, wanted);
    if (this.#hasShare(log, wanted)) return;
    this.#giveUp(wanted + ROOM_TOGETHER_BYTES);
    if (this.#hasShare(log, wanted)) return;
    log.dropOldest(Infinity, Math.max(0, this.floorBytes - wanted));
    if (this.#hasShare(log, wanted) || isProgress) return;
    if (this.#isAlone(log)) return;
    throw this.#logFull(log);
  }

  /** Whether nothing is kept beyond the floors but what is being staged at the moment (log-budget B4). */
  #isAlone(log: PartitionLog): boolean {
    return log.isAlone && this.#logs.every((one) => one.bytes <= this.floorBytes || one.isAlone);
  }

  #hasShare(log: PartitionLog, wanted: number): boolean {
    return log.bytes + wanted <= this.floorBytes || this.excessBytes + wanted <= this.sharedBytes;
  }

  /** The log's own bound of history: a little more is dropped than has to be, a long way back goes in steps. */
  #shrinkTo(log: PartitionLog, wanted: number): void {
    const { historyBytesMax } = this;
    if (log.bytes + wanted <= historyBytesMax) return;
    const enough = Math.min(historyBytesMax - wanted, log.bytes - ROOM_TOGETHER_BYTES);
    log.dropOldest(log.bytes > historyBytesMax ? SHRINK_RECORDS : Infinity, Math.max(0, enough));
  }

  /** Has the logs that are beyond their floors give up their oldest until there is room for `wanted`. */
  #giveUp(wanted: number): void {
    if (this.#fruitlessAt === this.#releases) return;
    while (this.excessBytes + wanted > this.sharedBytes) {
      const log = this.#oldest();
      if (log === undefined && this.#cutReplicas(this.floorBytes)) continue;
      if (log === undefined) {
        this.#fruitlessAt = this.#releases;
        return;
      }
      log.dropOldest(GIVEN_UP_TOGETHER, this.floorBytes, this.#victimsUpTo);
    }
  }

  /** A log that gives up its oldest; undefined: none can. */
  #oldest(): PartitionLog | undefined {
    const victim = this.#nextVictim();
    if (victim !== undefined) return victim;
    this.#chooseVictims();
    return this.#nextVictim();
  }

  #nextVictim(): PartitionLog | undefined {
    const victims = this.#victims;
    for (let log = victims.at(-1); log !== undefined; log = victims.at(-1)) {
      if (this.#canGiveUp(log) && log.firstVersion <= this.#victimsUpTo) return log;
      victims.pop();
    }
    return undefined;
  }

  #canGiveUp(log: PartitionLog): boolean {
    return log.bytes > this.floorBytes && log.hasHistory;
  }

  /** Looks at all logs once for much that is dropped. */
  #chooseVictims(): void {
    const ages = new Map<PartitionLog, number>();
    for (const log of this.#logs) if (this.#canGiveUp(log)) ages.set(log, log.firstVersion);
    const victims = [...ages.keys()].sort((a, b) => ages.get(b)! - ages.get(a)!);
    this.#victims = victims;
    if (victims.length === 0) return;
    const oldest = ages.get(victims.at(-1)!)!;
    const middle = ages.get(victims[victims.length >>> 1]!)!;
    this.#victimsUpTo = oldest + (middle - oldest) / 4 + Math.max(0, this.#now() - middle) * TIME_TOGETHER_SHARE;
  }

  /** Memory is full: drops the oldest that nobody holds, of all logs in turn. @returns how many records */
  dropHistory(maxRecords: number): number {
    const count = this.#logs.length;
    let dropped = 0;
    for (let visited = 0; visited < count && dropped < maxRecords; visited++) {
      const log = this.#logs[this.#cursor % count]!;
      this.#cursor = (this.#cursor + 1) % count;
      dropped += log.dropOldest(Math.min(64, maxRecords - dropped), 0);
    }
    return dropped === 0 && this.#cutReplicas(0) ? this.dropHistory(maxRecords) : dropped;
  }

  /**
   * The log that is the longest for replicas that catch up goes on without them (log-budget B6).
   *
   * @param leftBytes  of a log that has no more nothing can be given up
   * @returns whether there was one
   */
  #cutReplicas(leftBytes: number): boolean {
    let longest: PartitionLog | undefined;
    for (const log of this.#logs) if (log.isHeldForReplicas && log.bytes > (longest?.bytes ?? leftBytes)) longest = log;
    longest?.cutReplicas();
    return longest !== undefined;
  }

  /** Logs go back towards their own bound a few records at a time, once who reads them had time to read what made them grow. */
  shrinkInTime(): void {
    if (this.#overgrown.size === 0) return;
    const since = this.#now() - SHRINK_AFTER_US;
    for (const [log, grownAt] of this.#overgrown) {
      if (grownAt <= since) log.dropOldest(SHRINK_RECORDS, this.historyBytesMax);
    }
  }

  /* ---- Saying why ----------------------------------------------------------------------------------------------- */

  #logFull(log: PartitionLog): GridError {
    const holder = this.#holderOf(log);
    const figures = { bytes: log.bytes, limitBytes: this.bytesMax, allBytes: this.bytesUsed };
    return holder === undefined ? fullOfUndecided(figures) : fullOfHeld(holder.holder, figures);
  }

  /** The durable consumer that is furthest behind: of the log, or of the one that keeps most. Undefined: nobody is behind. */
  #holderOf(log: PartitionLog): { readonly holder: LogHolder | undefined } | undefined {
    const own = log.slowest;
    if (own !== undefined) return own;
    let most: PartitionLog | undefined;
    for (const one of this.#logs) if (one.slowest !== undefined && one.bytes > (most?.bytes ?? 0)) most = one;
    return most?.slowest;
  }
}

function fullOfHeld(holder: LogHolder | undefined, figures: Readonly<Record<string, number>>): GridError {
  const isStopped = holder?.isStopped === true;
  const who = holder === undefined ? 'a listener' : `the listener ${holder.name}`;
  const why = isStopped ? `${who} is in quarantine and reads no further` : `${who} has not read it yet`;
  const cure = isStopped ? 'mend the listener and deploy its module again, or undeploy it' : 'make the listener faster';
  return new GridError('LOG_FULL', `the log is full: ${why}`, {
    hint: `${cure} (ashlar stats shows its lag), or raise memory.maxBytes: logs have an eighth of it`,
    details: { ...(holder === undefined ? {} : { listener: holder.name }), isStopped, ...figures },
  });
}

function fullOfUndecided(figures: Readonly<Record<string, number>>): GridError {
  return new GridError('LOG_FULL', 'the log is full of writes that are not committed yet', {
    hint: 'write less in one step, send it again a little later, or raise memory.maxBytes: logs have an eighth of it',
    details: { isStopped: false, ...figures },
  });
}
