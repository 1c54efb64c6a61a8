/**
 * How the region of a column chunk lies in its pages. Only this folder reads and writes it; the writer's thread moves
 * references to regions and knows nothing of what is in them.
 *
 *   [head 128 B][numbers f64][bigints i64][offsets u32][codes u8 | u16][tags u8][dictionary starts u32][dictionary UTF-8]
 *
 * Lanes that the column does not need are absent (offset 0). All offsets are bytes from the region's start and lanes are
 * aligned to their elements. A region never changes once a worker has filled it.
 *
 * Which slots a region holds follows from versions alone, so that a put never touches a column:
 *
 *   slot s is in the region exactly when its present occupant is visible at `filledAt`: begin <= filledAt < end
 *
 * region-layout F1  The builder reads under an open snapshot at `filledAt` and stores every slot that this snapshot sees.
 *                   Whether an occupant is visible at filledAt never changes: what is committed later, a pending begin or
 *                   end included, gets a version above every snapshot's that was open before (core clock C2; a snapshot
 *                   opens when all at or below its version is committed).
 * region-layout F2  A slot used again has an occupant that began after filledAt, so it is not in the region. The snapshot
 *                   may be closed before the region is published: what was visible at filledAt and is gone is not visible at
 *                   filledAt any more.
 * region-layout F3  Older snapshots: a slot closed at or before filledAt is not in the region (its end says so), though they
 *                   see it.
 * region-layout F4  A region belongs to the chunk whose reference it names; the grown copy of a chunk, or the chunk of a
 *                   partition that left and came back, is another. Whoever loads old versions into a partition drops its
 *                   columns afterwards.
 * region-layout F5  Slots that were handed out after the build lie at or beyond `covered`, or began after filledAt.
 */

/** Version of the snapshot that the rows were read under. */
export const REGION_FILLED_AT_F64 = 1;
/** Slots [0, covered) have lanes. */
export const REGION_COVERED = 4;
/** Bit 1 << tag for every tag among the filled slots. */
export const REGION_TAG_MASK = 5;
/** Filled slots that are NULL or missing, and all filled slots. */
export const REGION_NULLS = 6;
export const REGION_FILLED = 7;
export const REGION_CHUNK_REF = 8;
export const REGION_NUMBERS = 9;
export const REGION_BIGINTS = 10;
/** Where in the slot's value its element begins, for elements that no other lane holds. */
export const REGION_OFFSETS = 11;
export const REGION_CODES = 12;
/** 1 or 2 bytes a code. */
export const REGION_CODE_BYTES = 13;
export const REGION_TAGS = 14;
export const REGION_DICTIONARY_STARTS = 15;
export const REGION_DICTIONARY_COUNT = 16;
/** 1 when a number is NaN: it counts neither for min nor for max. */
export const REGION_HAS_NAN = 17;
/** Bytes of the region in use: all of it can be copied to another place, since its offsets are its own. */
export const REGION_BYTES = 24;
/** Tells this region from all others, also from those that lay in the same pages before. */
export const REGION_SERIAL_F64 = 9;
/** Bounds of the number lane; min > max when it holds nothing but NaN. */
export const REGION_MIN_F64 = 10;
export const REGION_MAX_F64 = 11;
export const REGION_HEAD_BYTES = 128;
