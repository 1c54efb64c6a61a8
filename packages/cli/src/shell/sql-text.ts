/**
 * SQL text as pieces that cover it without gaps: what splitting, colouring and completing have in common.
 *
 * The rules are those of the planner's lexer (PostgreSQL's), but nothing is refused: what is no token is an operator of
 * one character, and what is never closed reaches to the end of the text.
 */

export type PieceKind =
  | 'space'
  | 'comment'
  | 'string'
  | 'quotedName'
  | 'word'
  | 'number'
  | 'parameter'
  | 'bracketOpen'
  | 'bracketClose'
  | 'semicolon'
  | 'operator';

/** Constructs that a text can end inside of. */
export type Open = 'string' | 'quotedName' | 'dollarString' | 'comment';

export interface Piece {
  readonly kind: PieceKind;
  readonly start: number;
  readonly end: number;
  /** Set when the text ends before the piece does. */
  readonly open?: Open;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
// Unrolled: an alternative a character would take a place on the stack for each.
const ESCAPE_STRING = /[eE]'[^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*('?)/y;
const STRING = /[bBxXnN]?'[^']*(?:''[^']*)*('?)/y;
const QUOTED_NAME = /"[^"]*(?:""[^"]*)*("?)/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const PARAMETER = /\$\d+|\?|:[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER =
  /0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d+)?/y;
const CAST = /::/y;

/** The pieces from `from` on, which must be the start of one. */
export function* piecesOf(text: string, from = 0): Generator<Piece, void, undefined> {
  for (let at = from; at < text.length; ) {
    const piece = pieceAt(text, at);
    yield piece;
    at = piece.end;
  }
}

function pieceAt(text: string, start: number): Piece {
  const matched = (pattern: RegExp): number | undefined => endOfMatch(pattern, text, start);
  const piece = (kind: PieceKind, end: number | undefined): Piece | undefined =>
    end === undefined ? undefined : { kind, start, end };
  return (
    piece('space', matched(SPACE)) ??
    piece('comment', matched(LINE_COMMENT)) ??
    blockComment(text, start) ??
    closedPiece('string', 'string', ESCAPE_STRING, text, start) ??
    closedPiece('string', 'string', STRING, text, start) ??
    closedPiece('quotedName', 'quotedName', QUOTED_NAME, text, start) ??
    dollarString(text, start) ??
    piece('word', matched(WORD)) ??
    piece('number', matched(NUMBER)) ??
    piece('operator', matched(CAST)) ??
    piece('parameter', matched(PARAMETER)) ??
    mark(text, start)
  );
}

function mark(text: string, start: number): Piece {
  const end = start + 1;
  switch (text[start]) {
    case '(':
    case '[':
      return { kind: 'bracketOpen', start, end };
    case ')':
    case ']':
      return { kind: 'bracketClose', start, end };
    case ';':
      return { kind: 'semicolon', start, end };
    default:
      return { kind: 'operator', start, end };
  }
}

/** A piece whose closing quote is the pattern's first group: empty when the text ends before it. */
function closedPiece(kind: PieceKind, open: Open, pattern: RegExp, text: string, start: number): Piece | undefined {
  pattern.lastIndex = start;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const end = pattern.lastIndex;
  return match[1] === '' ? { kind, start, end, open } : { kind, start, end };
}

function dollarString(text: string, start: number): Piece | undefined {
  const tagEnd = endOfMatch(DOLLAR_TAG, text, start);
  if (tagEnd === undefined) return undefined;
  const close = text.indexOf(text.slice(start, tagEnd), tagEnd);
  if (close < 0) return { kind: 'string', start, end: text.length, open: 'dollarString' };
  return { kind: 'string', start, end: close + tagEnd - start };
}

/** Comments nest. */
function blockComment(text: string, start: number): Piece | undefined {
  if (!text.startsWith('/*', start)) return undefined;
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let found = marks.exec(text); found !== null; found = marks.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return { kind: 'comment', start, end: marks.lastIndex };
  }
  return { kind: 'comment', start, end: text.length, open: 'comment' };
}

function endOfMatch(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
