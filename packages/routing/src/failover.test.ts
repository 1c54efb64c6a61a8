/** What calls go through when another member takes over. The members are fakes over one store, as if they were replicated. */
import { GridError } from '@ashlar/core';
import { encodeKey } from '@ashlar/serialization';
import { OPCODE } from '@ashlar/transport';
import { type FakeMember, PARTITION_COUNT } from '@ashlar/transport/testing';
import { forAll, NOTHING, putAll, type Router } from './index.ts';
import { get, numbersUpTo, pause, put, RouterBench, until } from './testing/router-bench.ts';

let bench: RouterBench;

/** By partition: its primary is member p % 3, the next one stands in. */
const COPIED = Array.from({ length: PARTITION_COUNT }, (_, partition) => [partition % 3, (partition + 1) % 3]);
const KEYS = numbersUpTo(90);

/** What is left of `owners` without a member; nobody where it was the only one. */
function without(index: number, owners: readonly (readonly number[])[] = COPIED): number[][] {
  return owners.map((members) => members.filter((member) => member !== index));
}

/** The same while nobody has taken over what it was primary of. */
function orphaned(index: number): number[][] {
  return COPIED.map((members) => (members[0] === index ? [] : members.filter((member) => member !== index)));
}

function getAndPut(router: Router, key: number, limits = {}): Promise<unknown> {
  return router.call(OPCODE.GET_AND_PUT, router.map('m', undefined), key, `new ${key}`, undefined, limits);
}

/** Keeps every answer of a member back; call what is returned to let them go. */
function stall(member: FakeMember): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  member.beforeAnswer = () => promise;
  return () => {
    member.beforeAnswer = undefined;
    resolve();
  };
}

function partitionAt(router: Router, key: number): number {
  const bytes = encodeKey(key);
  return router.partitionOf(router.map('m', undefined), bytes, 0, bytes.length);
}

function timesApplied(): number {
  return Math.max(...bench.grid.store.applied.values());
}

beforeEach(async () => {
  bench = await RouterBench.start(3);
  bench.grid.serve(COPIED);
});

afterEach(() => bench.stop());

describe('a member that dies, whose partitions have copies', () => {
  it('is waited for by nobody: calls wait until another one takes over, within their time (router R4)', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    await bench.grid.members[1]!.stop();
    let settled = 0;
    const calls = KEYS.flatMap((key) => [get(router, key), put(router, key, -key)]);
    for (const call of calls) void call.finally(() => settled++).catch(() => undefined);
    // Those of the others are served meanwhile, however long it takes.
    await until(() => settled > 100);
    await pause(500);
    expect(settled).toBeLessThan(calls.length);
    bench.grid.serve(orphaned(1));
    await pause(100);
    bench.grid.serve(without(1));
    await Promise.all(calls);
    expect(timesApplied()).toBe(1);
    expect(await Promise.all(KEYS.map((key) => get(router, key)))).toEqual(KEYS.map((key) => -key));
  });

  it('is taken over from with calls on a key in the order in which they were made, awaited or not', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await put(router, 'first', 1);
    stall(bench.grid.members[1]!);
    const calls: Promise<unknown>[] = [];
    for (let turn = 0; turn < 50; turn++) {
      for (const key of KEYS) calls.push(put(router, key, turn));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await bench.grid.members[1]!.stop();
    await pause(100);
    bench.grid.serve(without(1));
    await Promise.all(calls);
    expect(await Promise.all(KEYS.map((key) => get(router, key)))).toEqual(KEYS.map(() => 49));
    expect(timesApplied()).toBe(1);
  });

  it('fails those that nobody can stand in for, at once, and no others', async () => {
    const lone = COPIED.map((members, partition) => (partition % 2 === 0 ? members : members.slice(0, 1)));
    bench.grid.serve(lone);
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    await bench.grid.members[1]!.stop();
    const outcome = KEYS.map((key) => get(router, key).catch((error: unknown) => GridError.wrap(error).code));
    let failed = 0;
    for (const one of outcome) void one.then((code) => (code === 'MEMBER_UNREACHABLE' ? failed++ : 0));
    await until(() => failed > 0);
    bench.grid.serve(without(1, lone).map((members, partition) => (members.length > 0 ? members : lone[partition]!)));
    const codes = await Promise.all(outcome);
    expect(failed).toBeLessThan(25);
    expect(codes.filter((code) => typeof code === 'number')).toHaveLength(KEYS.length - failed);
  });
});

