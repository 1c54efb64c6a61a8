/**
 * Batches of one fragment between the workers that make them and the reader that takes them.
 *
 *   worker: use credit, emit --message--> put -> [batches] -> take -> reader ... wants the next: credit again
 *
 * What is under way (in messages, here, at the reader) is counted by the credit that was used and not granted again; it
 * stays within the holding's window and a slice a task (OutputCredit).
 */
import { OutputCredit } from '@ashlar/sql-executor';
import type { Holding } from './held-memory.ts';

export class BatchFlow {
  readonly credit = new OutputCredit();
  readonly #holding: Holding;
  /** Least output that a task should make before it ends for want of room, so that starting it is worthwhile. */
  readonly #windowLeast: number;
  readonly #batches: Uint8Array[] = [];
  #granted = 0;
  #takenBytes = 0;
  #atReader = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(holding: Holding, windowLeast: number) {
    this.#holding = holding;
    this.#windowLeast = windowLeast;
    this.#refill();
  }

  /** Whether starting a task is worthwhile: half of the window is free. */
  get hasRoom(): boolean {
    return this.credit.bytesLeft * 2 >= this.#window();
  }

  put(batch: Uint8Array): void {
    this.#batches.push(batch);
    this.#holding.count(batch.length);
    this.wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.wake();
  }

  /** The next batch; the one before has been consumed then. @throws what a task failed with */
  take(): Uint8Array | undefined {
    this.#consumed();
    this.#refill();
    if (this.#failure !== undefined) throw this.#failure.error;
    const batch = this.#batches.shift();
    this.#atReader = batch?.length ?? 0;
    return batch;
  }

  /** Called when no task runs and nothing waits: the credit that was used came through, or belonged to tasks that failed. */
  isDrained(): void {
    this.#takenBytes = this.#granted - this.credit.bytesLeft;
    this.#refill();
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #consumed(): void {
    if (this.#atReader === 0) return;
    this.#holding.count(-this.#atReader);
    this.#takenBytes += this.#atReader;
    this.#atReader = 0;
  }

  /** The window may have shrunk since the last time: then nothing is granted until enough was taken. */
  #refill(): void {
    const used = this.#granted - this.credit.bytesLeft;
    const bytes = this.#window() - (used - this.#takenBytes) - this.credit.bytesLeft;
    if (bytes <= 0) return;
    this.#granted += bytes;
    this.credit.grant(bytes);
  }

  #window(): number {
    return Math.max(this.#holding.windowBytes(), this.#windowLeast);
  }
}
