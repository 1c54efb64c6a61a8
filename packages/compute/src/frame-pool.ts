/**
 * Frames for processor batches, used again: making shared memory costs more than a small batch.
 *
 * Bound: at most KEPT_BYTES_MAX are kept for later; what comes back beyond is dropped.
 */
import { ProcessorFrame } from './processor-frame.ts';

const FRAME_BYTES_MIN = 64 << 10;
const KEPT_BYTES_MAX = 16 << 20;

export class FramePool {
  /** By size. */
  readonly #kept = new Map<number, ProcessorFrame[]>();
  #keptBytes = 0;

  /** A frame of at least `bytes`; what is in it does not matter. */
  take(bytes: number): ProcessorFrame {
    let size = FRAME_BYTES_MIN;
    while (size < bytes) size *= 2;
    const frame = this.#kept.get(size)?.pop();
    if (frame === undefined) return new ProcessorFrame(new SharedArrayBuffer(size));
    this.#keptBytes -= size;
    return frame;
  }

  /** No worker and no caller looks at the frame any more. */
  give(frame: ProcessorFrame): void {
    const size = frame.shared.byteLength;
    if (this.#keptBytes + size > KEPT_BYTES_MAX) return;
    this.#keptBytes += size;
    const kept = this.#kept.get(size);
    if (kept === undefined) this.#kept.set(size, [frame]);
    else kept.push(frame);
  }
}
