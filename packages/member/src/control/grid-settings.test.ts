import type { TableState } from '@ashlar/cluster';
import { loadConfig } from '../config/load.ts';
import { withGridSettings } from './grid-settings.ts';

const table = { partitionCount: 32, expectedMembers: 3 } as TableState;
const given = (flags: Record<string, number>) => {
  const { config, origins } = loadConfig({ flags });
  return withGridSettings(config, (setting) => origins.get(setting)?.origin !== 'default', table).cluster;
};

describe('a member that joins', () => {
  it('takes what all members share from the grid', () => {
    expect(given({})).toMatchObject({ partitionCount: 32, expectedMembers: 3 });
    expect(given({ 'cluster.partitionCount': 32 })).toMatchObject({ partitionCount: 32 });
  });

  it.each([
    ['cluster.partitionCount', /32 partitions.*told 16/],
    ['cluster.expectedMembers', /3 expected members.*told 16/],
  ])('that was told another %s is refused, and told what to do', (setting, sentence) => {
    const refused = expect.objectContaining({ code: 'INVALID_CONFIG', hint: expect.stringContaining(setting) });
    expect(() => given({ [setting]: 16 })).toThrow(refused);
    expect(() => given({ [setting]: 16 })).toThrow(sentence);
  });
});
