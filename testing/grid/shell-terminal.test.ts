/** The SQL shell on a real terminal (tmux), against a real grid. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestGrid } from './support/grid.ts';
import { Terminal } from './support/terminal.ts';

const { hasServer } = (await import(new URL('../../scripts/servers.mjs', import.meta.url).href)) as {
  hasServer: (name: string) => boolean;
};
const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
/** Takes longer than anybody waits. */
const ENDLESS = 'select count(*) from people a, people b where a.age * b.age = -1;';
const describeOnTerminal = hasServer('tmux') ? describe : describe.skip;

describeOnTerminal('the SQL shell on a terminal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-terminal-'));
  let grid: TestGrid;
  let terminal: Terminal;

  beforeAll(async () => {
    grid = await TestGrid.start({ members: 1 });
    const client = await grid.connect();
    const people = Array.from({ length: 18_000 }, (_, id) => [id, { name: `name ${id}`, age: id % 90 }] as const);
    await client.map('people').putAll(people);
  });

  afterAll(async () => {
    await grid.stop();
    rmSync(folder, { recursive: true });
  });

  afterEach(() => terminal.end());

  async function open(env: string, columns = 100): Promise<void> {
    const node = `${process.execPath} --conditions=@ashlar/source --disable-warning=ExperimentalWarning ${MAIN}`;
    const history = `ASHLAR_HISTORY=${join(folder, 'history')}`;
    // NODE_OPTIONS is the test runner's.
    const command = `env -u NODE_OPTIONS -u NO_COLOR ${history} ${env} ${node} sql --address ${grid.seeds[0]}`;
    terminal = await Terminal.start(`sh -c 'trap : INT; ${command}; echo left with $?; sleep 60'`, {
      columns,
      rows: 40,
    });
    await terminal.shows('ashlar=>');
  }

  /** Types a line once the prompt is there. */
  async function enter(line: string): Promise<void> {
    await terminal.type(line);
    await terminal.press('Enter');
  }

  /** Keys that come with others are taken for pasted text, where Tab is a character. */
  async function complete(text: string): Promise<void> {
    await terminal.type(text);
    await terminal.shows(`${text}\n`);
    await terminal.press('Tab');
  }

  it('completes, colours, remembers, cancels and leaves', async () => {
    await open('');
    await complete('sel');
    await terminal.shows(/ashlar=> select$/m);
    await complete(' count(*) from peo');
    await terminal.shows(/from people$/m);
    expect(await terminal.screen(true)).toContain('\u001b[36mselect');

    await terminal.press('Enter');
    await terminal.shows(/ashlar-> *$/m);
    await complete('where ag');
    await terminal.shows(/where age$/m);
    await enter(' < 45;');
    await terminal.shows(/│ {2}9000 │[\s\S]*1 row in [\s\S]*ashlar=>\n$/);

    await terminal.press('Up');
    await terminal.shows(/ashlar=> select count\(\*\) from people\nwhere age < 45;\n$/);
    await terminal.press('C-c');
    await terminal.shows(/\^C\nashlar=>\n$/);
    await terminal.press('C-c');
    await terminal.shows('\\q or Ctrl-D leaves');

    await enter(ENDLESS);
    await terminal.shows(/running, \d+ s; Ctrl-C cancels/);
    await enter('select 1 as typed_ahead_and_forgotten;');
    await terminal.press('C-c');
    await terminal.shows(/cancelled\nashlar=>\n$/);
    await enter("select 'it goes' || ' on' as after;");
    await terminal.shows('│ it goes on │');

    await terminal.press('C-d');
    expect(await terminal.shows('left with')).toContain('left with 0');
    await terminal.end();

    await open('');
    await terminal.press('Up');
    await terminal.shows("select 'it goes' || ' on' as after;");
  });

  it('fits what it shows to the terminal, also when that is resized', async () => {
    await open('', 60);
    await enter("select 'a long text that does not fit' as one, 'another long text, also too long' as two;");
    await terminal.shows(/1 row in/);
    expect(await terminal.screen()).toMatch(/^│ .*… │ .*… │$/m);
    await terminal.resize(100, 40);
    await terminal.showsAfter(
      () => enter("select 'a long text that does not fit' as one, 'another long text, also too long' as two;"),
      '│ a long text that does not fit │ another long text, also too long │',
    );
    await terminal.resize(30, 40);
    await terminal.showsAfter(
      () => enter('select 1 as aaaaaaaaaa, 2 as bbbbbbbbbb, 3 as cccccccccc, 4 as dd;'),
      '│ aaaaaaa… │ bbbbbbb… │',
    );
    await enter('\\x');
    await terminal.shows('expanded display is on');
  });

  it('has no colours with NO_COLOR', async () => {
    await open('NO_COLOR=1');
    await enter("select 1 as one -- 'x'");
    await enter('from nothing;');
    await terminal.shows(/hint: [\s\S]*ashlar=>\n$/);
    expect(await terminal.screen(true)).not.toContain('\u001b[');
  });

  it('works on a dumb terminal, line by line', async () => {
    await open('TERM=dumb');
    await enter('select count(*)');
    await terminal.shows(/ashlar-> *$/m);
    await enter('from people;');
    await terminal.shows(/│ 18000 │[\s\S]*ashlar=>\n$/);
    // Here the terminal's driver forgets the line when Ctrl-C comes before it was read.
    await terminal.showsAfter(async () => {
      await enter(ENDLESS);
      await new Promise((resolve) => setTimeout(resolve, 500));
      await terminal.press('C-c');
    }, /cancelled\nashlar=>\n$/);
    await terminal.press('C-d');
    expect(await terminal.shows('left with')).toContain('left with 0');
  });
});
