import { readFileSync } from 'node:fs';
import { MEMBER_NODE_FLAGS } from './member-flags.ts';

describe("Node's flags of a member", () => {
  it('are those that npx ashlar gives', () => {
    const launcher = readFileSync(new URL('../../../scripts/ashlar.mjs', import.meta.url), 'utf8');
    for (const flag of MEMBER_NODE_FLAGS) expect(launcher).toContain(`'${flag}'`);
  });
});
