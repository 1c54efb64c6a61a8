import { type MemberId, type ReplicaId, replicaIdOf } from '@ashlar/core';
import { EmbeddedCoordinator } from '../embedded-coordinator.ts';
import type { ControlState } from '../step.ts';
import { completions, creates, joins, ManualControl, MemoryKeeper, rowsOf } from '../testing/index.ts';

const PARTITIONS = 16;
const STEP_MS = 50;
const [A, B, C] = ['a', 'b', 'c'].map((name) => replicaOf(name)) as [ReplicaId, ReplicaId, ReplicaId];

function replicaOf(name: string, incarnation = 'one'): ReplicaId {
  return replicaIdOf(name as MemberId, incarnation);
}

let runs = 0;

class Bench {
  readonly keeper: MemoryKeeper;
  readonly time: ManualControl;
  readonly coordinator: EmbeddedCoordinator;
  #number = 0;

  constructor(keeper = new MemoryKeeper(), time = new ManualControl()) {
    this.keeper = keeper;
    this.time = time;
    this.coordinator = new EmbeddedCoordinator({
      ...{ partitionCount: PARTITIONS, expectedMembers: 3, backups: 1, keeper, control: this.time },
      newGridId: () => `name-${++runs}`,
    });
  }

  /** A grid of a, b and c that serves; its coordinator is in a. */
  static async serving(): Promise<Bench> {
    const bench = new Bench();
    for (const name of ['a', 'b', 'c']) await bench.coordinator.submit(joins(name));
    await bench.coordinator.submit(creates('x'));
    await bench.complete(A, B, C);
    return bench;
  }

  get state(): ControlState {
    return this.coordinator.state;
  }

  get rows() {
    return rowsOf(this.state.table);
  }

  async complete(...living: readonly ReplicaId[]): Promise<void> {
    await this.coordinator.transact({ id: 1, changes: completions(this.state.table, living) });
  }

  renew(replica: ReplicaId) {
    return this.coordinator.renew(replica, { number: ++this.#number, ceiling: this.time.version() });
  }

  async live(ms: number, ...replicas: readonly ReplicaId[]): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
      for (const replica of replicas) await this.renew(replica);
      this.time.pass(STEP_MS);
    }
  }

  /** The process of the coordinator ends; another one begins with what was kept. */
  restart(keeper = this.keeper): Bench {
    this.coordinator.close();
    return new Bench(keeper);
  }
}

/** What was kept at some moment. */
function copyOf(keeper: MemoryKeeper): MemoryKeeper {
  const copy = new MemoryKeeper();
  copy.save(keeper.load()!);
  return copy;
}

const partitionsWith = (bench: Bench, replica: ReplicaId): number[] =>
  bench.rows.flatMap(({ inSync }, partition) => (inSync.includes(replica) ? [partition] : []));

