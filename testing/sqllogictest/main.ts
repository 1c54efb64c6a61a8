/**
 * Runs sqllogictest files against a grid of two members, started for each file, and prints what passes, what is refused by
 * name, and what is wrong.
 *
 *   node --conditions=@ashlar/source testing/sqllogictest/main.ts <files or folders> [--show N] [--members N]
 *
 * Exit code 1 when a record is wrong.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestGrid } from '../grid/support/grid.ts';
import { type Judgement, runFile, type Verdict } from './run-file.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { show: { type: 'string', default: '20' }, members: { type: 'string', default: '2' } },
});
if (positionals.length === 0) {
  console.error('usage: main.ts <files or folders> [--show N] [--members N]');
  process.exit(2);
}

const totals = new Map<string, number>();
const reasons = new Map<string, number>();
const shown: string[] = [];
for (const file of positionals.flatMap(filesAt)) await judgeFile(file);
report();

function filesAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(test|slt)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function judgeFile(file: string): Promise<void> {
  const counts: Record<Verdict, number> = { passed: 0, refused: 0, wrong: 0, spoilt: 0 };
  const startedMs = performance.now();
  const grid = await TestGrid.start({ members: Number(flags.members), memory: '256MiB' });
  try {
    const client = await grid.connect();
    await runFile(readFileSync(file, 'utf8'), client, (judgement) => {
      counts[judgement.verdict]++;
      keep(file, judgement);
    });
  } finally {
    await grid.stop();
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const { passed, refused, wrong, spoilt } = counts;
  console.log(`${file}: ${passed} passed, ${refused} refused, ${wrong} wrong, ${spoilt} spoilt, ${seconds} s`);
}

function keep(file: string, { record, verdict, detail }: Judgement): void {
  const name = `${record.kind} ${verdict}`;
  totals.set(name, (totals.get(name) ?? 0) + 1);
  if (verdict === 'refused') reasons.set(detail, (reasons.get(detail) ?? 0) + 1);
  if (verdict !== 'wrong' || shown.length >= Number(flags.show)) return;
  shown.push(`${file}:${record.line}\n${record.sql.slice(0, 600)}\n    ${detail}`);
}

function report(): void {
  for (const example of shown) console.log(`wrong: ${example}`);
  console.log('refused, by reason:');
  for (const [reason, count] of [...reasons].sort((a, b) => b[1] - a[1])) {
    console.log(`${String(count).padStart(8)} ${reason.slice(0, 150)}`);
  }
  for (const [name, count] of [...totals].sort()) console.log(`${String(count).padStart(8)} ${name}`);
  if ([...totals.keys()].some((name) => name.endsWith('wrong'))) process.exitCode = 1;
}
