import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_MAP_SETTINGS, EmbeddedCoordinator } from '@ashlar/cluster';
import type { MemberId } from '@ashlar/core';
import { controlKeeper } from './control-keeper.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-'));
  file = join(folder, 'data', 'coordinator.json');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start = () =>
  new EmbeddedCoordinator({
    ...{ partitionCount: 8, expectedMembers: 1, newGridId: () => 'grid' },
    keeper: controlKeeper(join(folder, 'data')),
  });
const self = { id: 'a' as MemberId, address: '127.0.0.1:1', httpAddress: '', zone: '', incarnation: 'one' };

describe('what a coordinator keeps on disk', () => {
  it('is the whole state, and only it', async () => {
    const first = start();
    await first.submit({ kind: 'join', member: self });
    await first.submit({ kind: 'createMap', name: 'm', options: DEFAULT_MAP_SETTINGS });
    expect(readdirSync(join(folder, 'data'))).toEqual(['coordinator.json']);
    const { state } = start();
    expect(state).toMatchObject({ gridId: 'grid', maps: first.state.maps, owners: first.state.owners });
  });

  it('is nothing without a directory', () => {
    const keeper = controlKeeper('');
    keeper.save(start().state);
    expect(keeper.load()).toBeUndefined();
  });

  it('is refused where it is damaged, by file and reason, and stays as it is', async () => {
    await start().submit({ kind: 'join', member: self });
    const text = readFileSync(file, 'utf8');
    const damages = ['', '{', text.slice(0, text.length / 2), text.replace('"grid"', '"grit"'), '[]', '{"format":2}'];
    for (const damaged of damages) {
      writeFileSync(file, damaged);
      expect(start).toThrow(
        expect.objectContaining({ code: 'CORRUPT_DATA', hint: expect.stringContaining('restore') }),
      );
      expect(start).toThrow(file);
      expect(readFileSync(file, 'utf8')).toBe(damaged);
    }
    writeFileSync(file, text.replace('"format":2', '"format":3'));
    expect(start).toThrow(/format 3/);
  });

  it('of the first releases is the name of the grid and its floors', async () => {
    start();
    writeFileSync(file, '{"gridId":"first","epochFloor":7}\n');
    const state = await start().submit({ kind: 'join', member: self });
    expect(state).toMatchObject({ gridId: 'first', epochFloor: 8 });
  });

  it('that cannot be written keeps the state from changing', async () => {
    const coordinator = start();
    rmSync(join(folder, 'data'), { recursive: true });
    writeFileSync(join(folder, 'data'), 'a file');
    await expect(coordinator.submit({ kind: 'join', member: self })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    expect(coordinator.state.members).toEqual([]);
  });
});
