/**
 * Timers of entries that have a deadline: a hierarchical timing wheel whose buckets are lists through the arena.
 * An entry has at most one timer. A later deadline leaves the timer where it is; when it comes up, it is hung where the
 * deadline lies then. An earlier deadline moves it. So a session that is written again and again costs nothing here.
 *
 *   level 0: 256 buckets of 32.8 ms | level 1: 256 of 8.4 s | level 2: 256 of 36 min | level 3: 256 of 6.4 days
 *
 * Writer's thread only; time is handed in, in the clock's microseconds.
 *
 * timer-wheel T1  A timer hangs in exactly one bucket; it comes up in the tick of its deadline or, beyond the last level,
 *                 earlier.
 * timer-wheel T2  Work is bounded by the caller's count: what is due waits in its bucket.
 * timer-wheel T3  No timer is hung into the bucket that is being worked off, so working off ends.
 *
 * @see Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987
 */
import { assert } from '@ashlar/core';
import {
  ENTRY_TIMER,
  SEGMENT_MASK,
  SEGMENT_SHIFT,
  TIMER_BUCKET,
  TIMER_BYTES,
  TIMER_DEADLINE_F64,
  TIMER_ENTRY,
  TIMER_NEXT,
  TIMER_PREVIOUS,
  TIMER_TABLE,
} from './layout.ts';
import { type ByteAccount, MemoryKind } from './memory/accounts.ts';
import type { Ref } from './memory/arena.ts';
import type { BlockAllocator } from './memory/block-allocator.ts';

/** Microseconds of one tick. */
export const TICK_US = 32_768;
const LEVEL_SHIFT = 8;
const LEVEL_BUCKETS = 1 << LEVEL_SHIFT;
const LEVELS = 4;

/**
 * Called when a timer comes up. Answers the deadline to hang it up for again, or 0 when the callee has removed it.
 */
export type TimerFired = (timer: Ref, entry: Ref, tableIndex: number) => number;

export class TimerWheel {
  readonly #blocks: BlockAllocator;
  readonly #heads = new Uint32Array(LEVELS * LEVEL_BUCKETS);
  /** Timers by level. */
  readonly #counts = new Uint32Array(LEVELS);
  /** All ticks below this one have been worked off. */
  #tick: number;
  /** Whether buckets of higher levels still have to be spread for #tick. */
  #cascading = false;
  #count = 0;

  constructor(blocks: BlockAllocator, now: number) {
    this.#blocks = blocks;
    this.#tick = Math.floor(now / TICK_US);
  }

  /** Timers that hang. */
  get count(): number {
    return this.#count;
  }

  /** @returns a timer that hangs nowhere yet, or 0 when memory is full */
  create(account: ByteAccount): Ref {
    return this.#blocks.allocate(TIMER_BYTES, account, MemoryKind.entries);
  }

  /** Hangs a new timer up for an entry. */
  start(timer: Ref, entry: Ref, tableIndex: number, deadline: number): void {
    assert(deadline >= 0 && deadline < Infinity, 'a timer has a deadline');
    this.#set(timer, TIMER_ENTRY, entry);
    this.#set(timer, TIMER_TABLE, tableIndex);
    this.#set(entry, ENTRY_TIMER, timer);
    this.#count += 1;
    this.#hang(timer, deadline, this.#tick);
  }

