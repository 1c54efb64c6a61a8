/** Words of SQL that the shell colours and offers. What a statement may contain is the grid's to say. */

const list = (text: string): readonly string[] => text.trim().split(/\s+/);

export const KEYWORDS: readonly string[] = list(`
  all and as asc between by case cast cross current_date current_timestamp delete desc describe distinct else end escape exists
  explain false filter first from group having ilike in inner insert interval into is join last left like limit not null
  nulls offset on or order outer select set show then true truncate update using values when where
  bigint boolean bytea date decimal double float8 int4 int8 integer json jsonb numeric precision real text time
  timestamp timestamptz varchar zone`);

/** A test asks the grid for each. */
export const FUNCTIONS: readonly string[] = list(`
  avg count max min sum
  abs acos asin atan atan2 cbrt ceil ceiling cos degrees exp floor ln log log10 mod pi power radians random round sign sin
  sqrt tan trunc
  ascii btrim char_length chr concat concat_ws initcap left length lower lpad ltrim md5 octet_length overlay position
  repeat replace reverse right rpad rtrim split_part starts_with strpos substr substring trim upper
  date_part date_trunc extract now to_timestamp
  coalesce greatest least nullif
  json_array_length json_extract_path json_extract_path_text json_typeof`);

const KEYWORD_SET = new Set(KEYWORDS);
const FUNCTION_SET = new Set(FUNCTIONS);

export function isKeyword(word: string): boolean {
  return KEYWORD_SET.has(word.toLowerCase());
}

export function isFunction(word: string): boolean {
  return FUNCTION_SET.has(word.toLowerCase());
}
