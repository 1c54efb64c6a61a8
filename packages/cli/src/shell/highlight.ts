/** Colours SQL while it is typed: words, strings, numbers, comments, parameters. Never changes what it colours. */
import type { Colours } from '@ashlar/terminal';
import { type PieceKind, piecesOf } from './sql-text.ts';
import { isFunction, isKeyword } from './words.ts';

/**
 * The last line of a text, coloured; what is before decides whether it begins inside a string or a comment.
 *
 * @param before  lines of the statement that were entered already
 */
export function highlight(line: string, colours: Colours, before = ''): string {
  if (!colours.isColorSupported) return line;
  if (before.trim() === '' && /^\s*(\\|\.(?!\d))/.test(line)) return colours.magenta(line);
  const text = before + line;
  let shown = '';
  for (const piece of piecesOf(text)) {
    if (piece.end <= before.length) continue;
    const part = text.slice(Math.max(piece.start, before.length), piece.end);
    const isCall = text[piece.end] === '(';
    shown += colourOf(piece.kind, part, isCall, colours)(part);
  }
  return shown;
}

function colourOf(kind: PieceKind, text: string, isCall: boolean, colours: Colours): (text: string) => string {
  switch (kind) {
    case 'word':
      if (isCall && isFunction(text)) return colours.blue;
      return isKeyword(text) ? (word) => colours.bold(colours.cyan(word)) : String;
    case 'string':
      return colours.green;
    case 'number':
      return colours.yellow;
    case 'comment':
      return colours.dim;
    case 'parameter':
      return colours.magenta;
    default:
      return String;
  }
}
