/** Effect once: what a listener writes takes effect once for every event, whatever is restarted, moved, lost or repeated. */
import { GridError, type PartitionId, seededRandom } from '@ashlar/core';
import { Subscription } from '@ashlar/events';
import { decodeKey } from '@ashlar/serialization';
import { jest } from '@jest/globals';
import {
  type BenchMember,
  type BenchOptions,
  copyEvents,
  ListenerBench,
  SOURCE,
  TARGET,
  until,
} from './testing/listener-bench.ts';

let bench: ListenerBench;

afterEach(() => bench.close());

async function start(options: BenchOptions = {}): Promise<ListenerBench> {
  bench = await ListenerBench.start(options);
  await bench.deploy();
  return bench;
}

const KEYS = Array.from({ length: 40 }, (_, key) => key);
const copyOf = (key: number, value: unknown): never => ['copy', key, value] as never;

/** Keys that were put into the target map, on all members, ascending; each once. */
function effects(): string[] {
  return bench.members.flatMap((member) => member.putsOf(TARGET).map((key) => JSON.stringify(key))).sort();
}

function expected(keys: readonly number[], value: unknown): string[] {
  return keys.map((key) => JSON.stringify(copyOf(key, value))).sort();
}

async function putAll(keys: readonly number[], value: unknown): Promise<void> {
  for (const key of keys) await bench.put(SOURCE, key, value);
}

async function untilCopied(keys: readonly number[], value: unknown): Promise<void> {
  await until(() => keys.every((key) => bench.get(TARGET, copyOf(key, value)) === value));
}

/** Source keys of events whose step is committed and whose writes for the other member are not delivered. */
function keysInOutboxes(): number[] {
  return bench.members.flatMap((member) =>
    member.control.ownPartitions.flatMap((partition) => {
      const parts = member.checkpoint(partition)?.outbox?.parts ?? [];
      const others = parts.filter((part) => !member.control.isMine(part.partition));
      return others.flatMap(({ writes }) => writes.map(({ key }) => (decodeKey(key) as readonly [string, number])[1]));
    }),
  );
}

function idle(member: BenchMember): Promise<void> {
  return until(() => member.door.relay.undelivered === 0);
}

