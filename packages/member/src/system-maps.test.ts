/** Maps of the grid's own, whose names begin with `sys.`: members write them; through no door does anybody else. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GridMap, type Job, ready } from '@ashlar/api';
import { namedProcessor, RoutedGrid } from '@ashlar/grid';
import { Router } from '@ashlar/routing';
import { encodeValue } from '@ashlar/serialization';
import { connectMember, type MemberConnection } from '@ashlar/transport';
import { type StartedMember, startMember } from './start.ts';

const SYSTEM = 'sys.listeners';
const REFUSED = {
  code: 'PERMISSION_DENIED',
  retryable: false,
  details: { map: expect.stringMatching(/^sys\./i) },
  hint: expect.stringContaining("'sys.'"),
};
const MODULE = `
import { defineJob, defineListener, defineProcessor, writePut } from '@ashlar/api';
export const wipe = defineProcessor((entry) => entry.remove());
export const count = defineJob({ map: (rows) => rows.count, reduce: (all) => all.reduce((sum, one) => sum + one, 0) });
export const watch = defineListener({ map: 'orders', after: async (events, grid) => {
  const told = await grid.map('sys.listeners').process('x', wipe, undefined).catch((error) => error.code);
  return [
    writePut({ name: 'told', options: {} }, events[0].key, told),
    ...(events[0].value === 'sys' ? [{ kind: 'put', map: 'sys.listeners', key: 'mine', value: 1 }] : []),
  ];
} });
`;
const WATCHER = `
import { defineListener } from '@ashlar/api';
export const watch = defineListener({ map: 'sys.listeners', after: () => undefined });
`;

let member: StartedMember;
let grid: RoutedGrid;
let raw: MemberConnection;
let folder: string;

beforeAll(async () => {
  const flags = { 'grpc.port': 0, 'http.port': 0, 'memory.maxBytes': '128MiB', 'log.level': 'silent' };
  member = await startMember({ flags, configFile: '/dev/null', env: {} });
  grid = RoutedGrid.over(await Router.connect({ seeds: [member.address] }));
  raw = connectMember(member.address);
  folder = mkdtempSync(join(tmpdir(), 'ashlar-system-maps-'));
  writeFileSync(join(folder, 'module.ts'), MODULE);
  writeFileSync(join(folder, 'watcher.ts'), WATCHER);
  await grid.deploy(join(folder, 'module.ts'), { name: 'module' });
});

afterAll(async () => {
  raw.close();
  await grid.close();
  await member.stop();
  rmSync(folder, { recursive: true });
});

function map(name: string): GridMap<string, unknown> {
  return grid.map<string, unknown>(name);
}

const wipe = namedProcessor({ module: 'module', exportName: 'wipe' }) as never;

/** Whatever changes a map, through every door. */
const WRITES: readonly (readonly [string, (name: string) => Promise<unknown>])[] = [
  ['put', (name) => map(name).put('k', 1)],
  ['putAll', (name) => map(name).putAll([['k', 1]])],
  ['putIfAbsent', (name) => map(name).putIfAbsent('k', 1)],
  ['getAndPut', (name) => map(name).getAndPut('k', 1)],
  ['replace', (name) => map(name).replace('k', 1)],
  ['remove', (name) => map(name).remove('k')],
  ['getAndRemove', (name) => map(name).getAndRemove('k')],
  ['clear', (name) => map(name).clear()],
  ['process', (name) => map(name).process('k', wipe, undefined as never)],
  ['a ready-made processor', (name) => map(name).process('k', ready.increment as never, { by: 1 } as never)],
  ['processAll', (name) => map(name).processAll(['k'], wipe, undefined as never)],
  ['processWhere', (name) => map(name).processWhere('true', [], wipe, undefined as never)],
  ['INSERT', (name) => grid.sql(`INSERT INTO "${name}" (__key, n) VALUES ('k', 1)`).execute()],
  ['UPDATE', (name) => grid.sql(`UPDATE "${name}" SET n = 1`).execute()],
  ['DELETE', (name) => grid.sql(`DELETE FROM "${name}"`).execute()],
  ['TRUNCATE', (name) => grid.sql(`TRUNCATE "${name}"`).execute()],
  ['drop', (name) => grid.drop(name)],
  ['Kv/Put', (name) => raw.kv.put({ map: name, key: { text: 'k' }, messagePack: encodeValue(1), ttlMs: 0 } as never)],
  ['Kv/Remove', (name) => raw.kv.remove({ map: name, key: { text: 'k' } } as never)],
];

describe('a map of the grid’s own', () => {
  it.each(WRITES)('is not changed by %s', async (_, write) => {
    const before = await map(SYSTEM).size();
    await expect(write(SYSTEM)).rejects.toMatchObject(REFUSED);
    expect(await map(SYSTEM).size()).toBe(before);
  });

  it.each(WRITES.filter(([name]) => /^(put|putAll|INSERT|Kv\/Put|process)$/.test(name)))(
    'is not made by %s, however its name is written',
    async (_, write) => {
      for (const name of ['sys.mine', 'SYS.mine']) await expect(write(name)).rejects.toMatchObject(REFUSED);
      expect((await grid.maps()).map(({ name }) => name)).not.toEqual(expect.arrayContaining(['sys.mine', 'SYS.mine']));
    },
  );

  it('is written by no listener, neither by its write-set nor by calls that it makes', async () => {
    await map('orders').put('a', 'own');
    const told = map('told');
    for (;;) if ((await told.get('a')) !== undefined) break;
    expect(await told.get('a')).toBe('PERMISSION_DENIED');
    await map('orders').put('b', 'sys');
    await map('orders').put('c', 'own');
    for (;;) if ((await told.get('c')) !== undefined) break;
    const rows = await grid.sql(`SELECT __key AS key FROM "${SYSTEM}"`).all();
    expect(rows.map(({ key }) => key)).not.toContain('mine');
  });

  it('has no listener', async () => {
    await expect(grid.deploy(join(folder, 'watcher.ts'), { name: 'watcher' })).rejects.toMatchObject(REFUSED);
  });

  it('is read by whoever may read: statements, keys, jobs, subscriptions', async () => {
    expect((await grid.sql(`SELECT count(*) AS n FROM "${SYSTEM}"`).first())?.['n']).toBeGreaterThan(0);
    expect(await map(SYSTEM).get('k')).toBeUndefined();
    const job = { kind: 'job', name: { module: 'module', exportName: 'count' } } as unknown as Job;
    expect(await grid.run(job, { map: SYSTEM })).toBeGreaterThan(0);
    const stop = new AbortController();
    await new Promise<void>((resolve) => {
      const feed = map(SYSTEM).subscribe({ onReady: resolve, signal: stop.signal });
      feed.next().catch(() => undefined);
    });
    stop.abort();
  });

  it('is not what only looks like it', async () => {
    await map('system').put('k', 1);
    expect(await map('system').get('k')).toBe(1);
  });
});
