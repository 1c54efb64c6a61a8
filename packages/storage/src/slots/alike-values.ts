/** Values compared by shape, where they lie. Writer's thread only. */
import { haveSameShape } from '@ashlar/serialization';
import { SEGMENT_MASK, SEGMENT_SHIFT, VALUE_BYTES_USED, VALUE_OFFSET } from '../layout.ts';
import type { Arena, Ref } from '../memory/arena.ts';

/** As deep as paths of documents are looked for (sql-executor). */
const DEPTH = 4;
/** Longer values are not compared: a commit must be short. */
const BYTES_MAX = 16 << 10;

/** Whether two values have the same shape; false also where nobody looks: long values, and what cannot be read. */
export function areAlike({ segments }: Arena, one: Ref, other: Ref): boolean {
  const [a, b] = [segments[one >>> SEGMENT_SHIFT]!, segments[other >>> SEGMENT_SHIFT]!];
  const [granuleA, granuleB] = [one & SEGMENT_MASK, other & SEGMENT_MASK];
  const bytesA = a.i32[(granuleA << 1) + VALUE_BYTES_USED]!;
  const bytesB = b.i32[(granuleB << 1) + VALUE_BYTES_USED]!;
  // Negative: it lies in extents.
  if (!(bytesA > 0 && bytesA <= BYTES_MAX && bytesB > 0 && bytesB <= BYTES_MAX)) return false;
  const [startA, startB] = [granuleA * 8 + VALUE_OFFSET, granuleB * 8 + VALUE_OFFSET];
  try {
    return haveSameShape(a.u8, startA, startA + bytesA, b.u8, startB, startB + bytesB, DEPTH);
  } catch {
    return false;
  }
}
