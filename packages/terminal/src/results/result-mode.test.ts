import { parseResultMode, RESULT_MODES } from './result-mode.ts';

describe('the mode of a result', () => {
  it('is known under its name, in any case', () => {
    for (const mode of RESULT_MODES)
      expect([parseResultMode(mode), parseResultMode(mode.toUpperCase())]).toEqual([mode, mode]);
  });

  it.each([
    ['aligned', 'table'],
    ['box', 'table'],
    ['DuckBox', 'table'],
    ['line', 'expanded'],
    ['vertical', 'expanded'],
    ['jsonlines', 'ndjson'],
    ['jsonl', 'ndjson'],
  ])('is known as %s to users of other shells', (name, mode) => expect(parseResultMode(name)).toBe(mode));

  it('that is misspelt is told with the nearest', () => {
    expect(() => parseResultMode('cvs')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining("'csv'") }),
    );
  });

  it.each(['', 'constructor', '__proto__', 'valueOf', 'toString'])('is none of what objects have: %j', (name) => {
    expect(() => parseResultMode(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
