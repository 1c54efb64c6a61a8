/** A batch that came in part, and whose primary writes no more: nothing of it stays, and its numbers are free (backup-role B4). */
import type { Epoch, Sequence } from '@ashlar/core';
import type { Acknowledge, Effect, Fenced, Message } from '../src/index.ts';
import { append, B, backup, C, type Member } from './played-member.ts';

function sent<Kind extends Message['kind']>(
  kind: Kind,
  effects: readonly Effect[],
): Extract<Message, { kind: Kind }>[] {
  return effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === kind ? [effect.message as Extract<Message, { kind: Kind }>] : [],
  );
}

const endings = (effects: readonly Effect[]): number[] =>
  effects.flatMap((effect) => (effect.kind === 'endBatch' ? [effect.partition] : []));

/** The store has taken part of a batch back. */
function takesBack(member: Member, partition: number, held: number): Effect[] {
  member.core.applied(partition, held as Sequence);
  return member.turns();
}

function mark(member: Member, epoch: Epoch, commit: number): Effect[] {
  const { batches, lease } = append(epoch, [], 1);
  const terms = { trimFloor: [1 as Sequence], heldFrom: [Number.POSITIVE_INFINITY] };
  const marks = { partition: [0], epoch: [epoch], commit: [commit as Sequence], ...terms };
  return member.hears(B, { kind: 'append', batches, marks, lease });
}

describe('a backup that holds part of a batch', () => {
  it('is asked to end it when it is fenced, and says what is left', () => {
    const member = backup();
    const { epoch } = member;
    member.hears(B, append(epoch, [epoch], 2));
    const later = (epoch + 10) as Epoch;
    member.core.onMessage(
      { from: C, to: member.self, message: { kind: 'fence', partition: [0], epoch: [later], isFresh: [false] } },
      member.now,
    );
    const first = member.core.turn(member.now);
    expect(endings(first)).toEqual([0]);
    const [fenced] = sent('fenced', takesBack(member, 0, 1)) as Fenced[];
    expect(fenced!.copies).toMatchObject([{ partition: 0, held: 1 }]);
  });

  it('takes no index of before for what the next primary writes under the same numbers', () => {
    const member = backup();
    const { epoch } = member;
    member.hears(B, append(epoch, [epoch], 2));
    mark(member, epoch, 2);
    const later = (epoch + 10) as Epoch;
    member.hears(C, { kind: 'fence', partition: [0], epoch: [later], isFresh: [false] });
    takesBack(member, 0, 1);
    const shown = member.hears(C, append(later, [later], 2)).filter(({ kind }) => kind === 'commitBackup');
    expect(shown).toEqual([]);
  });
});

describe('a member that is named primary', () => {
  it('ends what it holds of a batch itself', () => {
    const member = backup();
    const { epoch } = member;
    member.hears(B, append(epoch, [epoch], 2));
    member.step([{ kind: 'expire', replica: B }]);
    const effects = member.step(member.rows((row) => ({ kind: 'nominate', ...row, primary: member.self })));
    expect(endings(effects)).toEqual([0, 1, 2]);
    takesBack(member, 0, 1);
    const acknowledged = sent('acknowledge', member.turns()) as Acknowledge[];
    expect(acknowledged).toEqual([]);
  });
});
