import { GridError } from '@ashlar/core';
import type { Router } from '@ashlar/routing';
import { decodeValue, encodeValue, shortAnswerValue, shortHeader } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import { ShortStatements } from './short-statements.ts';

const TEXT = 'SELECT n, s FROM t WHERE __key = $1';
const LIMITS = { timeoutMs: 1000 };
const COLUMNS = [
  { name: 'n', type: 'any' },
  { name: 's', type: 'text' },
];
const HEADER = shortHeader(COLUMNS, ['of the plan']);

interface Asked {
  readonly map: string;
  readonly key: unknown;
  readonly value: readonly unknown[];
}

/** Statements over a router whose calls `answer` answers. */
function bench(answer: (asked: Asked) => unknown = tell) {
  const asked: Asked[] = [];
  const router = {
    map: (name: string) => name,
    call: async (opcode: number, map: string, key: unknown, value: readonly unknown[]) => {
      expect(opcode).toBe(OPCODE.STATEMENT);
      asked.push({ map, key, value });
      return answer(asked.at(-1)!);
    },
  } as unknown as Router;
  const shorts = new ShortStatements(router);
  const ask = (text: string, parameters: readonly unknown[], strict = false) =>
    shorts.ask({ text, parameters, strict }, LIMITS);
  return { shorts, asked, ask };
}

/** As a member answers: one row that says the key. */
function tell({ key, value }: Asked): unknown {
  const answer = { notices: [], rowCount: 1, cells: [7, String(key)] };
  return decodeValue(encodeValue(shortAnswerValue(HEADER, value[1] === HEADER.number, answer)));
}

describe('a statement by key', () => {
  it('goes as an operation on its key, from the time on when a header said that it is one', async () => {
    const { shorts, asked, ask } = bench();
    expect(ask(TEXT, ['k'])).toBeUndefined();
    shorts.learn(TEXT, { map: 't', parameter: 1 });
    const first = await ask(TEXT, ['k']);
    expect(first?.rows()).toEqual([{ n: 7, s: 'k' }]);
    expect(first?.columns).toEqual([
      { name: 'n', type: 'float8' },
      { name: 's', type: 'text' },
    ]);
    expect(first?.values(1)).toEqual(['k']);
    expect((await ask(TEXT, [2n], true))?.rows()).toEqual([{ n: 7, s: '2' }]);
    expect(asked).toEqual([
      { map: 't', key: 'k', value: [TEXT, 0, false, ['k']] },
      { map: 't', key: 2n, value: [TEXT, HEADER.number, true, [2n]] },
    ]);
    expect(ask(`${TEXT} `, ['k'])).toBeUndefined();
  });

  it('whose key is in its text goes to all members in turn, whatever its numbers are', async () => {
    const { shorts, asked, ask } = bench();
    const text = (number: number): string => `SELECT n, s FROM t2 WHERE __key = ${number} AND n > $1 AND n < 1.5`;
    shorts.learn(text(1), { map: 't2', parameter: 0 });
    for (const number of [1, 23, 4.5]) await ask(text(number), [0]);
    expect(asked.map(({ value }) => value[0])).toEqual([text(1), text(23), text(4.5)]);
    expect(new Set(asked.map(({ key }) => key)).size).toBe(3);
    expect(ask(text(1).replace('t2', 't3'), [0])).toBeUndefined();
  });

  it.each([[null], [true], [new Date(0)], [{}], [undefined], []])(
    'Q1: takes the stream where its key is none: %p',
    (...given) => {
      const { shorts, ask } = bench();
      shorts.learn(TEXT, { map: 't', parameter: 1 });
      expect(ask(TEXT, given)).toBeUndefined();
    },
  );

  it.each(['INVALID_VALUE', 'KEY_TOO_LARGE', 'MAP_CONFLICT', 'MEMBER_UNREACHABLE'] as const)(
    'Q1: takes the stream where its operation cannot be sent, or reaches nobody: %s',
    async (code) => {
      const { shorts, ask } = bench(() => {
        throw new GridError(code, 'not sent');
      });
      shorts.learn(TEXT, { map: 't', parameter: 1 });
      expect(await ask(TEXT, ['k'])).toBeUndefined();
      expect(ask(TEXT, 'no array' as never)).toBeUndefined();
    },
  );

  it('fails as its operation does', async () => {
    const { shorts, ask } = bench(() => {
      throw new GridError('DIVISION_BY_ZERO', 'division by zero');
    });
    shorts.learn(TEXT, { map: 't', parameter: 1 });
    await expect(ask(TEXT, ['k'])).rejects.toMatchObject({ code: 'DIVISION_BY_ZERO' });
  });

  it('Q2: takes the stream more and more often where its operations are not answered', async () => {
    let isAnswered = false;
    const { shorts, asked, ask } = bench((one) => (isAnswered ? tell(one) : undefined));
    shorts.learn(TEXT, { map: 't', parameter: 1 });
    const tries: number[] = [];
    for (let statement = 0; statement < 40; statement++) {
      const before = asked.length;
      expect(await ask(TEXT, ['k'])).toBeUndefined();
      if (asked.length > before) tries.push(statement);
    }
    expect(tries).toEqual([0, 2, 6, 14, 30]);
    isAnswered = true;
    for (let statement = 40; statement < 62; statement++) expect(await ask(TEXT, ['k'])).toBeUndefined();
    for (let statement = 0; statement < 5; statement++) expect(await ask(TEXT, ['k'])).toBeDefined();
  });

  it('takes the stream where an answer belongs to a header that nobody told', async () => {
    const { shorts, ask } = bench(() => shortAnswerValue(HEADER, true, { notices: [], rowCount: 0, cells: [] }));
    shorts.learn(TEXT, { map: 't', parameter: 1 });
    expect(await ask(TEXT, ['k'])).toBeUndefined();
  });

  it('whose answer has too few cells is CORRUPT_DATA', async () => {
    const { shorts, ask } = bench(() => shortAnswerValue(HEADER, false, { notices: [], rowCount: 1, cells: [1] }));
    shorts.learn(TEXT, { map: 't', parameter: 1 });
    await expect(ask(TEXT, ['k'])).rejects.toMatchObject({ code: 'CORRUPT_DATA' });
  });

  it('is forgotten when many others were learnt after it', () => {
    const { shorts, ask } = bench();
    for (let text = 0; text <= 1000; text++) shorts.learn(`${TEXT}${' '.repeat(text)}`, { map: 't', parameter: 1 });
    expect(ask(TEXT, ['k'])).toBeUndefined();
    expect(ask(`${TEXT} `, ['k'])).toBeDefined();
  });

  it('has rows whose fields are the labels of its columns, each once', async () => {
    const header = shortHeader(
      [
        { name: 'a', type: 'any' },
        { name: 'a', type: 'any' },
        { name: '__proto__', type: 'any' },
      ],
      [],
    );
    const { shorts, ask } = bench(() =>
      shortAnswerValue(header, false, { notices: [], rowCount: 2, cells: [1, 2, 3, null, 'x', 6] }),
    );
    shorts.learn(TEXT, { map: 't', parameter: 1 });
    const told = await ask(TEXT, ['k']);
    expect(told?.rows().map((row) => Object.entries(row))).toEqual([
      [
        ['a', 1],
        ['a_1', 2],
        ['__proto__', 3],
      ],
      [
        ['a', null],
        ['a_1', 'x'],
        ['__proto__', 6],
      ],
    ]);
    expect(told?.columns.map(({ type }) => type)).toEqual(['float8', 'unknown', 'float8']);
  });
});