describe('a coordinator with copies that is started again', () => {
  it('goes on from what was kept, and gives its own process partitions to others', async () => {
    const first = await Bench.serving();
    const held = first.state;
    const second = first.restart();
    expect(second.rows).toEqual(first.rows);
    expect(second.state.table.tableVersion).toBe(held.table.tableVersion + 1);
    await second.coordinator.submit(joins('a', 'two'));
    for (const name of ['b', 'c']) await second.coordinator.submit(joins(name, 'one', held));
    expect(second.state.table.awaited).toEqual([]);
    await second.live(100, B, C, replicaOf('a', 'two'));
    for (const [partition, { primary, phase }] of second.rows.entries()) {
      const before = first.rows[partition]!;
      if (before.primary === A)
        expect([phase, before.inSync.includes(primary!), primary === A]).toEqual(['promoting', true, false]);
      else expect([phase, primary]).toEqual(['serving', before.primary]);
    }
  });

  it('Y2: changes nothing, and gives no lease, by who has not shown what it holds', async () => {
    const first = await Bench.serving();
    const held = first.state;
    const second = first.restart();
    await second.coordinator.submit(joins('a', 'two'));
    expect(await second.renew(B)).toBeUndefined();
    const [change] = [{ kind: 'register', replica: B, replaces: undefined } as const];
    await expect(second.coordinator.transact({ id: 1, changes: [change] })).rejects.toMatchObject({
      ...{ code: 'MEMBER_UNREACHABLE', retryable: true, message: expect.stringContaining("'b'") },
    });
    const { tableVersion } = second.state.table;
    await second.live(500, B, C, replicaOf('a', 'two'));
    expect(second.state.table.tableVersion).toBe(tableVersion);
    await second.coordinator.submit(joins('b', 'one', held));
    expect(await second.renew(B)).toMatchObject({ tableVersion: tableVersion + 1 });
    await second.live(900, B, replicaOf('a', 'two'));
    const { members } = second.state.table.replicas!;
    expect(members.filter(({ isAlive }) => isAlive).map(({ replica }) => replica)).toEqual([replicaOf('a', 'two'), B]);
    for (const { primary, inSync } of second.rows) if (inSync.includes(B)) expect(primary).toBe(B);
  });

  it('K1: takes nobody for dead before it could have heard of it', async () => {
    const first = await Bench.serving();
    const held = first.state;
    await first.live(300, A, B, C);
    const second = first.restart();
    await second.coordinator.submit(joins('a', 'two'));
    for (const name of ['b', 'c']) await second.coordinator.submit(joins(name, 'one', held));
    second.time.pass(700);
    expect(second.state.table.replicas!.members.every(({ isAlive }) => isAlive)).toBe(true);
    second.time.pass(200);
    expect(second.state.table.replicas!.members.some(({ isAlive }) => isAlive)).toBe(false);
  });

  it('E3: refuses an older table that was restored, and changes nothing any more', async () => {
    const first = await Bench.serving();
    const older = copyOf(first.keeper);
    await first.live(1000, A, B);
    const held = first.state;
    expect(held.table.tableVersion).toBeGreaterThan(older.load()!.table.tableVersion);
    const second = first.restart(older);
    await second.coordinator.submit(joins('a', 'two'));
    const refused = { code: 'GRID_CONFLICT', hint: expect.stringContaining('dataDirectory'), message: /older \(table/ };
    await expect(second.coordinator.submit(joins('b', 'one', held))).rejects.toMatchObject(refused);
    const { table } = second.state;
    for (const asked of [
      second.coordinator.submit(joins('c', 'one')),
      second.coordinator.submit(creates('y')),
      second.coordinator.transact({ id: 1, changes: [] }),
      second.renew(B),
      second.coordinator.recover([]),
    ]) {
      await expect(asked).rejects.toMatchObject(refused);
    }
    second.time.pass(5000);
    expect(second.state.table).toBe(table);
    expect(second.time.refusals).toEqual([second.coordinator.refusal]);
  });

  it('E3: refuses a table that is older by a single change, which its own first one must not make up for', async () => {
    const first = await Bench.serving();
    const older = copyOf(first.keeper);
    const held = await first.coordinator.submit(joins('b', 'two'));
    expect(held.table.tableVersion).toBe(older.load()!.table.tableVersion + 1);
    const second = first.restart(older);
    await expect(second.coordinator.submit(joins('c', 'one', held))).rejects.toMatchObject({ code: 'GRID_CONFLICT' });
  });

  it('E3: refuses an older catalog that was restored', async () => {
    const first = await Bench.serving();
    const older = copyOf(first.keeper);
    const held = await first.coordinator.submit(creates('later'));
    const second = first.restart(older);
    await expect(second.coordinator.submit(joins('b', 'one', held))).rejects.toMatchObject({ code: 'GRID_CONFLICT' });
  });

  it('E3: takes nobody who has heard of its own run for one that knows more', async () => {
    const first = await Bench.serving();
    const second = first.restart();
    await second.coordinator.submit(joins('a', 'two'));
    const heard = await second.coordinator.submit(creates('y'));
    expect((await second.coordinator.submit(joins('b', 'one', heard))).table.awaited).toEqual(['c']);
  });
});

describe('a coordinator with copies that lost what it kept', () => {
  const lost = async () => {
    const first = await Bench.serving();
    const held = first.state;
    const second = first.restart(new MemoryKeeper());
    await second.coordinator.submit(joins('a', 'two'));
    return { first, held, second };
  };

  it('G1: waits until every member of the newest table is there, and says who is missing', async () => {
    const { first, held, second } = await lost();
    const missing = { code: 'MEMBER_UNREACHABLE', retryable: true, message: /it awaits c$/, hint: expect.any(String) };
    for (let tries = 0; tries < 2; tries++) {
      await expect(second.coordinator.submit(joins('b', 'one', held))).rejects.toMatchObject(missing);
    }
    expect([second.state.table.owners, await second.renew(B)]).toEqual([[], undefined]);
    const { table, catalog } = await second.coordinator.submit(joins('c', 'one', held));
    expect([table.gridId, table.members.map(({ id, incarnation }) => `${id}#${incarnation}`)]).toEqual([
      ...[held.table.gridId, ['a#two', 'b#one', 'c#one']],
    ]);
    expect(table.tableVersion).toBeGreaterThan(held.table.tableVersion + 1000);
    expect(catalog.maps).toEqual(held.catalog.maps);
    expect(second.rows).toEqual(first.rows);
    await second.live(100, B, C, replicaOf('a', 'two'));
    for (const [partition, { primary }] of second.rows.entries()) {
      expect(first.rows[partition]!.inSync.filter((one) => one !== A)).toContain(primary);
    }
    expect(second.keeper.load()!.table.gridId).toBe(held.table.gridId);
  });

  it('G1: goes on with the newest table and the newest catalog, whoever holds them', async () => {
    const first = await Bench.serving();
    const early = first.state;
    const { catalog } = await first.coordinator.submit(creates('y'));
    const two = { table: early.table, catalog };
    await first.live(1000, B, C);
    await first.complete(B, C);
    const newer = { ...first.state, catalog: early.catalog };
    const second = first.restart(new MemoryKeeper());
    await second.coordinator.submit(joins('a', 'two'));
    await expect(second.coordinator.submit(joins('c', 'one', newer))).rejects.toMatchObject({ message: /awaits b$/ });
    await second.coordinator.submit(joins('b', 'one', two));
    expect(second.rows).toEqual(first.rows);
    expect(second.state.catalog.maps.map(({ name }) => name)).toEqual(['x', 'y']);
  });

  it('G1: a member that was started again, too, holds nothing, and is there', async () => {
    const { held, second } = await lost();
    await second.coordinator.submit(joins('c', 'two'));
    const { table } = await second.coordinator.submit(joins('b', 'one', held));
    expect(table.gridId).toBe(held.table.gridId);
    await second.live(100, B, replicaOf('c', 'two'), replicaOf('a', 'two'));
    for (const { primary, phase, inSync } of second.rows) {
      if (phase === 'lost') expect(inSync).toEqual([]);
      else expect(primary).toBe(B);
    }
    expect(second.state.table.lost).toEqual(
      held.table.replicas!.partitions.flatMap(({ inSync }, partition) => (inSync.includes(B) ? [] : [partition])),
    );
  });

  it('G2: gives a member up by an operator, who names all that is concerned', async () => {
    const { first, held, second } = await lost();
    await second.coordinator.submit(joins('b', 'one', held)).catch(() => undefined);
    const concerned = partitionsWith(first, C);
    await expect(second.coordinator.recover(concerned.slice(1))).rejects.toMatchObject({
      ...{ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`partitions ${concerned[0]}, too`) },
    });
    expect(second.state.table.owners).toEqual([]);
    const { recovered, table } = await second.coordinator.recover(concerned);
    expect(recovered).toEqual(concerned.filter((partition) => !table.lost.includes(partition)));
    await second.coordinator.submit(joins('b', 'one', held));
    await second.live(100, B, replicaOf('a', 'two'));
    for (const [partition, { phase, primary, inSync }] of second.rows.entries()) {
      const before = first.rows[partition]!.inSync;
      if (before.includes(B)) expect([primary, inSync.includes(C)]).toEqual([B, false]);
      else expect([partition, phase]).toEqual([partition, 'lost']);
    }
    // It was given up: it holds no lease, and comes back as another process only.
    expect(await second.renew(C)).toBeUndefined();
    await second.coordinator.submit(joins('c', 'two'));
    expect(await second.renew(replicaOf('c', 'two'))).toBeDefined();
    await second.live(1700, B, replicaOf('a', 'two'), replicaOf('c', 'two'));
    expect((await second.coordinator.recover([])).table.lost).toEqual([]);
  });

  it('refuses who holds yet another grid, or a grid without copies', async () => {
    const { held, second } = await lost();
    await second.coordinator.submit(joins('b', 'one', held)).catch(() => undefined);
    const other = { table: { ...held.table, gridId: 'other' }, catalog: { ...held.catalog, gridId: 'other' } };
    await expect(second.coordinator.submit(joins('c', 'one', other))).rejects.toMatchObject({ code: 'GRID_CONFLICT' });
    const plain = { ...held, table: { ...held.table, backups: 0, replicas: undefined } };
    await expect(second.coordinator.submit(joins('c', 'one', plain))).rejects.toMatchObject({
      ...{ code: 'GRID_CONFLICT', hint: expect.stringContaining('cluster.backups=0') },
    });
  });

  it('takes nobody in meanwhile who does not belong to the grid that was found', async () => {
    const { held, second } = await lost();
    await second.coordinator.submit(joins('b', 'one', held)).catch(() => undefined);
    await expect(second.coordinator.submit(joins('d'))).rejects.toMatchObject({
      ...{ code: 'GRID_CONFLICT', message: expect.stringContaining('a, b, c') },
    });
    const { table } = await second.coordinator.submit(joins('c', 'two'));
    expect(table.members.map(({ id }) => id)).toEqual(['a', 'c']);
  });

  it('begins a new grid where nobody holds anything', async () => {
    const { held, second } = await lost();
    for (const name of ['b', 'c']) await second.coordinator.submit(joins(name, 'two'));
    expect(second.state.table.gridId).not.toBe(held.table.gridId);
    expect(second.state.table.owners).toHaveLength(PARTITIONS);
  });

  it('has no member leave a grid for one that is complete', async () => {
    const { held, second } = await lost();
    for (const name of ['b', 'c']) await second.coordinator.submit(joins(name, 'two'));
    await expect(second.coordinator.submit(joins('b', 'one', held))).rejects.toMatchObject({ code: 'GRID_CONFLICT' });
    expect(second.state.table.members.map(({ incarnation }) => incarnation)).toEqual(['two', 'two', 'two']);
  });
});