describe('a member that stands still, though its link is up', () => {
  it('holds nobody up once another one has taken over: what was sent to it goes on under its numbers (M1)', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    const goOn = stall(bench.grid.members[1]!);
    const before = bench.grid.members[1]!.batches.length;
    const calls = KEYS.map((key) => getAndPut(router, key));
    await until(() => bench.grid.members[1]!.batches.length > before);
    bench.grid.serve(orphaned(1));
    await pause(20);
    bench.grid.serve(without(1));
    await router.refresh();
    expect(await Promise.all(calls)).toEqual(KEYS);
    expect(timesApplied()).toBe(1);
    // What it says later is said to nobody, and its stream goes on.
    const { streamsOpened } = bench.grid.members[1]!;
    goOn();
    await pause(50);
    bench.grid.serve(COPIED);
    await router.refresh();
    expect(await Promise.all(KEYS.map((key) => get(router, key)))).toEqual(KEYS.map((key) => `new ${key}`));
    expect(bench.grid.members[1]!.streamsOpened).toBe(streamsOpened);
  });

  it('holds nobody up who asks nobody else: that another one has taken over is heard of all the same', async () => {
    bench.grid.serve(COPIED.map(() => [1, 2]));
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    stall(bench.grid.members[1]!);
    const before = bench.grid.members[1]!.batches.length;
    const calls = KEYS.map((key) => getAndPut(router, key));
    await until(() => bench.grid.members[1]!.batches.length > before);
    bench.grid.serve(COPIED.map(() => [2]));
    expect(await Promise.all(calls)).toEqual(KEYS);
    expect(timesApplied()).toBe(1);
  });

  it('keeps what is still its own: only calls for partitions that went to another member go there', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    const [, slow, next] = bench.grid.members;
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    const goOn = stall(slow!);
    const before = slow!.batches.length;
    const calls = KEYS.map((key) => getAndPut(router, key));
    await until(() => slow!.batches.length > before);
    let settled = 0;
    for (const call of calls) void call.then(() => settled++);
    const moved = COPIED.map((members, partition) => (members[0] === 1 && partition % 2 === 0 ? [2, 1] : members));
    const sent = next!.batches.length;
    bench.grid.serve(moved);
    await router.refresh();
    await until(() => next!.batches.length > sent);
    await pause(100);
    const resent = next!.batches.slice(sent).filter((batch) => batch.resent);
    const partitions = new Set(resent.flatMap((batch) => [...batch.partitions]));
    expect(partitions.size).toBeGreaterThan(0);
    for (const partition of partitions) expect(moved[partition]![0]).toBe(2);
    expect(settled).toBeGreaterThan(60);
    expect(settled).toBeLessThan(KEYS.length);
    goOn();
    expect(await Promise.all(calls)).toEqual(KEYS);
    expect(timesApplied()).toBe(1);
  });

  it('keeps nothing back that waited for room in its window', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await put(router, 'first', 1);
    stall(bench.grid.members[1]!);
    const calls: Promise<unknown>[] = [];
    for (let turn = 0; turn < 50; turn++) {
      for (const key of KEYS) calls.push(put(router, `${turn} ${key}`, key));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const many = putAll(
      router,
      router.map('m', undefined),
      numbersUpTo(3000).map((key) => [`all ${key}`, 'x'.repeat(200)] as const),
      undefined,
      { timeoutMs: 60_000 },
    );
    await pause(30);
    bench.grid.serve(without(1));
    await router.refresh();
    await Promise.all([...calls, many]);
    expect(timesApplied()).toBe(1);
    expect(bench.grid.store.applied.size).toBe(50 * KEYS.length + 3000 + 1);
  });

  it('is not waited for by whoever asks for a table', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    for (const member of bench.grid.members.slice(0, 2)) {
      member.services.admin.getTable = () => new Promise(() => undefined);
    }
    const before = router.table.tableVersion;
    bench.grid.serve(COPIED);
    await router.refresh();
    expect(router.table.tableVersion).toBeGreaterThan(before);
  });
});

