import { DEFAULT_MAP_SETTINGS } from './catalog-state.ts';
import { checkedCommand, checkedModule, type ModuleCommand } from './command-check.ts';
import { moduleOf } from './testing/values.ts';

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
    expect(() => checkedCommand(command)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
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
    expect(() => checkedCommand(command)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }));
  });

  it('K1: keeps the checked fields and no others', () => {
    const module = { ...moduleOf(), generation: 99, extra: 1 } as ModuleCommand;
    expect(checkedCommand({ kind: 'putModule', module, extra: 1 })).toEqual({ kind: 'putModule', module: moduleOf() });
  });

  it('K2: is told which field it was, what it holds, and what is wanted', () => {
    expect(() => checkedCommand(options({ ttlMs: -1 }))).toThrow(
      expect.objectContaining({
        message: 'ttlMs is -1',
        hint: expect.stringMatching(/^wanted: a number of milliseconds/),
      }),
    );
  });
});

describe('a module of a catalog', () => {
  it('is checked like one that is deployed, but for its bundle', () => {
    const { bundle, ...facts } = moduleOf();
    expect(checkedModule({ ...facts, bundle, generation: 3 })).toEqual(facts);
    expect(() => checkedModule({ ...facts, hash: '../../etc' })).toThrow('hash of module');
    expect(() => checkedModule({ ...facts, wallMs: -1 })).toThrow('wallMs');
  });
});
