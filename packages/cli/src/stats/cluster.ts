/** Members and copies of a grid as tables for people. Pure. */
import type { ClusterState, PartitionCopies } from '@ashlar/api';
import { type Colours, renderTable } from '@ashlar/terminal';

/** A partition with its number. */
export type NumberedCopies = PartitionCopies & { readonly partition: number };

/** Every partition is served. */
export function isSound({ partitions }: ClusterState): boolean {
  return partitions.length > 0 && partitions.every(({ phase }) => phase === 'serving');
}

/** Partitions that nobody serves, or that lack copies. */
export function unsound(state: ClusterState): NumberedCopies[] {
  return state.partitions
    .map((row, partition) => ({ ...row, partition }))
    .filter(({ phase, inSync }) => phase !== 'serving' || inSync.length <= state.backups);
}

export function summaryLine(state: ClusterState): string {
  const { partitions, members, backups, minInSync, tableVersion, member } = state;
  const count = (wanted: PartitionCopies['phase']): number => partitions.filter(({ phase }) => phase === wanted).length;
  const [whole, serving] = [partitions.length - unsound(state).length, count('serving')];
  const parts = [
    `${whole} of ${partitions.length} partitions with ${backups === 0 ? 'their one copy' : `all ${backups + 1} copies`}`,
    ...(serving > whole ? [`${serving - whole} fewer`] : []),
    ...(count('promoting') > 0 ? [`${count('promoting')} no primary`] : []),
    ...(count('lost') > 0 ? [`${count('lost')} lost`] : []),
  ];
  const alive = members.filter((one) => one.alive).length;
  const known = `table ${tableVersion} as ${member} knows it`;
  return `${parts.join(', ')}; ${alive} of ${members.length} members alive; at least ${minInSync} in sync to write; ${known}`;
}

export function memberCopiesTable({ members, partitions }: ClusterState, colours: Colours): string {
  const names = ['member', 'address', 'zone', 'alive', 'primary of', 'in sync with', 'takes over'];
  const rows = members.map(({ member, address, zone, alive }) => {
    const serving = partitions.filter(({ phase, primary }) => phase === 'serving' && primary === member);
    const backup = partitions.filter((row) => row.primary !== member && holds(row, member));
    const coming = partitions.filter(
      (row) => row.phase !== 'lost' && row.wanted.includes(member) && !holds(row, member),
    );
    return [
      member,
      address,
      zone,
      alive ? 'yes' : 'no',
      ...[serving, backup, coming].map(({ length }) => String(length)),
    ];
  });
  return textTable(names, rows, colours);
}

export function partitionTable(partitions: readonly NumberedCopies[], colours: Colours): string {
  const names = ['partition', 'state', 'epoch', 'primary', 'in sync', 'gone', 'takes over'];
  const rows = partitions.map((row) => {
    const { partition, phase, epoch, primary = '', inSync, gone, wanted } = row;
    const coming = phase === 'lost' ? [] : wanted.filter((member) => !holds(row, member));
    const lists = [inSync, gone, coming].map((members) => members.join(', '));
    return [String(partition), phase, String(epoch), primary, ...lists];
  });
  return textTable(names, rows, colours);
}

function holds({ inSync, gone }: PartitionCopies, member: string): boolean {
  return inSync.includes(member) && !gone.includes(member);
}

function textTable(names: readonly string[], rows: readonly (readonly string[])[], colours: Colours): string {
  const columns = names.map((name) => ({ name, type: 'text' as const }));
  return renderTable({ columns, rows }, { colours, types: false });
}