  /** The entry has a new deadline: moves the timer if it would come up too late. */
  ensure(timer: Ref, deadline: number): void {
    if (this.#deadlineOf(timer) <= deadline) return;
    this.#unhang(timer);
    this.#hang(timer, deadline, this.#tick);
  }

  /** The entry goes, or has no deadline any more. */
  remove(timer: Ref, account: ByteAccount): void {
    this.#set(this.#get(timer, TIMER_ENTRY), ENTRY_TIMER, 0);
    this.#unhang(timer);
    this.#count -= 1;
    this.#blocks.free(timer, account, MemoryKind.entries);
  }

  /**
   * Works off the ticks that have ended before `now`.
   *
   * @returns how many timers were looked at; less than `maxTimers` means that nothing more is due
   */
  advance(now: number, maxTimers: number, fired: TimerFired): number {
    const nowTick = Math.floor(now / TICK_US);
    let looked = 0;
    while (this.#tick < nowTick) {
      if (this.#cascading) {
        looked += this.#cascade(maxTimers - looked);
        if (this.#cascading) return looked;
      }
      looked += this.#workOff(maxTimers - looked, fired);
      if (this.#heads[this.#tick & (LEVEL_BUCKETS - 1)] !== 0) return looked;
      this.#tick = Math.min(nowTick, this.#nextTick());
      this.#cascading = this.#tick % LEVEL_BUCKETS === 0;
    }
    return looked;
  }

  /** The next tick at which something can come up: empty levels are passed over. */
  #nextTick(): number {
    let span = 1;
    for (let level = 0; level < LEVELS && this.#counts[level] === 0; level++) span *= LEVEL_BUCKETS;
    return (Math.floor(this.#tick / span) + 1) * span;
  }

  #workOff(maxTimers: number, fired: TimerFired): number {
    const bucket = this.#tick & (LEVEL_BUCKETS - 1);
    let looked = 0;
    for (let timer = this.#heads[bucket]!; timer !== 0 && looked < maxTimers; timer = this.#heads[bucket]!) {
      const deadline = fired(timer, this.#get(timer, TIMER_ENTRY), this.#get(timer, TIMER_TABLE));
      looked += 1;
      if (deadline === 0) continue;
      this.#unhang(timer);
      this.#hang(timer, deadline, this.#tick + 1);
    }
    return looked;
  }

  /** A level has come round: spreads the buckets of higher levels that begin with this tick. @returns timers moved */
  #cascade(maxTimers: number): number {
    let moved = 0;
    for (let level = LEVELS - 1; level >= 1; level--) {
      const span = 2 ** (LEVEL_SHIFT * level);
      if (this.#tick % span !== 0) continue;
      const bucket = level * LEVEL_BUCKETS + (Math.floor(this.#tick / span) & (LEVEL_BUCKETS - 1));
      for (let timer = this.#heads[bucket]!; timer !== 0; timer = this.#heads[bucket]!) {
        if (moved >= maxTimers) return moved;
        this.#unhang(timer);
        this.#hang(timer, this.#deadlineOf(timer), this.#tick);
        moved += 1;
      }
    }
    this.#cascading = false;
    return moved;
  }

  /** Hangs a timer up for its deadline, but not before `earliestTick`. */
  #hang(timer: Ref, deadline: number, earliestTick: number): void {
    const tick = Math.max(Math.floor(deadline / TICK_US), earliestTick);
    const bucket = this.#bucketOf(tick);
    this.#set(timer, TIMER_BUCKET, bucket);
    this.#counts[bucket >>> LEVEL_SHIFT]! += 1;
    const segment = this.#blocks.arena.segments[timer >>> SEGMENT_SHIFT]!;
    segment.f64[(timer & SEGMENT_MASK) + TIMER_DEADLINE_F64] = deadline;
    const head = this.#heads[bucket]!;
    this.#set(timer, TIMER_NEXT, head);
    this.#set(timer, TIMER_PREVIOUS, 0);
    if (head !== 0) this.#set(head, TIMER_PREVIOUS, timer);
    this.#heads[bucket] = timer;
  }

  /** The lowest level that reaches the tick; buckets are counted from the running one, so none is met twice (timer-wheel T3). */
  #bucketOf(tick: number): number {
    for (let level = 0, span = 1; level < LEVELS; level++, span *= LEVEL_BUCKETS) {
      const ahead = Math.floor(tick / span) - Math.floor(this.#tick / span);
      if (ahead >= LEVEL_BUCKETS && level < LEVELS - 1) continue;
      const target = Math.floor(this.#tick / span) + Math.min(ahead, LEVEL_BUCKETS - 1);
      return level * LEVEL_BUCKETS + (target & (LEVEL_BUCKETS - 1));
    }
    return 0;
  }

  #unhang(timer: Ref): void {
    const next = this.#get(timer, TIMER_NEXT);
    const previous = this.#get(timer, TIMER_PREVIOUS);
    const bucket = this.#get(timer, TIMER_BUCKET);
    this.#counts[bucket >>> LEVEL_SHIFT]! -= 1;
    if (previous !== 0) this.#set(previous, TIMER_NEXT, next);
    else this.#heads[bucket] = next;
    if (next !== 0) this.#set(next, TIMER_PREVIOUS, previous);
  }

  #deadlineOf(timer: Ref): number {
    return this.#blocks.arena.segments[timer >>> SEGMENT_SHIFT]!.f64[(timer & SEGMENT_MASK) + TIMER_DEADLINE_F64]!;
  }

  #get(ref: Ref, field: number): number {
    return this.#blocks.arena.segments[ref >>> SEGMENT_SHIFT]!.u32[((ref & SEGMENT_MASK) << 1) + field]!;
  }

  #set(ref: Ref, field: number, value: number): void {
    this.#blocks.arena.segments[ref >>> SEGMENT_SHIFT]!.u32[((ref & SEGMENT_MASK) << 1) + field] = value;
  }

  /** timer-wheel T1: every bucket is a sound list, and together they hold all timers. */
  checkInvariants(): void {
    let counted = 0;
    assert(
      this.#counts.reduce((sum, count) => sum + count, 0) === this.#count,
      'timer-wheel T1: the levels hold all timers',
    );
    for (let bucket = 0; bucket < this.#heads.length; bucket++) {
      let previous = 0;
      for (let timer = this.#heads[bucket]!; timer !== 0; timer = this.#get(timer, TIMER_NEXT)) {
        assert(this.#get(timer, TIMER_PREVIOUS) === previous, 'timer-wheel T1: lists are linked both ways');
        assert(this.#get(timer, TIMER_BUCKET) === bucket, 'timer-wheel T1: a timer knows its bucket');
        assert(
          this.#get(this.#get(timer, TIMER_ENTRY), ENTRY_TIMER) === timer,
          'timer-wheel T1: entry and timer know each other',
        );
        previous = timer;
        counted += 1;
      }
    }
    assert(counted === this.#count, 'timer-wheel T1: every timer hangs in a bucket');
  }
}
