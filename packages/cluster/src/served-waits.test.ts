import { ServedWaits, type Wanted } from './served-waits.ts';
import type { TableState } from './table-state.ts';
import { after, freshState, joins } from './testing/index.ts';

const { table: COMPLETE } = after(freshState('grid', 2, 4), joins('a'), joins('b'));
const SOON_MS = 20_000;

/** Nobody serves these partitions; those are lost. */
function without(unserved: readonly number[], lost: readonly number[] = []): TableState {
  const gone = new Set([...unserved, ...lost]);
  return { ...COMPLETE, lost, owners: COMPLETE.owners.map((owners, partition) => (gone.has(partition) ? [] : owners)) };
}

function bench(table: TableState) {
  const waits = new ServedWaits();
  const wait = (wanted: Wanted, leftMs = SOON_MS, signal?: AbortSignal) =>
    waits.wait(table, wanted, { deadlineMs: performance.now() + leftMs, signal });
  return { waits, wait };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('a call over several partitions', () => {
  it('waits for none where all that it means are served', () => {
    const { wait } = bench(without([2]));
    expect(wait(new Set([0, 1, 3]))).toBeUndefined();
    expect(wait(new Set())).toBeUndefined();
    expect(bench(COMPLETE).wait('all')).toBeUndefined();
  });

  it('waits for nobody in a grid that is not complete', () => {
    const { table } = after(freshState('grid', 2, 4), joins('a'));
    const { wait } = bench(table);
    for (const wanted of ['all', 'notLost', new Set([1])] as const) expect(wait(wanted)).toBeUndefined();
  });

  it('goes on when the last of them is served', async () => {
    const { waits, wait } = bench(without([1, 2]));
    const done: string[] = [];
    const all = [
      wait('all')!.then(() => done.push('all')),
      wait(new Set([1]))!.then(() => done.push('one')),
      wait('notLost')!.then(() => done.push('not lost')),
    ];
    waits.tableChanged(without([2]));
    await all[1];
    expect(done).toEqual(['one']);
    waits.tableChanged(COMPLETE);
    await Promise.all(all);
    expect(done.toSorted()).toEqual(['all', 'not lost', 'one']);
  });

  it('is told at once of a loss that it means, also of one that comes while it waits', async () => {
    const { waits, wait } = bench(without([], [2]));
    for (const wanted of ['all', new Set([1, 2])] as const) expect(() => wait(wanted)).toThrow(code('PARTITION_LOST'));
    expect([wait(new Set([1])), wait('notLost')]).toEqual([undefined, undefined]);
    const waiting = waits.wait(without([1, 3]), new Set([1, 3]), {});
    waits.tableChanged(without([1], [3]));
    await expect(waiting).rejects.toMatchObject({ code: 'PARTITION_LOST', details: { partitions: ['3'] } });
  });

  it('ends with its time, by the partition that it waited for last, and with its caller', async () => {
    const { waits, wait } = bench(without([1, 2]));
    const late = wait(new Set([1, 2]), 30);
    waits.tableChanged(without([2]));
    await expect(late).rejects.toMatchObject({
      code: 'MEMBER_UNREACHABLE',
      retryable: true,
      details: { partition: 2 },
    });
    const caller = new AbortController();
    const left = wait('all', SOON_MS, caller.signal);
    caller.abort();
    await expect(left).rejects.toEqual(code('CANCELLED'));
    await expect(wait('all', SOON_MS, AbortSignal.abort())).rejects.toEqual(code('CANCELLED'));
  });
});
