import { GridError } from '@ashlar/core';
import { decodeValue, encodeValue, type ShortRequest, shortRequestValue } from '@ashlar/serialization';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import type { StatementCall, StatementDoor } from './statements.ts';
import { bench, KEY, put } from './testing/kv-bench.ts';

const REQUEST: ShortRequest = { text: 'SELECT 1', header: 5, strict: true, parameters: ['k', 2n] };

/** A get of the key, then the statement, then the get again. */
function batchOf(request: unknown, changes: Partial<KvBatch> = {}): KvBatch {
  const value = encodeValue(request);
  return put(0, 1, {
    ...{ batchId: 3, session: 0, firstRequest: 0, count: 3, partitions: new Uint32Array(3) },
    opcodes: Uint8Array.of(OPCODE.GET, OPCODE.STATEMENT, OPCODE.GET),
    keyEnds: Uint32Array.of(KEY.length, KEY.length * 2, KEY.length * 3),
    keys: Uint8Array.from([...KEY, ...KEY, ...KEY]),
    valueEnds: Uint32Array.of(0, value.length, value.length),
    values: value,
    ...changes,
  });
}

function send(door: StatementDoor['answer'] | undefined, request: unknown = shortRequestValue(REQUEST)) {
  const made = bench(door === undefined ? {} : { statements: { answer: door } });
  made.mapIsKnown();
  const { answers, send: give } = made.stream();
  give(put('v', 1));
  answers.length = 0;
  give(batchOf(request));
  return { answers, metrics: made.metrics };
}

function valuesIn(answers: readonly KvAnswers[]): unknown[] {
  return answers.flatMap(({ statuses, valueEnds, values }) =>
    Array.from(statuses, (_, operation) => {
      const start = operation === 0 ? 0 : valueEnds![operation - 1]!;
      const end = valueEnds![operation]!;
      return start === end ? undefined : decodeValue(values, start, end);
    }),
  );
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a statement among the operations of a batch', () => {
  it('is answered in its place, in the turn in which it came', () => {
    const asked: [ShortRequest, StatementCall][] = [];
    const answer = encodeValue(['header', 17]);
    const { answers, metrics } = send((request, call) => {
      asked.push([request, call]);
      return { bytes: Uint8Array.from([0, ...answer]), start: 1, end: answer.length + 1 };
    });
    expect(answers.map(({ statuses }) => [...statuses])).toEqual([[STATUS.TRUE, STATUS.TRUE, STATUS.TRUE]]);
    expect(valuesIn(answers)).toEqual(['v', ['header', 17], 'v']);
    expect(asked).toEqual([[REQUEST, expect.objectContaining({ deadlineMs: undefined, trace: undefined })]]);
    // Whoever answers it counts it.
    expect(metrics.maps.all.map(({ counts }) => counts[0])).toEqual([2]);
  });

  it('keeps its batch open while it is answered elsewhere, and nothing else', async () => {
    const { promise, resolve } = Promise.withResolvers<{ bytes: Uint8Array; start: number; end: number }>();
    const { answers } = send(() => promise);
    expect(answers).toEqual([]);
    const bytes = encodeValue('late');
    resolve({ bytes, start: 0, end: bytes.length });
    await turn();
    expect(valuesIn(answers)).toEqual(['v', 'late', 'v']);
  });

  it('T1: is FALSE where nobody answers it, now or later', async () => {
    for (const door of [undefined, () => undefined, async () => undefined]) {
      const { answers } = send(door);
      await turn();
      expect(answers.map(({ statuses }) => [...statuses])).toEqual([[STATUS.TRUE, STATUS.FALSE, STATUS.TRUE]]);
      expect(valuesIn(answers)).toEqual(['v', undefined, 'v']);
    }
  });

  it('fails alone, with its own error', async () => {
    const refuse = (): never => {
      throw new GridError('DIVISION_BY_ZERO', 'division by zero', { position: { offset: 3, line: 1, column: 4 } });
    };
    for (const door of [refuse, async () => refuse()]) {
      const { answers } = send(door);
      await turn();
      expect(answers.map(({ statuses }) => [...statuses])).toEqual([[STATUS.TRUE, STATUS.FAILED, STATUS.TRUE]]);
      const [{ operations, error }] = answers[0]!.errors as [KvAnswers['errors'][number]];
      expect([[...operations], error.code, error.position?.column]).toEqual([[1], 'DIVISION_BY_ZERO', 4]);
    }
  });

  it.each([['text'], [['SELECT 1', 'no number', false, []]], [['SELECT 1', 0, false]], [[1, 0, false, []]]])(
    'is refused where its value is none: %j',
    (value) => {
      const { answers } = send(() => undefined, value);
      expect(answers[0]!.statuses[1]).toBe(STATUS.FAILED);
      expect(answers[0]!.errors[0]!.error.code).toBe('INVALID_ARGUMENT');
    },
  );
});
