/** Entries of a load that travel in one message: who waits for their answers. */
import type { GridError, TraceContext } from '@ashlar/core';
import type { Key } from '@ashlar/serialization';
import type { BatchBuilder } from './batch-builder.ts';
import type { CallTarget } from './call-target.ts';

/** What a batch tells its load. */
export interface LoadBatchListener {
  /** An entry failed: nothing was stored, or nobody knows. */
  onFailed(key: Key, sourcePosition: number, error: GridError): void;
  /** All entries have an outcome. */
  onSettled(batch: LoadBatch): void;
}

export class LoadBatch implements CallTarget {
  readonly isOneCall = false;
  readonly keepsOrder = true;
  done = false;
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly timeoutMs: number;
  readonly trace: TraceContext | undefined;
  /** Parallel, by position. */
  readonly keys: Key[] = [];
  readonly hashes: number[] = [];
  readonly sourcePositions: number[] = [];
  readonly #listener: LoadBatchListener;
  /** By position: 1 has an outcome. */
  #settled = new Uint8Array(0);
  #settledCount = 0;
  /** Bytes of keys and values, once it has left. */
  bytes = 0;
  stored = 0;

  constructor(limits: Pick<CallTarget, 'timeoutMs' | 'trace'>, listener: LoadBatchListener) {
    this.timeoutMs = limits.timeoutMs;
    this.trace = limits.trace;
    this.#listener = listener;
  }

  get count(): number {
    return this.keys.length;
  }

  /** The entry that was added to the builder last. */
  hold(key: Key, hash: number, sourcePosition: number): void {
    this.keys.push(key);
    this.hashes.push(hash);
    this.sourcePositions.push(sourcePosition);
  }

  /** It leaves in the builder that it was gathered in: its time begins. */
  leaves(builder: BatchBuilder, nowMs: number): void {
    this.bytes = builder.bytes;
    this.#settled = new Uint8Array(this.count);
    this.deadlineMs = nowMs + this.timeoutMs;
    builder.minDeadlineMs = this.deadlineMs;
  }

  answer(position: number): void {
    if (this.done || !this.#settle(position)) return;
    this.stored++;
    this.#end();
  }

  fail(position: number, error: GridError): void {
    if (this.done || !this.#settle(position)) return;
    this.#listener.onFailed(this.keys[position]!, this.sourcePositions[position]!, error);
    this.#end();
  }

  /** Positions without an outcome. */
  get pending(): number[] {
    return [...this.#settled.keys()].filter((position) => this.#settled[position] === 0);
  }

  #settle(position: number): boolean {
    if (this.#settled[position] !== 0) return false;
    this.#settled[position] = 1;
    this.#settledCount++;
    return true;
  }

  #end(): void {
    if (this.done || this.#settledCount < this.count) return;
    this.done = true;
    this.#listener.onSettled(this);
  }
}
