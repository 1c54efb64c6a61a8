import { stripVTControlCharacters } from 'node:util';
import { makeColours } from '@ashlar/terminal';
import * as fc from 'fast-check';
import { highlight } from './highlight.ts';

const colours = makeColours(true);

it('colours words, strings, numbers, comments and parameters', () => {
  const line = "select count(n), 'x', 1.5 from m where a = $1 -- end";
  const { blue, green, yellow, dim, magenta } = colours;
  const keyword = (word: string): string => colours.bold(colours.cyan(word));
  expect(highlight(line, colours)).toBe(
    `${keyword('select')} ${blue('count')}(n), ${green("'x'")}, ${yellow('1.5')} ${keyword('from')} m ${keyword('where')} a = ${magenta('$1')} ${dim('-- end')}`,
  );
});

it('knows from the lines before that it is inside a string', () => {
  expect(highlight("from' from", colours, "select '\n")).toBe(
    `${colours.green("from'")} ${colours.bold(colours.cyan('from'))}`,
  );
});

it('leaves everything as it is without colours', () => {
  expect(highlight("select 'a'", makeColours(false))).toBe("select 'a'");
});

it('never changes the text', () => {
  const word = fc.constantFrom('select', ' ', "'", '"', '$$', '--', '/*', '*/', '(', '1', '\\x', '.', 'é', '漢');
  const text = fc.array(word, { maxLength: 20 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, text, (before, line) => {
      expect(stripVTControlCharacters(highlight(line, colours, `${before}\n`))).toBe(line);
    }),
  );
});
