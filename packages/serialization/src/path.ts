/**
 * Where an element lies within a value: names of fields and indexes of arrays, from the outermost inwards.
 *
 * path P1  A name finds only a field of an object, an index (from 0) only an element of an array; all else is missing.
 */
import { GridError } from '@ashlar/core';
import { VALUE_DEPTH_MAX } from './value-format.ts';

export type PathSegment = string | number;

const PLAIN_NAME = /^[\p{L}_$][\p{L}\p{N}_$]*$/u;
const TEXT_LENGTH_MAX = 300;

/** "owner.id", "tags[1]", "\"first name\".x": as an error message or a plan shows a path. */
export function pathText(segments: readonly PathSegment[]): string {
  let text = '';
  for (const segment of segments) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else text += (text === '' ? '' : '.') + (PLAIN_NAME.test(segment) ? segment : JSON.stringify(segment));
    if (text.length > TEXT_LENGTH_MAX) return `${text.slice(0, TEXT_LENGTH_MAX)}...`;
  }
  return text;
}

/** A path made ready for ValueReader. Immutable; make it once and use it for many reads. */
export class Path {
  readonly segments: readonly PathSegment[];
  /** As pathText shows it; "" is the whole value. */
  readonly text: string;
  /** names[level] = UTF-8 of the field's name, undefined where the level is an index. For ValueReader. */
  readonly names: readonly (Uint8Array | undefined)[];
  /** indexes[level] = index into an array, -1 where the level is a name. For ValueReader. */
  readonly indexes: readonly number[];

  private constructor(segments: readonly PathSegment[]) {
    this.segments = [...segments];
    this.text = pathText(segments);
    this.names = segments.map((segment) =>
      typeof segment === 'string' ? Uint8Array.from(Buffer.from(segment, 'utf8')) : undefined,
    );
    this.indexes = segments.map((segment) => (typeof segment === 'number' ? segment : -1));
  }

  /**
   * @throws GridError INVALID_ARGUMENT for more than VALUE_DEPTH_MAX segments, or an index that is no whole number >= 0
   */
  static parse(segments: readonly PathSegment[]): Path {
    if (segments.length > VALUE_DEPTH_MAX) {
      throw new GridError('INVALID_ARGUMENT', `a path has at most ${VALUE_DEPTH_MAX} segments, not ${segments.length}`);
    }
    for (const segment of segments) {
      if (typeof segment === 'number' && (!Number.isSafeInteger(segment) || segment < 0)) {
        throw new GridError('INVALID_ARGUMENT', `an array index is a whole number from 0, not ${segment}`);
      }
    }
    return new Path(segments);
  }
}
