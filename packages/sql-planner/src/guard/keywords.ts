/** PostgreSQL's keywords that cannot be names, by the classes of its grammar (version 18, appendix C). */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Never a name without quotes, except behind AS or a dot. */
export const RESERVED_WORDS = words(`
  all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
  current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc distinct
  do else end except false fetch for foreign from grant group having in initially intersect into lateral leading limit
  localtime localtimestamp not null offset on only or order placing primary references returning select session_user
  some symmetric system_user table then to trailing true union unique user using variadic when where window with`);

/** Names of functions or types, never of columns or tables. */
export const FUNCTION_ONLY_WORDS = words(`
  authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left like
  natural notnull outer overlaps right similar tablesample verbose`);

/** Reserved words that are operands all the same: an operator may follow them. */
const OPERAND_WORDS = words(`
  current_catalog current_date current_role current_time current_timestamp current_user default end false localtime
  localtimestamp null session_user system_user true user`);

/** Words that are no reserved ones, and yet an operand follows them. */
const PREFIX_WORDS = words('between by escape zone first next set values');

/** Whether a word can name a column or a table without quotes. */
export function canBeName(word: string): boolean {
  return !RESERVED_WORDS.has(word) && !FUNCTION_ONLY_WORDS.has(word);
}

/** Whether an operand may end with this word, so that what follows is an operator. */
export function endsOperand(word: string): boolean {
  if (OPERAND_WORDS.has(word)) return true;
  return canBeName(word) && !PREFIX_WORDS.has(word);
}

/** The words a statement's clauses begin with: what a misspelled word may have meant. */
export const CLAUSE_WORDS: readonly string[] = [
  'SELECT',
  'DISTINCT',
  'FROM',
  'WHERE',
  'GROUP',
  'HAVING',
  'ORDER',
  'LIMIT',
  'OFFSET',
  'INNER',
  'LEFT',
  'JOIN',
  'INSERT',
  'INTO',
  'VALUES',
  'UPDATE',
  'DELETE',
  'RETURNING',
  'EXPLAIN',
  'BETWEEN',
  'LIKE',
];
