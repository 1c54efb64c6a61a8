/** Ready-made processors in a batch of operations: mutations like any other. */
import { READY_MODULE } from '@ashlar/api';
import { COUNT } from '@ashlar/observe';
import { HELD_KINDS, keyLockId } from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { HandCommits } from './testing/hand-commits.ts';
import { type BenchOptions, bench, KEY, MAP, put } from './testing/kv-bench.ts';

/** What an operation of a batch is: a processor by its name, or a put. */
type Step = readonly [name: string, key: string, args: unknown];

function grid(options: BenchOptions = {}) {
  const all = bench(options);
  all.mapIsKnown();
  return all;
}

function late() {
  let commits!: HandCommits;
  const all = grid({ committer: (store) => (commits = new HandCommits(store)) });
  return { ...all, commits };
}

/** One message of some operations; its mutations are numbered from `first`. */
function message(first: number, steps: readonly Step[], changes: Partial<KvBatch> = {}): KvBatch {
  const keys = steps.map(([, key]) => encodeKey(key));
  const values = steps.map(([, , args]) => encodeValue(args));
  const names = [...new Set(steps.map(([name]) => name).filter((name) => name !== 'put'))];
  const calls = steps.flatMap(([name], operation) => (name === 'put' ? [] : [operation]));
  return put(0, first, {
    count: steps.length,
    opcodes: Uint8Array.from(steps, ([name]) => (name === 'put' ? OPCODE.PUT : OPCODE.PROCESS)),
    partitions: new Uint32Array(steps.length),
    ...{ keyEnds: endsOf(keys), keys: Buffer.concat(keys), valueEnds: endsOf(values), values: Buffer.concat(values) },
    processors: names.map((exportName) => ({ module: READY_MODULE, exportName })),
    processorOperations: Uint32Array.from(calls),
    processorIndexes: Uint32Array.from(calls, (operation) => names.indexOf(steps[operation]![0])),
    ...changes,
  });
}

function endsOf(parts: readonly Uint8Array[]): Uint32Array {
  let end = 0;
  return Uint32Array.from(parts, ({ length }) => (end += length));
}

/** Value, status or code of each operation, in their order. */
function seen(answers: readonly KvAnswers[]): unknown[] {
  return answers.flatMap(({ statuses, values, valueEnds, errors }) =>
    Array.from(statuses, (status, operation) => {
      const failed = errors.find(({ operations }) => operations.includes(operation));
      if (failed !== undefined) return failed.error.code;
      const start = operation === 0 ? 0 : (valueEnds?.[operation - 1] ?? 0);
      const end = valueEnds?.[operation] ?? 0;
      return end > start ? decodeValue(values.slice(start, end)) : status;
    }),
  );
}

const one: unknown = { path: 'n', by: 1 };

