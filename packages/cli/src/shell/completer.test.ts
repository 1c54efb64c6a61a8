import { answersTo, mapsNamedIn, type Names, questionOf, quoted } from './completer.ts';

const NAMES: Names = {
  maps: ['flights', 'flight_plans', 'My map'],
  columns: ['origin', 'Delay', 'order'],
  files: ['report.sql', 'reports/'],
};

/** What Tab offers where the bar stands. */
function offers(text: string, before = ''): string[] {
  const [line, after] = text.split('|') as [string, string];
  return answersTo(questionOf(line, before, after ?? ''), NAMES)[0];
}

describe('completion offers', () => {
  it.each([
    ['sel', ['select']],
    ['SEL', ['SELECT']],
    ['select coun', ['count']],
    ['select * from fl', ['flights', 'flight_plans']],
    ['select * from ', ['flights', 'flight_plans', '"My map"']],
    ['select * from "my', ['"My map"']],
    ['select * from flights, fl', ['flights', 'flight_plans']],
    ['select * from flights f join fl', ['flights', 'flight_plans']],
    ['insert into fl', ['flights', 'flight_plans']],
    ['select orig', ['origin']],
    ['select f.orig', ['origin']],
    ['select ord', ['"order"', 'order']],
    ['select del', ['"Delay"', 'delete']],
    ["select 'sel", []],
    ['select -- sel', []],
    ['', ['origin', '"Delay"', '"order"', '__key', '__value', '__version', '__expires_at']],
    ['\\ti', ['\\timing']],
    ['.mo', ['.mode']],
    ['.mode c', ['csv']],
    ['\\x o', ['on', 'off']],
    ['\\d fl', ['flights', 'flight_plans']],
    ['\\i rep', ['report.sql', 'reports/']],
    ['\\q ', []],
  ])('%j: %j', (text, expected) => expect(offers(text)).toEqual(expected));

  it('backslash commands also between the lines of a statement', () => {
    expect(offers('\\ti', 'select\n')).toEqual(['\\timing']);
  });
});

it('asks for the columns of the maps that the whole statement names', () => {
  expect(questionOf('select or', '', ' from flights').columnsOf).toEqual(['flights']);
  expect(questionOf('where or', 'select *\nfrom Flights f, "My map"\n', '').columnsOf).toEqual(['flights', 'My map']);
});

it.each([
  ['select a, b from x, y where c in (1, 2)', ['x', 'y']],
  ['select * from (select * from inner_map) i join z using (a)', ['inner_map', 'z']],
  ["select 'from nothing' -- from nobody", []],
  ['update u set a = 1', ['u']],
  ['delete from d', ['d']],
])('finds the maps of %s', (text, maps) => expect(mapsNamedIn(text)).toEqual(maps));

it.each([
  ['plain_1', 'plain_1'],
  ['My map', '"My map"'],
  ['a"b', '"a""b"'],
  ['select', '"select"'],
  ['1a', '"1a"'],
])('writes the name %s as %s', (name, text) => expect(quoted(name)).toBe(text));
