/**
 * Reads sqllogictest files: the original form (one expected value a line, results as hashes) and the portable one (one
 * row a line).
 *
 * records R1  Records are separated by blank lines; lines that start with # are comments.
 * records R2  `skipif` and `onlyif` guard the record below them; an engine with PostgreSQL's flavour runs as `postgresql`.
 */

export type SortMode = 'nosort' | 'rowsort' | 'valuesort';

export interface StatementRecord {
  readonly kind: 'statement';
  readonly sql: string;
  readonly fails: boolean;
  /** Number of its first line in the file, from 1. */
  readonly line: number;
}

export interface QueryRecord {
  readonly kind: 'query';
  readonly sql: string;
  /** One letter a column: I, R, T, B, ?. */
  readonly types: string;
  readonly sort: SortMode;
  readonly expected: readonly string[];
  readonly line: number;
}

export type TestRecord = StatementRecord | QueryRecord;

const ENGINE = 'postgresql';

/** The records of a file that concern this engine, up to `halt`. */
export function* recordsOf(text: string): Generator<TestRecord> {
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; ) {
    if (lines[at]!.trim() === '') {
      at++;
      continue;
    }
    const start = at;
    while (at < lines.length && lines[at]!.trim() !== '') at++;
    const block = lines.slice(start, at).filter((line) => !line.startsWith('#'));
    if (block[0]?.trim() === 'halt' && isGuarded([])) return;
    const record = recordOf(block, start + 1);
    if (record === 'halt') return;
    if (record !== undefined) yield record;
  }
}

function recordOf(block: readonly string[], line: number): TestRecord | 'halt' | undefined {
  const head = block.findIndex((text) => !/^\s*(skipif|onlyif)\b/.test(text));
  if (head < 0 || !isGuarded(block.slice(0, head))) return undefined;
  const [kind, argument, sort] = block[head]!.trim().split(/\s+/);
  const body = block.slice(head + 1);
  const divider = body.indexOf('----');
  const sql = (divider < 0 ? body : body.slice(0, divider)).join('\n');
  switch (kind) {
    case 'halt':
      return 'halt';
    case 'statement':
      return { kind: 'statement', sql, fails: argument === 'error', line };
    case 'query': {
      const expected = divider < 0 ? [] : body.slice(divider + 1);
      return { kind: 'query', sql, types: argument ?? '', sort: sortMode(sort), expected, line };
    }
    default:
      return undefined;
  }
}

function sortMode(word: string | undefined): SortMode {
  return word === 'rowsort' || word === 'valuesort' ? word : 'nosort';
}

/** records R2: whether all guards let the record through. */
function isGuarded(guards: readonly string[]): boolean {
  return guards.every((guard) => {
    const [word, engine] = guard.trim().split(/\s+/);
    return (word === 'onlyif') === (engine === ENGINE);
  });
}
