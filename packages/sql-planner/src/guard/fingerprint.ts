/**
 * The key of the plan and kernel caches: a statement's tokens with the literals taken out, so that statements that differ
 * only in their values share one.
 *
 * F1  Two statements with one fingerprint differ at most in the values of literals of the same kind.
 * F2  A number that is no value stays: an ordinal of GROUP BY or ORDER BY, the length or precision of a type.
 */
import { RESERVED_WORDS } from './keywords.ts';
import type { Token } from './token.ts';

const INT4_MAX = 2_147_483_647n;
const INT8_MAX = 9_223_372_036_854_775_807n;
const SIZED_TYPES: ReadonlySet<string> = new Set(
  'bit bpchar char character dec decimal float interval nchar numeric time timestamp timestamptz timetz varbit varchar varying'.split(
    ' ',
  ),
);
const ENDS_ORDINALS: ReadonlySet<string> = new Set(
  'limit offset fetch having window union except intersect for rows range groups from where select'.split(' '),
);

/** @param tokens as `tokenize` gives them */
export function fingerprint(tokens: readonly Token[]): string {
  const parts: string[] = [];
  /** For each open bracket and the top: whether numbers stand as they are. */
  const literal: boolean[] = [false];
  tokens.forEach((token, index) => {
    const top = literal.length - 1;
    if (token.kind === 'word') {
      if (token.value === 'by') literal[top] = true;
      else if (ENDS_ORDINALS.has(token.value)) literal[top] = false;
    } else if (token.kind === 'punctuation') {
      if (token.text === '(' || token.text === '[') literal.push(isSized(tokens[index - 1]));
      else if ((token.text === ')' || token.text === ']') && top > 0) literal.pop();
    }
    if (token.kind !== 'end') parts.push(keyPart(token, literal[top]!));
  });
  return parts.join(' ');
}

function isSized(before: Token | undefined): boolean {
  return before?.kind === 'word' && SIZED_TYPES.has(before.value);
}

/** A quote marks what was taken out: no token that stays begins with one. */
function keyPart(token: Token, keepNumbers: boolean): string {
  switch (token.kind) {
    case 'string':
    case 'bits':
      return `'${token.kind}`;
    case 'decimal':
      return "'decimal";
    case 'integer':
      return keepNumbers ? token.value : `'${widthOf(token.value)}`;
    case 'word':
      return RESERVED_WORDS.has(token.value) ? token.value : token.text;
    default:
      return token.text;
  }
}

/** int4, int8 and numeric are different types, so they are different shapes. */
function widthOf(digits: string): string {
  const value = BigInt(digits);
  if (value <= INT4_MAX) return 'int4';
  return value <= INT8_MAX ? 'int8' : 'numeric';
}