describe('a partition without a primary', () => {
  it('gets one: who waits for it hears of it from any member at once, and then nothing is open anywhere (R5, R2)', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    bench.grid.serve(orphaned(1));
    await router.refresh();
    const calls = KEYS.map((key) => put(router, key, -key));
    const watched = (): number => bench.grid.members.filter(({ watchers }) => watchers.size > 0).length;
    await until(() => watched() === 3);
    // Two of the three do not hear of it.
    const [first, second, third] = bench.grid.members;
    const [old] = [first!.table];
    bench.grid.serve(without(1));
    const { table } = third!;
    first!.table = old;
    second!.table = old;
    await Promise.all(calls);
    expect(router.table).toEqual(table);
    await until(() => watched() === 0);
    expect(timesApplied()).toBe(1);
  });

  it('holds up no call on many entries of others, however much waits for it (queue-room U1)', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    const goOn = stall(bench.grid.members[1]!);
    const map = router.map('m', undefined);
    const large = 'x'.repeat(1 << 19);
    const isStalled = (key: number): boolean => COPIED[partitionAt(router, key)]![0] === 1;
    const stalled = numbersUpTo(400).filter(isStalled).slice(0, 80);
    const waiting = stalled.map((key) => router.call(OPCODE.PUT, map, key, large, undefined, undefined));
    const others = numbersUpTo(2000).filter((key) => !isStalled(key));
    const reads = await forAll(router, OPCODE.GET, map, others, NOTHING, undefined, {}, 'getAll');
    expect(reads).toHaveLength(others.length);
    // The same where nobody serves its partitions, and everything for them waits for a table.
    bench.grid.serve(orphaned(1));
    await router.refresh();
    await forAll(router, OPCODE.GET, map, others, NOTHING, undefined, {}, 'getAll');
    bench.grid.serve(without(1));
    goOn();
    await Promise.all(waiting);
  });

  it('of which every copy is gone says so at once; the others are served; after the loss was accepted it is, too', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(KEYS.map((key) => put(router, key, key)));
    const lost = COPIED.flatMap((_, partition) => (partition % 3 === 1 ? [partition] : []));
    const goOn = stall(bench.grid.members[1]!);
    const inDoubt = KEYS.map((key) => getAndPut(router, key).catch((error: unknown) => error));
    await until(() => bench.grid.members[1]!.batches.some((batch) => batch.opcodes.includes(OPCODE.GET_AND_PUT)));
    const gone = COPIED.map((members, partition) => (lost.includes(partition) ? [] : members));
    bench.grid.serve(gone, lost);
    await router.refresh();
    const reads = await Promise.allSettled(KEYS.map((key) => get(router, key)));
    const told = reads.filter(({ status }) => status === 'rejected');
    expect(told.length).toBeGreaterThan(10);
    expect(told.length).toBeLessThan(60);
    for (const one of told) {
      expect(one).toMatchObject({ reason: { code: 'PARTITION_LOST', retryable: false, hint: expect.any(String) } });
    }
    const outcomes = await Promise.all(inDoubt);
    const unknown = outcomes.filter((outcome) => outcome instanceof GridError);
    expect(unknown).toHaveLength(told.length);
    for (const error of unknown) {
      expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', cause: { code: 'PARTITION_LOST' } });
    }
    goOn();
    const late = await bench.connect({ timeoutMs: 60_000 });
    bench.grid.serve(without(1, COPIED).map((members) => (members.length > 0 ? members : [0])));
    // Its first call hears of it, though all that it asks for is lost by the table that it knows.
    const lostKey = KEYS[reads.findIndex(({ status }) => status === 'rejected')]!;
    await put(late, lostKey, 0);
    while ((await Promise.allSettled([put(router, lostKey, 0)]))[0].status === 'rejected') await pause(10);
    await Promise.all(KEYS.map((key) => put(router, key, 0)));
    expect(await Promise.all(KEYS.map((key) => get(router, key)))).toEqual(KEYS.map(() => 0));
  });
});

describe('a primary that may not answer yet', () => {
  it.each(['LEASE_EXPIRED', 'STALE_EPOCH', 'NOT_ENOUGH_IN_SYNC'] as const)(
    '(%s) is asked again, often, and applies nothing twice',
    async (code) => {
      const router = await bench.connect({ timeoutMs: 60_000 });
      await Promise.all(KEYS.map((key) => put(router, key, key)));
      const [, victim] = bench.grid.members;
      let refused = 0;
      victim!.fail = () => (refused++ < 20 ? new GridError(code, 'it has no lease yet') : undefined);
      await Promise.all(KEYS.flatMap((key) => [put(router, key, -key), get(router, key)]));
      expect(refused).toBeGreaterThan(20);
      expect(timesApplied()).toBe(1);
    },
  );

  it('for want of copies says so, by name, when the time of a write is over', async () => {
    const router = await bench.connect();
    await put(router, 'k', 1);
    for (const member of bench.grid.members) {
      member.fail = () => new GridError('NOT_ENOUGH_IN_SYNC', 'fewer copies than it needs');
    }
    await expect(put(router, 'k', 2, { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'NOT_ENOUGH_IN_SYNC',
      retryable: true,
    });
  });
});
