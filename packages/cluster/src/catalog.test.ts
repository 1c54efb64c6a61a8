import { createHash } from 'node:crypto';
import { DEFAULT_MAP_SETTINGS } from './catalog.ts';
import { checkedCommand, type ModuleCommand } from './command-check.ts';
import { type ControlCommand, type ControlState, emptyState, step } from './control-state.ts';
import { type ControlKeeper, EmbeddedCoordinator } from './embedded-coordinator.ts';

const EMPTY = emptyState({ gridId: 'grid', partitionCount: 16, expectedMembers: 1, epochFloor: 0, mapIdFloor: 0 });
const BUNDLE = 'export const watch = 1;';

function moduleOf(changes: Partial<Record<keyof ModuleCommand, unknown>> = {}): ModuleCommand {
  const bundle = typeof changes.bundle === 'string' ? changes.bundle : BUNDLE;
  return {
    name: 'audit',
    hash: createHash('sha256').update(bundle).digest('hex'),
    bundle,
    exports: [{ name: 'watch', kind: 'listener', map: 'orders' }],
    wallMs: 0,
    heapBytes: 0,
    ...changes,
  } as ModuleCommand;
}

const create = (name: string, options: object = {}): ControlCommand => ({
  kind: 'createMap',
  name,
  options: { ...DEFAULT_MAP_SETTINGS, ...options },
});
const drop = (name: string, mapId?: number): ControlCommand => ({ kind: 'dropMap', name, mapId });
const put = (changes?: Parameters<typeof moduleOf>[0]): ControlCommand => ({
  kind: 'putModule',
  module: moduleOf(changes),
});
const after = (...commands: ControlCommand[]): ControlState => commands.reduce(step, EMPTY);
const idOf = ({ maps }: ControlState, name: string): number => maps.find((map) => map.name === name)!.id;
const watched = ({ modules }: ControlState): number => modules[0]!.exports[0]!.mapId;

describe('map ids', () => {
  it('are never given twice, also over the death of the coordinator', async () => {
    const keeper: ControlKeeper & { kept: ControlState | undefined } = {
      kept: undefined,
      load: () => keeper.kept,
      save: (kept) => {
        keeper.kept = kept;
      },
    };
    const coordinator = () =>
      new EmbeddedCoordinator({ partitionCount: 16, expectedMembers: 1, newGridId: () => 'grid', keeper });
    const first = await coordinator().submit(create('a'));
    const second = await coordinator().submit(create('b'));
    expect(idOf(second, 'b')).toBeGreaterThan(idOf(first, 'a'));
  });

  it('are new for a map that takes the name of a dropped one', () => {
    const first = after(create('a'));
    expect(idOf(after(create('a'), drop('a'), create('a')), 'a')).toBeGreaterThan(idOf(first, 'a'));
  });

  it('name what a drop means: a repeated one spares the map that took the name', () => {
    const first = after(create('a'));
    const second = after(create('a'), drop('a'), create('a'));
    expect(step(second, drop('a', idOf(first, 'a')))).toBe(second);
    expect(step(second, drop('a', idOf(second, 'a'))).maps).toEqual([]);
  });

  it('come from the coordinator, whatever the options of a map hold', () => {
    const state = after(create('a', { id: 77, name: 'b', extra: true }));
    expect(state.maps).toEqual([{ id: 1, name: 'a', ...DEFAULT_MAP_SETTINGS }]);
  });
});

describe('listeners', () => {
  it('belong to the map that has their name when their module is deployed', () => {
    const state = after(create('orders'), put());
    expect(watched(state)).toBe(idOf(state, 'orders'));
  });

  it('wait for the first map of their name where there is none', () => {
    expect(watched(after(put()))).toBe(0);
    const state = after(put(), create('others'), create('orders'));
    expect(watched(state)).toBe(idOf(state, 'orders'));
  });

  it('do not go over to the next map of that name', () => {
    const first = after(create('orders'), put());
    const state = after(create('orders'), put(), drop('orders'), create('orders'));
    expect(watched(state)).toBe(idOf(first, 'orders'));
  });

  it('are bound anew by a deployment, also of the same code', () => {
    const ended = after(create('orders'), put(), drop('orders'), create('orders'));
    const state = step(ended, put());
    expect(watched(state)).toBe(idOf(state, 'orders'));
    expect(state.modules[0]!.generation).toBeGreaterThan(ended.modules[0]!.generation);
  });

  it('keep their map when the same code is deployed while it lives; the deployment counts all the same', () => {
    const state = after(create('orders'), put());
    const again = step(state, put());
    expect(watched(again)).toBe(watched(state));
    expect(again.modules[0]!.generation).toBeGreaterThan(state.modules[0]!.generation);
  });
});

