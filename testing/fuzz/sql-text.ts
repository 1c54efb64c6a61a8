/** Statements: whole ones with odd parts, and their words in any order. */
import type { Chance } from './chance.ts';

const EXPRESSIONS = [
  ...[
    'n',
    'a',
    'b.c',
    'tags[1]',
    '__key',
    '__version',
    '*',
    'count(*)',
    'sum(n)',
    'avg(a)',
    'max(k)',
    '1',
    '-1',
    '0',
    '1e400',
  ],
  ...["'x'", "''", 'NULL', 'TRUE', '$1', "'2024-02-30'::date", "interval '1 day'", 'n + 1', 'a || b', 'n / 0', '1 / n'],
  ...[
    'lower(a)',
    'coalesce(n, a)',
    'CASE WHEN n > 1 THEN a ELSE b END',
    'n BETWEEN 1 AND 3',
    "a LIKE '%\\'",
    'n IN (1, NULL)',
  ],
  ...[
    '(SELECT max(n) FROM numbers)',
    'sqrt(n)',
    'CAST(a AS int)',
    'json_typeof(a)',
    'n::numeric(3,1)',
    '9223372036854775807 + n',
  ],
] as const;
const WORDS =
  'SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET JOIN ON UNION ALL DISTINCT AS AND OR NOT IN IS NULL ( ) , ; -- /* */ \' " $ $$ \\ :: [ ] { } . * = <> < > <= >= + - / % || INSERT INTO VALUES UPDATE SET DELETE TRUNCATE EXPLAIN ANALYZE CREATE TABLE WITH RECURSIVE OVER'.split(
    ' ',
  );
const MAPS = [
  'fuzz',
  'numbers',
  'texts',
  'none',
  '"a b"',
  'fuzz f JOIN numbers g ON f.n = g.n',
  'fuzz, numbers',
] as const;

export function sqlText(chance: Chance): string {
  const text = chance.once(5) ? scrambled(chance) : statement(chance);
  return chance.once(6) ? chance.mutated(Buffer.from(text)).toString('latin1') : text;
}

function scrambled(chance: Chance): string {
  return Array.from({ length: chance.below(30) }, () =>
    chance.once(3) ? expression(chance) : chance.pick(WORDS),
  ).join(' ');
}

function statement(chance: Chance): string {
  const map = chance.pick(MAPS);
  switch (chance.below(8)) {
    case 0:
      return `INSERT INTO numbers (__key, n, a) VALUES (${chance.below(50)}, ${expression(chance)}, ${expression(chance)})`;
    case 1:
      return `UPDATE numbers SET n = ${expression(chance)}${where(chance)}`;
    case 2:
      return `DELETE FROM texts WHERE ${expression(chance)}`;
    case 3:
      return `EXPLAIN ${chance.once(2) ? 'ANALYZE ' : ''}SELECT ${expression(chance)} FROM ${map}`;
    default:
      return select(map, chance);
  }
}

function select(map: string, chance: Chance): string {
  const columns = Array.from({ length: 1 + chance.below(3) }, () => expression(chance)).join(', ');
  const group = chance.once(4) ? ` GROUP BY ${expression(chance)}` : '';
  const order = chance.once(4) ? ` ORDER BY ${expression(chance)} ${chance.pick(['', 'DESC', 'NULLS FIRST'])}` : '';
  const limit = chance.once(4) ? ` LIMIT ${chance.pick(['0', '3', '-1', '1e9', '$1', 'NULL'])}` : '';
  return `SELECT ${chance.once(6) ? 'DISTINCT ' : ''}${columns} FROM ${map}${where(chance)}${group}${order}${limit}`;
}

function where(chance: Chance): string {
  return chance.once(2)
    ? ''
    : ` WHERE ${expression(chance)} ${chance.pick(['=', '<', 'IS NOT DISTINCT FROM', '<>'])} ${expression(chance)}`;
}

function expression(chance: Chance): string {
  const one = chance.pick(EXPRESSIONS);
  if (chance.once(12)) return `${'('.repeat(chance.below(200))}${one}${')'.repeat(chance.below(200))}`;
  return one;
}
