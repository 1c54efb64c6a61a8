/** Settings that all members of a grid share: a member that joins takes them from the grid, unless it was given its own. */
import type { GridSettings, TableState } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import { backupsOf } from '../config/interplay.ts';
import type { MemberConfig } from '../config/schema.ts';

/** Whether a setting was given, by file, environment or flag: a default was not chosen by anybody. */
export type IsGiven = (setting: string) => boolean;

type ClusterConfig = MemberConfig['cluster'];

const SHARED: Readonly<Record<keyof GridSettings, string>> = {
  partitionCount: 'partitions',
  expectedMembers: 'expected members',
  backups: 'backups of each partition',
  minInSync: 'copies in sync at least',
};

/** Copies in sync without which writes are refused, where nobody says how many. */
const MIN_IN_SYNC_OF_ONE_BACKUP = 1;
const MIN_IN_SYNC_OF_MORE = 2;

/** What a coordinator of these settings founds its grid with. */
export function foundingSettings(cluster: ClusterConfig): GridSettings {
  const { partitionCount, expectedMembers, minInSync } = cluster;
  const backups = backupsOf(cluster);
  return { partitionCount, expectedMembers, backups, minInSync: minInSync || usualMinInSync(backups) };
}

function usualMinInSync(backups: number): number {
  return backups < 2 ? MIN_IN_SYNC_OF_ONE_BACKUP : MIN_IN_SYNC_OF_MORE;
}

/**
 * What an operator should know of the copies that the grid keeps; undefined: it keeps what was asked for.
 *
 * @param told  how many backups this member was told
 */
export function backupsNotice(told: number, table: TableState): string | undefined {
  const { backups, expectedMembers } = table;
  if (told <= backups) return undefined;
  const members = expectedMembers === 1 ? 'one member holds' : `${expectedMembers} members hold`;
  return `${members} at most ${expectedMembers - 1} backups of a partition, not ${told}`;
}

/**
 * @param table  of the grid that the member joins, or goes on with
 * @throws GridError INVALID_CONFIG when it was given other settings than the grid has
 */
export function withGridSettings(config: MemberConfig, isGiven: IsGiven, table: TableState): MemberConfig {
  for (const [name, what] of Object.entries(SHARED) as [keyof GridSettings, string][]) {
    const setting = `cluster.${name}`;
    const [wanted, has] = [wantedOf(name, config.cluster, table), table[name]];
    if (wanted === has || !isGiven(setting)) continue;
    throw new GridError('INVALID_CONFIG', `the grid has ${has} ${what}, this member was told ${wanted}`, {
      hint: `leave ${setting} out: it is taken from the grid; or set it to ${has}`,
      details: { setting, has, wanted },
    });
  }
  const { partitionCount, expectedMembers, backups, minInSync } = table;
  return { ...config, cluster: { ...config.cluster, partitionCount, expectedMembers, backups, minInSync } };
}

/** What a member that was told so means in this grid: no more backups than its members hold; 0 copies in sync: the usual. */
function wantedOf(name: keyof GridSettings, cluster: ClusterConfig, table: TableState): number {
  if (name === 'backups') return backupsOf({ backups: cluster.backups, expectedMembers: table.expectedMembers });
  if (name === 'minInSync') return cluster.minInSync || usualMinInSync(table.backups);
  return cluster[name];
}
