/**
 * The assumptions that storage makes about its callers' arguments, checked where they come in: a wrong number there would be a wrong
 * address in shared memory, or a comparison that is never true, and would show only much later. Integer comparisons an
 * operation, everything else once a batch, partition, map or slice.
 */
import { assert } from '@ashlar/core';
import { COLUMNS_MAX } from './layout.ts';

/** Bytes [start, end) are in their array. NaN is nowhere. */
export function assertRange(bytes: Uint8Array, start: number, end: number): void {
  assert(start >= 0 && start <= end && end <= bytes.length, 'bytes [start, end) lie in their array');
}

/** A moment of the clock. */
export function assertVersion(version: number): void {
  assert(version >= 0 && version < Infinity, 'a version is a moment of the clock');
}

/** How many, or how far. */
export function assertCount(count: number, least: number): void {
  assert(Number.isSafeInteger(count) && count >= least, 'a count is a whole number, and not below its least');
}

/** Steps of work in one slice; Infinity: all. */
export function assertSlice(steps: number): void {
  assert(steps >= 1, 'a slice has a step');
}

export function assertColumn(columnNumber: number): void {
  assert(
    Number.isInteger(columnNumber) && columnNumber >= 0 && columnNumber < COLUMNS_MAX,
    'columns are numbered below COLUMNS_MAX',
  );
}

/** A length of time of a map's options; 0 and undefined: none. */
export function assertDuration(milliseconds: number | undefined): void {
  assert(
    milliseconds === undefined || (milliseconds >= 0 && milliseconds < Infinity),
    'a time to live is a length of time',
  );
}
