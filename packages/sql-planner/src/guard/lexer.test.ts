import { tokenize } from './lexer.ts';
import type { TokenKind } from './token.ts';

const kinds = (text: string): [TokenKind, string][] =>
  tokenize(text)
    .slice(0, -1)
    .map(({ kind, value }) => [kind, value]);

describe('the lexer', () => {
  it.each<[string, string]>([
    ["'x'", 'x'],
    ["''", ''],
    ["'it''s'", "it's"],
    ["'a\\'", 'a\\'],
    ["'a\\nb'", 'a\\nb'],
    ["E'a\\nb\\'c''d\\x41\\101\\u00e9\\U0001F600\\q'", "a\nb'c'dAA\u00e9\u{1F600}q"],
    ["e'\\\\'", '\\'],
    ['$$x\'"y$$', 'x\'"y'],
    ['$tag$a$$b$tag$', 'a$$b'],
    ["'a'\n'b'", 'ab'],
    ["'a' -- why\n  -- not\n 'b'", 'ab'],
    ["'/* no comment */'", '/* no comment */'],
  ])('reads the string %s', (text, value) => {
    expect(kinds(text)).toEqual([['string', value]]);
  });

  it('joins strings over a line end only', () => {
    expect(kinds("'a' 'b'")).toEqual([
      ['string', 'a'],
      ['string', 'b'],
    ]);
  });

  it.each<[string, TokenKind, string]>([
    ['1', 'integer', '1'],
    ['1_000', 'integer', '1000'],
    ['0x1F', 'integer', '31'],
    ['0o17', 'integer', '15'],
    ['0b1_01', 'integer', '5'],
    ['9223372036854775808', 'integer', '9223372036854775808'],
    ['1.5', 'decimal', '1.5'],
    ['.5', 'decimal', '.5'],
    ['5.', 'decimal', '5.'],
    ['1e10', 'decimal', '1e10'],
    ['1_0.0_1e-1_0', 'decimal', '10.01e-10'],
  ])('reads the number %s as %s %s', (text, kind, value) => {
    expect(kinds(text)).toEqual([[kind, value]]);
  });

  it.each(['1a', '1_', '0x', '1__0', '1.5e', '0b12', '1e5x'])('refuses the number %s', (text) => {
    expect(() => tokenize(text)).toThrow(/run together/);
  });

  it.each<[string, string[]]>([
    ['a+-b', ['a', '+', '-', 'b']],
    ['a=-1', ['a', '=', '-', '1']],
    ['a<>-b', ['a', '<>', '-', 'b']],
    ['a@-b', ['a', '@-', 'b']],
    ['a->>b', ['a', '->>', 'b']],
    ['a<=b--c', ['a', '<=', 'b']],
    ['a*/**/b', ['a', '*', 'b']],
    ['a.x-b.x', ['a', '.', 'x', '-', 'b', '.', 'x']],
    ['x::int', ['x', '::', 'int']],
    ['f(a=>1,b:=2)', ['f', '(', 'a', '=>', '1', ',', 'b', ':=', '2', ')']],
    ['a[1:2]', ['a', '[', '1', ':', '2', ']']],
  ])('cuts %s by the longest match', (text, parts) => {
    expect(kinds(text).map(([, value]) => value)).toEqual(parts);
  });

  it('tells the parameter ? from the operator', () => {
    expect(kinds('a=? AND b ? c AND d @? e OR ?::int>?').filter(([kind]) => kind === 'parameter')).toHaveLength(3);
    expect(kinds('a ?| b').map(([, value]) => value)).toEqual(['a', '?|', 'b']);
    expect(kinds('LIMIT ?')).toEqual([
      ['word', 'limit'],
      ['parameter', ''],
    ]);
    expect(kinds('BETWEEN ? AND ?').filter(([kind]) => kind === 'parameter')).toHaveLength(2);
  });

  it('reads $1 and :name', () => {
    expect(kinds('$12 = :Name')).toEqual([
      ['parameter', '12'],
      ['operator', '='],
      ['parameter', 'Name'],
    ]);
    expect(() => tokenize('$1a')).toThrow('run together');
  });

  it('keeps quoted names as they are', () => {
    expect(kinds('"a""b" "Select" über x$1')).toEqual([
      ['quoted', 'a"b'],
      ['quoted', 'Select'],
      ['word', 'über'],
      ['word', 'x$1'],
    ]);
  });

  it('leaves out comments, nested ones too', () => {
    expect(kinds('a /* b /* c */ " \' */ -- d "\n e')).toEqual([
      ['word', 'a'],
      ['word', 'e'],
    ]);
  });

  it('gives the place of every token', () => {
    const [, b, text, end] = tokenize("a\n  b 'x\ny'");
    expect(b?.position).toEqual({ offset: 4, line: 2, column: 3 });
    expect(text?.position).toEqual({ offset: 6, line: 2, column: 5 });
    expect(end).toMatchObject({ kind: 'end', position: { offset: 11, line: 3, column: 3 } });
  });

  it.each<[string, number]>([
    ["a 'b", 2],
    ['a "b', 2],
    ["a E'b\\'", 2],
    ['a $x$ b $y$', 2],
    ['a /* /* */', 2],
    ['a ""', 2],
    ['a { b', 2],
    ['a $ b', 2],
  ])('names the place of what is never closed or foreign in %s', (text, offset) => {
    expect(() => tokenize(text)).toThrow(
      expect.objectContaining({ code: 'SYNTAX_ERROR', position: expect.objectContaining({ offset }) }),
    );
  });

  it.each(["U&'x'", 'u&"x"', "N'x'", "E'\\xff'"])('says that %s is not supported', (text) => {
    expect(() => tokenize(text)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_SQL' }));
  });
});
