import { GridError } from '@ashlar/core';
import { connectMember, type MemberConnection } from './connection.ts';
import type { PartInput, PartOutput, PartState, PartStep } from './services.ts';
import { FakeMember } from './testing/index.ts';

let member: FakeMember;
let connection: MemberConnection;
let heard: PartStep[];
let left: boolean;

const NO_BYTES = new Uint8Array(0);
const input = (step: PartStep): PartInput => ({ step, body: Uint8Array.of(1), tableVersion: 3 });
const output = (state: PartState): PartOutput => ({ state, rows: 7, version: 8, body: NO_BYTES, leaseMs: 9 });

/** Answers find and stage; fails at release, keeps silent at awaitRoom, ends after commit. */
async function* part(inputs: AsyncIterable<PartInput>): AsyncGenerator<PartOutput> {
  try {
    for await (const { step } of inputs) {
      heard.push(step);
      if (step === 'release') throw new GridError('TYPE_MISMATCH', 'the row is odd', { details: { key: 'k' } });
      if (step === 'awaitRoom') await new Promise(() => undefined);
      yield output(step === 'commit' ? 'committed' : step === 'stage' ? 'staged' : 'found');
      if (step === 'commit') return;
    }
  } finally {
    left = true;
  }
}

beforeEach(async () => {
  heard = [];
  left = false;
  member = new FakeMember('a');
  member.services.members.changePart = part;
  const address = await member.start();
  connection = connectMember(address, { peer: 'a' });
});

afterEach(async () => {
  connection.close();
  await member.stop();
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a conversation', () => {
  it('answers each input with one output, and ends when the member ends it', async () => {
    const call = connection.members.changePart();
    expect(await call.ask(input('find'), 'none')).toMatchObject({ state: 'found', rows: 7, version: 8, leaseMs: 9 });
    expect(await call.ask(input('stage'), 'none')).toMatchObject({ state: 'staged' });
    expect(await call.ask(input('commit'), 'write')).toMatchObject({ state: 'committed' });
    expect(heard).toEqual(['find', 'stage', 'commit']);
    await until(() => left);
    await expect(call.ask(input('keep'), 'none')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('fails with the error of the member, whole, at the input that it refuses', async () => {
    const call = connection.members.changePart();
    await call.ask(input('find'), 'none');
    await expect(call.ask(input('release'), 'none')).rejects.toMatchObject({
      code: 'TYPE_MISMATCH',
      details: { key: 'k' },
    });
  });

  it('tells the member when its caller leaves, and the caller that it was cancelled', async () => {
    const call = connection.members.changePart();
    await call.ask(input('stage'), 'none');
    call.close();
    await until(() => left);
    await expect(call.ask(input('commit'), 'write')).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('whose link breaks says whether its input may have had an effect', async () => {
    for (const [effect, code] of [
      ['none', 'MEMBER_UNREACHABLE'],
      ['write', 'OUTCOME_UNKNOWN'],
    ] as const) {
      const call = connection.members.changePart();
      const waiting = call.ask(input('awaitRoom'), effect);
      const ended = expect(waiting).rejects.toMatchObject({ code });
      await until(() => heard.length > 0);
      heard = [];
      await member.stop();
      await ended;
      member = new FakeMember('a');
      member.services.members.changePart = part;
      connection.close();
      connection = connectMember(await member.start(), { peer: 'a' });
    }
  });
});
