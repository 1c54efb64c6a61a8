import { readFileSync } from 'node:fs';
import { MEMBER_NODE_FLAGS, v8Threads } from './member-flags.ts';

const LAUNCHERS = ['scripts/ashlar.mjs', 'scripts/pack/ashlar-bin.js'];
const ROOT = new URL('../../../', import.meta.url);

describe("Node's flags of a member", () => {
  it.each(LAUNCHERS)('are those that %s gives', (launcher) => {
    const text = readFileSync(new URL(launcher, ROOT), 'utf8');
    for (const flag of MEMBER_NODE_FLAGS) {
      if (flag.startsWith('--v8-pool-size=')) expect(text).toContain('--v8-pool-size=${');
      else expect(text).toContain(`'${flag}'`);
    }
  });

  it('leave a core for the main thread, as long as V8 keeps a thread', () => {
    expect([1, 2, 3, 4, 5, 64].map(v8Threads)).toEqual([1, 1, 2, 3, 4, 4]);
    expect(MEMBER_NODE_FLAGS.at(-1)).toMatch(/^--v8-pool-size=[1-4]$/);
  });
});
