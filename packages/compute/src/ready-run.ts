/**
 * A ready-made processor on the bytes of a value: what becomes of the entry, and the answer, both in MessagePack.
 *
 *   increment of a number in a document:  value -> copied, the number found by its path and exchanged
 *   everything else:                      value, arguments -> decoded -> function (ready-made.ts) -> encoded
 *
 * ready-run Y1  Both ways leave the same value, answer and errors; what the short one does not know it leaves to the other.
 * ready-run Y2  One object runs all calls of a thread: what it answers is good until the next run().
 */
import { copyBytes, decodeValue, Path, ValueReader, ValueType, ValueWriter } from '@ashlar/serialization';
import { parsePath } from './path-text.ts';
import { type ReadyOutcome, readyProcessor } from './ready-made.ts';

const NO_BYTES = new Uint8Array(0);
const FIRST_BYTES = 16 << 10;
/** Room for a longer number, and for what comes before the value where it gets shorter. */
const NUMBER_BYTES_MAX = 16;
/** A buffer that grew beyond this is given up by the next run. */
const KEPT_BYTES_MAX = 1 << 20;
const PATH = Path.parse(['path']);
const BY = Path.parse(['by']);

/** A path as the last call wrote it. */
interface KnownPath {
  /** UTF-8. */
  readonly text: Uint8Array;
  readonly path: Path;
}

export class ReadyRun {
  action: ReadyOutcome['action'] = 'keep';
  /** The new value of 'set': bytes[start, end). */
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  /** The answer: resultBytes[resultStart, resultEnd); empty: undefined. */
  resultBytes: Uint8Array = NO_BYTES;
  resultStart = 0;
  resultEnd = 0;
  /** A number of core's time-to-live.ts; undefined: none was given. */
  ttl: number | undefined;
  readonly #writer = new ValueWriter();
  /** Arguments of calls that travelled together lie in one piece of memory. */
  #args = new ValueReader(NO_BYTES);
  #value = new ValueReader(new Uint8Array(FIRST_BYTES));
  #path: KnownPath | undefined;

  /**
   * @param value  MessagePack value[start, end), which is a value; undefined: there is no entry
   * @param args   MessagePack args[argsStart, argsEnd); empty: called without arguments
   * @throws GridError UNKNOWN_EXPORT, TYPE_MISMATCH, INVALID_ARGUMENT, INVALID_VALUE, VALUE_TOO_LARGE, CORRUPT_DATA
   */
  run(
    exportName: string,
    value: Uint8Array | undefined,
    start: number,
    end: number,
    args: Uint8Array,
    argsStart: number,
    argsEnd: number,
  ): void {
    if (exportName === 'increment' && value !== undefined && argsEnd > argsStart) {
      const by = this.#addend(args, argsStart, argsEnd);
      if (by !== undefined && this.#add(value, start, end, by)) return;
    }
    const ready = readyProcessor(exportName);
    const before = value === undefined ? undefined : decodeValue(value, start, end);
    this.#encode(ready(before, argsEnd > argsStart ? decodeValue(args, argsStart, argsEnd) : undefined));
  }

  /** A copy of the answer; empty: undefined. */
  result(): Uint8Array {
    return this.resultBytes.slice(this.resultStart, this.resultEnd);
  }

  #encode(outcome: ReadyOutcome): void {
    const writer = this.#writer;
    writer.reset();
    const { action, result } = outcome;
    const end = outcome.action === 'set' ? writer.write(outcome.value) : 0;
    this.resultStart = end;
    this.resultEnd = result === undefined ? end : writer.write(result);
    this.action = action;
    this.bytes = writer.bytes;
    this.resultBytes = writer.bytes;
    this.start = 0;
    this.end = end;
    this.ttl = outcome.action === 'set' ? outcome.ttl : undefined;
  }

  /* ---- Increments in place ------------------------------------------------------------------------------------------ */

  /** What an increment adds, its path being #path; undefined: the arguments are more than a path and a number. */
  #addend(bytes: Uint8Array, start: number, end: number): number | undefined {
    if (this.#args.bytes !== bytes) this.#args = new ValueReader(bytes);
    const args = this.#args;
    args.readAt(start, end);
    const isPair = args.type === ValueType.OBJECT && args.count === 2;
    if (!isPair || !args.find(PATH, start, end) || !isString(args)) return undefined;
    const { stringStart, stringEnd } = args;
    if (!isText(this.#path?.text, bytes, stringStart, stringEnd)) {
      this.#path = { text: bytes.slice(stringStart, stringEnd), path: Path.parse(parsePath(args.text())) };
    }
    return args.find(BY, start, end) && isNumber(args) ? args.number : undefined;
  }

  /** @returns false: there is no number at the path */
  #add(value: Uint8Array, start: number, end: number, by: number): boolean {
    const from = NUMBER_BYTES_MAX;
    const to = from + end - start;
    const reader = this.#roomFor(to + NUMBER_BYTES_MAX);
    const { bytes } = reader;
    copyBytes(value, start, end, bytes, from);
    if (!reader.findLast(this.#path!.path, from, to) || !isNumber(reader)) return false;
    const writer = this.#writer;
    writer.reset();
    const size = writer.write(reader.number + by);
    const { at, end: after } = reader;
    const longer = size - (after - at);
    if (longer !== 0) bytes.copyWithin(after + longer, after, to);
    copyBytes(writer.bytes, 0, size, bytes, at);
    this.action = 'set';
    this.bytes = bytes;
    this.start = from;
    this.end = to + longer;
    this.resultBytes = bytes;
    this.resultStart = at;
    this.resultEnd = at + size;
    this.ttl = undefined;
    return true;
  }

  #roomFor(bytes: number): ValueReader {
    const { length } = this.#value.bytes;
    if (bytes > length || length > KEPT_BYTES_MAX) {
      this.#value = new ValueReader(new Uint8Array(Math.max(bytes, FIRST_BYTES)));
    }
    return this.#value;
  }
}

function isNumber({ type }: ValueReader): boolean {
  return type === ValueType.NUMBER;
}

function isString({ type }: ValueReader): boolean {
  return type === ValueType.STRING;
}

function isText(known: Uint8Array | undefined, bytes: Uint8Array, start: number, end: number): boolean {
  if (known === undefined || known.length !== end - start) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false;
  return true;
}
