/**
 * Who may join under a name that the table has: the same process again, or a new one once the old one answers no more. A
 * second process under the name of one that lives would take its partitions away, and both would believe they own them.
 */
import type { JoinedMember } from '@ashlar/cluster';
import { GridError, type MemberId } from '@ashlar/core';
import type { HelloRequest, HelloResponse } from '@ashlar/transport';

/** A member that lives answers well within it; one that is gone is mostly refused at once. */
const ANSWER_MS = 1000;

export interface JoinGuardDependencies {
  readonly self: MemberId;
  /** Members of the table. */
  readonly members: readonly JoinedMember[];
  readonly hello: (member: JoinedMember, request: HelloRequest, timeoutMs: number) => Promise<HelloResponse>;
}

/** @throws GridError INVALID_CONFIG when a member of the name answers in another incarnation */
export async function refuseTakenName(
  { id, incarnation, address }: JoinedMember,
  { self, members, hello }: JoinGuardDependencies,
): Promise<void> {
  const known = members.find((member) => member.id === id);
  if (known === undefined || known.incarnation === incarnation) return;
  if (id === self || (await answers(known, hello))) throw taken(known, address);
}

async function answers(known: JoinedMember, hello: JoinGuardDependencies['hello']): Promise<boolean> {
  const request = { protocolMin: 1, protocolMax: 1, caller: 'the coordinator' };
  try {
    const { memberId, incarnation } = await hello(known, request, ANSWER_MS);
    return memberId === known.id && incarnation === known.incarnation;
  } catch {
    // Nobody there, on its way down, or silent: the name is free.
    return false;
  }
}

function taken({ id, address: at }: JoinedMember, address: string): GridError {
  return new GridError('INVALID_CONFIG', `member '${id}' is running at ${at}: ${address} cannot join under its name`, {
    hint: 'give this member another name, or stop the other one first',
    details: { member: id, address: at },
  });
}
