/**
 * The arena: all data memory of a member, reserved at start as SharedArrayBuffers of fixed size. Pages cost nothing
 * until they are touched. A reference (layout.ts) names a place in it; 0 is none.
 *
 * arena A1  The buffers are fixed: growable ones make every access several times slower.
 * arena A2  Each segment has one set of views for its life; kernels take a view and a base, never views of their own.
 */
import { assert, GridError } from '@ashlar/core';
import { ARENA_BYTES_MAX, CONTROL_PAGES, PAGE_BYTES, SEGMENT_BYTES_MAX, SEGMENT_SHIFT } from '../layout.ts';

/** A place in the arena: granules of 8 bytes from its start; 0 is none. */
export type Ref = number;

export interface Segment {
  readonly buffer: SharedArrayBuffer;
  readonly u8: Uint8Array<SharedArrayBuffer>;
  readonly i32: Int32Array<SharedArrayBuffer>;
  readonly u32: Uint32Array<SharedArrayBuffer>;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly i64: BigInt64Array<SharedArrayBuffer>;
  readonly view: DataView<SharedArrayBuffer>;
}

/** The smallest arena that can hold anything: control pages and some 30 pages of data. */
export const ARENA_BYTES_MIN = (CONTROL_PAGES + 30) * PAGE_BYTES;

export class Arena {
  readonly segments: readonly Segment[];
  readonly bytes: number;

  private constructor(buffers: readonly SharedArrayBuffer[]) {
    this.segments = buffers.map(segmentOf);
    this.bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
  }

  /**
   * Reserves `maxBytes`, rounded down to whole pages.
   *
   * @throws GridError INVALID_CONFIG outside of [ARENA_BYTES_MIN, 32 GiB]
   * @throws GridError INSUFFICIENT_MEMORY when the system refuses the reservation
   */
  static reserve(maxBytes: number): Arena {
    if (!(maxBytes >= ARENA_BYTES_MIN && maxBytes <= ARENA_BYTES_MAX)) {
      throw new GridError('INVALID_CONFIG', `grid memory of ${maxBytes} bytes is not possible`, {
        hint: `choose between ${ARENA_BYTES_MIN} and ${ARENA_BYTES_MAX} bytes a member`,
        details: { maxBytes },
      });
    }
    const buffers: SharedArrayBuffer[] = [];
    for (let left = Math.floor(maxBytes / PAGE_BYTES) * PAGE_BYTES; left > 0; left -= SEGMENT_BYTES_MAX) {
      buffers.push(reserveBuffer(Math.min(left, SEGMENT_BYTES_MAX)));
    }
    return new Arena(buffers);
  }

  /** The same arena on another thread. */
  static attach(buffers: readonly SharedArrayBuffer[]): Arena {
    assert(buffers.length > 0, 'an arena has a segment');
    return new Arena(buffers);
  }

  segmentOf(ref: Ref): Segment {
    return this.segments[ref >>> SEGMENT_SHIFT]!;
  }

  get pageCount(): number {
    return this.bytes / PAGE_BYTES;
  }
}

function reserveBuffer(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    throw new GridError('INSUFFICIENT_MEMORY', `the system refuses to reserve ${bytes} bytes of shared memory`, {
      hint: 'lower memory.maxBytes or raise the limit of the process',
      details: { bytes },
      cause,
    });
  }
}

function segmentOf(buffer: SharedArrayBuffer): Segment {
  return {
    buffer,
    u8: new Uint8Array(buffer),
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    f64: new Float64Array(buffer),
    i64: new BigInt64Array(buffer),
    view: new DataView(buffer),
  };
}
