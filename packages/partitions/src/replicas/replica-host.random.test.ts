/**
 * Hosts over real stores under faults drawn by lot, one after the other, against a twin that only remembers: what was acknowledged is
 * read by whoever may answer, at every moment; and what lies in the copies of a set is the same in the end.
 */
import { memberOfReplica, type PartitionId, type Random, seededRandom } from '@ashlar/core';
import { HostGrid, type HostMember } from './testing/host-grid.ts';

const PARTITIONS = 3;
const KEYS = 4;
const NAMES = ['a', 'b', 'c'];

/** What was written to one key: values count up. */
interface Written {
  last: number;
  acknowledged: number;
  /** Values above the acknowledged one of which nobody knows whether they are there. */
  readonly doubtful: Set<number>;
}

class Run {
  readonly grid: HostGrid;
  readonly random: Random;
  readonly written: Written[][];

  constructor(grid: HostGrid, random: Random) {
    this.grid = grid;
    this.random = random;
    this.written = Array.from({ length: PARTITIONS }, () =>
      Array.from({ length: KEYS }, () => ({ last: 0, acknowledged: 0, doubtful: new Set<number>() })),
    );
  }

  #running(): readonly HostMember[] {
    return [...this.grid.members].flatMap(([name, member]) => (this.grid.isPaused(name) ? [] : [member]));
  }

  /** A write of one partition, or of two that a member leads. */
  write(): void {
    const members = this.#running();
    const member = members[this.random.below(members.length)];
    const led = Array.from({ length: PARTITIONS }, (_, partition) => partition).filter(
      (partition) => member?.host.served.writeRefusal(partition) === undefined,
    );
    if (member === undefined || led.length === 0) return;
    const partitions = new Set([led[this.random.below(led.length)]!, led[this.random.below(led.length)]!]);
    const key = this.random.below(KEYS);
    const batch = member.writes.begin();
    const values = new Map([...partitions].map((partition) => [partition, ++this.written[partition]![key]!.last]));
    for (const [partition, value] of values) {
      member.stage(batch, partition, key, value);
      this.written[partition]![key]!.doubtful.add(value);
    }
    member.writes.submit(batch);
    const decided = (): void => {
      for (const [partition, value] of values)
        if (batch.state === 'committed' && !batch.lostPartitions.includes(partition as never))
          this.#acknowledge(this.written[partition]![key]!, value);
    };
    if (batch.state === 'sealed') batch.whenDecided(decided);
    else decided();
  }

  #acknowledge(written: Written, value: number): void {
    if (value < written.acknowledged) return;
    written.acknowledged = value;
    for (const other of written.doubtful) if (other <= value) written.doubtful.delete(other);
  }

  /** Whoever may answer answers with the newest. */
  checkReads(): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const answering = this.#running().filter(({ host }) => host.served.readRefusal(partition) === undefined);
      if (answering.length > 1) throw new Error(`${answering.length} members answer for partition ${partition}`);
      for (const member of answering) this.#checkAt(member, partition);
    }
  }

  #checkAt(member: HostMember, partition: number): void {
    for (let key = 0; key < KEYS; key++) {
      const { acknowledged, doubtful } = this.written[partition]![key]!;
      const found = Number(member.get(partition, key) ?? 0);
      if (found === acknowledged || doubtful.has(found)) continue;
      const where = `key ${key} of partition ${partition} at ${member.replica}, ${this.grid.nowMs} ms`;
      throw new Error(`${where}: ${found} is read, ${acknowledged} was acknowledged`);
    }
  }

  /** All copies of a set are the same. */
  checkCopies(): void {
    const { grid } = this;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { inSync } = grid.table.partitions[partition]!;
      const copies = inSync.map((replica) => {
        const member = grid.memberOf(replica)!;
        const { incarnation } = member.store.logInfo(partition as PartitionId);
        return [incarnation, ...Array.from({ length: KEYS }, (_, key) => member.get(partition, key))];
      });
      for (const copy of copies) expect(copy).toEqual(copies[0]);
    }
    for (const { store } of grid.members.values()) store.checkInvariants();
  }

  async load(ms: number): Promise<void> {
    for (const endMs = this.grid.nowMs + ms; this.grid.nowMs < endMs; ) {
      for (let count = this.random.below(4); count > 0; count--) this.write();
      await this.grid.advance(this.random.next() * 3);
      this.checkReads();
    }
  }

  /** One fault, and its end. */
  async fault(): Promise<void> {
    const { grid } = this;
    const name = NAMES[this.random.below(NAMES.length)]!;
    switch (this.random.below(6)) {
      case 0:
        grid.kill(name);
        // Before anybody has noticed, now and then.
        await this.load(this.random.next() < 0.4 ? 20 : 1500);
        grid.startMember(name);
        return;
      case 1:
        grid.cutOff.add(name);
        await this.load(200 + this.random.below(2000));
        grid.cutOff.clear();
        return;
      case 2:
        grid.pause(name);
        await this.load(100 + this.random.below(3000));
        grid.goOn(name, () => this.checkReads());
        return;
      case 4: {
        // As a machine that is suspended: its monotonic clock stands still, too.
        const beganMs = grid.nowMs;
        grid.pause(name);
        await this.load(100 + this.random.below(3000));
        grid.members.get(name)!.suspendedMs += grid.nowMs - beganMs;
        grid.goOn(name, () => this.checkReads());
        return;
      }
      case 3:
        grid.isLost = ({ from }) => memberOfReplica(from as never) === name && this.random.next() < 0.5;
        await this.load(200 + this.random.below(1500));
        grid.isLost = undefined;
        return;
      default: {
        const leaving = grid.members.get(name)!;
        void leaving.host.leave();
        await this.load(3500);
        grid.kill(name);
        grid.startMember(name);
      }
    }
  }
}

describe('hosts under faults', () => {
  it.each([
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((seed) => ({ seed, commitDelayMs: 0 })),
    ...[11, 12, 13, 14].map((seed) => ({ seed, commitDelayMs: 20 })),
  ])(
    'keep what they acknowledge, and answer with the newest: $seed, commits $commitDelayMs ms late',
    async (options) => {
      const { seed, commitDelayMs } = options;
      const random = seededRandom(seed);
      const backups = 1 + (seed % 2);
      const grid = await HostGrid.start({ names: NAMES, partitionCount: PARTITIONS, backups, commitDelayMs });
      const run = new Run(grid, random);
      for (let count = 0; count < 4; count++) {
        await run.load(200);
        await run.fault();
        await grid.until(() => grid.isWhole, 20_000);
      }
      await grid.advance(300);
      run.checkReads();
      run.checkCopies();
      expect(grid.failures).toEqual([]);
    },
  );
});
