/**
 * Whether a statement changes nothing, judged by its words: what only reads is safe to send again, whatever became of it.
 * In doubt a statement writes.
 */

/** What is not a word of the statement: comments, quoted strings of all kinds, quoted names. */
const SKIPPED =
  /\/\*|--[^\n]*|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[A-Za-z_]\w*)?\$)[\s\S]*?\1|[A-Za-z_]\w*/g;
const COMMENT_EDGE = /\/\*|\*\//g;
const READERS = /^(?:select|values|explain|show|table|describe|desc|with)$/i;
const WRITERS = /^(?:insert|update|delete|merge)$/i;

/** Words that begin a statement which only reads; it may begin with a bracket instead. */
export function onlyReads(text: string): boolean {
  let first: string | undefined;
  let writes = false;
  for (const word of wordsOf(text)) {
    first ??= word;
    writes ||= WRITERS.test(word);
  }
  if (first === undefined || !READERS.test(first)) return false;
  // EXPLAIN runs what reads at most; a name like "update" without quotes is taken for the verb.
  return /^explain$/i.test(first) || !writes;
}

function* wordsOf(text: string): Generator<string, void, undefined> {
  const tokens = new RegExp(SKIPPED);
  for (let token = tokens.exec(text); token !== null; token = tokens.exec(text)) {
    const found = token[0];
    if (found === '/*') tokens.lastIndex = endOfComment(text, token.index);
    else if (/^[A-Za-z_]\w*$/.test(found)) yield found;
  }
}

/** Comments nest. */
function endOfComment(text: string, start: number): number {
  const edges = new RegExp(COMMENT_EDGE);
  edges.lastIndex = start;
  let depth = 0;
  for (let edge = edges.exec(text); edge !== null; edge = edges.exec(text)) {
    depth += edge[0] === '/*' ? 1 : -1;
    if (depth === 0) return edges.lastIndex;
  }
  return text.length;
}