describe('ready-made processors in a batch', () => {
  it('share its write batch: one version for all, in the order of the message, and no key is held', () => {
    const { stream, told, gate } = grid();
    const { send, answers } = stream();
    send(
      message(1, [
        ['increment', 'a', one],
        ['put', 'b', { n: 5 }],
        ['append', 'c', { path: 't', items: [1, 2] }],
        ['mergePatch', 'd', { patch: { x: 1 } }],
        ['compareAndSet', 'e', { value: 'new' }],
        ['compareAndSet', 'f', { expected: 1, value: 2 }],
      ]),
    );
    expect(seen(answers)).toEqual([1, STATUS.TRUE, 2, STATUS.TRUE, true, false]);
    expect([told().map(({ value }) => value), new Set(told().map(({ version }) => version)).size]).toEqual([
      [{ n: 1 }, { n: 5 }, { t: [1, 2] }, { x: 1 }, 'new'],
      1,
    ]);
    expect(gate.heldCount).toBe(0);
  });

  it('on one key chain, also with puts between them: each has a state, a version and an event', () => {
    const { stream, told, value } = grid();
    const { send, answers } = stream();
    send(
      message(1, [
        ['increment', 'k', one],
        ['increment', 'k', one],
        ['put', 'k', { n: 50 }],
        ['increment', 'k', one],
        ['compareAndSet', 'k', { expected: { n: 51 } }],
        ['increment', 'k', one],
      ]),
    );
    expect([seen(answers), value()]).toEqual([[1, 2, STATUS.TRUE, 51, true, 1], { n: 1 }]);
    expect(told().map((record) => record.value)).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 50 },
      { n: 51 },
      undefined,
      { n: 1 },
    ]);
    expect(new Set(told().map(({ version }) => version)).size).toBe(6);
  });

  it('that are refused change nothing and spoil no other', () => {
    const { stream, value } = grid();
    const { send, answers } = stream();
    send(
      message(1, [
        ['put', 'text', 'x'],
        ['increment', 'text', one],
        ['increment', 'k', { path: 'n', by: 'x' }],
        ['mergePatch', 'k', { patch: { long: 'x'.repeat(2000) } }],
        ['increment', 'k', { path: '', by: 1 }],
        ['increment', 'k', { path: 'n', by: 1, ttlMs: -1 }],
        ['nothing', 'k', {}],
        ['increment', 'k', one],
      ]),
    );
    expect(seen(answers)).toEqual([
      ...[STATUS.TRUE, 'TYPE_MISMATCH', 'TYPE_MISMATCH', 'VALUE_TOO_LARGE', 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
      ...['UNKNOWN_EXPORT', 1],
    ]);
    expect(answers[0]!.errors[0]!.error.message).toContain("the entry with the key 'text'");
    expect(value()).toEqual({ n: 1 });
  });

  it('keep the deadline of the entry unless they are told another', () => {
    const { stream, store, later, value } = grid();
    const { send } = stream();
    send(put({ n: 1 }, 1, { ttlOperations: Uint32Array.of(0), ttlMs: Float64Array.of(60_000) }));
    const deadline = (): number => {
      store.find(1 as never, 0 as never, KEY, 0, KEY.length);
      return store.found.expiresAt;
    };
    const before = deadline();
    send(message(2, [['increment', 'k', one]]));
    expect([deadline(), value()]).toEqual([before, { n: 2 }]);
    send(message(3, [['increment', 'k', { path: 'n', by: 1, ttlMs: 120_000 }]]));
    expect(deadline()).toBeGreaterThan(before);
    later(130_000);
    send(message(4, [['increment', 'k', one]]));
    expect([deadline(), value()]).toEqual([0, { n: 1 }]);
  });

  it('are counted as calls, refused ones too', () => {
    const { stream, metrics } = grid();
    stream().send(
      message(1, [
        ['increment', 'a', one],
        ['increment', 'a', { path: 'n', by: 'x' }],
      ]),
    );
    expect(metrics.maps.of(MAP).counts[COUNT.calls]).toBe(2);
  });

  it('wait behind what holds their key', () => {
    const { stream, gate, value } = grid();
    const { send, answers } = stream();
    const id = keyLockId(MAP.id, KEY, 0, KEY.length);
    gate.hold(id);
    send(message(1, [['increment', 'k', one]]));
    expect([answers.length, value()]).toEqual([0, undefined]);
    gate.release(id);
    expect([seen(answers), value()]).toEqual([[1], { n: 1 }]);
  });

  it('cannot be part of an atomic batch', () => {
    const { stream, value } = grid();
    const { send, answers } = stream();
    send(message(1, [['increment', 'k', one]], { atomic: true }));
    expect([seen(answers), value()]).toEqual([['INVALID_ARGUMENT'], undefined]);
  });
});

describe('ready-made processors while commits are late', () => {
  it('see what is sealed, and are answered when it is committed', () => {
    const { stream, commits, writes } = late();
    const { send, answers } = stream();
    for (const number of [1, 2, 3]) send(message(number, [['increment', 'k', one]]));
    send(message(4, [['compareAndSet', 'k', { expected: { n: 7 }, value: 1 }]]));
    expect([answers, writes.held.of('ready-made')]).toEqual([[], 4]);
    commits.commit();
    expect(seen(answers)).toEqual([1, 2, 3, false]);
    expect(HELD_KINDS.filter((kind) => writes.held.of(kind) > 0)).toEqual(['ready-made']);
  });

  it('fail by what they saw once that is committed, in another message or in their own', () => {
    const { stream, commits } = late();
    const { send, answers } = stream();
    send(put('text', 1));
    send(message(2, [['increment', 'k', one]]));
    send(
      message(3, [
        ['put', 'other', 'text'],
        ['increment', 'other', one],
        ['increment', 'new', one],
      ]),
    );
    expect(answers).toEqual([]);
    commits.commit();
    expect(seen(answers)).toEqual([STATUS.TRUE, 'TYPE_MISMATCH', STATUS.TRUE, 'TYPE_MISMATCH', 1]);
  });

  it('tell nothing that was derived from what is lost', async () => {
    const { stream, commits, value } = late();
    const { send, answers } = stream();
    send(put('text', 1));
    send(
      message(2, [
        ['compareAndSet', 'k', { expected: 1, value: 2 }],
        ['increment', 'k', one],
        ['increment', 'x', one],
      ]),
    );
    commits.drop();
    await new Promise((resolve) => setImmediate(resolve));
    expect([seen(answers), value()]).toEqual([Array.from({ length: 4 }, () => 'IN_DOUBT'), undefined]);
  });
});
