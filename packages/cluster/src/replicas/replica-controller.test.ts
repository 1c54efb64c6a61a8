import {
  type MemberId,
  memberOfReplica,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  replicaIdOf,
  type Version,
} from '@ashlar/core';
import { ReplicaController } from './replica-controller.ts';
import { emptyReplicaTable, stepReplicas } from './replica-step.ts';

const OPTIONS = {
  ...{ copies: 2, expectedMembers: 3, membershipTtlMs: 800, promotionTimeoutMs: 4000, loneGraceMs: 1600 },
};
const PARTITIONS = 12;
const NOW = { version: 5_000_000 as Version };

function replica(name: string, incarnation = '1'): ReplicaId {
  return replicaIdOf(name as MemberId, incarnation);
}

/** A coordinator: one table, one controller, members that renew while they live. */
class Bench {
  table: ReplicaTable = emptyReplicaTable(PARTITIONS);
  nowMs = 0;
  controller = new ReplicaController(OPTIONS, 0);
  readonly living = new Set<ReplicaId>();
  #number = 0;

  step(...changes: readonly ReplicaChange[]): void {
    const { table, refused } = stepReplicas(this.table, changes);
    expect(refused).toEqual([]);
    this.table = table;
  }

  start(one: ReplicaId): void {
    const known = this.table.members.find((member) => memberOfReplica(member.replica) === memberOfReplica(one));
    const replaces = known === undefined || known.replica === one ? undefined : known.replica;
    this.living.add(one);
    this.step({ kind: 'register', replica: one, replaces });
    this.controller.onRegistration(one, this.nowMs);
  }

  /** Time passes, members renew, and the controller plans until there is nothing to do. */
  wait(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 50) {
      for (const one of this.living) this.renew(one);
      this.plan();
    }
  }

  renew(one: ReplicaId) {
    const asked = { number: ++this.#number, ceiling: (this.nowMs * 1000) as Version };
    return this.controller.onRenewal(this.table, one, asked, this.nowMs);
  }

  plan(): void {
    for (let count = 0; count < 10; count++) {
      const changes = this.controller.plan(this.table, this.nowMs);
      if (changes.length === 0) return;
      this.step(...changes);
    }
    throw new Error('the controller does not come to rest');
  }

  /** Named primaries do what they have to. */
  complete(): void {
    for (const [partition, row] of this.table.partitions.entries()) {
      const { phase, epoch, revision, primary, inSync } = row;
      if (phase !== 'promoting' || !this.living.has(primary!)) continue;
      const set = inSync.filter((one) => this.living.has(one));
      this.step({ kind: 'complete', partition, epoch, revision, by: primary!, inSync: set });
    }
  }

  phases(): string[] {
    return [...new Set(this.table.partitions.map(({ phase }) => phase))].sort();
  }
}

function served(): Bench {
  const bench = new Bench();
  for (const name of ['a', 'b', 'c']) bench.start(replica(name));
  bench.wait(100);
  bench.complete();
  expect(bench.phases()).toEqual(['serving']);
  return bench;
}

