/**
 * What members ask of each other, whether the member that is asked is another one or this one: one contract and two twins.
 *
 *   calls.to(member) --- another --> its link (peers.ts), a socket, its door --> its services
 *                    '-- this one -> local-calls.ts ---------------------------> our services
 *
 * Both twins keep it (member-calls.test.ts):
 *
 * member-calls M1  A failure is a GridError with code, message, hint, details and refusal of what the handler threw; what is
 *                  not ours is INTERNAL without its text.
 * member-calls M2  The caller's signal ends a call with CANCELLED at once. Its time ends it with DEADLINE_EXCEEDED, or with
 *                  OUTCOME_UNKNOWN where it may have changed something. In both cases the handler's signal fires.
 * member-calls M3  A stream is pulled: a reader that stands still stops its producer within a window. A reader that leaves
 *                  ends the call, and the handler's iterator is returned.
 * member-calls M4  The trace of a call arrives with it.
 * member-calls M5  What was handed over belongs to both sides: neither changes it afterwards.
 */
import type { MemberId, PartitionTable } from '@ashlar/core';
import type { MemberConnection } from './connection.ts';
import { localCalls } from './local-calls.ts';
import type { Peers } from './peers.ts';
import type { GridServices } from './services.ts';

export type MembersCalls = MemberConnection['members'];
export type AdminCalls = MemberConnection['admin'];

/** The calls to one member. */
export interface MemberCalls {
  readonly members: MembersCalls;
  readonly admin: AdminCalls;
}

/** The way to every member of the grid, this one among them. */
export interface GridCalls {
  /** @throws GridError STALE_EPOCH when the table has no such member; MEMBER_UNREACHABLE when it is taken for dead */
  to(member: MemberId): MemberCalls;
}

export interface GridCallsParts {
  readonly self: MemberId;
  readonly peers: Pick<Peers, 'to'>;
  /** The newest table. */
  readonly table: () => Pick<PartitionTable, 'members' | 'silent'>;
  /** The services of this member; asked for at each call, because they are made after what calls them. */
  readonly services: () => Pick<GridServices, 'admin' | 'members'>;
}

export function gridCalls({ self, peers, table, services }: GridCallsParts): GridCalls {
  const own = localCalls(services);
  return { to: (member) => (member === self ? own : peers.to(member, table())) };
}
