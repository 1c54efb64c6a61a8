/** Settings that all members of a grid share: a member that joins takes them from the grid, unless it was given its own. */
import type { TableState } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import type { MemberConfig } from '../config/schema.ts';

/** Whether a setting was given, by file, environment or flag: a default was not chosen by anybody. */
export type IsGiven = (setting: string) => boolean;

const SHARED = {
  partitionCount: 'partitions',
  expectedMembers: 'expected members',
} as const;

/**
 * @param table  of the grid that the member joins, or goes on with
 * @throws GridError INVALID_CONFIG when it was given other settings than the grid has
 */
export function withGridSettings(config: MemberConfig, isGiven: IsGiven, table: TableState): MemberConfig {
  for (const [name, what] of Object.entries(SHARED) as [keyof typeof SHARED, string][]) {
    const setting = `cluster.${name}`;
    const [wanted, has] = [config.cluster[name], table[name]];
    if (wanted === has || !isGiven(setting)) continue;
    throw new GridError('INVALID_CONFIG', `the grid has ${has} ${what}, this member was told ${wanted}`, {
      hint: `leave ${setting} out: it is taken from the grid; or set it to ${has}`,
      details: { setting, has, wanted },
    });
  }
  const { partitionCount, expectedMembers } = table;
  return { ...config, cluster: { ...config.cluster, partitionCount, expectedMembers } };
}
