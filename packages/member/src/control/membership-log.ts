/** Which changes of the grid a member logs: each once, from two tables. Pure. */
import type { JoinedMember, TableState } from '@ashlar/cluster';
import type { MemberId } from '@ashlar/core';

export interface LogLine {
  readonly level: 'info' | 'warn';
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** @param before  undefined: the member has just begun to follow */
export function linesOf(before: TableState | undefined, after: TableState, self: MemberId): readonly LogLine[] {
  if (before === undefined) return [];
  const lines: LogLine[] = [];
  if (before.gridId !== after.gridId) {
    const facts = { grid: after.gridId, instead: before.gridId, members: idsOf(after) };
    lines.push({ level: 'warn', facts, message: 'grid is rebuilt from what a living member holds' });
    const own = after.members.find(({ id }) => id === self);
    if (own !== undefined) lines.push(startsEmpty(own, after, self));
  }
  const isComplete = after.owners.length > 0;
  if (isComplete && before.owners.length === 0) {
    const facts = { grid: after.gridId, members: idsOf(after), partitions: after.owners.length };
    lines.push({ level: 'info', facts, message: 'grid is complete' });
  }
  for (const member of after.members) {
    const known = before.members.find(({ id }) => id === member.id);
    if (known?.incarnation !== member.incarnation) lines.push(arrivalOf(member, known, after, self));
  }
  return lines;
}

function arrivalOf(member: JoinedMember, known: JoinedMember | undefined, state: TableState, self: MemberId): LogLine {
  const { id, address } = member;
  if (known === undefined) return { level: 'info', facts: { member: id, address }, message: 'member joined' };
  return startsEmpty(member, state, self);
}

/** Whether what a member's earlier process held is gone. */
function startsEmpty(member: JoinedMember, { owners, members, replicas }: TableState, self: MemberId): LogLine {
  const { id, address } = member;
  // What it held others hold, and it gets it back from them.
  if (replicas !== undefined)
    return { level: 'info', facts: { member: id, address }, message: 'member was started again' };
  const index = members.indexOf(member);
  const partitions = owners.filter(([primary]) => primary === index).length;
  const message = id === self ? 'partitions of this member start empty' : 'member was started again, empty';
  return { level: 'warn', facts: { member: id, address, partitions }, message };
}

function idsOf({ members }: TableState): string[] {
  return members.map(({ id }) => id);
}
