/**
 * Upper and lower case character by character, as PostgreSQL maps them: one code point becomes one, so a text keeps its length
 * ('ß' has no upper case letter of its own and stays; no letter depends on its neighbours, so 'Σ' is 'σ' also at a word's end).
 */

/** Code points that JavaScript maps to two, though Unicode has one: those with an iota below, by how far the capital is. */
const WITH_IOTA: readonly (readonly [from: number, to: number, by: number])[] = [
  [0x1f80, 0x1f87, 8],
  [0x1f90, 0x1f97, 8],
  [0x1fa0, 0x1fa7, 8],
  [0x1fb3, 0x1fb3, 9],
  [0x1fc3, 0x1fc3, 9],
  [0x1ff3, 0x1ff3, 9],
];
const DOTTED_CAPITAL_I = '\u0130';

/** Most texts have nothing of it, and need no look at each character. */
const BEYOND_ASCII = /[^ -~]/;

export function upperCase(text: string): string {
  return BEYOND_ASCII.test(text) ? mapped(text, upperOf) : text.toUpperCase();
}

export function lowerCase(text: string): string {
  return BEYOND_ASCII.test(text) ? mapped(text, lowerOf) : text.toLowerCase();
}

function mapped(text: string, map: (character: string) => string): string {
  let result = '';
  for (const character of text) result += map(character);
  return result;
}

function upperOf(character: string): string {
  const upper = character.toUpperCase();
  if (upper.length === character.length) return upper;
  const code = character.codePointAt(0)!;
  const [, , by] = WITH_IOTA.find(([from, to]) => code >= from && code <= to) ?? [0, 0, 0];
  return String.fromCodePoint(code + by);
}

function lowerOf(character: string): string {
  if (character === DOTTED_CAPITAL_I) return 'i';
  const lower = character.toLowerCase();
  return lower.length === character.length ? lower : character;
}
