import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HISTORY_ENTRIES_MAX, History, historyFile } from './history.ts';

describe('the history', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ashlar-history-'));
  const file = join(folder, 'state', 'ashlar', 'sql_history');
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is kept over sessions, statements of several lines included, for its owner alone', () => {
    const first = new History(file);
    first.add('select 1;\n');
    first.add("select '\n';\n");
    first.add("select '\n';\n");
    first.add('  \n');
    expect(new History(file).entries).toEqual(["select '\n';", 'select 1;']);
    expect(readFileSync(file, 'utf8')).toBe("select 1;\nselect '\u0001';\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('takes what shells side by side add', () => {
    const one = new History(file);
    const other = new History(file);
    one.add('one');
    other.add('other');
    expect(new History(file).entries.slice(0, 2)).toEqual(['other', 'one']);
  });

  it('keeps the newest entries of a file that has grown', () => {
    const grown = join(folder, 'grown');
    const lines = Array.from({ length: 3 * HISTORY_ENTRIES_MAX }, (_, index) => `select ${index};`);
    writeFileSync(grown, `${lines.join('\n')}\n`);
    expect(new History(grown).entries).toEqual(lines.slice(-HISTORY_ENTRIES_MAX).reverse());
    expect(readFileSync(grown, 'utf8').split('\n')).toHaveLength(HISTORY_ENTRIES_MAX + 1);
  });

  it('lives without a file where none can be written', () => {
    for (const place of [undefined, '/proc/nowhere/history', folder]) {
      const history = new History(place);
      history.add('select 1;');
      expect(history.entries).toEqual(['select 1;']);
    }
  });

  it('lies where ASHLAR_HISTORY says, else in the state folder', () => {
    expect(historyFile({ ASHLAR_HISTORY: '/h', XDG_STATE_HOME: '/s' })).toBe('/h');
    expect(historyFile({ ASHLAR_HISTORY: '' })).toBeUndefined();
    expect(historyFile({ XDG_STATE_HOME: '/s' })).toBe('/s/ashlar/sql_history');
    expect(historyFile({})).toMatch(/\/\.local\/state\/ashlar\/sql_history$/);
  });
});