describe('a listener', () => {
  it('stands on a committed checkpoint in every partition when its deployment is answered', async () => {
    await start({ members: 2, lateMs: 20 });
    for (const { control, checkpoint } of bench.members.map((member) => ({
      control: member.control,
      checkpoint: (partition: PartitionId) => member.checkpoint(partition),
    }))) {
      for (const partition of control.ownPartitions) expect(checkpoint(partition)).toMatchObject({ outbox: undefined });
    }
    await putAll(KEYS, 1);
    await untilCopied(KEYS, 1);
    expect(effects()).toEqual(expected(KEYS, 1));
  });

  it('reads changes that are not its own slice by slice, and lets others have their turn between them', async () => {
    await start();
    const [member] = bench.members as [BenchMember];
    const { pull } = Subscription.prototype;
    const turns: number[] = [];
    let [turn, isRead] = [0, false];
    const spy = jest.spyOn(Subscription.prototype, 'pull').mockImplementation(function (this: Subscription, ...asked) {
      turns.push(turn);
      const pulled = pull.apply(this, asked);
      isRead = !pulled.more;
      return pulled;
    });
    try {
      await Promise.all(Array.from({ length: 6000 }, (_, key) => bench.put(TARGET, key, 0)));
      for (isRead = false; !isRead; turn++) await new Promise((resolve) => setImmediate(resolve));
    } finally {
      spy.mockRestore();
    }
    expect(turns.length).toBeGreaterThan(4);
    // A commit that wakes it while it reads may come in the same turn.
    expect(new Set(turns).size).toBeGreaterThanOrEqual(turns.length - 1);
    expect(member.runs).toEqual([]);
  });

  it('goes on from its checkpoints after a restart: nothing is lost, nothing comes twice', async () => {
    await start();
    const [member] = bench.members as [BenchMember];
    await putAll(KEYS.slice(0, 20), 1);
    await untilCopied(KEYS.slice(0, 20), 1);
    await idle(member);
    await member.driver.close();
    await putAll(KEYS.slice(20), 1);
    await member.restart();
    await untilCopied(KEYS, 1);
    expect(effects()).toEqual(expected(KEYS, 1));
    expect(member.runs.flat()).toHaveLength(KEYS.length);
  });

  it('sends an outbox that a restart left behind, and the events are not run again', async () => {
    await start({ members: 2 });
    const [first, second] = bench.members as [BenchMember, BenchMember];
    for (const member of bench.members) member.fault = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'cut'));
    await putAll(KEYS, 1);
    await until(() => keysInOutboxes().length > 0);
    await first.driver.close();
    await second.driver.close();
    const committed = keysInOutboxes();
    const runsOf = (key: number): number =>
      [...first.runs, ...second.runs].flat().filter((event) => event.key === key).length;
    for (const member of bench.members) member.fault = (pass) => pass();
    await Promise.all([first.restart(), second.restart()]);
    await untilCopied(KEYS, 1);
    await Promise.all([idle(first), idle(second)]);
    expect(effects()).toEqual(expected(KEYS, 1));
    expect(committed.length).toBeGreaterThan(0);
    expect(committed.map(runsOf)).toEqual(committed.map(() => 1));
  });

  it('goes on where it was when a partition moves, with an outbox that is not delivered', async () => {
    await start({ members: 2 });
    const [first, second] = bench.members as [BenchMember, BenchMember];
    await putAll(KEYS, 1);
    await untilCopied(KEYS, 1);
    first.fault = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'cut'));
    await putAll(KEYS, 2);
    const [partition] = first.control.ownPartitions as [PartitionId];
    await until(() => first.checkpoint(partition)?.outbox !== undefined);
    bench.move(partition, second);
    await putAll(KEYS, 3);
    first.fault = (pass) => pass();
    for (const value of [1, 2, 3]) await untilCopied(KEYS, value);
    await Promise.all([idle(first), idle(second)]);
    const all = [1, 2, 3].flatMap((value) => expected(KEYS, value)).sort();
    // What moved is in the logs of both: the log of the partition went along.
    expect([...new Set(effects())]).toEqual(all);
    for (const { putsOf } of [{ putsOf: () => second.putsOf(TARGET) }, { putsOf: () => first.putsOf(TARGET) }]) {
      const keys = putsOf().map((key) => JSON.stringify(key));
      expect(new Set(keys).size).toBe(keys.length);
    }
    expect([...first.told, ...second.told].filter((line) => line.includes('missed'))).toEqual([]);
  });

  it('resumes without a gap on a backup that is promoted, however little its log would keep by itself', async () => {
    await start({ members: 2, logBytesPerPartition: 4096 });
    const [first, second] = bench.members as [BenchMember, BenchMember];
    const [partition] = first.control.ownPartitions as [PartitionId];
    const keys = Array.from({ length: 200 }, (_, key) => key).filter((key) => bench.partitionOf(key) === partition);
    bench.backUp(partition, second);
    first.fault = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'cut'));
    for (let value = 1; value <= 10; value++) {
      await putAll(keys, value);
      bench.ship(partition, second);
    }
    const held = second.store.logInfo(partition);
    expect(held.bytes).toBeGreaterThan(10 * 4096);
    expect(held.heldFrom).toBe(first.checkpoint(partition)!.sequence + 1);
    bench.move(partition, second);
    // Listeners do not stand there yet; whatever is written meanwhile, the log keeps what they want.
    await putAll(keys, 11);
    first.fault = (pass) => pass();
    await untilCopied(keys, 11);
    await Promise.all([idle(first), idle(second)]);
    for (let value = 1; value <= 11; value++) {
      expect(keys.filter((key) => bench.get(TARGET, copyOf(key, value)) !== value)).toEqual([]);
    }
    const missed = [...first.told, ...second.told].filter((line) => line.includes('missed'));
    expect(missed).toEqual([]);
    // Once they stand nothing is held for those of the time before.
    await until(() => second.store.logInfo(partition).heldFrom > held.committedSequence);
    await putAll(keys, 12);
    await untilCopied(keys, 12);
    expect(second.store.logInfo(partition).bytes).toBeLessThan(held.bytes / 2);
  });

  it('reads no further in a partition that is lost and comes back, and has one effect when it goes on', async () => {
    await start({ members: 2 });
    const [first, second] = bench.members as [BenchMember, BenchMember];
    await putAll(KEYS, 1);
    await untilCopied(KEYS, 1);
    const [partition] = first.control.ownPartitions as [PartitionId];
    const before = first.ownership.stamp;
    const { code } = first;
    first.code = (events) => {
      first.code = code;
      bench.move(partition, second);
      bench.move(partition, first);
      return code(events);
    };
    await putAll(KEYS, 2);
    await untilCopied(KEYS, 2);
    expect(first.ownership.isHeldSince(partition, before)).toBe(false);
    await Promise.all([idle(first), idle(second)]);
    const all = [1, 2].flatMap((value) => expected(KEYS, value)).sort();
    expect([...new Set(effects())]).toEqual(all);
    expect([...first.told, ...second.told].filter((line) => line.includes('stopped reading'))).toEqual([]);
  });

  it('has one effect where answers are lost and deliveries arrive twice, late and out of order', async () => {
    await start({ members: 2 });
    const random = seededRandom(5);
    const late: (() => Promise<Uint8Array>)[] = [];
    for (const member of bench.members) {
      member.fault = async (pass) => {
        const chance = random.next();
        if (chance < 0.3) {
          await pass();
          throw new GridError('CONNECTION_LOST', 'the answer is lost');
        }
        if (chance < 0.5) {
          // It arrives when others have gone before it.
          late.push(pass);
          throw new GridError('DEADLINE_EXCEEDED', 'held up');
        }
        const held = late.splice(0);
        const answer = await pass();
        for (const copy of held) await copy();
        if (chance < 0.7) await pass();
        return answer;
      };
    }
    for (const value of [1, 2, 3]) await putAll(KEYS, value);
    for (const value of [1, 2, 3]) await untilCopied(KEYS, value);
    for (const copy of late.splice(0)) await copy();
    expect(effects()).toEqual([1, 2, 3].flatMap((value) => expected(KEYS, value)).sort());
  });

  it('applies the writes of a partition in the order of its events, whatever is held up', async () => {
    await start({ members: 2 });
    for (const member of bench.members) {
      // The newest state of every source key, under a key of another partition.
      member.code = (events) => events.map(({ key, value }) => ({ key: ['newest', key] as never, value }));
      let count = 0;
      member.fault = async (pass) => {
        if (count++ % 3 !== 0) return pass();
        await pass();
        throw new GridError('CONNECTION_LOST', 'the answer is lost');
      };
    }
    for (let value = 1; value <= 20; value++) await putAll(KEYS.slice(0, 8), value);
    await until(() => KEYS.slice(0, 8).every((key) => bench.get(TARGET, ['newest', key] as never) === 20));
    await Promise.all(bench.members.map(idle));
    for (const key of KEYS.slice(0, 8)) expect(bench.get(TARGET, ['newest', key] as never)).toBe(20);
  });

  it('waits for a target that refuses for a while, and other partitions do not', async () => {
    await start({ members: 2 });
    const [first, second] = bench.members as [BenchMember, BenchMember];
    let refused = 0;
    first.fault = () => {
      refused += 1;
      return Promise.reject(new GridError('OUT_OF_MEMORY', 'full'));
    };
    await putAll(KEYS, 1);
    const ofSecond = KEYS.filter((key) => second.control.isMine(bench.partitionOf(key)));
    await untilCopied(ofSecond, 1);
    await until(() => refused > 3);
    expect(first.told.filter((line) => line.includes('are not taken'))).toHaveLength(1);
    first.fault = (pass) => pass();
    await untilCopied(KEYS, 1);
    await until(() => first.told.some((line) => line.includes('are taken again')));
    expect(effects()).toEqual(expected(KEYS, 1));
  });

  it.each([1, 2, 3, 4])(
    'has one effect where commits come late and partitions lose what is undecided (seed %d)',
    async (seed) => {
      bench = await ListenerBench.start({ members: 2, lateMs: 4, dropShare: 0.1, seed });
      while (
        !(await bench.deploy().then(
          () => true,
          () => false,
        ))
      );
      const random = seededRandom(seed);
      const stored: number[] = [];
      for (const key of KEYS) {
        const isStored = await bench.put(SOURCE, key, 1).then(
          () => true,
          () => false,
        );
        if (isStored) stored.push(key);
        if (random.next() < 0.1) await bench.members[random.below(2)]!.restart();
      }
      await untilCopied(stored, 1);
      await Promise.all(bench.members.map(idle));
      expect(effects()).toEqual(expected(stored, 1));
    },
  );
});

