import type { TableState } from '@ashlar/cluster';
import { loadConfig } from '../config/load.ts';
import { backupsNotice, foundingSettings, withGridSettings } from './grid-settings.ts';

const table = { partitionCount: 32, expectedMembers: 3, backups: 2, minInSync: 2 } as TableState;
const joining = { 'cluster.join': 'a:1' };
const given = (flags: Record<string, number>, of: TableState = table) => {
  const { config, origins } = loadConfig({ flags: { ...joining, ...flags } });
  return withGridSettings(config, (setting) => origins.get(setting)?.origin !== 'default', of).cluster;
};

describe('a member that joins', () => {
  it('takes what all members share from the grid', () => {
    const shared = { partitionCount: 32, expectedMembers: 3, backups: 2, minInSync: 2 };
    expect(given({})).toMatchObject(shared);
    expect(given({ 'cluster.partitionCount': 32 })).toMatchObject(shared);
    expect(given({ 'cluster.backups': 2, 'cluster.minInSync': 2 })).toMatchObject(shared);
  });

  it('may be told more backups than the members hold, as the first one was, and to keep the usual copies in sync', () => {
    expect(given({ 'cluster.backups': 3, 'cluster.minInSync': 0 })).toMatchObject({ backups: 2, minInSync: 2 });
  });

  it.each([
    ['cluster.partitionCount', 16, /32 partitions.*told 16/],
    ['cluster.expectedMembers', 16, /3 expected members.*told 16/],
    ['cluster.backups', 1, /2 backups of each partition.*told 1/],
    ['cluster.minInSync', 1, /2 copies in sync at least.*told 1/],
  ])('that was told another %s is refused, and told what to do', (setting, value, sentence) => {
    const refused = expect.objectContaining({ code: 'INVALID_CONFIG', hint: expect.stringContaining(setting) });
    expect(() => given({ [setting]: value })).toThrow(refused);
    expect(() => given({ [setting]: value })).toThrow(sentence);
  });

  it('is refused other copies in sync than a grid keeps that was founded with more than the usual', () => {
    expect(() => given({ 'cluster.minInSync': 0 }, { ...table, minInSync: 3 })).toThrow(/has 3 copies.*told 2/);
  });
});

describe('a grid that is founded', () => {
  const founded = (flags: Record<string, number>) =>
    foundingSettings(loadConfig({ flags: { 'cluster.dataDirectory': 'd', ...flags } }).config.cluster);

  it.each([
    [{}, { backups: 0, minInSync: 1 }],
    [
      { 'cluster.expectedMembers': 2, 'cluster.backups': 1 },
      { backups: 1, minInSync: 1 },
    ],
    [
      { 'cluster.expectedMembers': 2, 'cluster.backups': 3 },
      { backups: 1, minInSync: 1 },
    ],
    [
      { 'cluster.expectedMembers': 3, 'cluster.backups': 2 },
      { backups: 2, minInSync: 2 },
    ],
    [
      { 'cluster.expectedMembers': 4, 'cluster.backups': 3, 'cluster.minInSync': 3 },
      { backups: 3, minInSync: 3 },
    ],
  ] as const)('by %j keeps %j', (flags, kept) => expect(founded(flags)).toMatchObject(kept));

  it('tells an operator where it keeps fewer backups than were asked for', () => {
    const of = (expectedMembers: number, backups: number): TableState => ({ ...table, expectedMembers, backups });
    expect(backupsNotice(3, of(3, 2))).toBe('3 members hold at most 2 backups of a partition, not 3');
    expect(backupsNotice(1, of(1, 0))).toBe('one member holds at most 0 backups of a partition, not 1');
    expect(backupsNotice(2, of(3, 2))).toBeUndefined();
    expect(backupsNotice(0, of(3, 2))).toBeUndefined();
  });
});
