import { type Effect, newSession, onEnd, onInterrupt, onLine, promptOf, type Session } from './session.ts';

const fresh = newSession({ mode: 'table', timing: true, rowsMax: 1000 });

/** Feeds lines; answers all effects and the session behind them. */
function feed(lines: readonly string[], session: Session = fresh): { session: Session; effects: Effect[] } {
  const effects: Effect[] = [];
  for (const line of lines) {
    const step = onLine(session, line);
    session = step.session;
    effects.push(...step.effects);
  }
  return { session, effects };
}

describe('a session', () => {
  it('hands out statements with their lines as they are ended, and prompts for what is missing', () => {
    expect(promptOf(fresh)).toBe('ashlar=> ');
    const first = feed(['select 1; select (']);
    expect(first.effects).toEqual([{ kind: 'statement', statement: { text: 'select 1', line: 1 } }]);
    expect(promptOf(first.session)).toBe('ashlar(> ');
    const second = feed(['-- no end yet', "'"], first.session);
    expect(promptOf(second.session)).toBe("ashlar'> ");
    const third = feed(["');"], second.session);
    expect(third.effects).toEqual([
      { kind: 'statement', statement: { text: "select (\n-- no end yet\n'\n')", line: 1 } },
    ]);
    expect(promptOf(third.session)).toBe('ashlar=> ');
  });

  it('counts lines of commands and comments too', () => {
    const { effects } = feed(['-- a comment', '\\timing off', '', '\\d m', 'select 1;']);
    expect(effects.slice(1)).toEqual([
      { kind: 'describeMap', map: 'm', line: 4 },
      { kind: 'statement', statement: { text: 'select 1', line: 5 } },
    ]);
  });

  it('takes backslash commands between the lines of a statement, but not inside a string', () => {
    const { session, effects } = feed(['select', '\\x', '1,', "'", '\\q', '.exit', "';"]);
    expect(effects).toEqual([
      { kind: 'say', text: 'expanded display is on' },
      { kind: 'statement', statement: { text: "select\n1,\n'\n\\q\n.exit\n'", line: 1 } },
    ]);
    expect(session.settings.mode).toBe('expanded');
  });

  it('knows commands by the names that other shells gave them', () => {
    const kinds = (line: string) => onLine(fresh, line).effects.map(({ kind }) => kind);
    for (const line of ['\\q', '.exit', '.quit', 'exit', 'quit', 'QUIT;']) expect(kinds(line)).toEqual(['leave']);
    for (const line of ['\\d', '\\dt', '.tables']) expect(kinds(line)).toEqual(['listMaps']);
    for (const line of ['\\?', '.help', 'help']) expect(kinds(line)).toEqual(['help']);
    for (const line of ['\\i a b.sql', ".read 'a b.sql'"]) {
      expect(onLine(fresh, line).effects).toEqual([{ kind: 'readFile', path: 'a b.sql', line: 1 }]);
    }
    expect(onLine(fresh, '\\d "My map"').effects).toEqual([{ kind: 'describeMap', map: 'My map', line: 1 }]);
    expect(onLine(fresh, 'quit now;').effects).toMatchObject([{ kind: 'statement' }]);
    expect(onLine(fresh, '.5;').effects).toMatchObject([{ kind: 'statement' }]);
  });

  it.each([
    ['.mode csv', { mode: 'csv' }],
    ['.mode JSONLINES', { mode: 'ndjson' }],
    ['\\mode box', { mode: 'table' }],
    ['\\x', { mode: 'expanded' }],
    ['\\timing', { timing: false }],
    ['.timer on', { timing: true }],
    ['.maxrows 5_000', { rowsMax: 5000 }],
  ])('%s changes its settings', (line, changed) => {
    expect(onLine(fresh, line).session.settings).toEqual({ ...fresh.settings, ...changed });
  });

  it.each([
    ['.mode tabel', "did you mean 'table'?"],
    ['\\timin', 'did you mean \\timing?'],
    ['\\zzzzzzzz', '\\? lists the commands'],
    ['\\timing maybe', '\\timing on'],
    ['.maxrows 0', '.maxrows 1000'],
    ['\\i', '\\i report.sql'],
    ['\\q now', '\\q'],
  ])('%s is refused with a hint', (line, hint) => {
    expect(onLine(fresh, line).effects).toMatchObject([{ kind: 'refuse', error: { code: 'INVALID_ARGUMENT', hint } }]);
  });

  it('clears what was typed on Ctrl-C, and tells how to leave the second time', () => {
    const { session } = feed(['select (']);
    const first = onInterrupt(session, 'half a line');
    expect([promptOf(first.session), first.effects]).toEqual(['ashlar=> ', []]);
    const second = onInterrupt(first.session, '');
    expect(second.effects).toEqual([{ kind: 'say', text: '\\q or Ctrl-D leaves' }]);
    const again = onInterrupt(feed(['select 1;'], second.session).session, '');
    expect(again.effects).toEqual([]);
  });

  it('runs at the end what no semicolon ended', () => {
    expect(onEnd(feed(['select 1; select 2']).session).effects).toEqual([
      { kind: 'statement', statement: { text: 'select 2', line: 1 } },
    ]);
    expect(onEnd(feed(['select 1;', '-- bye']).session).effects).toEqual([]);
  });
});
