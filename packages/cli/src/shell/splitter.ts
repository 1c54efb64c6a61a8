/**
 * Cuts text that arrives line by line into statements, each ended by a semicolon outside of strings, comments and
 * brackets.
 *
 * splitter S1  What was scanned is not scanned again, but for the last piece: it may go on in the next line.
 */
import { type Open, piecesOf } from './sql-text.ts';

export interface Statement {
  /** From its first word on, without the semicolon. */
  readonly text: string;
  /** Line of its first word, from 1. */
  readonly line: number;
}

/** Text that no semicolon has ended yet. */
export interface Rest {
  readonly text: string;
  /** Line that the text begins in. */
  readonly line: number;
  /** Up to here the pieces are known, and `depth` brackets open. */
  readonly scannedTo: number;
  readonly depth: number;
  /** The construct, such as a quote, that the text ends inside of; the continuation prompt shows it. */
  readonly inside: Open | 'bracket' | 'statement' | 'nothing';
}

export const NOTHING_YET: Rest = { text: '', line: 1, scannedTo: 0, depth: 0, inside: 'nothing' };

/** Adds text to what is there. @param added  whole lines, each with its line end */
export function split(rest: Rest, added: string): { readonly statements: readonly Statement[]; readonly rest: Rest } {
  const text = rest.text + added;
  const lines = lineCounter(text, rest.line);
  const statements: Statement[] = [];
  let start = 0;
  let firstWord = significantStart(rest);
  let { depth, scannedTo } = rest;
  let open: Open | undefined;
  for (const piece of piecesOf(text, scannedTo)) {
    open = piece.open;
    if (piece.kind !== 'space' && piece.kind !== 'comment' && piece.kind !== 'semicolon') firstWord ??= piece.start;
    if (piece.end < text.length || piece.kind === 'semicolon') scannedTo = piece.end;
    else break;
    if (piece.kind === 'bracketOpen') depth += 1;
    else if (piece.kind === 'bracketClose') depth = Math.max(0, depth - 1);
    else if (piece.kind === 'semicolon' && depth === 0) {
      if (firstWord !== undefined) {
        statements.push({ text: text.slice(firstWord, piece.start).trimEnd(), line: lines(firstWord) });
      }
      start = piece.end;
      firstWord = undefined;
    }
  }
  const left = text.slice(start);
  if (left.trim() === '') return { statements, rest: { ...NOTHING_YET, line: lines(text.length) } };
  const inside = open ?? (firstWord === undefined ? 'nothing' : depth > 0 ? 'bracket' : 'statement');
  return { statements, rest: { text: left, line: lines(start), scannedTo: scannedTo - start, depth, inside } };
}

/** The rest, as the last statement of a text that ends without a semicolon. */
export function lastStatement(rest: Rest): Statement | undefined {
  const first = significantStart({ ...rest, scannedTo: rest.text.length });
  if (first === undefined) return undefined;
  return { text: rest.text.slice(first).trimEnd(), line: lineCounter(rest.text, rest.line)(first) };
}

function significantStart(rest: Rest): number | undefined {
  for (const piece of piecesOf(rest.text.slice(0, rest.scannedTo))) {
    if (piece.kind !== 'space' && piece.kind !== 'comment') return piece.start;
  }
  return undefined;
}

/** The line of an offset; offsets are asked for in ascending order. */
function lineCounter(text: string, first: number): (offset: number) => number {
  let line = first;
  let next = text.indexOf('\n');
  return (offset) => {
    while (next >= 0 && next < offset) {
      line += 1;
      next = text.indexOf('\n', next + 1);
    }
    return line;
  };
}