describe('a failed run', () => {
  const isDeath = true;
  it.each([
    ['threw', { kind: 'failed', error: new GridError('USER_CODE_FAILED', 'no'), transient: false, isDeath: false }],
    ['lost its worker', { kind: 'failed', error: new GridError('WORKER_LOST', 'gone'), transient: true, isDeath }],
    ['killed its thread', { kind: 'shared', error: new GridError('USER_CODE_TIMEOUT', 'late'), isDeath }],
  ] as const)('that %s has no effect, and the next one has it once', async (_, failure) => {
    await start();
    const [member] = bench.members as [BenchMember];
    member.failNext = failure;
    await putAll(KEYS, 1);
    await untilCopied(KEYS, 1);
    await idle(member);
    expect(effects()).toEqual(expected(KEYS, 1));
  });

  it('of several events is given up on for those at fault alone: the others have their effect, once', async () => {
    await start();
    const [member] = bench.members as [BenchMember];
    const isAtFault = (key: unknown): boolean => (key as number) % 20 === 13;
    member.code = (events) => {
      if (events.some(({ key }) => isAtFault(key))) throw new GridError('USER_CODE_TIMEOUT', 'for ever');
      return copyEvents(events);
    };
    await member.driver.close();
    await putAll(KEYS, 1);
    await member.restart();
    const others = KEYS.filter((key) => !isAtFault(key));
    await untilCopied(others, 1);
    await idle(member);
    await until(
      () => member.told.filter((line) => line.includes('passed over')).length === KEYS.length - others.length,
    );
    expect(member.runs.some((events) => events.length > 1)).toBe(true);
    expect(effects()).toEqual(expected(others, 1));
  });

  it('that was refused is passed over for good: a restart does not bring its event back', async () => {
    await start();
    const [member] = bench.members as [BenchMember];
    member.failNext = { kind: 'refused', error: new GridError('PROCESSOR_REFUSED', 'not this one') };
    await bench.put(SOURCE, 1, 1);
    await until(() => member.told.some((line) => line.includes('passed over')));
    await bench.put(SOURCE, 1, 2);
    await untilCopied([1], 2);
    await member.restart();
    await bench.put(SOURCE, 1, 3);
    await untilCopied([1], 3);
    expect(effects()).toEqual([...expected([1], 2), ...expected([1], 3)].sort());
  });
});

