import type { GridView } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import type { PlanTask } from '@ashlar/sql-executor';
import { type CatalogView, type Plan, statementShape } from '@ashlar/sql-plan';
import { planStatement } from '@ashlar/sql-planner';
import type { WorkerPool } from '@ashlar/workers';
import { Planning } from './planning.ts';

const { signal } = new AbortController();

/** Plans as a worker would; `asked` holds the texts. The paths of the map's documents are known. */
async function bench() {
  const asked: string[] = [];
  const documents: { found: { paths: string[][]; valueKinds: number[] }; error?: GridError } = {
    found: { paths: [['x'], ['y']], valueKinds: [1, 1] },
  };
  const known: { paths: typeof documents.found | undefined } = { paths: undefined };
  const map = { id: 1, name: 't', affinityParts: 0 };
  const state = { catalogVersion: 1, maps: [map] };
  const pool = {
    run: (_kind: string, { text, catalog, freshPaths }: PlanTask) => {
      asked.push(text);
      return { result: Promise.resolve(planStatement(text, catalog, new Set(freshPaths))) };
    },
  } as unknown as WorkerPool;
  const planning = new Planning({
    control: { catalog: state, maps: new Map([[map.name, map]]) } as unknown as GridView,
    pool,
    entryCount: () => 10,
    findPaths: async () => {
      if (documents.error !== undefined) throw documents.error;
      return documents.found;
    },
    knownPaths: () => known.paths,
  });
  await planning.plan('SELECT * FROM t', signal);
  asked.length = 0;
  return { asked, documents, known, state, planning, plan: (text: string) => planning.plan(text, signal) };
}

const fresh = (text: string, catalog: CatalogView, looked: readonly string[] = []): Plan =>
  (planStatement(text, catalog, new Set(looked)) as { readonly plan: Plan }).plan;

const mapOf = (found: { readonly paths: string[][]; readonly valueKinds: number[] }): CatalogView['maps'][number] => ({
  ...{ name: 't', mapId: 1, affinityParts: 0, entries: 10 },
  ...found,
});

describe('plans', () => {
  it('are kept by text, while the catalog stays', async () => {
    const { asked, state, plan } = await bench();
    const text = 'SELECT x FROM t';
    expect(await plan(text)).toBe(await plan(text));
    expect(asked).toEqual([text]);
    state.catalogVersion = 2;
    await plan(text);
    expect(asked).toEqual([text, text]);
  });

  it('are at hand in the same turn, as long as nothing that they rest on may have changed', async () => {
    const { documents, known, state, planning, plan } = await bench();
    expect(planning.planNow('SELECT x FROM t')).toBeUndefined();
    const [star, named] = [await plan('SELECT * FROM t'), await plan('SELECT x FROM t WHERE __key = 1')];
    expect(planning.planNow('SELECT * FROM t')).toBeUndefined();
    known.paths = documents.found;
    expect(planning.planNow('SELECT * FROM t')).toBe(star);
    expect(planning.planNow('SELECT x FROM t WHERE __key = 1')).toBe(named);
    // The same, found anew.
    known.paths = { paths: [['y'], ['x']], valueKinds: [1, 1] };
    expect(planning.planNow('SELECT * FROM t')).toBe(star);
    known.paths = { paths: [['x'], ['y'], ['z']], valueKinds: [1, 1, 1] };
    expect(planning.planNow('SELECT * FROM t')).toBeUndefined();
    known.paths = undefined;
    expect(planning.planNow('SELECT * FROM t')).toBeUndefined();
    known.paths = documents.found;
    state.catalogVersion = 2;
    expect(planning.planNow('SELECT * FROM t')).toBeUndefined();
  });

  it('are at hand for a statement that differs in a number, once that was foretold', async () => {
    const { documents, known, planning, plan } = await bench();
    known.paths = documents.found;
    const text = (key: number): string => `SELECT x FROM t WHERE __key = ${key}`;
    await plan(text(1));
    await plan(text(2));
    expect(planning.planNow(text(345))).toEqual(await plan(text(345)));
  });

  it('are made once for statements that differ in numbers, after one of them was foretold', async () => {
    const { asked, planning, plan, state } = await bench();
    const texts = [3, 14, 159, 2653].map((number) => `SELECT sum(x) FROM t WHERE y > ${number} AND x = 7`);
    for (const text of texts) expect(await plan(text)).toEqual(fresh(text, planning.view()));
    expect(asked).toEqual(texts.slice(0, 2));
    const other = texts[3]!.replace('x = 7', 'x = 8');
    expect(statementShape(other)!.key).toBe(statementShape(texts[0]!)!.key);
    expect(await plan(other)).toEqual(fresh(other, planning.view()));
    expect(asked.at(-1)).toBe(other);
    await plan(texts[2]!.replace('x = 7', 'x = 9'));
    expect(asked).toHaveLength(3);
    state.catalogVersion = 2;
    await plan(texts[2]!);
    expect(asked).toHaveLength(4);
  });

  it('that rest on what the documents hold are kept while that stays', async () => {
    const { asked, documents, plan } = await bench();
    for (const text of ['SELECT * FROM t', 'SELECT x / 2 FROM t', 'SELECT coalesce(x, 0) FROM t']) {
      documents.found = { paths: [['x'], ['y']], valueKinds: [1, 1] };
      const first = await plan(text);
      asked.length = 0;
      documents.found = { paths: [['y'], ['x']], valueKinds: [1, 1] };
      expect(await plan(text)).toBe(first);
      expect(asked).toEqual([]);
      documents.found = { paths: [['x'], ['y']], valueKinds: [2, 1] };
      expect(await plan(text)).toEqual(fresh(text, { catalogVersion: 1, maps: [mapOf(documents.found)] }, ['t']));
      expect(asked.length).toBeGreaterThan(0);
    }
  });

  it('that rest on what the documents hold serve on while a member is out of reach', async () => {
    const { asked, documents, plan } = await bench();
    const first = await plan('SELECT x / 2 FROM t');
    asked.length = 0;
    documents.error = new GridError('MEMBER_UNREACHABLE', 'member b is out of reach');
    expect(await plan('SELECT x / 2 FROM t')).toBe(first);
    await expect(plan('SELECT y / 2 FROM t')).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
    documents.error = new GridError('CONNECTION_LOST', 'the link broke');
    await expect(plan('SELECT x / 2 FROM t')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('are made each time where a number is part of a name', async () => {
    const { asked, plan } = await bench();
    const texts = [1, 2, 3, 4].map((number) => `SELECT y > ${number} FROM t GROUP BY y > ${number}`);
    for (const text of texts) await plan(text);
    expect(asked).toEqual(texts);
  });
});
