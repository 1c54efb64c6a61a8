/**
 * Room that the reader of a fragment has for its batches, in bytes, shared by main and the tasks of the fragment.
 *
 *   main: grant ------ shared word: bytes left, below 0 when overdrawn ------ workers: use, hasRoom
 *
 * output-credit O1  A task asks for room before each slice of rows and ends where there is none, so what waits for the
 *                   reader is what was granted and one slice a task more.
 * output-credit O2  A task waits at most PATIENCE_MS for a reader that is about to take something: ending and starting anew
 *                   costs more. Longer waits would keep the thread from other statements.
 */
const WORDS = 1;
const LEFT = 0;
const PATIENCE_MS = 4;

export class OutputCredit {
  /** The shared word, as a task is sent it. */
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** @param shared  of a credit made elsewhere; a new one without room by default */
  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  get bytesLeft(): number {
    return Atomics.load(this.#words, LEFT);
  }

  grant(bytes: number): void {
    Atomics.add(this.#words, LEFT, bytes);
    Atomics.notify(this.#words, LEFT);
  }

  use(bytes: number): void {
    Atomics.sub(this.#words, LEFT, bytes);
  }

  /** Whether there is room now or within a moment. In a worker only: it waits. */
  hasRoom(): boolean {
    const left = this.bytesLeft;
    if (left > 0) return true;
    Atomics.wait(this.#words, LEFT, left, PATIENCE_MS);
    return this.bytesLeft > 0;
  }
}
