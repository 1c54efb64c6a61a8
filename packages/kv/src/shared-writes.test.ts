/** Write batches that partitions share whose commits wait for the same members. */
import { READY_MODULE } from '@ashlar/api';
import { type PartitionId, seededRandom } from '@ashlar/core';
import { type LateCommitOptions, LateCommits } from '@ashlar/partitions';
import { decodeValue, encodeKey, encodeValue, partitionOf } from '@ashlar/serialization';
import type { MemberStore } from '@ashlar/storage';
import { type KvAnswers, type KvBatch, OPCODE, STATUS } from '@ashlar/transport';
import { HandCommits } from './testing/hand-commits.ts';
import { bench, put } from './testing/kv-bench.ts';

const PARTITIONS = 4;
const OTHER = 8;

/** An operation of a message: opcode, or name of a ready-made processor; key; value, or arguments. */
type Step = readonly [kind: number | string, key: string, value?: unknown];

/** Partitions 0 and 1 are a group, and so are 2 and 3. */
function groupOf(partition: PartitionId): number {
  return partition >> 1;
}

/** LateCommits of which partitions share batches. */
class SharedLateCommits extends LateCommits {
  groupOf(partition: PartitionId): number {
    return groupOf(partition);
  }
}

function ready() {
  let commits!: HandCommits;
  const all = bench({
    partitionCount: PARTITIONS,
    committer: (store) => (commits = new HandCommits(store, groupOf)),
  });
  all.mapIsKnown();
  all.sessions.open(OTHER);
  return { ...all, commits };
}