describe('a listener that is undeployed', () => {
  it('delivers what its last step wrote, and leaves no checkpoint behind', async () => {
    await start({ members: 2 });
    const [first] = bench.members as [BenchMember];
    const open = Promise.withResolvers<void>();
    first.fault = async (pass) => {
      await open.promise;
      return pass();
    };
    await putAll(KEYS, 1);
    await until(() => keysInOutboxes().length > 0);
    const committed = keysInOutboxes();
    await bench.undeploy();
    open.resolve();
    await untilCopied(committed, 1);
    await until(() => first.control.ownPartitions.every((partition) => first.checkpoint(partition) === undefined));
  });

  it('and deployed again begins at the present, and still delivers what was left', async () => {
    await start({ members: 2 });
    const [first, second] = bench.members as [BenchMember, BenchMember];
    first.fault = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'cut'));
    await putAll(KEYS, 1);
    await until(() => keysInOutboxes().length > 0 && second.door.relay.undelivered === 0);
    await bench.undeploy();
    const left = keysInOutboxes();
    await putAll(KEYS, 2);
    await bench.deploy();
    first.fault = (pass) => pass();
    await putAll(KEYS, 3);
    await untilCopied(KEYS, 3);
    await untilCopied(left, 1);
    await Promise.all([idle(first), idle(second)]);
    const [of1, of2, of3] = [1, 2, 3].map((value) => effects().filter((key) => key.endsWith(`,${value}]`)));
    expect(of1).toEqual(expect.arrayContaining(expected(left, 1)));
    expect(new Set(of1).size).toBe(of1!.length);
    expect(of2).toEqual([]);
    expect(of3).toEqual(expected(KEYS, 3));
  });
});