describe('a controller', () => {
  it('hands out the partitions when all members that are expected are there, each to as many as it has copies', () => {
    const bench = new Bench();
    bench.start(replica('a'));
    bench.start(replica('b'));
    bench.wait(2000);
    expect(bench.phases()).toEqual(['unassigned']);
    bench.start(replica('c'));
    bench.wait(50);
    for (const { inSync, wanted, primary } of bench.table.partitions) {
      expect([inSync.length, wanted.length, inSync[0]]).toEqual([2, 2, primary]);
    }
    const primaries = bench.table.partitions.map(({ primary }) => primary);
    for (const name of ['a', 'b', 'c']) {
      expect(primaries.filter((one) => one === replica(name))).toHaveLength(PARTITIONS / 3);
    }
  });

  it('replaces a primary that has not been heard of for its lease, out of the set, and has its copies made good', () => {
    const bench = served();
    const before = bench.table;
    bench.living.delete(replica('a'));
    bench.wait(800);
    expect(bench.table).toBe(before);
    bench.wait(100);
    expect(bench.table.members.find((one) => one.replica === replica('a'))!.isAlive).toBe(false);
    for (const [partition, row] of bench.table.partitions.entries()) {
      const old = before.partitions[partition]!;
      const wasItsOwn = old.primary === replica('a');
      expect(row.phase).toBe(wasItsOwn ? 'promoting' : 'serving');
      expect(old.inSync).toContain(row.primary);
      expect(row.primary).not.toBe(replica('a'));
    }
    bench.complete();
    bench.wait(50);
    for (const { wanted } of bench.table.partitions) expect([...wanted].sort()).toEqual(['b', 'c']);
  });

  it('wants copies again at a member that is back, beside whoever is primary by now (K6)', () => {
    const bench = served();
    const placed = bench.table.partitions.map(({ wanted }) => [...wanted].sort());
    bench.living.delete(replica('a'));
    bench.wait(900);
    bench.complete();
    bench.wait(50);
    bench.start(replica('a', '2'));
    bench.wait(50);
    for (const [partition, { wanted, primary, phase }] of bench.table.partitions.entries()) {
      expect([phase, wanted[0]]).toEqual(['serving', memberOfReplica(primary!)]);
      expect([...wanted].sort()).toEqual(placed[partition]);
    }
    const { table } = bench;
    bench.wait(1000);
    expect(bench.table).toBe(table);
  });

  it('counts from its own start: it has heard of nobody yet (K1)', () => {
    const bench = served();
    const before = bench.table;
    bench.nowMs += 60_000;
    bench.controller = new ReplicaController(OPTIONS, bench.nowMs);
    bench.plan();
    expect(bench.table).toBe(before);
    bench.wait(2000);
    expect(bench.table).toBe(before);
  });

  it('gives a promotion that takes too long, or whose member died, to another (K3)', () => {
    const bench = served();
    const partition = bench.table.partitions.findIndex(({ primary }) => primary === replica('a'));
    const row = () => bench.table.partitions[partition]!;
    const { epoch, revision } = row();
    bench.step({ kind: 'nominate', partition, epoch, revision, primary: row().inSync[1]! });
    const [first, named] = [row().epoch, row().primary];
    bench.wait(4000);
    expect([row().epoch, row().primary]).toEqual([first, named]);
    bench.wait(150);
    expect(row().epoch).toBeGreaterThan(first);
    expect(row().primary).toBe(replica('a'));
    bench.living.delete(replica('a'));
    bench.wait(900);
    expect([row().phase, row().primary]).toEqual(['promoting', named]);
  });

  it('waits for members that may come back, and tells a loss only when none can (K2)', () => {
    const bench = served();
    for (const name of ['a', 'b', 'c']) bench.living.delete(replica(name));
    bench.wait(5000);
    expect(bench.table.partitions.some(({ phase }) => phase === 'lost')).toBe(false);
    bench.start(replica('a', '2'));
    bench.start(replica('b', '2'));
    bench.wait(100);
    for (const { phase, inSync, wanted } of bench.table.partitions) {
      const isWithC = wanted.includes('c' as MemberId);
      expect(phase === 'lost').toBe(!isWithC);
      if (isWithC) expect(inSync).toContain(replica('c'));
    }
    bench.start(replica('c'));
    bench.wait(100);
    // What it is the primary of it goes on serving, with all that it had; it is named for what others served.
    for (const { phase, primary, wanted } of bench.table.partitions) {
      if (wanted.includes('c' as MemberId)) expect(primary).toBe(replica('c'));
      else expect(phase).toBe('lost');
    }
    expect(bench.phases()).toEqual(['lost', 'promoting', 'serving']);
  });

  it('lets nobody recover a lost partition before lease and grace of who may still serve it have passed (K4)', () => {
    const bench = served();
    bench.living.clear();
    for (const name of ['a', 'b', 'c']) bench.renew(replica(name));
    for (const name of ['a', 'b', 'c']) bench.start(replica(name, '2'));
    bench.plan();
    expect(bench.phases()).toEqual(['lost']);
    const partitions = [0, 1, 2];
    const early = bench.controller.recover(bench.table, partitions, { ms: bench.nowMs, ...NOW });
    expect(early).toEqual({ afterMs: bench.nowMs + OPTIONS.loneGraceMs });
    bench.wait(OPTIONS.loneGraceMs);
    const recovered = bench.controller.recover(bench.table, partitions, { ms: bench.nowMs, ...NOW });
    if (!('changes' in recovered)) throw new Error('it may be recovered by now');
    bench.step(...recovered.changes);
    for (const [partition, row] of bench.table.partitions.entries()) {
      expect(row.phase).toBe(partition < 3 ? 'promoting' : 'lost');
      if (partition < 3) expect(row).toMatchObject({ isFresh: true, versionFloor: NOW.version });
    }
    const none = bench.controller.recover(bench.table, [0], { ms: bench.nowMs, ...NOW });
    expect(none).toEqual({ changes: [] });
  });

  it('begins a recovered partition above what could be promised when it was lost, not above what others are promised since', () => {
    const bench = served();
    bench.living.clear();
    const promised = 6_000_000 as Version;
    const ask = (one: ReplicaId, ceiling: Version) =>
      bench.controller.onRenewal(bench.table, one, { number: 1000, ceiling }, bench.nowMs);
    ask(replica('a'), promised);
    for (const name of ['a', 'b', 'c']) bench.start(replica(name, '2'));
    bench.plan();
    bench.wait(OPTIONS.loneGraceMs);
    ask(replica('b', '2'), (promised + 1_000_000) as Version);
    const recovered = bench.controller.recover(bench.table, [0], { ms: bench.nowMs, ...NOW });
    expect(recovered).toMatchObject({ changes: [{ kind: 'recover', versionFloor: promised }] });
  });

  it('gives no lease to who is not registered, was replaced, or was taken for dead (K5)', () => {
    const bench = served();
    expect(bench.renew(replica('d'))).toBeUndefined();
    expect(bench.renew(replica('a'))).toMatchObject({ tableVersion: bench.table.version });
    bench.step({ kind: 'expire', replica: replica('a') });
    expect(bench.renew(replica('a'))).toBeUndefined();
    bench.start(replica('a'));
    expect(bench.renew(replica('a'))).toBeDefined();
    bench.start(replica('a', '2'));
    expect(bench.renew(replica('a'))).toBeUndefined();
    expect(bench.renew(replica('a', '2'))).toBeDefined();
  });

  it('plans again what did not come about', () => {
    const bench = served();
    bench.living.delete(replica('a'));
    bench.wait(750);
    bench.nowMs += 200;
    for (const one of bench.living) bench.renew(one);
    const [first, second] = [0, 1].map(() => bench.controller.plan(bench.table, bench.nowMs));
    expect(first).toEqual([{ kind: 'expire', replica: replica('a') }]);
    expect(second).toEqual(first);
    bench.step(...first!);
    const [third, fourth] = [0, 1].map(() => bench.controller.plan(bench.table, bench.nowMs));
    expect(third!.length).toBeGreaterThan(0);
    expect(fourth).toEqual(third);
  });
});
