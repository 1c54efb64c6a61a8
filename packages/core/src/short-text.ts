/** Texts for people, cut to a length: whatever a caller hands in, no error grows with it. */

/** UTF-16 units of a message, a hint and each text among the details of an error. */
export const ERROR_TEXT_MAX = 1024;

const CUT = '…';

/** The text, or its beginning and an ellipsis; never half a character. */
export function shortText(text: string, lengthMax: number = ERROR_TEXT_MAX): string {
  if (text.length <= lengthMax) return text;
  const end = lengthMax - CUT.length;
  const isHalved = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHalved ? end - 1 : end) + CUT;
}

/** UTF-8 bytes of the text, cut to at most `bytesMax`. */
export function shortTextBytes(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const room = bytesMax - Buffer.byteLength(CUT);
  // A unit has at least one byte: what is cut here can never fit.
  let bytes = 0;
  let end = 0;
  for (const character of text.slice(0, bytesMax)) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    end += character.length;
  }
  return text.slice(0, end) + CUT;
}
