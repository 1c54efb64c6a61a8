/** Which changes of the grid a member logs: each once, from two tables. Pure. */
import type { JoinedMember, TableState } from '@ashlar/cluster';

export interface LogLine {
  readonly level: 'info' | 'warn';
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** @param before  undefined: the member has just begun to follow */
export function linesOf(before: TableState | undefined, after: TableState): readonly LogLine[] {
  if (before === undefined) return [];
  const lines: LogLine[] = [];
  if (before.gridId !== after.gridId) {
    const facts = { grid: after.gridId, instead: before.gridId, members: idsOf(after) };
    lines.push({ level: 'warn', facts, message: 'grid is rebuilt from what a living member holds' });
  }
  const isComplete = after.owners.length > 0;
  if (isComplete && before.owners.length === 0) {
    const facts = { grid: after.gridId, members: idsOf(after), partitions: after.owners.length };
    lines.push({ level: 'info', facts, message: 'grid is complete' });
  }
  for (const member of after.members) {
    const known = before.members.find(({ id }) => id === member.id);
    if (known?.incarnation !== member.incarnation) lines.push(arrivalOf(member, known));
  }
  const known = before.gridId === after.gridId ? before.lost : [];
  const lost = after.lost.filter((partition) => !known.includes(partition));
  if (lost.length > 0) lines.push(lossOf(lost, after));
  return lines;
}

function arrivalOf({ id, address }: JoinedMember, known: JoinedMember | undefined): LogLine {
  const message = known === undefined ? 'member joined' : 'member was started again';
  return { level: 'info', facts: { member: id, address }, message };
}

/** No copy of them is left. */
function lossOf(partitions: readonly number[], { replicas }: TableState): LogLine {
  const why =
    replicas === undefined ? 'the process that held them has ended' : 'every process that held a copy has ended';
  const facts = { partitions, why, hint: 'ashlar recover --accept-loss begins them anew, empty' };
  return { level: 'warn', facts, message: 'partitions are lost' };
}

function idsOf({ members }: TableState): string[] {
  return members.map(({ id }) => id);
}
