/** The coordinator's contract for grids with copies, as tests: the same for every engine, from two handles on one history. */
import { type MemberId, type ReplicaChange, type ReplicaId, replicaIdOf } from '@ashlar/core';
import type { Coordinator } from '../coordinator.ts';
import { isReplicated } from '../replicas/replicated-table.ts';
import type { TableState } from '../table-state.ts';
import type { CoordinatorBench } from './coordinator-suite.ts';
import { ManualControl } from './manual-control.ts';
import { joins } from './values.ts';

const PARTITIONS = 16;
const STEP_MS = 50;
const A = replicaOf('a');
const B = replicaOf('b');

function replicaOf(name: string, incarnation = 'one'): ReplicaId {
  return replicaIdOf(name as MemberId, incarnation);
}

export function rowsOf(table: TableState) {
  if (!isReplicated(table)) throw new Error('it has no rows');
  return table.replicas.partitions;
}

/** What named primaries do in the end: each serves, with whoever of its set lives. */
export function completions(table: TableState, living: readonly ReplicaId[]): ReplicaChange[] {
  return rowsOf(table).flatMap(({ phase, epoch, revision, primary, inSync }, partition): ReplicaChange[] => {
    if (phase !== 'promoting' || !living.includes(primary!)) return [];
    const set = inSync.filter((one) => living.includes(one));
    return [{ kind: 'complete', partition, epoch, revision, by: primary!, inSync: set }];
  });
}

