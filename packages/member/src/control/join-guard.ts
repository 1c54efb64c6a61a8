/**
 * Who may join under a name that the table has: the same process again, or a new one once the old one answers no more. A
 * second process under the name of one that lives would take its partitions away, and both would believe they own them.
 */
import type { JoinedMember } from '@ashlar/cluster';
import { GridError, type MemberId, NAME_LENGTH_MAX } from '@ashlar/core';
import type { HelloRequest, HelloResponse, JoinRequest } from '@ashlar/transport';

/** A living member answers well within this time; for one that is gone the connection is mostly refused at once. */
const ANSWER_MS = 1000;

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:,[\]]+):\d{1,5}$/;
/** Names of members are host:port or what an operator gave: text without spaces around it. */
const NAME = /^\S(.*\S)?$/;

/** The member that asks to join, with its fields checked. @throws GridError INVALID_ARGUMENT */
export function joinerOf({ member, incarnation }: Pick<JoinRequest, 'member' | 'incarnation'>): JoinedMember {
  // A message without its field is null.
  const { id = '', address = '', httpAddress = '', zone = '' } = (member as JoinRequest['member'] | null) ?? {};
  if (id.length > NAME_LENGTH_MAX || !NAME.test(id)) throw malformed('the name', id);
  if (!ADDRESS.test(address)) throw malformed('the address', address);
  if (httpAddress !== '' && !ADDRESS.test(httpAddress)) throw malformed('the HTTP address', httpAddress);
  if (incarnation === '') throw malformed('the incarnation', incarnation);
  return { id: id as MemberId, address, httpAddress, zone, incarnation };
}

function malformed(what: string, text: string): GridError {
  return new GridError('INVALID_ARGUMENT', `${what} of a member that joins is ${JSON.stringify(text)}`, {
    hint: 'a name of 128 characters at most, addresses as host:port',
  });
}

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
    // Nobody is there, or it is stopping, or silent: the name is free.
    return false;
  }
}

function taken({ id, address: at }: JoinedMember, address: string): GridError {
  return new GridError('INVALID_CONFIG', `member '${id}' is running at ${at}: ${address} cannot join under its name`, {
    hint: 'give this member another name, or stop the other one first',
    details: { member: id, address: at },
  });
}
