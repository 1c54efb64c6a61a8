/**
 * One trace from the application through members into worker threads: a real SDK in this process, in each member and in
 * each worker thread.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Grid } from '@ashlar/client';
import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { AlwaysOffSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import type { ToldSpan } from './fixtures/spans.ts';
import * as traced from './fixtures/traced.ts';
import { memberFlags } from './support/grid.ts';
import { MemberProcess } from './support/member-process.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const KEYS = Array.from({ length: 40 }, (_, key) => key);

let folder: string;
let file: string;
const members: MemberProcess[] = [];
let grid: Grid;
let tracer: Tracer;

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  tracer = new TracerProvider().getTracer('application');
  folder = await mkdtemp(join(tmpdir(), 'ashlar-'));
  file = join(folder, 'spans.jsonl');
  const env = { TEST_SPANS_FILE: file, NODE_OPTIONS: `--import ${pathToFileURL(fixture('spans.ts')).href}` };
  const options = { settings: { 'cluster.partitionCount': 32 } };
  members.push(await MemberProcess.start(memberFlags(options, 2, undefined), env));
  members.push(await MemberProcess.start(memberFlags(options, 2, members[0]!.address), env));
  const { connect } = await import('@ashlar/client');
  grid = await connect({ seeds: members.map(({ address }) => address) });
  await grid.deploy(fixture('traced.ts'), { name: 'traced' });
  await grid.map(traced.Echoes).putAll(KEYS.map((key) => [key, 0]));
});

afterAll(async () => {
  await grid?.close();
  await Promise.all(members.map((member) => member.end('SIGKILL')));
  await rm(folder, { recursive: true, force: true });
  context.disable();
});

async function spans(): Promise<readonly ToldSpan[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ToldSpan);
}

/** Whether every span has ended that one of these is a child of. */
function hasParents(found: readonly ToldSpan[], root?: string): boolean {
  const ended = new Set([undefined, root, ...found.map(({ spanId }) => spanId)]);
  return found.every(({ parentSpanId }) => ended.has(parentSpanId));
}

/** What `choose` makes of all spans, once it is as `isWhole` wants it. Answers after 4 s what is there. */
async function untilWhole(
  choose: (all: readonly ToldSpan[]) => readonly ToldSpan[],
  isWhole: (chosen: readonly ToldSpan[]) => boolean,
): Promise<readonly ToldSpan[]> {
  for (let tries = 0; ; tries++) {
    const chosen = choose(await spans());
    if (isWhole(chosen) || tries === 200) return chosen;
    await pause(20);
  }
}

/** Runs `work` in a span of the application; answers the spans of its trace once they are whole. */
async function traceOf(
  work: () => Promise<unknown>,
  isWhole: (spans: readonly ToldSpan[]) => boolean,
): Promise<{ readonly root: string; readonly spans: readonly ToldSpan[] }> {
  const span = tracer.startSpan('application', { kind: SpanKind.CLIENT });
  const { traceId, spanId } = span.spanContext();
  await context.with(trace.setSpan(context.active(), span), work);
  span.end();
  const found = await untilWhole(
    (all) => all.filter((one) => one.traceId === traceId),
    (own) => isWhole(own) && hasParents(own, spanId),
  );
  return { root: spanId, spans: found };
}

const named = (all: readonly ToldSpan[], name: string): readonly ToldSpan[] => all.filter((span) => span.name === name);
const pidsOf = (all: readonly ToldSpan[]): number[] => [...new Set(all.map(({ pid }) => pid))].sort();
const allPids = (): number[] => members.map(({ pid }) => pid).sort();

/** Each of `children` has one of `parents` above it. */
function expectAbove(children: readonly ToldSpan[], parents: readonly ToldSpan[]): void {
  expect(children.length).toBeGreaterThan(0);
  const ids = parents.map(({ spanId }) => spanId);
  for (const child of children) expect(ids).toContain(child.parentSpanId);
}

