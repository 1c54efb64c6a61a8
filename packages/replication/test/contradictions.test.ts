/** What a peer says of one partition cannot be: that costs a copy, and nothing else of what came with it (core-contract C5). */
import type { Epoch, ReplicaId, Sequence } from '@ashlar/core';
import { type Acknowledge, DEFAULT_TIMINGS, type Effect, type FencedCopy, type Message } from '../src/index.ts';
import { A, append, B, backup, C, Member, ONE_BY_ONE, PARTITIONS, RECORD_BYTES } from './played-member.ts';

function sentTo(to: ReplicaId, effects: readonly Effect[]): Message[] {
  return effects.flatMap((effect) => (effect.kind === 'send' && effect.to === to ? [effect.message] : []));
}

const acknowledged = (effects: readonly Effect[]): Acknowledge =>
  sentTo(B, effects).find((message): message is Acknowledge => message.kind === 'acknowledge')!;

function faultsIn(effects: readonly Effect[]): { partition: number; by: ReplicaId; text: string }[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== 'note' || effect.note.kind !== 'fault') return [];
    const { partition, by, error } = effect.note;
    return [{ partition, by, text: (error as Error).message }];
  });
}

describe('a backup that is sent records of an epoch below its last', () => {
  const member = backup();
  const { epoch } = member;
  const effects = member.hears(B, append(epoch, [epoch, (epoch - 1) as Epoch, epoch], 2));

  it('gives up that copy, and says so', () => {
    expect(faultsIn(effects)).toEqual([{ partition: 1, by: B, text: expect.stringContaining('lineage L1') }]);
    expect(effects.filter(({ kind }) => kind === 'dropCopy')).toEqual([{ kind: 'dropCopy', partition: 1 }]);
    const { refusals } = acknowledged(effects);
    expect(refusals).toEqual({ partition: [1], epoch: [epoch], reason: ['noCopy'] });
  });

  it('takes what came for the others, and grants the lease', () => {
    const { held, lease } = acknowledged(effects);
    expect([held.partition, held.held]).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(lease).toMatchObject({ number: 7 });
  });
});

describe('a fence for a partition that no grid of this size has', () => {
  it('is passed over, and those with it are taken', () => {
    const member = new Member(B);
    const { epoch } = member;
    const message = { partition: [PARTITIONS, 1], epoch: [epoch, epoch], isFresh: [true, true] };
    const effects = member.hears(B, { kind: 'fence', ...message });
    expect(effects.filter(({ kind }) => kind === 'openCopy')).toMatchObject([{ partition: 1 }]);
  });
});

/** `a` is named in place of `b`, and has the record 1 of all partitions; the set is fenced, and nobody has answered. */
function named(): Member {
  const member = backup();
  member.step([{ kind: 'expire', replica: B }]);
  member.step(member.rows((row) => ({ kind: 'nominate', ...row, primary: A })));
  return member;
}

function fenced(member: Member, held: number, lineages: readonly FencedCopy['lineage'][]): Message {
  const { epoch } = member;
  const copies = lineages.map((lineage, partition) => ({
    ...{ partition, epoch, copy: 1, held: held as Sequence, lineage },
  }));
  return { kind: 'fenced', copies };
}

function setsAskedFor(effects: readonly Effect[]): Map<number, readonly ReplicaId[]> {
  const changes = effects.flatMap((effect) => (effect.kind === 'transact' ? effect.transaction.changes : []));
  return new Map(
    changes.flatMap((change) => (change.kind === 'complete' ? [[change.partition, change.inSync] as const] : [])),
  );
}

describe('a member of the set whose log is another below what both have', () => {
  const member = named();
  const before = (member.epoch - 1) as Epoch;
  const first = member.table.partitions[0]!.logEpoch;
  const same: FencedCopy['lineage'] = [[first, 1 as Sequence]];
  const effects = member.hears(C, fenced(member, 1, [same, [[before, 1 as Sequence]], same]));

  it('counts as one without a copy, and that is said', () => {
    expect(faultsIn(effects)).toEqual([{ partition: 1, by: C, text: expect.stringContaining('promotion M3') }]);
  });

  it('keeps no other partition from being promoted with it', () => {
    const later = member.tick(DEFAULT_TIMINGS.graceMs + DEFAULT_TIMINGS.fenceWaitMs);
    const held = [0, 2].map((partition) => ({ partition, copy: 1, held: 1 as Sequence }));
    const { epoch } = member;
    const columns = { partition: [0, 2], epoch: [epoch, epoch], copy: [1, 1], held: held.map((one) => one.held) };
    later.push(
      ...member.hears(C, {
        ...{ kind: 'acknowledge', held: { ...columns, hasGap: [false, false] } },
        ...{ refusals: { partition: [], epoch: [], reason: [] }, freeBytes: 1e6, lease: undefined },
      }),
      ...member.tick(DEFAULT_TIMINGS.replicateWaitMs),
    );
    expect(setsAskedFor(later)).toEqual(
      new Map([
        [0, [A, C]],
        [1, [A]],
        [2, [A, C]],
      ]),
    );
  });
});

describe('a tail that contradicts what is here', () => {
  it('is not taken, and neither is its sender; tails of other partitions are', () => {
    const member = named();
    const first = member.table.partitions[0]!.logEpoch;
    const same: FencedCopy['lineage'] = [[first, 1 as Sequence]];
    member.hears(C, fenced(member, 2, [same, same, same]));
    member.tick(DEFAULT_TIMINGS.graceMs + DEFAULT_TIMINGS.fenceWaitMs);
    const { batches } = append(member.epoch, [first, (first - 1) as Epoch, first], 2);
    const effects = member.hears(C, { kind: 'tail', batches });
    expect(faultsIn(effects)).toEqual([{ partition: 1, by: C, text: expect.stringContaining('lineage L1') }]);
    const applied = effects.flatMap((effect) => (effect.kind === 'apply' ? effect.partition : []));
    expect(applied).toEqual([0, 2]);
    expect(effects.filter(({ kind }) => kind === 'dropCopy')).toEqual([]);
    expect(setsAskedFor(effects).get(1)).toEqual([A]);
  });
});

describe('a log that fails to give its records', () => {
  it('costs no other partition its append, and is asked again with the next heartbeat', () => {
    let isBroken = true;
    const member: Member = new Member(A, {
      ...ONE_BY_ONE,
      add: (partition) => {
        if (partition === 1 && isBroken) throw new Error('no memory for a frame');
        return { recordEpoch: member.epoch, count: 1, bytes: RECORD_BYTES };
      },
    });
    for (const from of [B, C]) member.hears(from, fenced(member, 0, [[], [], []]));
    member.step(member.rows((row) => ({ kind: 'complete', ...row, by: A, inSync: [A, B, C] })));
    for (let partition = 0; partition < PARTITIONS; partition++) member.core.sealed(partition, 1 as Sequence);
    const effects = member.turns();
    const partitionsIn = (all: readonly Effect[]): number[] =>
      sentTo(B, all).flatMap((message) => (message.kind === 'append' ? message.batches.partition : []));
    expect(partitionsIn(effects)).toEqual([0, 2]);
    expect(faultsIn(effects)).toEqual([B, C].map(() => ({ partition: 1, by: A, text: 'no memory for a frame' })));
    expect(faultsIn(member.turns())).toEqual([]);
    isBroken = false;
    expect(partitionsIn(member.tick(DEFAULT_TIMINGS.heartbeatMs))).toContain(1);
  });
});
