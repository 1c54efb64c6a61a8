/**
 * JSON files: an array of objects, as exports write them, or objects one after the other.
 *
 * The file is cut into the texts of its objects by counting brackets outside of strings; each is parsed by itself, so that
 * a file may be larger than memory, and whole numbers stay exact.
 */
import { statSync } from 'node:fs';
import { openText, type TextFile, textOf } from './encoded-text.ts';
import { brokenRow, ROW_CHARACTERS_MAX, rowOf } from './json-rows.ts';
import type { Document, RowBatch, RowSource } from './rows.ts';

const BATCH_ROWS = 2048;

/** @throws GridError INVALID_ARGUMENT for a file that is no text */
export async function openJson(path: string, encoding?: string): Promise<RowSource> {
  const file = await openText(path, encoding);
  const bytesTotal = statSync(path).size;
  return { rowCount: undefined, bytesTotal, batches: (limit) => readJson(file, limit) };
}

async function* readJson(file: TextFile, limit = Number.POSITIVE_INFINITY): AsyncGenerator<RowBatch> {
  const splitter = new ObjectSplitter(file.path);
  let bytesRead = 0;
  let rows: Document[] = [];
  let rowCount = 0;
  const pieces = textOf(file, (bytes) => {
    bytesRead = bytes;
  });
  for await (const piece of pieces) {
    for (const { text, line } of splitter.cut(piece)) {
      if (rowCount >= limit) break;
      rows.push(rowOf(file.path, text, line));
      rowCount += 1;
    }
    if (rowCount >= limit) break;
    if (rows.length < BATCH_ROWS) continue;
    yield { rows, bytesRead };
    rows = [];
  }
  if (rowCount < limit) splitter.end();
  if (rows.length > 0) yield { rows, bytesRead };
}

interface CutObject {
  readonly text: string;
  /** Line in which it begins, from 1. */
  readonly line: number;
}

/** What may come next outside of objects. */
type Expected = 'start' | 'objectOrEnd' | 'object' | 'commaOrEnd' | 'nothing' | 'anotherObject';

const [QUOTE, BACKSLASH, OPEN, CLOSE, LEFT, RIGHT, COMMA, NEWLINE] = [...'"\\{}[],\n'].map((mark) =>
  mark.charCodeAt(0),
);

/** Cuts text that comes in pieces. */
class ObjectSplitter {
  readonly #path: string;
  #expected: Expected = 'start';
  /** The begun object, of the pieces before. */
  #begun = '';
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #line = 1;
  #startLine = 1;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws GridError INVALID_ARGUMENT where something else than an object stands */
  *cut(piece: string): Generator<CutObject, void, undefined> {
    let start = 0;
    for (let at = 0; at < piece.length; at += 1) {
      const code = piece.charCodeAt(at);
      if (code === NEWLINE) this.#line += 1;
      if (this.#depth === 0) {
        if (isBlank(code)) continue;
        this.#outside(code);
        start = at;
      } else if (this.#inside(code)) {
        yield { text: this.#begun + piece.slice(start, at + 1), line: this.#startLine };
        this.#begun = '';
      }
    }
    if (this.#depth > 0) this.#begun += piece.slice(start);
    if (this.#begun.length > ROW_CHARACTERS_MAX) throw brokenRow(this.#path, this.#startLine, 'longer than 64 MiB');
  }

  /** @throws GridError INVALID_ARGUMENT when the text ended too early */
  end(): void {
    if (this.#depth > 0) throw brokenRow(this.#path, this.#startLine, 'the object that begins here has no end');
    const isWhole = this.#expected === 'nothing' || this.#expected === 'anotherObject';
    if (!isWhole) throw brokenRow(this.#path, this.#line, "the array has no ']' at its end");
  }

  /** A character of an object. @returns whether it is the last one */
  #inside(code: number): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (code === BACKSLASH) this.#isEscaped = true;
      else if (code === QUOTE) this.#isInString = false;
      return false;
    }
    if (code === QUOTE) this.#isInString = true;
    else if (code === OPEN || code === LEFT) this.#depth += 1;
    else if (code === CLOSE || code === RIGHT) this.#depth -= 1;
    return this.#depth === 0;
  }

  #outside(code: number): void {
    const expected = this.#expected;
    if (code === OPEN && expected !== 'commaOrEnd' && expected !== 'nothing') {
      this.#depth = 1;
      this.#startLine = this.#line;
      const isArray = expected === 'objectOrEnd' || expected === 'object';
      this.#expected = isArray ? 'commaOrEnd' : 'anotherObject';
    } else if (code === LEFT && expected === 'start') this.#expected = 'objectOrEnd';
    else if (code === RIGHT && (expected === 'objectOrEnd' || expected === 'commaOrEnd')) this.#expected = 'nothing';
    else if (code === COMMA && expected === 'commaOrEnd') this.#expected = 'object';
    else throw brokenRow(this.#path, this.#line, `${WANTED[expected]} is expected, not '${String.fromCharCode(code)}'`);
  }
}

const WANTED: Readonly<Record<Expected, string>> = {
  start: 'an array of objects, or an object,',
  objectOrEnd: "a JSON object or ']'",
  object: 'a JSON object',
  commaOrEnd: "',' or ']'",
  nothing: 'the end of the file',
  anotherObject: 'a JSON object',
};

function isBlank(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
