import fc from 'fast-check';
import { linesOf, withoutReturn } from './text-lines.ts';

async function* inPieces(text: string, ends: readonly number[]): AsyncGenerator<string> {
  let from = 0;
  for (const end of [...ends.map((one) => one % (text.length + 1)).sort((a, b) => a - b), text.length]) {
    yield text.slice(from, end);
    from = end;
  }
}

async function all(pieces: AsyncIterable<string>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(pieces)) lines.push(line);
  return lines;
}

const text = fc
  .array(fc.constantFrom('a', 'ä', '\n', '\r', '\u2028', '😀', ' '), { maxLength: 40 })
  .map((one) => one.join(''));

describe('the lines of a text', () => {
  it('text-lines N1: are those between \\n, wherever the pieces end that it comes in', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(40), { maxLength: 6 }), async (whole, ends) => {
        const lines = whole.split('\n');
        // What ends with \n has no line behind it.
        if (lines.at(-1) === '') lines.pop();
        expect(await all(inPieces(whole, ends))).toEqual(lines);
      }),
    );
  });

  it('lose the one \\r that ends them, where it is no part of the content', () => {
    expect(['a\r', 'a\r\r', '\r', 'a\rb', ''].map(withoutReturn)).toEqual(['a', 'a\r', '', 'a\rb', '']);
  });
});
