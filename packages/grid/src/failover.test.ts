/** Statements and jobs while a member goes and another one takes over; the members are fakes. */
import type { Grid } from '@ashlar/api';
import { defineJob } from '@ashlar/api';
import { GridError, MemberUnreachableError } from '@ashlar/core';
import { encodeColumns, encodeValue, type StatementOutput, ValueTag } from '@ashlar/serialization';
import type { JobOutput } from '@ashlar/transport';
import { FakeGrid, PARTITION_COUNT } from '@ashlar/transport/testing';
import { jest } from '@jest/globals';
import { DefinitionNames } from './definition-names.ts';
import { connect } from './testing/connected-grid.ts';

const SELECT = 'SELECT n FROM m';
const UPDATE = 'UPDATE m SET n = 1';
const HEADER: StatementOutput = { kind: 'header', columns: [{ name: 'n', type: 'float8' }], notices: [] };
const EXPIRED = new GridError('SNAPSHOT_EXPIRED', 'a partition has another primary');
const COPIED = Array.from({ length: PARTITION_COUNT }, (_, partition) => [partition % 2, (partition + 1) % 2]);
const LONE = COPIED.map(([primary]) => [primary!]);

/** What a statement answers: outputs, then perhaps an error. */
type Told = readonly (StatementOutput | GridError)[];

let fake: FakeGrid;
let grid: Grid;
let asked: number;

beforeEach(async () => {
  fake = await new FakeGrid(2).start();
  fake.serve(COPIED);
  grid = await connect({ seeds: fake.addresses });
  asked = 0;
});

afterEach(async () => {
  await grid.close();
  await fake.stop();
});

function batch(...values: readonly number[]): StatementOutput {
  const lanes = { tags: undefined, values: undefined, codes: undefined, dictionary: undefined };
  const numbers = Float64Array.from(values);
  const column = { type: 'float8', length: values.length, uniform: ValueTag.NUMBER, numbers, ...lanes } as const;
  return { kind: 'batch', bytes: encodeColumns({ length: values.length, columns: [column] }) };
}

function end(rows: number, batches: number, affected = 0): StatementOutput {
  return { kind: 'end', affected, rows, version: 1, elapsedMs: 1, notices: [], batches } as StatementOutput;
}

/** The first, second ... time that a statement is sent, to whichever member, it gets these; from the last on always that. */
function answer(...times: readonly Told[]): void {
  for (const member of fake.members) {
    member.services.sql.execute = async function* () {
      const told = times[Math.min(asked++, times.length - 1)]!;
      for (const output of told) {
        if (output instanceof GridError) throw output;
        yield output;
      }
    };
  }
}

const WHOLE: Told = [HEADER, batch(1, 2), batch(3), end(3, 2)];
const ROWS = [{ n: 1 }, { n: 2 }, { n: 3 }];

describe('a SELECT whose snapshot ends because a partition changes its primary', () => {
  it.each([
    ['before its header', [EXPIRED]],
    ['behind its header', [HEADER, EXPIRED]],
    ['between its rows', [HEADER, batch(9), EXPIRED]],
  ])('%s gives all its rows, of the snapshot after it (sql-result Q1)', async (_, first) => {
    answer(first, WHOLE);
    expect(await grid.sql(SELECT).all()).toEqual(ROWS);
    expect(asked).toBe(2);
  });

  it('is sent again once, not for ever', async () => {
    answer([HEADER, batch(9), EXPIRED]);
    await expect(grid.sql(SELECT).all()).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    expect(asked).toBe(2);
  });

  it('is not sent again when rows of it were handed over', async () => {
    answer([HEADER, batch(9), EXPIRED], WHOLE);
    const read = async (): Promise<void> => {
      for await (const _ of grid.sql(SELECT));
    };
    await expect(read()).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    expect(asked).toBe(1);
  });

  it('is not sent again when its columns were handed over: those of another snapshot may differ', async () => {
    answer([HEADER, batch(9), EXPIRED], WHOLE);
    const result = grid.sql(SELECT);
    expect(await result.columns()).toHaveLength(1);
    await expect(result.all()).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    expect(asked).toBe(1);
  });

  it('is sent again, read row by row, as long as none was', async () => {
    answer([HEADER, EXPIRED], WHOLE);
    const rows: unknown[] = [];
    for await (const row of grid.sql(SELECT)) rows.push(row);
    expect([rows, asked]).toEqual([ROWS, 2]);
  });

  it('goes on at another member where its coordinator dies between its rows', async () => {
    const [first, second] = fake.members;
    const begun = Promise.withResolvers<void>();
    first!.services.sql.execute = async function* () {
      asked += 1;
      yield HEADER;
      yield batch(9);
      begun.resolve();
      await new Promise(() => undefined);
    };
    second!.services.sql.execute = async function* () {
      asked += 1;
      yield* WHOLE as Iterable<StatementOutput>;
    };
    const results = [grid.sql(SELECT).all(), grid.sql(SELECT).all()];
    await begun.promise;
    await first!.stop();
    expect(await Promise.all(results)).toEqual([ROWS, ROWS]);
    expect(asked).toBe(3);
  });
});