describe('the controller at work', () => {
  it('Y1: takes nobody for dead because it was suspended itself', async () => {
    const bench = await Bench.serving();
    await bench.live(300, A, B, C);
    const { tableVersion } = bench.state.table;
    bench.time.suspend(5000);
    bench.time.pass(STEP_MS);
    await bench.live(1000, A, B, C);
    expect(bench.state.table.tableVersion).toBe(tableVersion);
    await bench.live(1000, A, B);
    expect(bench.state.table.replicas!.members.map(({ isAlive }) => isAlive)).toEqual([true, true, false]);
  });

  it('tries again when the table could not be kept, and nobody has seen another one', async () => {
    const bench = await Bench.serving();
    const { table } = bench.state;
    const save = bench.keeper.save.bind(bench.keeper);
    const told: number[] = [];
    bench.coordinator.watchTable(({ tableVersion }) => told.push(tableVersion));
    bench.keeper.save = () => {
      throw new Error('the disk is full');
    };
    await bench.live(1000, A, B);
    expect([bench.state.table, told.length, bench.time.failures.length > 0]).toEqual([table, 0, true]);
    bench.keeper.save = save;
    await bench.live(STEP_MS, A, B);
    expect(bench.state.table.replicas!.members.map(({ isAlive }) => isAlive)).toEqual([true, true, false]);
  });

  it('Y3: keeps transactions together that come closely one after the other, and answers each', async () => {
    const bench = new Bench(new MemoryKeeper(), new ManualControl(50));
    for (const name of ['a', 'b', 'c']) await bench.coordinator.submit(joins(name));
    const changes = completions(bench.state.table, [A, B, C]);
    const [saved, { tableVersion }] = [bench.keeper.saved, bench.state.table];
    const first = await bench.coordinator.transact({ id: 1, changes: changes.slice(0, 4) });
    expect([first.tableVersion, bench.keeper.saved]).toEqual([tableVersion + 1, saved + 1]);
    const later = changes.slice(4).map((change) => bench.coordinator.transact({ id: 2, changes: [change] }));
    expect(bench.keeper.saved).toBe(saved + 1);
    bench.time.pass(STEP_MS / 2);
    expect(bench.keeper.saved).toBe(saved + 1);
    bench.time.pass(STEP_MS / 2);
    const answers = await Promise.all(later);
    expect(bench.keeper.saved).toBe(saved + 2);
    expect(new Set(answers.map((table) => table.tableVersion))).toEqual(new Set([tableVersion + 2]));
    expect(bench.rows.every(({ phase }) => phase === 'serving')).toBe(true);
    const waiting = bench.coordinator.transact({ id: 3, changes: [] });
    bench.coordinator.close();
    await expect(waiting).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
  });

  it('Y3: answers all of those that were gathered where the table cannot be kept', async () => {
    const bench = new Bench(new MemoryKeeper(), new ManualControl(50));
    for (const name of ['a', 'b', 'c']) await bench.coordinator.submit(joins(name));
    const { table } = bench.state;
    await bench.coordinator.transact({ id: 1, changes: [] });
    const waiting = completions(table, [A, B, C]).map((change) =>
      bench.coordinator.transact({ id: 2, changes: [change] }),
    );
    bench.keeper.save = () => {
      throw new Error('the disk is full');
    };
    bench.time.pass(STEP_MS);
    for (const one of waiting) await expect(one).rejects.toThrow('the disk is full');
    expect(bench.state.table).toBe(table);
  });

  it('Y3: takes what has gathered along with one for which writers wait, and that one waits but for a moment', async () => {
    const bench = new Bench(new MemoryKeeper(), new ManualControl(1000, STEP_MS));
    for (const name of ['a', 'b', 'c']) await bench.coordinator.submit(joins(name));
    const [first, ...others] = completions(bench.state.table, [A, B, C]);
    await bench.coordinator.transact({ id: 1, changes: [first!] });
    const { saved } = bench.keeper;
    const patient = bench.coordinator.transact({ id: 2, changes: [] });
    bench.time.pass(3 * STEP_MS);
    const answered: string[] = [];
    const urgent = bench.coordinator.transact({ id: 3, changes: others });
    void patient.then(() => answered.push('patient'));
    void urgent.then(() => answered.push('urgent'));
    await Promise.all([patient, urgent]);
    expect([answered, bench.keeper.saved]).toEqual([['patient', 'urgent'], saved + 1]);
    expect(bench.rows.every(({ phase }) => phase === 'serving')).toBe(true);
  });

  it('Y3: a primary that leaves a silent backup behind does not wait with those that let copies in', async () => {
    const bench = new Bench(new MemoryKeeper(), new ManualControl(1000, 0));
    for (const name of ['a', 'b', 'c']) await bench.coordinator.submit(joins(name));
    await bench.complete(A, B, C);
    const row = bench.rows[0]!;
    const set = { kind: 'setInSync', partition: 0, epoch: row.epoch, by: row.primary! } as const;
    const shrunk = { ...set, revision: row.revision, inSync: [row.primary!] };
    const { replicas } = await bench.coordinator.transact({ id: 2, changes: [shrunk] });
    const grown = { ...set, revision: replicas!.partitions[0]!.revision, inSync: row.inSync };
    let isAnswered = false;
    const growth = bench.coordinator.transact({ id: 3, changes: [grown] }).then(() => (isAnswered = true));
    bench.time.pass(900);
    await undefined;
    expect([isAnswered, bench.rows[0]!.inSync]).toEqual([false, [row.primary!]]);
    bench.time.pass(100);
    await growth;
    expect(bench.rows[0]!.inSync).toEqual(row.inSync);
  });

  it('ends with its coordinator', async () => {
    const bench = await Bench.serving();
    expect(bench.time.watched).toBe(1);
    bench.coordinator.close();
    expect(bench.time.watched).toBe(0);
  });
});
