/**
 * Reads every statement of sqllogictest files below a folder with our parser and with PostgreSQL's own (libpg-query), and
 * counts how many are read alike, refused, or misread.
 *
 *   node --conditions=@ashlar/source testing/sql-differential/main.ts <folder> [--show N]
 *
 * Exit code 1 when any statement is misread (`different`) or taken for a syntax error though it is none (`rejected`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, loadOracle, type Verdict } from '../../packages/sql-planner/test/oracle/compare.ts';

const [folder, flag, shown] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: main.ts <folder with sqllogictest files> [--show N]');
  process.exit(2);
}
await loadOracle();
const counts = new Map<string, number>();
const reasons = new Map<string, number>();
const examples = new Map<Verdict, string[]>();
const showMax = flag === '--show' ? Number(shown) : 3;
let slowestMs = 0;
let slowest = '';

for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!file.isFile() || !/\.(test|slt|sql)$/.test(file.name)) continue;
  for (const statement of statementsOf(readFileSync(join(file.parentPath, file.name), 'utf8'))) judge(statement);
}
report();

/** The SQL of every `query` and `statement` record. */
function* statementsOf(text: string): Generator<string> {
  for (const record of text.split(/\r?\n(?:[ \t]*\r?\n)+/)) {
    const lines = record.split(/\r?\n/).filter((line) => !line.startsWith('#'));
    const head = lines.findIndex((line) => /^(query|statement)\b/.test(line));
    if (head < 0) continue;
    const end = lines.indexOf('----');
    const sql = lines.slice(head + 1, end < 0 ? undefined : end).join('\n');
    if (sql.trim() !== '') yield sql;
  }
}

function judge(statement: string): void {
  const startMs = performance.now();
  const { verdict, detail } = compare(statement);
  const tookMs = performance.now() - startMs;
  if (tookMs > slowestMs) [slowestMs, slowest] = [tookMs, statement];
  const kind = /^\s*\(*\s*(select|with|values|table)/i.test(statement) ? 'queries' : 'others';
  counts.set(`${kind} ${verdict}`, (counts.get(`${kind} ${verdict}`) ?? 0) + 1);
  if (verdict === 'refused') reasons.set(detail, (reasons.get(detail) ?? 0) + 1);
  const seen = examples.get(verdict) ?? [];
  examples.set(verdict, seen);
  if (seen.length < showMax) seen.push(`${statement}\n    ${detail}`);
}

function report(): void {
  for (const [name, count] of [...counts].sort()) console.log(`${String(count).padStart(8)} ${name}`);
  console.log('refused, by reason:');
  for (const [reason, count] of [...reasons].sort((a, b) => b[1] - a[1]))
    console.log(`${String(count).padStart(8)} ${reason}`);
  for (const verdict of ['different', 'rejected', 'lenient'] as const) {
    for (const example of examples.get(verdict) ?? []) console.log(`${verdict}: ${example}`);
  }
  console.log(`slowest, both parsers together: ${slowestMs.toFixed(1)} ms for ${slowest.slice(0, 100)}`);
  if (examples.has('different') || examples.has('rejected')) process.exitCode = 1;
}