/** @param make  a new grid of 16 partitions, of a and b, with one backup, whose controller runs by the time that is given */
export function describeCopies(name: string, make: (control: ManualControl) => Promise<CoordinatorBench>): void {
  describe(`${name}, as every coordinator of a grid with copies,`, () => {
    let bench: CoordinatorBench;
    let one: Coordinator;
    let other: Coordinator;
    let time: ManualControl;
    let number = 0;

    beforeEach(async () => {
      time = new ManualControl();
      bench = await make(time);
      ({ one, other } = bench);
    });

    afterEach(() => bench.close());

    const transact = (changes: readonly ReplicaChange[], by = one): Promise<TableState> =>
      by.transact({ id: ++number, changes });
    const renew = (replica: ReplicaId, by = other) => by.renew(replica, { number: ++number, ceiling: time.version() });
    const newest = async (): Promise<TableState> => (await other.refresh()).table;

    /** Time passes, and these live. */
    const live = async (ms: number, ...replicas: readonly ReplicaId[]): Promise<void> => {
      for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
        for (const replica of replicas) await renew(replica);
        time.pass(STEP_MS);
      }
    };

    /** Both are there, and serve. */
    const serving = async (): Promise<TableState> => {
      await one.submit(joins('a'));
      const { table } = await other.submit(joins('b'));
      return transact(completions(table, [A, B]));
    };

    it('hands partitions out when all have joined; who serves owns them', async () => {
      await one.submit(joins('a'));
      const { table } = await other.submit(joins('b'));
      expect([table.backups, table.minInSync, table.owners]).toEqual([1, 1, Array(PARTITIONS).fill([])]);
      const served = await serving();
      for (const owners of served.owners) expect([...owners].sort()).toEqual([0, 1]);
      expect(await newest()).toEqual(served);
      expect(one.state.table).toEqual(served);
    });

    it('applies changes of rows once, however often they come, and none that does not fit', async () => {
      const table = await serving();
      const { epoch, revision, primary } = rowsOf(table)[3]!;
      const alone: ReplicaChange = {
        ...{ kind: 'setInSync', partition: 3, epoch, revision, by: primary!, inSync: [primary!] },
      };
      const first = await transact([alone], other);
      expect(rowsOf(first)[3]!.inSync).toEqual([primary]);
      expect(first.tableVersion).toBe(table.tableVersion + 1);
      const again = await transact([alone, { ...alone, epoch: 1 as never }]);
      expect(again).toEqual(first);
      const both = await Promise.all([transact([back(first)]), transact([back(first)], other)]);
      const { tableVersion } = await newest();
      expect([tableVersion, ...both.map((answer) => answer.tableVersion)]).toEqual(
        Array(3).fill(first.tableVersion + 1),
      );
    });

    const back = (table: TableState): ReplicaChange => {
      const { epoch, revision, primary } = rowsOf(table)[3]!;
      return { kind: 'setInSync', partition: 3, epoch, revision, by: primary!, inSync: [A, B] };
    };

    it('tells those who watch the table of changes of its rows', async () => {
      const table = await serving();
      await other.refresh();
      const told: number[] = [];
      const stop = other.watchTable(({ tableVersion }) => told.push(tableVersion));
      await transact([{ kind: 'leaveSet', by: A, ...rowWithBackup(table, A) }]);
      await other.refresh();
      expect(told).toEqual([table.tableVersion + 1]);
      stop();
    });

    const rowWithBackup = (table: TableState, replica: ReplicaId) => {
      const partition = rowsOf(table).findIndex(({ primary }) => primary !== replica);
      const { epoch, revision } = rowsOf(table)[partition]!;
      return { partition, epoch, revision };
    };

    it('gives a lease to who is registered and alive, and to nobody else', async () => {
      const { tableVersion } = await serving();
      expect(await renew(A)).toEqual({ number, tableVersion });
      expect(await renew(replicaOf('a', 'zero'))).toBeUndefined();
      expect(await renew(replicaOf('z'))).toBeUndefined();
      await live(1000, B);
      expect(await renew(A)).toBeUndefined();
      await transact([{ kind: 'register', replica: A, replaces: undefined }]);
      expect(await renew(A)).toMatchObject({ tableVersion: (await newest()).tableVersion });
    });

    it('has another member take over from one that falls silent, and takes it back as it was', async () => {
      const table = await serving();
      await live(900, B);
      const promoting = await newest();
      for (const [partition, { primary, epoch }] of rowsOf(promoting).entries()) {
        expect(primary).toBe(B);
        const before = rowsOf(table)[partition]!;
        if (before.primary === B) expect(epoch).toBe(before.epoch);
        else expect(epoch).toBeGreaterThan(before.epoch);
      }
      const served = await transact(completions(promoting, [B]));
      for (const owners of served.owners) expect(served.members[owners[0]!]!.id).toBe('b');
      expect(served.lost).toEqual([]);
      const registered = await transact([{ kind: 'register', replica: A, replaces: undefined }]);
      expect(registered.members).toEqual(table.members);
    });

    it('takes a member that is started again at once for another, which holds nothing', async () => {
      const table = await serving();
      const two = replicaOf('a', 'two');
      const { table: joined } = await other.submit(joins('a', 'two'));
      const mine = rowsOf(table).flatMap(({ primary }, partition) => (primary === A ? [partition] : []));
      for (const partition of mine) expect(joined.owners[partition]).toEqual([]);
      await live(100, two, B);
      for (const { primary, phase } of rowsOf(await newest())) expect([primary, phase]).toEqual([B, expect.anything()]);
      for (const partition of mine) expect(rowsOf(await newest())[partition]!.phase).toBe('promoting');
      expect(await renew(A)).toBeUndefined();
      // What the process of before sent late.
      const late = await transact([{ kind: 'register', replica: A, replaces: undefined }]);
      expect(late.members.map(({ incarnation }) => incarnation)).toEqual(['two', 'one']);
      expect(await renew(two)).toMatchObject({ number });
    });

    it('tells partitions as lost when every copy is gone, and begins them anew by an operator, not too early', async () => {
      await serving();
      const [twoA, twoB] = [replicaOf('a', 'two'), replicaOf('b', 'two')];
      await other.submit(joins('a', 'two'));
      await other.submit(joins('b', 'two'));
      await live(100, twoA, twoB);
      const lost = await newest();
      expect(lost.lost).toEqual(Array.from({ length: PARTITIONS }, (_, partition) => partition));
      expect(lost.owners).toEqual(Array(PARTITIONS).fill([]));
      for (const handle of [one, other]) {
        await expect(handle.recover([3, 5])).rejects.toMatchObject({
          code: 'LEASE_HELD',
          details: { waitMs: expect.any(Number) },
        });
        await expect(handle.recover([99])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
      await live(1600, twoA, twoB);
      const { recovered, table } = await other.recover([3, 5, 3]);
      expect([recovered, table.lost.includes(3), table.lost.length]).toEqual([[3, 5], false, PARTITIONS - 2]);
      expect(rowsOf(table)[3]).toMatchObject({ phase: 'promoting', isFresh: true, epoch: table.tableVersion });
      expect(other.state.table).toEqual(table);
      await expect(one.recover([3])).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: /partitions 3 are not lost/,
      });
      expect((await one.recover([])).recovered).toHaveLength(PARTITIONS - 2);
      const all = await transact(completions(await newest(), [twoA, twoB]));
      expect([all.lost, all.owners.every((owners) => owners.length === 2)]).toEqual([[], true]);
      expect((await other.recover([])).recovered).toEqual([]);
    });
  });
}
