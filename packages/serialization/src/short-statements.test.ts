import { Decimal } from '@ashlar/api';
import {
  beginShortAnswer,
  decodeShortRequest,
  shortAnswerOf,
  shortAnswerValue,
  shortHeader,
  shortRequestValue,
  typeOfCell,
} from './short-statements.ts';
import { decodeValue } from './value-decoder.ts';
import { encodeValue, ValueWriter } from './value-writer.ts';

const COLUMNS = [{ name: 'n', type: 'any', isCount: false }] as const;

describe('a statement as an operation', () => {
  it('comes back as it was asked, wherever it lies', () => {
    for (const text of ['SELECT 1', 'SELECT 1', 'SELECT 2 -- \u00fc', 'x'.repeat(5000)]) {
      const request = { text, header: 2 ** 52, strict: text.length > 10, parameters: ['k', null, 2n ** 70n] };
      const encoded = encodeValue(shortRequestValue(request));
      const bytes = Uint8Array.from([1, 2, ...encoded, 3]);
      expect(decodeShortRequest(bytes, 2, 2 + encoded.length)).toEqual(request);
    }
  });

  it('is refused where it is none, or cut', () => {
    const refused = (bytes: Uint8Array) => () => decodeShortRequest(bytes, 0, bytes.length);
    for (const value of [17, [], ['a', 0, false], ['a', 'b', false, []], ['a', 0, false, 'c']]) {
      expect(refused(encodeValue(value))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    const whole = encodeValue(
      shortRequestValue({ text: 'SELECT 1', header: 300, strict: false, parameters: [1, 'x'] }),
    );
    for (let end = 1; end < whole.length; end++) {
      expect(refused(whole.subarray(0, end))).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }));
    }
  });
});

describe('the answer of a statement', () => {
  it('has what its header says for those who do not know it', () => {
    const header = shortHeader(COLUMNS, ['a notice']);
    const answer = { notices: ['late'], rowCount: 2, cells: [1, 'x'] };
    const told = (isKnown: boolean) =>
      shortAnswerOf(decodeValue(encodeValue(shortAnswerValue(header, isKnown, answer))));
    expect(told(false)).toEqual({ ...answer, number: header.number, header });
    expect(told(true)).toEqual({ ...answer, number: header.number, header: undefined });
  });

  it('is the same where its cells are appended', () => {
    const header = shortHeader(COLUMNS, []);
    const writer = new ValueWriter();
    for (const row of [undefined, { x: [1, 2n] }]) {
      beginShortAnswer(writer, header, true, row !== undefined);
      const bytes = encodeValue({ x: [1, 2n] });
      if (row !== undefined) writer.copy(Uint8Array.from([9, ...bytes]), 1, bytes.length + 1);
      const cells = row === undefined ? [] : [row];
      expect(shortAnswerOf(decodeValue(writer.bytes, 0, writer.end))).toEqual({
        ...{ number: header.number, header: undefined, notices: [], rowCount: cells.length, cells },
      });
    }
  });

  it('S2: numbers headers by what they say', () => {
    const headers = [[], ['a'], ['b']].flatMap((notices) => [
      shortHeader(COLUMNS, notices),
      shortHeader([{ ...COLUMNS[0], type: 'int8' }], notices),
      shortHeader([...COLUMNS, ...COLUMNS], notices),
    ]);
    expect(new Set(headers.map(({ number }) => number)).size).toBe(headers.length);
    expect(headers.every(({ number }) => Number.isSafeInteger(number) && number > 0)).toBe(true);
    expect(shortHeader(COLUMNS, ['a'])).toEqual(headers[3]);
  });

  it.each([17, null, [1, null, null, 0], [1, null, null, 0, 'cells']])(
    'is CORRUPT_DATA where it is none: %j',
    (value) => {
      expect(() => shortAnswerOf(value)).toThrow(expect.objectContaining({ code: 'CORRUPT_DATA' }));
    },
  );

  it('says by its cells what type a column without one has', () => {
    const cells = [1.5, 'x', true, 5n, Decimal.parse('1.5'), new Date(0), Uint8Array.of(1), [1], {}, null];
    expect(cells.map(typeOfCell)).toEqual([
      'float8',
      'text',
      'boolean',
      'int8',
      'numeric',
      'timestamptz',
      'bytea',
      'json',
      'json',
      undefined,
    ]);
  });
});
