import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import fc from 'fast-check';
import { bench, put } from './testing/kv-bench.ts';

const NAMES = ['a', 'b', 'c'];
const VERBS = [OPCODE.GET, OPCODE.PUT, OPCODE.GET_AND_PUT, OPCODE.REMOVE] as const;

interface Step {
  readonly opcode: number;
  readonly name: string;
  readonly value: string;
}

/** Values of some 900 bytes: a few hundred answers with them are several messages. */
const step: fc.Arbitrary<Step> = fc.record({
  opcode: fc.constantFrom(...VERBS, OPCODE.GET, OPCODE.GET),
  name: fc.constantFrom(...NAMES),
  value: fc.nat(999).map((n) => String(n).repeat(300)),
});

function batchOf(steps: readonly Step[], changes: Partial<KvBatch> = {}): KvBatch {
  const [keys, values] = [[] as Uint8Array[], [] as Uint8Array[]];
  const [keyEnds, valueEnds] = [[] as number[], [] as number[]];
  let [keyEnd, valueEnd] = [0, 0];
  for (const { opcode, name, value } of steps) {
    const key = encodeKey(name);
    keys.push(key);
    keyEnds.push((keyEnd += key.length));
    const bytes = opcode === OPCODE.PUT || opcode === OPCODE.GET_AND_PUT ? encodeValue(value) : new Uint8Array(0);
    values.push(bytes);
    valueEnds.push((valueEnd += bytes.length));
  }
  return put('', 1, {
    count: steps.length,
    opcodes: Uint8Array.from(steps, ({ opcode }) => opcode),
    partitions: new Uint32Array(steps.length),
    keyEnds: Uint32Array.from(keyEnds),
    keys: Buffer.concat(keys),
    valueEnds: Uint32Array.from(valueEnds),
    values: Buffer.concat(values),
    ...changes,
  });
}

/** What a plain Map answers. */
function expected(steps: readonly Step[]): unknown[] {
  const twin = new Map<string, string>();
  return steps.map(({ opcode, name, value }) => {
    const before = twin.get(name);
    if (opcode === OPCODE.PUT || opcode === OPCODE.GET_AND_PUT) twin.set(name, value);
    if (opcode === OPCODE.REMOVE) return twin.delete(name);
    return opcode === OPCODE.PUT ? true : before;
  });
}

/** Values and statuses by operation, of all messages. */
function assembled(steps: readonly Step[], messages: readonly KvAnswers[]): unknown[] {
  const results: unknown[] = [];
  for (const { firstOperation = 0, statuses, valueEnds, values } of messages) {
    statuses.forEach((status, index) => {
      expect(results[firstOperation + index]).toBeUndefined();
      const start = index === 0 ? 0 : (valueEnds?.[index - 1] ?? 0);
      const end = valueEnds?.[index] ?? 0;
      const { opcode } = steps[firstOperation + index]!;
      const isValue = opcode === OPCODE.GET || opcode === OPCODE.GET_AND_PUT;
      const answer = isValue ? (end > start ? decodeValue(values, start, end) : undefined) : status === STATUS.TRUE;
      results[firstOperation + index] = answer;
    });
  }
  return results;
}

function ready() {
  const all = bench();
  all.mapIsKnown();
  return all;
}

describe('answers with long values', () => {
  it('are those of a plain map, each sent once, however many messages they take', () => {
    let most = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 400, size: 'max' }), (steps) => {
        const { stream } = ready();
        const { answers, send } = stream();
        send(batchOf(steps));
        expect(assembled(steps, answers)).toEqual(expected(steps));
        expect(answers.reduce((sum, { statuses }) => sum + statuses.length, 0)).toBe(steps.length);
        most = Math.max(most, answers.length);
        // Sent again: mutations are answered as before.
        const again = ready().stream;
        const twice = again();
        twice.send(batchOf(steps));
        const first = twice.answers.splice(0);
        twice.send(batchOf(steps, { resent: true, requestOffsets: offsetsOf(steps) }));
        const mutations = steps.flatMap(({ opcode }, operation) => (opcode === OPCODE.GET ? [] : [operation]));
        const [before, after] = [assembled(steps, first), assembled(steps, twice.answers)];
        for (const operation of mutations) expect(after[operation]).toEqual(before[operation]);
      }),
      { numRuns: 60 },
    );
    expect(most).toBeGreaterThan(2);
  });

  it('are sent in messages of some 64 KiB', () => {
    const { stream } = ready();
    const { answers, send } = stream();
    const value = 'x'.repeat(1000);
    send(batchOf([{ opcode: OPCODE.PUT, name: 'a', value }]));
    answers.length = 0;
    send(batchOf(Array.from({ length: 300 }, () => ({ opcode: OPCODE.GET, name: 'a', value }))));
    expect(answers.length).toBe(5);
    for (const { values } of answers) expect(values.length).toBeLessThan((64 << 10) + 1100);
  });

  it('ask only now and then whether they may be sent, where they may not', () => {
    const { stream, pressure } = ready();
    let questions = 0;
    Object.defineProperty(pressure, 'mayBeHigh', { get: () => (questions += 1) > 0 });
    const { answers, send } = stream();
    const value = 'x'.repeat(1000);
    const writes = [{ opcode: OPCODE.PUT, name: 'a', value }];
    const reads = Array.from({ length: 2000 }, () => ({ opcode: OPCODE.GET, name: 'a', value }));
    send(batchOf([...writes, ...reads]));
    // 2 MB, asked at 64 KiB and at each doubling.
    expect([answers.length, questions]).toEqual([1, 5]);
  });
});

function offsetsOf(steps: readonly Step[]): Uint32Array {
  let mutations = 0;
  return Uint32Array.from(steps, ({ opcode }) => (opcode === OPCODE.GET ? 0 : mutations++));
}
