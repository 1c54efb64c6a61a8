/**
 * Text cut into lines at \n alone: U+2028 and a lone \r are characters of their line, as JSON and SQL have it.
 *
 * text-lines N1  A line comes without its \n; a \r before it stays, for the caller to drop where it is no part of the
 *                content.
 */

/** The lines of a text that comes in pieces; the last one need not have an end. */
export async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', from)) {
      yield rest + piece.slice(from, end);
      rest = '';
      from = end + 1;
    }
    rest += piece.slice(from);
  }
  if (rest !== '') yield rest;
}

export function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