describe('a trace of the application', () => {
  it('goes through a batch of keys and a task of processors into the code of a worker', async () => {
    const { root, spans: found } = await traceOf(
      () => grid.map(traced.Echoes).processAll(KEYS, traced.touch, undefined),
      (all) => named(all, 'user.touch').length === KEYS.length,
    );
    const batches = named(found, 'ashlar.kv.batch');
    const tasks = named(found, 'ashlar.processors');
    const calls = named(found, 'user.touch');
    expect(pidsOf(batches)).toEqual(allPids());
    for (const batch of batches) expect(batch.parentSpanId).toBe(root);
    expect(batches[0]!.attributes).toMatchObject({ 'ashlar.maps': 'echoes' });
    expectAbove(tasks, batches);
    expectAbove(calls, tasks);
    expect(calls).toHaveLength(KEYS.length);
    expect(calls.every(({ isMainThread }) => !isMainThread)).toBe(true);
  });

  it('goes through the member that coordinates a job to the other one, and into the workers of both', async () => {
    const { root, spans: found } = await traceOf(
      () => grid.run(traced.count, { map: traced.Echoes }),
      (all) => named(all, 'user.count').length === 32 && named(all, 'user.sum').length === 1,
    );
    const jobs = named(found, 'ashlar.job');
    const parts = named(found, 'ashlar.job.part');
    expect(jobs).toMatchObject([{ parentSpanId: root, attributes: { 'ashlar.job': 'traced.count' } }]);
    expect(pidsOf(parts)).toEqual(allPids());
    expectAbove(parts, jobs);
    expectAbove(named(found, 'user.count'), parts);
    expectAbove(named(found, 'user.sum'), jobs);
    expect(pidsOf(named(found, 'user.count'))).toEqual(allPids());
  });

  it('goes through a statement to its fragments on all members, and shows the text but no parameter', async () => {
    const text = 'SELECT count(*) AS n FROM echoes WHERE __value > $1';
    const { root, spans: found } = await traceOf(
      () => grid.sql(text, [-12345]).all(),
      (all) => named(all, 'ashlar.sql').length === 1 && named(all, 'ashlar.sql.fragment').length === 2,
    );
    const statements = named(found, 'ashlar.sql');
    expect(statements).toMatchObject([{ parentSpanId: root, attributes: { 'db.query.text': text } }]);
    expectAbove(named(found, 'ashlar.sql.plan'), statements);
    const fragments = named(found, 'ashlar.sql.fragment');
    expectAbove(fragments, statements);
    expect(pidsOf(fragments)).toEqual(allPids());
    expect(JSON.stringify(found)).not.toContain('12345');
  });

  it('tells what a statement failed with', async () => {
    const { spans: found } = await traceOf(
      () =>
        grid
          .sql('SELECT 1 FROM nothing')
          .all()
          .catch(() => undefined),
      (all) => named(all, 'ashlar.sql').length === 1,
    );
    expect(named(found, 'ashlar.sql')).toMatchObject([{ status: 2, attributes: { 'error.type': 'UNKNOWN_MAP' } }]);
  });

  it('goes through processWhere into the workers of all members', async () => {
    const { spans: found } = await traceOf(
      () => grid.map(traced.Echoes).processWhere('__value >= $1', [0], traced.touch),
      (all) => named(all, 'user.touch').length === KEYS.length,
    );
    expectAbove(named(found, 'ashlar.processors'), named(found, 'ashlar.sql.change'));
    expect(pidsOf(named(found, 'user.touch'))).toEqual(allPids());
  });

  it('is kept apart from another one whose calls travel in the same batch', async () => {
    const both = [1, 2].map(() => tracer.startSpan('application'));
    const echoes = grid.map(traced.Echoes);
    const calls = both.flatMap((span) =>
      context.with(trace.setSpan(context.active(), span), () =>
        KEYS.map((key) => echoes.process(key, traced.touch, undefined)),
      ),
    );
    // Not traced, in the same batches.
    await Promise.all([...calls, ...KEYS.map((key) => echoes.get(key))]);
    for (const span of both) {
      span.end();
      const { traceId, spanId } = span.spanContext();
      const own = await untilWhole(
        (all) => all.filter((one) => one.traceId === traceId),
        (found) => named(found, 'user.touch').length === KEYS.length && hasParents(found, spanId),
      );
      expect(named(own, 'user.touch')).toHaveLength(KEYS.length);
      expectAbove(named(own, 'user.touch'), named(own, 'ashlar.processors'));
    }
  });
});

describe('a listener', () => {
  it('runs in a trace of its own, which goes on to processors on all members', async () => {
    const before = (await spans()).length;
    await grid.map(traced.Heard).putAll(KEYS.map((key) => [key, key]));
    const found = await untilWhole(
      (all) => all.slice(before),
      (some) => named(some, 'user.touch').length === KEYS.length && hasParents(some),
    );
    const runs = named(found, 'ashlar.listener');
    expect(runs.every(({ parentSpanId }) => parentSpanId === undefined)).toBe(true);
    expectAbove(named(found, 'user.follow'), runs);
    const remote = named(found, 'ashlar.kv.batch');
    expectAbove(remote, runs);
    expectAbove(named(found, 'ashlar.processors'), [...runs, ...remote]);
    expect(named(found, 'user.touch')).toHaveLength(KEYS.length);
  });
});

describe('calls that are in no trace, or in one that is not sampled', () => {
  it('make no spans', async () => {
    const before = (await spans()).length;
    await grid.map(traced.Echoes).get(1);
    const off = new TracerProvider({ sampler: new AlwaysOffSampler() }).getTracer('application');
    const span = off.startSpan('application');
    await context.with(trace.setSpan(context.active(), span), async () => {
      await grid.map(traced.Echoes).process(1, traced.touch, undefined);
      await grid.sql('SELECT count(*) AS n FROM echoes').all();
    });
    await pause(100);
    expect((await spans()).slice(before)).toEqual([]);
  });
});
