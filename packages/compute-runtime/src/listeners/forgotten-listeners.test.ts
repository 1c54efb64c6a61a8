/** Marks and checkpoints of listeners that are deployed no more: how long they stay, and that they go. */

import { GridError, type PartitionId } from '@ashlar/core';
import { partitionLockId } from '@ashlar/partitions';
import { jest } from '@jest/globals';
import type { ForgetTimes } from './forgotten-listeners.ts';
import { type BenchMember, ListenerBench, PARTITIONS, SOURCE, TARGET, until } from './testing/listener-bench.ts';

const WAIT_MS = 1000;
const KEYS = Array.from({ length: 40 }, (_, key) => key);

/** Time that only moves when told, for alarms too. */
class ManualTimes implements ForgetTimes {
  readonly waitMs = WAIT_MS;
  #ms = 0;
  #alarms: { readonly atMs: number; readonly run: () => void }[] = [];
  readonly nowMs = (): number => this.#ms;
  readonly later = (ms: number, run: () => void): (() => void) => {
    const alarm = { atMs: this.#ms + ms, run };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((one) => one !== alarm);
    };
  };

  get hasAlarms(): boolean {
    return this.#alarms.length > 0;
  }

  /** Alarms that are due ring, and what they do ends, as far as it does not wait for others. */
  async pass(ms: number): Promise<void> {
    this.#ms += ms;
    const due = this.#alarms.filter(({ atMs }) => atMs <= this.#ms);
    this.#alarms = this.#alarms.filter(({ atMs }) => atMs > this.#ms);
    for (const { run } of due) run();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

let bench: ListenerBench;
let times: ManualTimes;
let members: readonly [BenchMember, BenchMember];

beforeEach(async () => {
  times = new ManualTimes();
  bench = await ListenerBench.start({ members: 2, forgetTimes: times });
  members = bench.members as unknown as [BenchMember, BenchMember];
  await bench.deploy();
});

afterEach(() => bench.close());

async function copyAll(value: number): Promise<void> {
  for (const key of KEYS) await bench.put(SOURCE, key, value);
  await until(() => KEYS.every((key) => bench.get(TARGET, ['copy', key, value] as never) === value));
  await until(() => members.every(({ door }) => door.relay.undelivered === 0));
}

function recordsLeft(): number {
  return members.reduce((sum, { listenerRecords }) => sum + listenerRecords, 0);
}

async function undeploy(): Promise<void> {
  await bench.undeploy();
  // Checkpoints go at once: what is left are marks.
  await until(() =>
    members.every((member) => member.control.ownPartitions.every((id) => member.checkpoint(id) === undefined)),
  );
  await times.pass(0);
}

describe('the marks of a listener', () => {
  it('are one for each pair of partitions, however many events there are', async () => {
    for (let value = 1; value <= 5; value++) await copyAll(value);
    expect(recordsLeft()).toBeLessThanOrEqual(PARTITIONS + PARTITIONS * (PARTITIONS - 1));
    expect(recordsLeft()).toBeGreaterThan(PARTITIONS);
  });

  it('outlive it for as long as late copies may arrive, and then go', async () => {
    await copyAll(1);
    await undeploy();
    const marks = recordsLeft();
    expect(marks).toBeGreaterThan(0);
    await times.pass(WAIT_MS - 1);
    expect(recordsLeft()).toBe(marks);
    await times.pass(1);
    expect(recordsLeft()).toBe(0);
    expect(times.hasAlarms).toBe(false);
  });

  it('stay as long as it still delivers, and their time begins then', async () => {
    const [first, second] = members;
    const cut = Promise.withResolvers<void>();
    first.fault = async (pass) => {
      await cut.promise;
      return pass();
    };
    for (const key of KEYS) await bench.put(SOURCE, key, 1);
    await until(() => first.door.relay.undelivered > 0 && second.door.relay.undelivered === 0);
    await bench.undeploy();
    // A sweep for another one finds this one at work.
    await times.pass(WAIT_MS);
    await times.pass(WAIT_MS);
    cut.resolve();
    await until(() => first.control.ownPartitions.every((id) => first.checkpoint(id) === undefined));
    await times.pass(WAIT_MS - 1);
    expect(first.listenerRecords).toBeGreaterThan(0);
    await times.pass(1);
    expect(first.listenerRecords).toBe(0);
  });

  it('go in time, however often partitions come and go meanwhile', async () => {
    await copyAll(1);
    await undeploy();
    for (let moves = 0; moves < 10; moves++) {
      const [from, to] = moves % 2 === 0 ? members : [members[1], members[0]];
      bench.move(from.control.ownPartitions[0]!, to);
      await times.pass(WAIT_MS / 5);
    }
    expect(recordsLeft()).toBe(0);
  });

  it('that come with a partition to a member which never had the listener go, too', async () => {
    await copyAll(1);
    await undeploy();
    // As after a restart: nobody here knows since when it is gone.
    await Promise.all(members.map((member) => member.restart()));
    await times.pass(WAIT_MS);
    expect(recordsLeft()).toBeGreaterThan(0);
    await times.pass(WAIT_MS);
    expect(recordsLeft()).toBe(0);
  });

  it('stay where it is deployed again in time, and late copies change nothing', async () => {
    const late: (() => Promise<Uint8Array>)[] = [];
    for (const member of members) {
      member.fault = (pass) => {
        late.push(pass);
        return pass();
      };
    }
    await copyAll(1);
    await undeploy();
    await times.pass(WAIT_MS / 2);
    await bench.deploy();
    await times.pass(WAIT_MS * 2);
    const puts = members.map((member) => member.putsOf(TARGET).length);
    for (const copy of late.splice(0)) await copy();
    expect(members.map((member) => member.putsOf(TARGET).length)).toEqual(puts);
    await copyAll(2);
  });

  it('and its checkpoints stay where it is deployed again while they wait to be taken away', async () => {
    await copyAll(1);
    await undeploy();
    const marks = recordsLeft();
    const names = members.map(({ control }) => control.ownPartitions.map(partitionLockId));
    for (const [at, { gate }] of members.entries()) for (const name of names[at]!) gate.hold(name);
    await times.pass(WAIT_MS);
    expect(recordsLeft()).toBe(marks);
    const deploying = bench.deploy();
    await until(() => members.every(({ control }) => control.catalog.modules.length > 0));
    for (const [at, { gate }] of members.entries()) for (const name of names[at]!) gate.release(name);
    await deploying;
    expect(recordsLeft()).toBe(marks + PARTITIONS);
    await copyAll(2);
  });

  it('are taken away later where that fails', async () => {
    await copyAll(1);
    await undeploy();
    const [first] = members;
    const marks = first.listenerRecords;
    const refusing = jest.spyOn(first.writes, 'begin').mockImplementation(() => {
      throw new GridError('OVERLOADED', 'too many batches are under way');
    });
    await times.pass(WAIT_MS);
    expect(first.listenerRecords).toBe(marks);
    refusing.mockRestore();
    await times.pass(WAIT_MS / 10);
    expect(recordsLeft()).toBe(0);
  });
});

describe('an outbox', () => {
  it('is dropped only once each of its parts is committed with its mark', async () => {
    await bench.close();
    bench = await ListenerBench.start({ members: 2, lateMs: 5, seed: 3 });
    members = bench.members as unknown as [BenchMember, BenchMember];
    const last = new Map<string, ReturnType<BenchMember['checkpoint']>>();
    let dropped = 0;
    const early: string[] = [];
    const follow = (member: BenchMember, source: PartitionId): void => {
      const name = `${member.id} ${source}`;
      const before = last.get(name);
      const now = member.checkpoint(source);
      last.set(name, now);
      if (before?.outbox === undefined || before.sequence === now?.sequence) return;
      for (const { partition } of before.outbox.parts) {
        const mark = bench.ownerOf(partition).mark(partition, source);
        if (mark === undefined || mark.sequence < before.outbox.sequence) early.push(`${name} to ${partition}`);
        dropped += 1;
      }
    };
    for (const member of members) {
      member.store.addCommitListener((partition) => follow(member, partition));
      let count = 0;
      member.fault = async (pass) => {
        count += 1;
        if (count % 3 === 0) throw new GridError('CONNECTION_LOST', 'it was never sent');
        const answer = await pass();
        if (count % 5 === 0) throw new GridError('CONNECTION_LOST', 'the answer is lost');
        return answer;
      };
    }
    await bench.deploy();
    for (let value = 1; value <= 5; value++) await copyAll(value);
    expect([early, dropped > 20]).toEqual([[], true]);
  });
});
