/** Any text at all is answered by a tree or by a GridError with one of three codes and its place. */
import { GridError } from '@ashlar/core';
import fc from 'fast-check';
import { parseStatement } from '../src/parse/parse.ts';
import { statement } from './oracle/generate.ts';

const CODES = ['SYNTAX_ERROR', 'UNSUPPORTED_SQL', 'STATEMENT_TOO_LARGE'];

function check(text: string): void {
  try {
    parseStatement(text);
  } catch (error) {
    if (!GridError.is(error)) throw error;
    expect(CODES).toContain(error.code);
    expect(error.message.length).toBeLessThan(300);
    const offset = error.position?.offset ?? -1;
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset).toBeLessThanOrEqual(text.length);
  }
}

const WORDS =
  'SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET JOIN LEFT CROSS ON USING AS ( ) [ ] , . ; :: : * + - = < > <> || \'x\' "y" ' +
  '1 1.5 $1 ? :p a b t UNION ALL DISTINCT CASE WHEN THEN ELSE END NOT AND OR IN BETWEEN LIKE IS NULL INSERT INTO VALUES ' +
  'UPDATE SET DELETE TRUNCATE RETURNING EXPLAIN WITH OVER PARTITION FILTER INTERVAL date count __proto__ constructor toString';

describe('the parser, given anything', () => {
  it('answers characters in any order', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), check), { numRuns: 2_000 });
  });

  it('answers words in any order', () => {
    const words = fc.array(fc.constantFrom(...WORDS.split(' ')), { maxLength: 40 });
    fc.assert(
      fc.property(words, (list) => check(`SELECT ${list.join(' ')}`)),
      { numRuns: 2_000 },
    );
  });

  it('answers statements with a piece cut out or doubled', () => {
    const cut = fc.tuple(statement, fc.nat(), fc.nat(40), fc.boolean());
    const property = fc.property(cut, ([text, at, length, doubled]) => {
      const from = at % (text.length + 1);
      check(text.slice(0, doubled ? from + length : from) + text.slice(doubled ? from : from + length));
    });
    fc.assert(property, { numRuns: 800 });
  });
});
