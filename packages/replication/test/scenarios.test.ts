/**
 * Protocols as text: every scenario of testdata/*.txt, its commands with what came of them (scenario.ts says which there are).
 * Regenerate with UPDATE_GOLDEN=1 and read the difference in review.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { emptyReplicaTable, stepReplicas } from '@ashlar/cluster';
import { runScenario } from './scenario.ts';

const FOLDER = new URL('../testdata/', import.meta.url);
const STEPS = { empty: emptyReplicaTable, step: stepReplicas };

describe('scenarios', () => {
  it.each(readdirSync(FOLDER).filter((name) => name.endsWith('.txt')))('%s', (name) => {
    const file = new URL(name, FOLDER);
    const text = runScenario(readFileSync(file, 'utf8'), STEPS);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });
});
