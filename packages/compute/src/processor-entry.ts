/** The entry that a processor sees: copies made on demand, assignments noted. */
import type { GridKey, MutableEntry } from '@ashlar/api';
import { type Random, seededRandom, type TimeToLive, TTL_DEFAULT, TTL_KEEP, ttlNumber } from '@ashlar/core';
import { decodeKey, type ValueReader } from '@ashlar/serialization';
import { ABSENT, type ProcessorFrame } from './processor-frame.ts';

/** What the processor did to the value. */
export type Change = 'none' | 'set' | 'remove';

/** @see MutableEntry, which user code knows. The harness reads what was done through `inspect`, user code cannot. */
export class ProcessorEntry implements MutableEntry<unknown> {
  readonly #frame: ProcessorFrame;
  readonly #reader: ValueReader;
  readonly #call: number;
  readonly #start: number;
  readonly #end: number;
  readonly #ttlIn: number;
  #isRead = false;
  #value: unknown;
  #change: Change = 'none';
  /** What was assigned, as a number (core's time-to-live.ts); undefined: nothing, or to keep what it has. */
  #ttl: number | undefined;
  /** Whether it was removed: what is stored afterwards is a new entry. */
  #wasRemoved = false;
  #random: Random | undefined;

  /** @param start  of the value within the frame as earlier calls left it; ABSENT: there is no entry */
  constructor(frame: ProcessorFrame, reader: ValueReader, call: number, start: number, end: number, ttlMs: number) {
    this.#frame = frame;
    this.#reader = reader;
    this.#call = call;
    this.#start = start;
    this.#end = end;
    this.#ttlIn = ttlMs;
  }

  get key(): GridKey {
    const entry = this.#frame.entryOf(this.#call);
    return decodeKey(this.#frame.bytes, this.#frame.keyStart(entry), this.#frame.keyEnd(entry)) as GridKey;
  }

  get exists(): boolean {
    return this.#change === 'none' ? this.#start !== ABSENT : this.#change === 'set';
  }

  get value(): unknown {
    if (!this.#isRead) {
      this.#isRead = true;
      if (this.#start !== ABSENT) {
        this.#reader.readAt(this.#start, this.#end);
        this.#value = this.#reader.decode();
      }
    }
    return this.#value;
  }

  set value(value: unknown) {
    this.#isRead = true;
    this.#value = value;
    this.#change = value === undefined ? 'remove' : 'set';
    if (value !== undefined) return;
    this.#wasRemoved = true;
    this.#ttl = undefined;
  }

  remove(): void {
    this.value = undefined;
  }

  get ttlMs(): number | undefined {
    if (this.#ttl !== undefined) return this.#ttl > 0 ? this.#ttl : undefined;
    return this.#wasRemoved || Number.isNaN(this.#ttlIn) ? undefined : this.#ttlIn;
  }

  set ttlMs(given: TimeToLive | undefined) {
    const ttl = given === undefined ? TTL_KEEP : ttlNumber(given, 'entry.ttlMs');
    this.#ttl = ttl === TTL_KEEP ? undefined : ttl;
  }

  get now(): number {
    return this.#frame.nowMs(this.#call);
  }

  random(): number {
    this.#random ??= seededRandom(this.#frame.seedOf(this.#call));
    return this.#random.next();
  }

  static changeOf(entry: ProcessorEntry): Change {
    // Removing what was not there changes nothing.
    return entry.#change === 'remove' && entry.#start === ABSENT ? 'none' : entry.#change;
  }

  static valueOf(entry: ProcessorEntry): unknown {
    return entry.#value;
  }

  /** NaN: it keeps what it has, or there is no entry that could have it. */
  static newTtlOf(entry: ProcessorEntry): number {
    if (!entry.exists) return Number.NaN;
    return entry.#ttl ?? (entry.#wasRemoved ? TTL_DEFAULT : Number.NaN);
  }
}
