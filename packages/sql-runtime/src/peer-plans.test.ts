import { encodeMessage } from '@ashlar/serialization';
import { changeRequestOf, fragmentBodyOf } from './peer-plans.ts';

const N = { kind: 'column', index: 0, name: 'n', type: 'any', at: 0 };
const ONE = { kind: 'literal', value: 1, type: 'int4', at: 4 };
const FILTER = { kind: 'compare', operator: '>', left: N, right: ONE, type: 'boolean', at: 2 };
const SCAN = {
  kind: 'Scan',
  map: 'm',
  mapId: 1,
  alias: 'm',
  columns: [{ source: 'path', path: ['a', 0], type: 'any' }],
  filter: FILTER,
};
const BODY = { fragment: SCAN, mapId: 1, clockMs: 5, strict: false, buildStages: [-1] };
const TASK = {
  kind: 'update',
  scan: SCAN,
  assignments: [{ path: ['a'], value: ONE }],
  partitions: [0],
  snapshotId: 1,
  snapshotVersion: 2,
  parameters: new Uint8Array(0),
  clockMs: 5,
  strict: false,
  ambiguousTexts: [],
};
const ROWS = { partitions: [0], keys: [Uint8Array.of(1)], values: [Uint8Array.of(2)], onConflict: 'error' };
const refused = (at: RegExp) =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(at) });

describe('a plan of another member', () => {
  it('is taken as it was sent', () => {
    expect(fragmentBodyOf(encodeMessage(BODY))).toMatchObject(BODY);
    expect(changeRequestOf(encodeMessage({ kind: 'change', task: TASK }))).toMatchObject({ task: TASK });
    const insert = { kind: 'insert', map: 'm', mapId: 1, rows: ROWS };
    expect(changeRequestOf(encodeMessage(insert))).toMatchObject(insert);
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 5, /plan is not an object/],
    ['a fragment of no kind', { ...BODY, fragment: { ...SCAN, kind: 'toString' } }, /fragment is of no kind/],
    ['a scan without columns', { ...BODY, fragment: { ...SCAN, columns: 7 } }, /Scan\.columns is not a list/],
    ['an operator over nothing', { ...BODY, fragment: { kind: 'Distinct' } }, /Distinct\.input/],
    [
      'an expression of no kind',
      { ...BODY, fragment: { ...SCAN, filter: { ...N, kind: 'x' } } },
      /filter is of no kind/,
    ],
    ['an expression in pieces', { ...BODY, fragment: { ...SCAN, filter: { ...FILTER, right: 3 } } }, /compare\.right/],
    ['a clock that is none', { ...BODY, clockMs: 'now' }, /clockMs/],
  ])('that has %s is refused with its place', (_, body, at) => {
    expect(() => fragmentBodyOf(encodeMessage(body))).toThrow(refused(at));
  });

  it.each<[string, unknown, RegExp]>([
    ['no kind', { task: TASK }, /change is of no kind/],
    [
      'a task in pieces',
      { kind: 'change', task: { ...TASK, assignments: undefined } },
      /task\.assignments is not a list/,
    ],
    ['partitions that are none', { kind: 'check', task: { ...TASK, partitions: [-1] } }, /task\.partitions/],
    ['rows that are not bytes', { kind: 'insert', map: 'm', mapId: 1, rows: { ...ROWS, keys: ['k'] } }, /rows\.keys/],
    ['columns that disagree', { kind: 'insert', map: 'm', mapId: 1, rows: { ...ROWS, keys: [] } }, /several lengths/],
    ['no processor', { kind: 'process', task: TASK }, /process\.processor/],
  ])('that changes entries with %s is refused with its place', (_, body, at) => {
    expect(() => changeRequestOf(encodeMessage(body))).toThrow(refused(at));
  });

  it('that is no MessagePack is refused', () => {
    expect(() => changeRequestOf(Uint8Array.of(0xc1))).toThrow(refused(/the body/));
  });
});
