import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleHash, DEFAULT_MAP_SETTINGS, EmbeddedCoordinator } from '@ashlar/cluster';
import { BUNDLE, ManualControl, moduleOf } from '@ashlar/cluster/testing';
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
    const { table, catalog } = start().state;
    expect(catalog).toEqual(first.state.catalog);
    expect(table).toMatchObject({ gridId: 'grid', owners: first.state.table.owners });
  });

  it('of one value with the bundles in it, as releases before wrote it, is table, catalog and bundles', async () => {
    const first = start();
    await first.submit({ kind: 'join', member: self });
    await first.submit({ kind: 'createMap', name: 'm', options: DEFAULT_MAP_SETTINGS });
    await first.submit({ kind: 'putModule', module: moduleOf() });
    const { table, catalog } = first.state;
    const modules = catalog.modules.map(({ bundleCharacters: _, ...module }) => ({ ...module, bundle: BUNDLE }));
    const whole = JSON.stringify({ ...table, ...catalog, modules });
    const digest = createHash('sha256').update(whole).digest('hex');
    writeFileSync(file, `{"format":2,"digest":"${digest}","state":${whole}}\n`);
    rmSync(join(folder, 'data', 'bundles'), { recursive: true });
    const second = start();
    expect(second.state.catalog).toEqual(catalog);
    expect(second.bundleAtHand(bundleHash(BUNDLE))).toBe(BUNDLE);
    expect(start().bundleAtHand(bundleHash(BUNDLE))).toBe(BUNDLE);
    expect(readFileSync(file, 'utf8')).not.toContain(BUNDLE);
  });

  it('of a grid without copies, as releases before wrote it, is read as such', async () => {
    const first = start();
    await first.submit({ kind: 'join', member: self });
    const { table, catalog } = first.state;
    const { backups: _, minInSync: _m, lost: _l, run: _r, replicas: _c, ...before } = table;
    const state = JSON.stringify({ table: before, catalog });
    const digest = createHash('sha256').update(state).digest('hex');
    writeFileSync(file, `{"format":3,"digest":"${digest}","state":${state}}\n`);
    expect(start().state.table).toEqual({ ...table, awaited: ['a'], tableVersion: table.tableVersion + 1 });
  });

  it('has the rows of a grid with copies', async () => {
    const begin = () =>
      new EmbeddedCoordinator({
        ...{ partitionCount: 8, expectedMembers: 1, backups: 1, newGridId: () => 'grid', control: new ManualControl() },
        keeper: controlKeeper(join(folder, 'data')),
      });
    const { table } = await begin().submit({ kind: 'join', member: self });
    const again = begin().state.table;
    expect(again.replicas).toEqual({ ...table.replicas, version: table.tableVersion + 1 });
    expect([again.owners, again.epochs, again.backups]).toEqual([table.owners, table.epochs, 1]);
  });

  it('is nothing without a directory', () => {
    const keeper = controlKeeper('');
    keeper.save(start().state);
    expect(keeper.load()).toBeUndefined();
  });

  it('is refused where it is damaged, by file and reason, and stays as it is', async () => {
    await start().submit({ kind: 'join', member: self });
    const text = readFileSync(file, 'utf8');
    const damages = [
      '',
      '{',
      text.slice(0, text.length / 2),
      text.replace('"grid"', '"grit"'),
      '[]',
      '{"format":3}',
      '{"format":2}',
    ];
    for (const damaged of damages) {
      writeFileSync(file, damaged);
      expect(start).toThrow(
        expect.objectContaining({ code: 'CORRUPT_DATA', hint: expect.stringContaining('restore') }),
      );
      expect(start).toThrow(file);
      expect(readFileSync(file, 'utf8')).toBe(damaged);
    }
    writeFileSync(file, text.replace('"format":4', '"format":5'));
    expect(start).toThrow(/format 5/);
  });

  it('of the first releases is the name of the grid and its floors', async () => {
    start();
    writeFileSync(file, '{"gridId":"first","epochFloor":7}\n');
    const { table } = await start().submit({ kind: 'join', member: self });
    expect(table).toMatchObject({ gridId: 'first', epochFloor: 8 });
  });

  it('holds the bundles of modules apart, each under its hash, and lets go of those that no module has', async () => {
    const first = start();
    await first.submit({ kind: 'putModule', module: moduleOf() });
    const bundles = join(folder, 'data', 'bundles');
    expect(readdirSync(bundles)).toEqual([`${bundleHash(BUNDLE)}.mjs`]);
    expect(readFileSync(file, 'utf8')).not.toContain(BUNDLE);
    await first.submit({ kind: 'putModule', module: moduleOf({ bundle: '2;' }) });
    expect(readdirSync(bundles)).toEqual([`${bundleHash('2;')}.mjs`]);
  });

  it('takes a bundle that is damaged for one that is missing', async () => {
    const first = start();
    await first.submit({ kind: 'join', member: self });
    await first.submit({ kind: 'putModule', module: moduleOf() });
    writeFileSync(join(folder, 'data', 'bundles', `${bundleHash(BUNDLE)}.mjs`), 'other();');
    const second = start();
    expect(second.state.catalog).toEqual(first.state.catalog);
    expect(second.bundleAtHand(bundleHash(BUNDLE))).toBeUndefined();
    await expect(second.bundle(bundleHash(BUNDLE))).rejects.toMatchObject({ code: 'BUNDLE_MISSING' });
  });

  it('that cannot be written keeps the state from changing', async () => {
    const coordinator = start();
    rmSync(join(folder, 'data'), { recursive: true });
    writeFileSync(join(folder, 'data'), 'a file');
    await expect(coordinator.submit({ kind: 'join', member: self })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    expect(coordinator.state.table.members).toEqual([]);
  });
});
