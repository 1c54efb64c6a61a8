/** Checks that a read saw a value that it may see, while other operations on the key are under way. */
import type { Shape } from './shapes.ts';

/** A read sees no write older than the newest answered one before it, and none that was not asked for yet. */
export class ReadCheck {
  readonly #shape: Shape;
  readonly #asked: Int32Array;
  readonly #answered: Int32Array;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#asked = new Int32Array(shape.keyCount).fill(-1);
    this.#answered = new Int32Array(shape.keyCount).fill(-1);
  }

  onWrite(key: number, operation: number): void {
    this.#asked[key] = operation;
  }

  onWritten(key: number, operation: number): void {
    if (operation > this.#answered[key]!) this.#answered[key] = operation;
  }

  leastFor(key: number): number {
    return this.#answered[key]!;
  }

  onRead(key: number, value: unknown, least: number): void {
    const operation = this.#shape.operationOf(value, key);
    if (operation >= least && operation <= this.#asked[key]!) return;
    throw new Error(`key ${key}: read write ${operation}, expected ${least} to ${this.#asked[key]}`);
  }
}
