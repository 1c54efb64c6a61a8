/**
 * Statements in, plans out: every statement of testdata/*.txt with the plan under it, against the catalog of
 * plan-support.ts. Regenerate with UPDATE_GOLDEN=1 and read the difference in review.
 *
 *   -- a comment, or a heading
 *   SELECT ...          a statement: the lines up to the first that begins with a space or an arrow
 *   => label type, ...  the columns of its result; type `count` where it is one
 *     Query ...         its plan
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Plan, planText } from '@ashlar/sql-plan';
import { plan } from './plan-support.ts';

const FOLDER = new URL('../testdata/', import.meta.url);

/** The statements of a golden text, without their plans; comments and empty lines stay. */
function statementsOf(text: string): string[] {
  return text
    .split('\n\n')
    .map((block) =>
      block
        .split('\n')
        .filter((line) => !/^(?: |=>|$)/.test(line))
        .join('\n'),
    )
    .filter((block) => block !== '');
}

function withPlan(block: string): string {
  const text = block.replace(/^--.*\n?/gm, '');
  if (text === '') return block;
  const planned = plan(text);
  const lines = planText(planned)
    .split('\n')
    .map((line) => `  ${line}`);
  return [block, ...labelsOf(planned), ...lines].join('\n');
}

function labelsOf(planned: Plan): string[] {
  if (planned.kind !== 'query' && planned.kind !== 'get') return [];
  return [
    `=> ${planned.output.map(({ name, type, isCount = false }) => `${name} ${isCount ? 'count' : type}`).join(', ')}`,
  ];
}

describe('plans', () => {
  it.each(readdirSync(FOLDER).filter((name) => name.endsWith('.txt')))('of %s', (name) => {
    const file = new URL(name, FOLDER);
    const golden = readFileSync(file, 'utf8');
    const text = `${statementsOf(golden).map(withPlan).join('\n\n')}\n`;
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });
});
