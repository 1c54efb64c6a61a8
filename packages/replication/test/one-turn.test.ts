/** What comes in one turn concerns one copy after the other: what the store says of the first counts for nothing in the next. */
import type { Epoch, Sequence } from '@ashlar/core';
import type { Effect, Fenced } from '../src/index.ts';
import { append, B, backup, C } from './played-member.ts';

function fencedIn(effects: readonly Effect[]): Fenced | undefined {
  for (const effect of effects) if (effect.kind === 'send' && effect.message.kind === 'fenced') return effect.message;
  return undefined;
}

describe('records of a log, and the fence of a fresh one behind it, in one turn', () => {
  it('leave an empty copy, that says so', () => {
    const member = backup();
    const { epoch } = member;
    const [from, to] = [B, member.self];
    member.core.onMessage({ from, to, message: append(epoch, [epoch, epoch], 2) }, member.now);
    const fence = { kind: 'fence', partition: [0], epoch: [(epoch + 10) as Epoch], isFresh: [true] } as const;
    member.core.onMessage(
      { from: C, to, message: { ...fence, partition: [0], epoch: [...fence.epoch], isFresh: [true] } },
      member.now,
    );
    const effects = member.turns();
    // Those of the other partition are taken.
    expect(effects.filter(({ kind }) => kind === 'apply')).toMatchObject([
      { partition: [1], firstSequence: [2 as Sequence] },
    ]);
    expect(effects.filter(({ kind }) => kind === 'openCopy')).toMatchObject([{ partition: 0 }]);
    expect(fencedIn(effects)?.copies).toMatchObject([{ partition: 0, held: 0, lineage: [] }]);
  });
});