describe('a change of the catalog from a wire', () => {
  const map = (changes: object): unknown => ({
    kind: 'createMap',
    name: 'm',
    options: DEFAULT_MAP_SETTINGS,
    ...changes,
  });
  const options = (changes: object): unknown => map({ options: { ...DEFAULT_MAP_SETTINGS, ...changes } });
  const module = (changes: Parameters<typeof moduleOf>[0]): unknown => ({
    kind: 'putModule',
    module: moduleOf(changes),
  });
  const exported = (...exports: unknown[]): unknown => module({ exports });

  it.each<[string, unknown]>([
    ['no object', 7],
    ['nothing', null],
    ['a list', []],
    ['no kind', {}],
    ['an unknown kind', { kind: 'dropGrid' }],
    ['a kind of Object', { kind: 'constructor' }],
    ['a map without options', map({ options: undefined })],
    ['affinityParts below 0', options({ affinityParts: -5 })],
    ['half affinityParts', options({ affinityParts: 1.5 })],
    ['affinityParts as text', options({ affinityParts: '1' })],
    ['no affinityParts', options({ affinityParts: undefined })],
    ['affinityParts beyond a key', options({ affinityParts: 65_536 })],
    ['a ttl below 0', options({ ttlMs: -1 })],
    ['a ttl of NaN', options({ ttlMs: Number.NaN })],
    ['a ttl without end', options({ ttlMs: Number.POSITIVE_INFINITY })],
    ['a ttl of 1e18', options({ ttlMs: 1e18 })],
    ['an idle time below 0', options({ maxIdleMs: -1 })],
    ['an idle time of NaN', options({ maxIdleMs: Number.NaN })],
    ['a bigint', options({ maxIdleMs: 5n })],
    ['a map id of half', { kind: 'dropMap', name: 'm', mapId: 0.5 }],
    ['no module', { kind: 'putModule' }],
    ['no exports', module({ exports: undefined })],
    ['exports that are none', module({ exports: 'watch' })],
    ['200,000 exports', module({ exports: Array.from({ length: 200_000 }, () => null) })],
    ['an export of nothing', exported(null)],
    ['an export of an unknown kind', exported({ name: 'a', kind: 'trigger', map: '' })],
    ['one export twice', exported({ name: 'a', kind: 'job', map: '' }, { name: 'a', kind: 'job', map: '' })],
    ['a bundle that is not text', module({ bundle: new Uint8Array(1) })],
    ['the hash of another bundle', module({ hash: 'ab' })],
    ['no hash', module({ hash: undefined })],
    ['a heap of 1 byte', module({ heapBytes: 1 })],
    ['a heap below 0', module({ heapBytes: -1 })],
    ['a heap of NaN', module({ heapBytes: Number.NaN })],
    ['a wall below 0', module({ wallMs: -1 })],
    ['a wall of NaN', module({ wallMs: Number.NaN })],
    ['a wall that no timer waits', module({ wallMs: 2 ** 31 })],
  ])('is refused with %s', (_, command) => {
    expect(() => step(EMPTY, checkedCommand(command))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each<[string, unknown]>([
    ['a map without a name', map({ name: undefined })],
    ['a map called 7', map({ name: 7 })],
    ['a map of 129 characters', map({ name: 'm'.repeat(129) })],
    ['the drop of ""', { kind: 'dropMap', name: '' }],
    ['a module called /', module({ name: '/' })],
    ['an export without a name', exported({ kind: 'job' })],
    ['a listener of no map', exported({ name: 'watch', kind: 'listener' })],
    ['the removal of nothing', { kind: 'removeModule' }],
  ])('is refused with %s', (_, command) => {
    expect(() => step(EMPTY, checkedCommand(command))).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }));
  });

  it('keeps the checked fields and no others', () => {
    const state = step(EMPTY, {
      kind: 'putModule',
      module: { ...moduleOf(), generation: 99, extra: 1 } as ModuleCommand,
    });
    const exports = [{ name: 'watch', kind: 'listener', map: 'orders', mapId: 0 }];
    expect(state.modules).toEqual([{ ...moduleOf(), exports, generation: 1 }]);
  });
});