/** A stream whose commits come late, by chance, to groups of partitions. */
function late(seed: number, dropShare: number) {
  const options: LateCommitOptions = {
    ...{ random: seededRandom(seed), delayMaxMs: 3, dropShare, nowMs: () => performance.now() },
    later: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
  let committer!: LateCommits;
  const make = (store: MemberStore): LateCommits => (committer = new SharedLateCommits(store, options));
  const all = bench({ partitionCount: PARTITIONS, committer: make });
  all.mapIsKnown();
  return { ...all.stream(), store: all.store, committer };
}

function endsOf(parts: readonly Uint8Array[]): Uint32Array {
  let end = 0;
  return Uint32Array.from(parts, ({ length }) => (end += length));
}

/** One message; its mutations are numbered from `first`, or as `requestOffsets` has it. */
function message(first: number, steps: readonly Step[], changes: Partial<KvBatch> = {}): KvBatch {
  const keys = steps.map(([, key]) => encodeKey(key));
  const values = steps.map(([, , value]) => (value === undefined ? new Uint8Array(0) : encodeValue(value)));
  const calls = steps.flatMap(([kind], at) => (typeof kind === 'string' ? [at] : []));
  const names = calls.map((at) => steps[at]![0] as string);
  return put(0, first, {
    count: steps.length,
    opcodes: Uint8Array.from(steps, ([kind]) => (typeof kind === 'string' ? OPCODE.PROCESS : kind)),
    partitions: Uint32Array.from(keys, (key) => partitionOf(key, 0, key.length, 0, PARTITIONS)),
    ...{ keyEnds: endsOf(keys), keys: Buffer.concat(keys), valueEnds: endsOf(values), values: Buffer.concat(values) },
    processors: names.map((exportName) => ({ module: READY_MODULE, exportName })),
    processorOperations: Uint32Array.from(calls),
    processorIndexes: Uint32Array.from(calls, (_, index) => index),
    ...changes,
  });
}

/** Keys of this partition, in an order that stays. */
function keysIn(partition: number, count = 1): string[] {
  const keys: string[] = [];
  for (let at = 0; keys.length < count; at++) {
    const key = encodeKey(`k${at}`);
    if (partitionOf(key, 0, key.length, 0, PARTITIONS) === partition) keys.push(`k${at}`);
  }
  return keys;
}

/** By operation of one message: status, value or code. */
function outcomes(answers: readonly KvAnswers[], batchId: number): Map<number, readonly [number, unknown]> {
  const told = new Map<number, readonly [number, unknown]>();
  for (const { firstOperation = 0, statuses, values, valueEnds, errors, batchId: id } of answers) {
    if (id !== batchId) continue;
    statuses.forEach((status, at) => {
      const start = at === 0 ? 0 : (valueEnds?.[at - 1] ?? 0);
      const end = valueEnds?.[at] ?? 0;
      const failed = errors.find(({ operations }) => operations.includes(at));
      const value = end > start ? decodeValue(values.slice(start, end)) : undefined;
      expect(told.has(firstOperation + at)).toBe(false);
      told.set(firstOperation + at, [status, failed?.error.code ?? value]);
    });
  }
  return told;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const [[a = '', a2 = ''], [b = '', b2 = ''], [c = '']] = [keysIn(0, 2), keysIn(1, 2), keysIn(2)];

describe('a message whose partitions share their commits', () => {
  it('makes one write batch for each group, at one version', () => {
    const { stream, commits } = ready();
    stream().send(
      message(
        1,
        [a, b, c].map((key) => [OPCODE.PUT, key, 1]),
      ),
    );
    expect(commits.waiting.map(({ partitionIds }) => partitionIds)).toEqual([[0, 1], [2]]);
  });

  it('is answered group by group', async () => {
    const { stream, commits } = ready();
    const { send, answers } = stream();
    send(
      message(
        1,
        [a, b, c].map((key) => [OPCODE.PUT, key, 1]),
      ),
    );
    commits.commit(2);
    await until(() => outcomes(answers, 1).size > 0);
    expect([...outcomes(answers, 1).keys()]).toEqual([2]);
    commits.commit();
    expect(outcomes(answers, 1).size).toBe(3);
  });

  it('cuts the write batch of the group where a key comes again', () => {
    const { stream, commits, told } = ready();
    const steps: Step[] = [
      [OPCODE.PUT, a, 1],
      [OPCODE.PUT, b, 2],
      [OPCODE.PUT, a, 3],
      [OPCODE.PUT, b2, 4],
    ];
    stream().send(message(1, steps));
    expect(commits.waiting.map(({ partitionIds }) => partitionIds)).toEqual([
      [0, 1],
      [0, 1],
    ]);
    commits.commit();
    expect(told().map(({ value }) => value)).toEqual([1, 3]);
  });

  it('loses with a partition what it wrote there, and nothing else', async () => {
    const { stream, commits } = ready();
    const { send, answers } = stream();
    send(
      message(
        1,
        [a, b, c].map((key) => [OPCODE.PUT, key, 1]),
      ),
    );
    commits.drop(1);
    commits.commit();
    await until(() => outcomes(answers, 1).size === 3);
    expect([0, 1, 2].map((at) => outcomes(answers, 1).get(at))).toEqual([
      [STATUS.TRUE, undefined],
      [STATUS.FAILED, 'IN_DOUBT'],
      [STATUS.TRUE, undefined],
    ]);
  });
});

describe('what staged nothing in its partition hangs on what it saw', () => {
  it.each<[string, Step, readonly [number, unknown]]>([
    ['a condition that failed', [OPCODE.PUT_IF_ABSENT, a, 9], [STATUS.FALSE, undefined]],
    ['an entry that a processor kept', ['compareAndSet', a, { expected: 5, value: 6 }], [STATUS.TRUE, false]],
  ])('and not on what its message wrote elsewhere in the group: %s', async (_, step, expected) => {
    const { stream, commits } = ready();
    const [writer, other] = [stream(), stream()];
    writer.send(message(1, [[OPCODE.PUT, a, 1]]));
    other.send(message(1, [[OPCODE.PUT, b, 1], step], { session: OTHER, batchId: 2 }));
    expect(commits.waiting.map(({ partitionIds }) => partitionIds)).toEqual([[0], [1]]);
    commits.commit(1);
    await until(() => outcomes(other.answers, 2).size === 1);
    expect([...outcomes(other.answers, 2).keys()]).toEqual([0]);
    commits.commit(0);
    expect(outcomes(other.answers, 2).get(1)).toEqual(expected);
  });

  it('and is not held where that is committed', () => {
    const { stream, commits, writes } = ready();
    const { send } = stream();
    send(message(1, [[OPCODE.PUT, a, 1]]));
    commits.commit();
    const steps: Step[] = [
      [OPCODE.PUT, b, 1],
      [OPCODE.PUT_IF_ABSENT, a, 2],
      [OPCODE.REMOVE, a2],
      [OPCODE.GET, a],
      [OPCODE.GET, a2],
    ];
    send(message(2, steps));
    expect(['condition', 'absence', 'own-read'].map((kind) => writes.held.of(kind as never))).toEqual([0, 0, 0]);
  });

  it('a read of what its message wrote, or might have, hangs on that', () => {
    const { stream, commits, writes } = ready();
    const { send, answers } = stream();
    const steps: Step[] = [
      [OPCODE.PUT, a, 1],
      [OPCODE.GET, a],
      [OPCODE.GET, a2],
      [OPCODE.GET, b],
    ];
    send(message(1, steps));
    expect([answers, writes.held.of('own-read')]).toEqual([[], 2]);
    commits.commit();
    expect([...outcomes(answers, 1).values()].map(([status]) => status)).toEqual([
      ...[STATUS.TRUE, STATUS.TRUE, STATUS.FALSE, STATUS.FALSE],
    ]);
  });

  it('a session reads what it wrote in each partition of a shared batch', () => {
    const { stream, commits } = ready();
    const [writer, reader] = [stream(), stream()];
    writer.send(
      message(
        1,
        [a, b].map((key) => [OPCODE.PUT, key, 1]),
      ),
    );
    reader.send(
      message(
        0,
        [a, b].map((key) => [OPCODE.GET, key]),
        { batchId: 9 },
      ),
    );
    expect(reader.answers).toEqual([]);
    commits.commit();
    expect([...outcomes(reader.answers, 9).values()]).toEqual([
      [STATUS.TRUE, 1],
      [STATUS.TRUE, 1],
    ]);
  });
});

describe.each([1, 2, 3, 4])('messages that one caller sends without waiting (seed %i)', (seed) => {
  const KINDS = [OPCODE.PUT, OPCODE.GET, OPCODE.GET_AND_PUT, OPCODE.PUT_IF_ABSENT, OPCODE.GET_AND_REMOVE, OPCODE.HAS];

  it('are answered as if they were run one by one', async () => {
    const random = seededRandom(seed);
    const { send, answers } = late(seed, 0);
    const twin = new Map<string, number>();
    const expected: (readonly [number, unknown])[][] = [[]];
    let number = 1;
    for (let batchId = 1; batchId <= 200; batchId++) {
      const steps = Array.from({ length: 1 + random.below(12) }, (_, at): Step => {
        const opcode = KINDS[random.below(KINDS.length)]!;
        const isRead = opcode === OPCODE.GET || opcode === OPCODE.HAS || opcode === OPCODE.GET_AND_REMOVE;
        return [opcode, `k${random.below(24)}`, isRead ? undefined : batchId * 100 + at];
      });
      send(message(number, steps, { batchId, atomic: random.below(5) === 0 }));
      number += steps.length;
      expected.push(steps.map(([opcode, key, value]) => run(twin, opcode as number, key, value)));
      if (random.below(8) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(3)));
    }
    await until(() => answers.reduce((sum, { statuses }) => sum + statuses.length, 0) === expected.flat().length);
    for (let batchId = 1; batchId < expected.length; batchId++) {
      const told = outcomes(answers, batchId);
      expect(expected[batchId]!.map((_, at) => told.get(at))).toEqual(expected[batchId]);
    }
  });

  it('apply once what was in doubt and is sent again', async () => {
    const random = seededRandom(seed);
    const { send, answers, store, committer } = late(seed, 0.1);
    const steps = Array.from({ length: 400 }, (): Step => ['increment', `k${random.below(24)}`, { path: 'n', by: 1 }]);
    const wanted = new Map<string, number>();
    for (const [, key] of steps) wanted.set(key, (wanted.get(key) ?? 0) + 1);
    let batchId = 0;
    const isDone = new Set<number>();
    for (let round = 0; isDone.size < steps.length; round++) {
      const open = steps.map((_, at) => at).filter((at) => !isDone.has(at));
      const sent: [number, number[]][] = [];
      for (let at = 0; at < open.length; at += 8) {
        const chosen = open.slice(at, at + 8);
        const requestOffsets = Uint32Array.from(chosen, (one) => one);
        send(
          message(
            1,
            chosen.map((one) => steps[one]!),
            { batchId: ++batchId, requestOffsets, resent: round > 0 },
          ),
        );
        sent.push([batchId, chosen]);
      }
      for (const [id, chosen] of sent) {
        await until(() => outcomes(answers, id).size === chosen.length);
        for (const [at, [status]] of outcomes(answers, id)) if (status === STATUS.TRUE) isDone.add(chosen[at]!);
      }
    }
    expect(committer.dropped).toBeGreaterThan(0);
    for (const [key, count] of wanted) {
      const bytes = encodeKey(key);
      const partition = partitionOf(bytes, 0, bytes.length, 0, PARTITIONS) as PartitionId;
      expect(store.find(1 as never, partition, bytes, 0, bytes.length)).toBe(true);
      const { valueBytes, valueStart, valueEnd } = store.found;
      expect([key, decodeValue(valueBytes, valueStart, valueEnd)]).toEqual([key, { n: count }]);
    }
  });
});

/** What an operation is answered by a map. */
function run(twin: Map<string, number>, opcode: number, key: string, value: unknown): readonly [number, unknown] {
  const old = twin.get(key);
  const status = (is: boolean): number => (is ? STATUS.TRUE : STATUS.FALSE);
  const has = old !== undefined;
  const isWritten = opcode === OPCODE.PUT || opcode === OPCODE.GET_AND_PUT || (opcode === OPCODE.PUT_IF_ABSENT && !has);
  if (isWritten) twin.set(key, value as number);
  switch (opcode) {
    case OPCODE.PUT:
      return [STATUS.TRUE, undefined];
    case OPCODE.HAS:
      return [status(has), undefined];
    case OPCODE.PUT_IF_ABSENT:
      return [status(!has), undefined];
    case OPCODE.GET_AND_REMOVE:
      twin.delete(key);
      return [status(has), old];
    default:
      return [status(has), old];
  }
}
