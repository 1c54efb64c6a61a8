import * as fc from 'fast-check';
import { lastStatement, NOTHING_YET, split } from './splitter.ts';
import { piecesOf } from './sql-text.ts';

const textsOf = (text: string): string[] => split(NOTHING_YET, text).statements.map((statement) => statement.text);

describe('a statement ends at a semicolon', () => {
  it.each([
    ['select 1; select 2;\n', ['select 1', 'select 2']],
    ["select ';', 'it''s;';\n", ["select ';', 'it''s;'"]],
    ["select e'\\';', 1;\n", ["select e'\\';', 1"]],
    ["select b'1', x'f;', ab'c;';\n", ["select b'1', x'f;', ab'c;'"]],
    ['select "a;""b;";\n', ['select "a;""b;"']],
    ['select $$a;b$$, $t$;$$;$t$;\n', ['select $$a;b$$, $t$;$$;$t$']],
    ['select a$b$, 1; select $1;\n', ['select a$b$, 1', 'select $1']],
    ['select 1 -- not here; no\n;\n', ['select 1 -- not here; no']],
    ['select /* a; /* b; */ c; */ 1;\n', ['select /* a; /* b; */ c; */ 1']],
    ['select (1;2); select [a;b];\n', ['select (1;2)', 'select [a;b]']],
    ['select 1); select 2;\n', ['select 1)', 'select 2']],
    [';;  ; -- only a comment\n;\n', []],
    ['-- first\n/* then */ select 1;\n', ['select 1']],
  ])('%j', (text, statements) => expect(textsOf(text)).toEqual(statements));
});

describe('what is left without one', () => {
  it.each([
    ['', 'nothing'],
    ['select 1;\n', 'nothing'],
    ['-- a comment\n', 'nothing'],
    ['select\n', 'statement'],
    ['select (1,\n', 'bracket'],
    ["select 'a\n", 'string'],
    ['select "a\n', 'quotedName'],
    ['select $x$ a $y$\n', 'dollarString'],
    ['select /* a /* b */\n', 'comment'],
  ])('%j leaves one inside of: %s', (text, inside) => expect(split(NOTHING_YET, text).rest.inside).toBe(inside));

  it('is the last statement of a text, unless it is blank or a comment', () => {
    expect(lastStatement(split(NOTHING_YET, 'select 1;\n\n select 2\n').rest)).toEqual({ text: 'select 2', line: 3 });
    expect(lastStatement(split(NOTHING_YET, 'select 1; -- done\n').rest)).toBeUndefined();
  });
});

it('tells the line that each statement begins in', () => {
  const { statements } = split(NOTHING_YET, "select 1; select\n2;\n\n-- three\nselect '\n\n'; select 4;\n");
  expect(statements.map(({ line }) => line)).toEqual([1, 1, 5, 7]);
});

const sqlText = fc
  .array(
    fc.constantFrom(
      ...[
        'select',
        ' ',
        '\n',
        ';',
        "'",
        "''",
        '"',
        '$$',
        '$a$',
        '$1',
        '--',
        '/*',
        '*/',
        '(',
        ')',
        "e'",
        '\\',
        'a',
        '1.5',
        '::',
      ],
    ),
    { maxLength: 40 },
  )
  .map((parts) => `${parts.join('')}\n`);

it('pieces cover any text without gaps', () => {
  fc.assert(
    fc.property(fc.oneof(sqlText, fc.string({ unit: 'binary' })), (text) => {
      const pieces = [...piecesOf(text)];
      expect(pieces.map(({ start, end }) => text.slice(start, end)).join('')).toBe(text);
      expect(pieces.every(({ start, end }) => end > start)).toBe(true);
    }),
  );
});

it('gives the same statements line by line as in one go', () => {
  fc.assert(
    fc.property(sqlText, (text) => {
      let rest = NOTHING_YET;
      const statements = [];
      for (const line of text.split('\n').slice(0, -1)) {
        const step = split(rest, `${line}\n`);
        rest = step.rest;
        statements.push(...step.statements);
      }
      const whole = split(NOTHING_YET, text);
      expect(statements).toEqual(whole.statements);
      expect(lastStatement(rest)).toEqual(lastStatement(whole.rest));
      expect(rest.inside).toBe(whole.rest.inside);
    }),
    { numRuns: 500 },
  );
});
