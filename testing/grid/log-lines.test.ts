/** What members log, line by line: each is one JSON object in which no name stands twice. */
import { fileURLToPath } from 'node:url';
import { TestGrid } from './support/grid.ts';
import { readJsonStrictly } from './support/strict-json.ts';

const LISTENER = fileURLToPath(new URL('./fixtures/listeners.ts', import.meta.url));

let grid: TestGrid;

beforeAll(async () => {
  grid = await TestGrid.start({ members: 2, settings: { 'log.level': 'debug' } });
});

afterAll(() => grid.stop());

describe('a JSON reader that takes no name twice', () => {
  it.each(['{"a":1,"b":{"a":2},"c":[{"a":"\\""},{"a":1e-5}]}', '[]', '"x"', '-1.5', 'null'])('reads %s', (text) => {
    expect(readJsonStrictly(text)).toEqual(JSON.parse(text));
  });

  it.each(['{"a":1,"a":2}', '{"x":[{"b":{"a":1,"\\u0061":2}}]}', '{"a":1', '{"a":1}}', ''])('refuses %s', (text) => {
    expect(() => readJsonStrictly(text)).toThrow();
  });
});

describe('the log of a member', () => {
  it('names each fact once, from the first line to the last', async () => {
    const client = await grid.connect();
    await client.map('logged').put('k', { n: 1 });
    await client.deploy(LISTENER, { name: 'counting' });
    await client.undeploy('counting');
    await client.drop('logged');
    await client.sql('SELECT 1').all();
    await Promise.all(grid.members.map((member) => member.end('SIGTERM')));

    const lines = grid.members.flatMap(({ log }) => log);
    const facts = lines.map((line) => readJsonStrictly(line) as Readonly<Record<string, unknown>>);
    const messages = facts.map(({ msg }) => msg);
    expect(messages).toEqual(
      expect.arrayContaining(['listening', 'map dropped', 'module deployed', 'stopping', 'stopped']),
    );
    expect(new Set(facts.map(({ name }) => name))).toEqual(new Set(['ashlar']));
    const listening = facts.filter(({ msg }) => msg === 'listening').map(({ member }) => member);
    expect(listening.toSorted()).toEqual(grid.members.map(({ name }) => name).toSorted());
  });
});
