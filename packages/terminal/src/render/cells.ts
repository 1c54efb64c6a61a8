/** Text in columns of a terminal: its width there, cut to fit, without what could drive the terminal. */
import stringWidth from 'string-width';

const PLAIN = /^[\u0020-\u007e]*$/;
const segmenter = new Intl.Segmenter();

/** Columns that a text takes. */
export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text);
}

/** At most `widthMax` columns of a text; an ellipsis stands for what is cut. */
export function cutToWidth(text: string, widthMax: number): string {
  if (text.length <= widthMax && PLAIN.test(text)) return text;
  if (PLAIN.test(text)) return `${text.slice(0, widthMax - 1)}…`;
  // A character takes two columns at most, but may be many units long: only what can fit is measured.
  let width = 0;
  let kept = '';
  for (const { segment } of segmenter.segment(text)) {
    const wide = stringWidth(segment);
    if (width + wide > widthMax) return `${dropLast(kept, widthMax)}…`;
    kept += segment;
    width += wide;
  }
  return text;
}

/** Control characters, which could drive the reader's terminal, as escapes. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

/** Makes room for the ellipsis. */
function dropLast(kept: string, widthMax: number): string {
  const segments = [...segmenter.segment(kept)].map(({ segment }) => segment);
  while (segments.length > 0 && stringWidth(segments.join('')) > widthMax - 1) segments.pop();
  return segments.join('');
}