describe('a statement that needs a member which is gone', () => {
  const gone = new MemberUnreachableError('m1', 'there', 0);

  it('waits for who takes over, within its time', async () => {
    answer([gone], [gone], [gone], WHOLE);
    expect(await grid.sql(SELECT).all()).toEqual(ROWS);
    asked = 0;
    answer([gone], [gone], [HEADER, end(0, 0, 5)]);
    expect(await grid.sql(UPDATE).execute()).toEqual({ affected: 5 });
  });

  it('waits also where its own table does not know yet that somebody can', async () => {
    fake.serve(LONE);
    const late = await connect({ seeds: fake.addresses });
    fake.serve(COPIED);
    answer([gone], WHOLE);
    expect(await late.sql(SELECT).all()).toEqual(ROWS);
    await late.close();
  });

  it('says so at once where nobody can take over', async () => {
    fake.serve(LONE);
    const late = await connect({ seeds: fake.addresses });
    answer([gone]);
    await expect(late.sql(SELECT).all()).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
    expect(asked).toBe(fake.members.length);
    await late.close();
  });

  it('is asked of each other member once where one cannot reach it: the link between two may be cut', async () => {
    fake.serve(LONE);
    const late = await connect({ seeds: fake.addresses });
    const reach = new Set<unknown>();
    for (const member of fake.members) {
      member.services.sql.execute = async function* () {
        if (reach.size === 0) reach.add(member);
        if (reach.has(member)) throw gone;
        yield* WHOLE as Iterable<StatementOutput>;
      };
    }
    expect(await late.sql(SELECT).all()).toEqual(ROWS);
    await late.close();
  });

  it('gives up when its time is over', async () => {
    answer([gone]);
    await expect(grid.sql(SELECT, [], { timeoutMs: 200 }).all()).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
    expect(asked).toBeGreaterThan(1);
  });
});

describe('a member that stands still', () => {
  /** Of both, the first that is asked never answers; the table says so a moment later. */
  function standsStill(whole: Told): void {
    let isFirst = true;
    for (const [index, member] of fake.members.entries()) {
      member.services.sql.execute = async function* () {
        asked += 1;
        if (isFirst) {
          isFirst = false;
          fake.serve(COPIED, [], [index]);
          await new Promise(() => undefined);
        }
        yield* whole as Iterable<StatementOutput>;
      };
    }
  }

  it('holds up a SELECT until the table takes it for dead: then another one is asked', async () => {
    standsStill(WHOLE);
    expect(await grid.sql(SELECT).all()).toEqual(ROWS);
    expect(asked).toBe(2);
  });

  it('leaves a change in doubt, which nobody sends again', async () => {
    standsStill([HEADER, end(0, 0, 7)]);
    await expect(grid.sql(UPDATE).execute()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(asked).toBe(1);
  });

  it('is asked again when the table has it back', async () => {
    fake.serve(COPIED, [], [0]);
    fake.serve(COPIED);
    answer(WHOLE);
    for (let round = 0; round < 4; round++) expect(await grid.sql(SELECT).all()).toEqual(ROWS);
  });
});

describe('a change', () => {
  it('whose snapshot ended is sent again once: no member was told to commit', async () => {
    answer([EXPIRED], [HEADER, end(0, 0, 7)]);
    expect(await grid.sql(UPDATE).execute()).toEqual({ affected: 7 });
    asked = 0;
    answer([EXPIRED]);
    await expect(grid.sql(UPDATE).execute()).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    expect(asked).toBe(2);
  });

  it.each(['OUTCOME_UNKNOWN', 'PARTIAL_COMMIT'] as const)('that says %s is not sent again', async (code) => {
    answer([new GridError(code, 'some member was told to commit')], [HEADER, end(0, 0, 7)]);
    await expect(grid.sql(UPDATE).execute()).rejects.toMatchObject({ code });
    expect(asked).toBe(1);
  });
});

describe('a job', () => {
  const result: JobOutput = { kind: 'result', bytes: encodeValue(42) };

  function run(...times: readonly (JobOutput | GridError)[]): Promise<unknown> {
    for (const member of fake.members) {
      member.services.compute.runJob = async function* () {
        const told = times[Math.min(asked++, times.length - 1)]!;
        if (told instanceof GridError) throw told;
        yield told;
      };
    }
    const job = defineJob<unknown, unknown, number>({ map: () => 1, reduce: () => 1 });
    return grid.run(job, { map: 'm' } as never);
  }

  beforeEach(() => {
    jest.spyOn(DefinitionNames.prototype, 'of').mockReturnValue({ module: 'jobs', exportName: 'job' });
  });

  afterEach(() => jest.restoreAllMocks());

  it('whose snapshot ended, or whose member went, runs again', async () => {
    expect(await run(EXPIRED, new MemberUnreachableError('m0', 'there', 0), result)).toBe(42);
    expect(asked).toBe(3);
  });

  it('whose snapshot ends again says so', async () => {
    await expect(run(EXPIRED)).rejects.toMatchObject({ code: 'SNAPSHOT_EXPIRED' });
    expect(asked).toBe(2);
  });
});
