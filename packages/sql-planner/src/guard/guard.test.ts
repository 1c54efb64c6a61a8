import { guardText, LIMITS } from './guard.ts';

const failure = (code: string, offset: number) =>
  expect.objectContaining({ code, position: expect.objectContaining({ offset }) });

describe('the guard', () => {
  it('passes a statement and takes its semicolons away', () => {
    const texts = guardText('SELECT (1)[2] ;; -- end').map(({ text }) => text);
    expect(texts.join(' ')).toBe('SELECT ( 1 ) [ 2 ] ');
  });

  it.each<[string, number]>([
    ['SELECT (1', 7],
    ['SELECT ((1)', 7],
    ['SELECT 1)', 8],
    ['SELECT (1]', 9],
    ['SELECT [1)', 9],
    ['SELECT 1; SELECT 2', 10],
    ['; SELECT 1', 2],
    [';', 0],
  ])('refuses %s at offset %d', (text, offset) => {
    expect(() => guardText(text)).toThrow(failure('SYNTAX_ERROR', offset));
  });

  it('does not take brackets and semicolons in strings, names and comments for its own', () => {
    expect(() => guardText('SELECT \'(;\', "(;", $$(;$$ -- (;\n /* (; */')).not.toThrow();
  });

  it('bounds the bytes of the text, not its characters', () => {
    const wide = `SELECT '${'é'.repeat(LIMITS.textBytesMax / 2)}'`;
    expect(() => guardText(wide)).toThrow(expect.objectContaining({ code: 'STATEMENT_TOO_LARGE' }));
    expect(() => guardText(`SELECT '${'e'.repeat(LIMITS.textBytesMax / 2)}'`)).not.toThrow();
  });

  it('bounds tokens, depth, lists, joins, SELECTs and steps of a path, each at its limit', () => {
    const { tokenCountMax, bracketDepthMax, listItemCountMax, joinCountMax, selectCountMax, pathStepCountMax } = LIMITS;
    const nested = (depth: number): string => `SELECT ${'('.repeat(depth)}1${')'.repeat(depth)}`;
    const cases: [(count: number) => string, number][] = [
      [(count) => 'a '.repeat(count), tokenCountMax],
      [nested, bracketDepthMax],
      [(count) => `SELECT f(1${', 1'.repeat(count - 1)})`, listItemCountMax],
      [(count) => `SELECT 1 FROM t${' JOIN u ON a'.repeat(count)}`, joinCountMax],
      [(count) => `SELECT 1${' UNION SELECT 1'.repeat(count - 1)}`, selectCountMax],
      [(count) => `SELECT a${'.b'.repeat(count - 1)} FROM t`, pathStepCountMax],
      [(count) => `SELECT a${'[1]'.repeat(count - 1)} FROM t`, pathStepCountMax],
    ];
    for (const [text, limit] of cases) {
      expect(() => guardText(text(limit))).not.toThrow();
      expect(() => guardText(text(limit + 1))).toThrow(expect.objectContaining({ details: { limit } }));
    }
  });

  it('counts the steps of each path by itself', () => {
    const many = Array.from({ length: 500 }, (_, index) => `t.a${index}.b[${index}] AS x`);
    expect(() => guardText(`SELECT ${many.join(', ')} FROM t`)).not.toThrow();
  });

  it('calls ten thousand open brackets unclosed, not too deep', () => {
    expect(() => guardText(`SELECT ${'('.repeat(10_000)}1`)).toThrow(failure('SYNTAX_ERROR', 10_006));
  });
});
