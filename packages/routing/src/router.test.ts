import { GridError } from '@ashlar/core';
import { type KvAnswerSink, type KvBatch, OPCODE } from '@ashlar/transport';
import { FakeMember, PARTITION_COUNT } from '@ashlar/transport/testing';
import { forAll, NOTHING, putAll, type Router } from './index.ts';
import { get, numbersUpTo, pause, put, RouterBench, until } from './testing/router-bench.ts';

let bench: RouterBench;

beforeEach(async () => {
  bench = await RouterBench.start();
});

afterEach(() => bench.stop());

const total = (batches: readonly KvBatch[]): number => batches.reduce((sum, { count }) => sum + count, 0);

describe('calls', () => {
  it('of every kind answer as the api says', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    const call = (opcode: number, value: unknown = NOTHING, extras = {}): Promise<unknown> =>
      router.call(opcode, map, 'k', value, extras, undefined);
    expect(await call(OPCODE.GET)).toBeUndefined();
    expect(await call(OPCODE.HAS)).toBe(false);
    expect(await call(OPCODE.REPLACE, 0)).toBe(false);
    expect(await call(OPCODE.PUT_IF_ABSENT, { n: 1 })).toBe(true);
    expect(await call(OPCODE.PUT_IF_ABSENT, { n: 2 })).toBe(false);
    expect(await call(OPCODE.GET_AND_PUT, { n: 3 }, { ttlMs: 500 })).toEqual({ n: 1 });
    const entry = await call(OPCODE.GET_ENTRY);
    expect(entry).toEqual({ value: { n: 3 }, version: 3, expiresAtMs: 1_000_500 });
    expect(await call(OPCODE.REPLACE, { n: 4 }, { ifVersion: 2 })).toBe(false);
    expect(await call(OPCODE.REPLACE, { n: 4 }, { ifVersion: 3 })).toBe(true);
    expect(await call(OPCODE.PUT, { n: 5 })).toBeUndefined();
    expect(await call(OPCODE.HAS)).toBe(true);
    expect(await call(OPCODE.PROCESS, [1, 2], { processor: { module: 'm', exportName: 'e' } })).toEqual([1, 2]);
    expect(await call(OPCODE.REMOVE, NOTHING, { ifVersion: 1 })).toBe(false);
    expect(await call(OPCODE.GET_AND_REMOVE)).toEqual({ n: 5 });
    expect(await call(OPCODE.REMOVE)).toBe(false);
  });

  it('that a getter of a value makes while the value is written take nothing of the call under way', async () => {
    const router = await bench.connect();
    const made: Promise<unknown>[] = [];
    const nested = (key: string, inner: () => void) => ({
      before: 1,
      get x() {
        inner();
        return key;
      },
      after: 2,
    });
    const deepest = nested('c', () => made.push(get(router, 'a'), put(router, 'longer than the others', 4)));
    const deeper = nested('b', () => made.push(put(router, 'c', deepest)));
    made.push(
      put(
        router,
        'a',
        nested('a', () => made.push(put(router, 'b', deeper))),
      ),
    );
    await Promise.all(made);
    for (const key of ['a', 'b', 'c']) expect(await get(router, key)).toEqual({ before: 1, x: key, after: 2 });
    expect(await get(router, 'longer than the others')).toBe(4);
  });

  it('whose value cannot be written, and those that its getter made, end each for itself', async () => {
    const router = await bench.connect();
    const made: Promise<unknown>[] = [];
    const refused = put(router, 'a', {
      get x() {
        made.push(put(router, 'b', 1));
        return () => 1;
      },
    });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await Promise.all(made);
    expect([await get(router, 'a'), await get(router, 'b')]).toEqual([undefined, 1]);
  });

  it('whose value closes the router while it is written end with CLIENT_CLOSED', async () => {
    const closing = (router: Router) => ({
      get x() {
        void router.close();
        return 1;
      },
    });
    const map = (router: Router) => router.map('m', undefined);
    const calls: readonly ((router: Router) => Promise<unknown>)[] = [
      (router) => put(router, 'a', closing(router)),
      (router) =>
        putAll(
          router,
          map(router),
          [
            ['a', 1],
            ['b', closing(router)],
            ['c', 1],
          ],
          undefined,
          {},
        ),
      (router) => forAll(router, OPCODE.PUT, map(router), ['a', 'b'], closing(router), undefined, {}, 'all'),
    ];
    for (const call of calls) {
      const router = await bench.connect();
      await expect(call(router)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    }
  });

  it('of one turn travel in one batch', async () => {
    const router = await bench.connect();
    await Promise.all(numbersUpTo(100).map((key) => put(router, key, { key })));
    expect(bench.sole.batches.map(({ count }) => count)).toEqual([100]);
    expect(await Promise.all(numbersUpTo(100).map((key) => get(router, key)))).toEqual(
      numbersUpTo(100).map((key) => ({ key })),
    );
    expect(bench.sole.batches).toHaveLength(2);
  });

  it('on several maps share a batch', async () => {
    const router = await bench.connect();
    const [a, b] = [router.map('a', undefined), router.map('b', { ttlMs: 5 })];
    await Promise.all([
      router.call(OPCODE.PUT, a, 1, 'in a', undefined, undefined),
      router.call(OPCODE.PUT, b, 1, 'in b', undefined, undefined),
      router.call(OPCODE.PUT, a, 2, 'in a too', undefined, undefined),
    ]);
    const batch = bench.sole.batches[0]!;
    expect(batch.maps.map(({ name, declared, ttlMs }) => [name, declared, ttlMs])).toEqual([
      ['a', false, 0],
      ['b', true, 5],
    ]);
    expect([...batch.mapIndexes!]).toEqual([0, 1, 0]);
    expect(await router.call(OPCODE.GET, b, 1, NOTHING, undefined, undefined)).toBe('in b');
  });

  it('that may wait for user code do not hold up those that never do', async () => {
    const router = await bench.connect();
    const extras = { processor: { module: 'm', exportName: 'slow' } };
    bench.sole.beforeAnswer = (batch) => (batch.opcodes[0] === OPCODE.PROCESS ? pause(200) : undefined);
    const slow = router.call(OPCODE.PROCESS, router.map('m', undefined), 1, NOTHING, extras, undefined);
    let slowIsDone = false;
    void slow.then(() => {
      slowIsDone = true;
    });
    await get(router, 1);
    expect(slowIsDone).toBe(false);
    await slow;
  });

  it('with a key or value that cannot be stored are refused, alone', async () => {
    const router = await bench.connect();
    const [bad, badValue, good] = await Promise.allSettled([
      put(router, Number.NaN, 1),
      put(router, 1, () => 1),
      put(router, 2, 2),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_KEY' } });
    expect(badValue).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_VALUE' } });
    expect(good.status).toBe('fulfilled');
    await expect(put(router, 3, 'x'.repeat(2 << 20))).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' });
    expect(await get(router, 2)).toBe(2);
  });

  it('get the error that befell them, alone', async () => {
    const router = await bench.connect();
    bench.sole.fail = (_, operation) => (operation === 1 ? new GridError('OUT_OF_MEMORY', 'full') : undefined);
    const outcome = await Promise.allSettled([put(router, 1, 1), put(router, 2, 2), put(router, 3, 3)]);
    expect(outcome.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcome[1]).toMatchObject({ reason: { code: 'OUT_OF_MEMORY', message: 'full' } });
  });

  it('with large values come back whole, in several messages', async () => {
    const router = await bench.connect();
    const values = numbersUpTo(20).map((index) => String.fromCharCode(97 + index).repeat(900_000));
    await Promise.all(values.map((value, key) => put(router, key, value)));
    expect(await Promise.all(values.map((_, key) => get(router, key)))).toEqual(values);
  });
});

describe('time and cancellation', () => {
  it('a call fails at its deadline, others do not', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = () => pause(300);
    const [quick, patient] = await Promise.allSettled([get(router, 1, { timeoutMs: 50 }), get(router, 2)]);
    expect(quick).toMatchObject({
      status: 'rejected',
      reason: { code: 'DEADLINE_EXCEEDED', retryable: true, details: { timeoutMs: 50 } },
    });
    expect(patient.status).toBe('fulfilled');
  });

  it('a mutation that was sent and is not answered in time may have been applied', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = () => pause(300);
    await expect(put(router, 1, 1, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      retryable: false,
      message: expect.stringContaining('50 ms'),
    });
  });

  it('a call that is cancelled rejects at once, and is not sent if it was not yet', async () => {
    const router = await bench.connect();
    const abort = new AbortController();
    const cancelled = put(router, 1, 1, { signal: abort.signal });
    const kept = put(router, 2, 2);
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    await kept;
    expect(total(bench.sole.batches)).toBe(1);
    await expect(get(router, 1, { signal: abort.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    bench.sole.beforeAnswer = () => pause(100);
    const later = new AbortController();
    const underWay = get(router, 1, { signal: later.signal });
    await until(() => bench.sole.batches.length === 2);
    later.abort();
    await expect(underWay).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('closing rejects what is under way with CLIENT_CLOSED, and what comes after', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = () => pause(1000);
    const underWay = put(router, 1, 1);
    await until(() => bench.sole.batches.length === 1);
    const unsent = put(router, 2, 2);
    const closed = router.close();
    await expect(underWay).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await expect(unsent).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await expect(get(router, 1)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await closed;
    await router.close();
  });
});

describe('sessions', () => {
  it('number mutations one by one and tell which are still unanswered', async () => {
    const router = await bench.connect();
    await Promise.all([put(router, 1, 1), get(router, 1), put(router, 2, 2)]);
    await put(router, 3, 3);
    const [first, second] = bench.sole.batches;
    expect(first).toMatchObject({ firstRequest: 1, lowestUnanswered: 1 });
    expect(second).toMatchObject({ firstRequest: 3, lowestUnanswered: 3, session: first!.session });
    expect([...bench.sole.store.applied.keys()]).toEqual([1, 2, 3].map((number) => `${first!.session}/${number}`));
  });

  it('carry the highest version seen', async () => {
    const router = await bench.connect();
    await put(router, 1, 1);
    await get(router, 1);
    expect(bench.sole.batches[1]!.sessionVersion).toBe(2);
    expect(router.sessionVersion).toBe(2);
  });

  it('that the grid forgot are opened anew, unnoticed', async () => {
    const router = await bench.connect();
    await put(router, 1, 1);
    const before = bench.sole.batches[0]!.session;
    bench.grid.store.sessions.clear();
    await Promise.all([put(router, 2, 2), put(router, 3, 3)]);
    expect(await get(router, 3)).toBe(3);
    expect(bench.sole.batches.at(-2)!.session).not.toBe(before);
  });
});

describe('a link that breaks', () => {
  /** Stops the member under the first batch that has come, and starts it again at its port. */
  async function restartUnder(work: () => Promise<unknown>[], afterMs = 100): Promise<PromiseSettledResult<unknown>[]> {
    const { port } = bench.sole;
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    const calls = work();
    const outcome = Promise.allSettled(calls);
    await until(() => bench.sole.batches.length > 0);
    await bench.sole.stop();
    bench.sole.beforeAnswer = undefined;
    await pause(afterMs);
    await bench.sole.start(port);
    return outcome;
  }

  it('loses nothing and applies nothing twice', async () => {
    const router = await bench.connect();
    const map = router.map('m', undefined);
    const outcome = await restartUnder(() =>
      numbersUpTo(50).map((key) => router.call(OPCODE.GET_AND_PUT, map, key, `new ${key}`, undefined, undefined)),
    );
    // Applied under the first sending: a second application would answer the new value as the old one.
    expect(outcome).toEqual(numbersUpTo(50).map(() => ({ status: 'fulfilled', value: undefined })));
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
    expect(bench.grid.store.applied.size).toBe(50);
    const again = bench.sole.batches.at(-1)!;
    expect(again).toMatchObject({ resent: true, firstRequest: 1, count: 50 });
  });

  it('sends again with the version of the first sending, whatever the session has seen since', async () => {
    bench.sole.version = 5000;
    const router = await bench.connect();
    await restartUnder(() => {
      queueMicrotask(() => setImmediate(() => router.observeVersion(9000)));
      return [put(router, 1, 'one')];
    });
    const [first, again] = [bench.sole.batches[0]!, bench.sole.batches.at(-1)!];
    expect(first).toMatchObject({ resent: false, sessionVersion: 5000, firstVersion: 0 });
    expect(again).toMatchObject({ resent: true, sessionVersion: 9000, firstVersion: 5000 });
  });

  it('lets calls made meanwhile wait for it', async () => {
    const router = await bench.connect();
    const { port } = bench.sole;
    await bench.sole.stop();
    const waiting = [put(router, 1, 'one'), put(router, 2, 'two')];
    await pause(150);
    await bench.sole.start(port);
    await Promise.all(waiting);
    expect(await get(router, 2)).toBe('two');
  });

  it('for good: what was sent is OUTCOME_UNKNOWN, what was not, or only read, MEMBER_UNREACHABLE', async () => {
    const router = await bench.connect();
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    const sent = put(router, 1, 1, { timeoutMs: 400 });
    const read = get(router, 1, { timeoutMs: 400 });
    const settled = Promise.allSettled([sent, read]);
    await until(() => bench.sole.batches.length > 0);
    await bench.sole.stop();
    await pause(50);
    const unsent = put(router, 2, 2, { timeoutMs: 200 });
    const { id, port } = bench.sole;
    await expect(unsent).rejects.toMatchObject({
      code: 'MEMBER_UNREACHABLE',
      retryable: true,
      details: { member: id, address: `127.0.0.1:${port}`, since: expect.stringMatching(/^20.*Z$/) },
    });
    expect(await settled).toMatchObject([
      { reason: { code: 'OUTCOME_UNKNOWN', retryable: false } },
      { reason: { code: 'MEMBER_UNREACHABLE' } },
    ]);
  });

  it('does not send again what nobody waits for', async () => {
    const router = await bench.connect();
    const outcome = await restartUnder(() => [put(router, 1, 'old', { timeoutMs: 50 }), put(router, 2, 2)], 200);
    expect(outcome.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(bench.sole.batches.filter(({ resent }) => resent).map(({ count }) => count)).toEqual([1]);
  });

  it('to a grid that was started anew finds the new one; what was in doubt stays in doubt', async () => {
    const router = await bench.connect();
    const { port } = bench.sole;
    bench.sole.beforeAnswer = () => new Promise(() => undefined);
    const inDoubt = put(router, 1, 1);
    inDoubt.catch(() => undefined);
    await until(() => bench.sole.batches.length > 0);
    await bench.sole.stop();
    const fresh = new FakeMember('other');
    fresh.table = { ...fresh.table, gridId: 'another grid' };
    await fresh.start(port);
    await expect(inDoubt).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await put(router, 2, 2);
    expect(await get(router, 2)).toBe(2);
    await router.close();
    await fresh.stop();
  });
});

describe('a grid that awaits members', () => {
  const nobodyOwns = (): void => {
    const { table } = bench.sole;
    bench.sole.table = { ...table, tableVersion: table.tableVersion + 1, expectedMembers: 3, owners: [], epochs: [] };
  };

  it('lets calls wait within their time, then says who is there and how many are missing', async () => {
    nobodyOwns();
    const router = await bench.connect();
    const late = [get(router, 1, { timeoutMs: 200 }), put(router, 1, 1, { timeoutMs: 200 })];
    const entries = numbersUpTo(1000).map((key) => [key, key] as const);
    const map = router.map('m', undefined);
    const all = [
      putAll(router, map, entries, undefined, { timeoutMs: 200 }),
      forAll(router, OPCODE.GET, map, [1, 2], NOTHING, undefined, { timeoutMs: 200 }, 'getAll'),
    ];
    for (const outcome of await Promise.allSettled([...late, ...all])) {
      const details = { joined: ['m0'], expected: 3, missing: 2 };
      expect(outcome).toMatchObject({ reason: { code: 'GRID_INCOMPLETE', retryable: true, details } });
    }
  });

  it('serves what waited as soon as it is complete', async () => {
    const complete = bench.sole.table;
    nobodyOwns();
    const router = await bench.connect();
    const entries = numbersUpTo(1000).map((key) => [key, key] as const);
    const waiting = [put(router, -1, 'one'), putAll(router, router.map('m', undefined), entries, undefined, {})];
    await pause(50);
    bench.sole.table = { ...complete, tableVersion: complete.tableVersion + 2 };
    await Promise.all(waiting);
    expect(await get(router, -1)).toBe('one');
    expect(await get(router, 999)).toBe(999);
  });

  it('in place of one that was started anew: calls wait for it, and reach it', async () => {
    const router = await bench.connect();
    await put(router, 1, 'old');
    const { port } = bench.sole;
    await bench.sole.stop();
    const fresh = new FakeMember('m0');
    const complete = { ...fresh.table, gridId: 'another grid' };
    fresh.table = { ...complete, expectedMembers: 2, owners: [], epochs: [] };
    await fresh.start(port);
    const { members } = fresh.table;
    const missing = { joined: ['m0'], expected: 2, missing: 1 };
    await expect(get(router, 1, { timeoutMs: 800 })).rejects.toMatchObject({
      code: 'GRID_INCOMPLETE',
      details: missing,
    });
    const waiting = put(router, 2, 'new');
    fresh.table = { ...complete, members, tableVersion: 2 };
    await waiting;
    expect(await get(router, 2)).toBe('new');
    expect(await get(router, 1)).toBeUndefined();
    await router.close();
    await fresh.stop();
  });

  it('takes nobody for a member who has not joined yet', async () => {
    const { table } = bench.sole;
    bench.sole.table = { ...table, members: [], owners: [], epochs: [] };
    await expect(bench.connect({ connectTimeoutMs: 200 })).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
    const connecting = bench.connect();
    await pause(50);
    bench.sole.table = table;
    await put(await connecting, 1, 1);
  });
});

describe('connecting', () => {
  it('takes the first seed that answers', async () => {
    const router = await bench.connect({ seeds: ['127.0.0.1:1', ...bench.grid.addresses] });
    await put(router, 1, 1);
  });

  it('waits for a member that starts, where it is told to', async () => {
    const { port } = bench.sole;
    await bench.sole.stop();
    const connecting = bench.connect({ waitForMembers: true });
    await pause(200);
    await bench.sole.start(port);
    await put(await connecting, 1, 1);
  });

  it('fails by name when nobody listens: at once, or in its time where it is told to wait', async () => {
    const seeds = ['127.0.0.1:1'];
    const refused = { code: 'CONNECTION_REFUSED', details: { address: '127.0.0.1:1' } };
    await expect(bench.connect({ seeds, connectTimeoutMs: 2 ** 31 })).rejects.toMatchObject(refused);
    const waiting = bench.connect({ seeds, connectTimeoutMs: 300, waitForMembers: true });
    await expect(waiting).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT', details: { timeoutMs: 300 } });
    const several = bench.connect({ seeds: ['127.0.0.1:1', '127.0.0.1:2'] });
    await expect(several).rejects.toThrow('nobody listens at any of 127.0.0.1:1, 127.0.0.1:2');
  });

  it('fails at once where waiting does not help', async () => {
    const strict = new FakeMember('s');
    const authenticate = (): never => {
      throw new GridError('UNAUTHENTICATED', 'who are you?');
    };
    const address = await strict.start(0, { authenticate });
    await expect(bench.connect({ seeds: [address] })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await strict.stop();
  });
});

describe('several members', () => {
  beforeEach(async () => {
    await bench.restart(3);
  });

  it('get each what is theirs', async () => {
    const router = await bench.connect();
    await Promise.all(numbersUpTo(300).map((key) => put(router, key, key)));
    for (const [index, member] of bench.grid.members.entries()) {
      expect(total(member.batches)).toBeGreaterThan(0);
      const partitions = new Set(member.batches.flatMap((batch) => [...batch.partitions]));
      expect([...partitions].every((partition) => partition % 3 === index)).toBe(true);
    }
    expect(await Promise.all(numbersUpTo(300).map((key) => get(router, key)))).toEqual(numbersUpTo(300));
  });

  it('that change owners are found again', async () => {
    const router = await bench.connect();
    await Promise.all(numbersUpTo(100).map((key) => put(router, key, key)));
    bench.grid.assign(Array.from({ length: PARTITION_COUNT }, (_, partition) => (partition + 1) % 3));
    await Promise.all(numbersUpTo(100).map((key) => put(router, key, -key)));
    expect(await Promise.all(numbersUpTo(100).map((key) => get(router, key)))).toEqual(
      numbersUpTo(100).map((key) => -key),
    );
    expect(router.table.tableVersion).toBe(3);
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
  });

  it('of which one dies: its partitions go on elsewhere, under the numbers they had', async () => {
    const router = await bench.connect();
    const victim = bench.grid.members[1]!;
    victim.beforeAnswer = () => new Promise(() => undefined);
    const map = router.map('m', undefined);
    const calls = numbersUpTo(90).map((key) =>
      router.call(OPCODE.GET_AND_PUT, map, key, `new ${key}`, undefined, undefined),
    );
    await until(() => victim.batches.length > 0);
    await victim.stop();
    bench.grid.assign(
      Array.from({ length: PARTITION_COUNT }, (_, partition) => (partition % 3 === 1 ? 2 : partition % 3)),
      [0, 2],
    );
    expect(await Promise.all(calls)).toEqual(numbersUpTo(90).map(() => undefined));
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
    expect(bench.grid.store.applied.size).toBe(90);
  });

  it('of which one cannot be reached: calls for it fail by name long before their time, the others are served', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    await Promise.all(numbersUpTo(90).map((key) => put(router, key, key)));
    const lost = bench.grid.members[1]!;
    const { port } = lost;
    await lost.stop();
    for (const verb of [get, (to: typeof router, key: number) => put(to, key, key)]) {
      const outcome = await Promise.allSettled(numbersUpTo(90).map((key) => verb(router, key)));
      const failed = outcome.filter(({ status }) => status === 'rejected');
      expect(failed.length).toBeGreaterThan(10);
      expect(failed.length).toBeLessThan(60);
      for (const one of failed) {
        const details = { member: 'm1', address: `127.0.0.1:${port}` };
        expect(one).toMatchObject({ reason: { code: 'MEMBER_UNREACHABLE', retryable: true, details } });
      }
    }
    await lost.start(port);
    await until(() => lost.streamsOpened > 1);
    expect(await Promise.all(numbersUpTo(90).map((key) => put(router, key, -key)))).toHaveLength(90);
  });

  it('of which one cannot be reached: what was sent to it waits, and is applied once', async () => {
    const router = await bench.connect();
    const lost = bench.grid.members[1]!;
    const { port } = lost;
    await Promise.all(numbersUpTo(90).map((key) => put(router, key, key)));
    lost.beforeAnswer = () => new Promise(() => undefined);
    const map = router.map('m', undefined);
    const calls = numbersUpTo(90).map((key) => router.call(OPCODE.GET_AND_PUT, map, key, -key, undefined, undefined));
    const before = lost.batches.length;
    await until(() => lost.batches.length > before);
    await lost.stop();
    const unsent = await Promise.allSettled(numbersUpTo(90).map((key) => get(router, key)));
    expect(unsent.some(({ status }) => status === 'rejected')).toBe(true);
    lost.beforeAnswer = undefined;
    await lost.start(port);
    expect(await Promise.all(calls)).toEqual(numbersUpTo(90));
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
  });

  it('of which one comes back at another address is found there', async () => {
    const router = await bench.connect({ timeoutMs: 60_000 });
    const moved = bench.grid.members[1]!;
    await Promise.all(numbersUpTo(30).map((key) => put(router, key, key)));
    await moved.stop();
    await bench.grid.restartElsewhere(1);
    const puts = async (): Promise<boolean> => {
      const outcome = await Promise.allSettled(numbersUpTo(30).map((key) => put(router, key, -key)));
      return outcome.every(({ status }) => status === 'fulfilled');
    };
    while (!(await puts())) await pause(10);
  });

  it('of which one drains: calls go to the others', async () => {
    const router = await bench.connect();
    await Promise.all(numbersUpTo(50).map((key) => put(router, key, key)));
    const leaving = bench.grid.members[2]!;
    const calls: Promise<unknown>[] = [];
    const drained = leaving.server!.drain(2000);
    for (const key of numbersUpTo(60)) calls.push(put(router, key, key));
    await pause(50);
    bench.grid.assign(
      Array.from({ length: PARTITION_COUNT }, (_, partition) => partition % 2),
      [0, 1],
    );
    await Promise.all(calls);
    await drained;
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
  });

  it('with a partition nobody owns: calls wait for an owner', async () => {
    const router = await bench.connect();
    const owners = Array.from({ length: PARTITION_COUNT }, (_, partition) => partition % 3);
    bench.grid.assign(owners.map((owner) => (owner === 1 ? 9 : owner)));
    for (const member of bench.grid.members) {
      member.table = { ...member.table, owners: member.table.owners.map(([owner]) => (owner === -1 ? [] : [owner!])) };
    }
    await router.refresh();
    const calls = numbersUpTo(60).map((key) => put(router, key, key));
    const late = put(router, 'late', 1, { timeoutMs: 100 });
    await Promise.allSettled([late]);
    bench.grid.assign(owners);
    await Promise.all(calls);
    expect(Math.max(...bench.grid.store.applied.values())).toBe(1);
  });
});

describe('a map whose keys have affinity parts', () => {
  it('that the caller did not name is routed right after the first conflict', async () => {
    const router = await bench.connect();
    bench.sole.affinityParts.set('orders', 1);
    const map = router.map('orders', undefined);
    await router.call(OPCODE.PUT, map, ['customer', 1], 'x', undefined, undefined);
    expect(map.affinityParts).toBe(1);
    const partitions = bench.sole.batches.at(-1)!.partitions;
    await router.call(OPCODE.PUT, map, ['customer', 2], 'y', undefined, undefined);
    expect([...bench.sole.batches.at(-1)!.partitions]).toEqual([...partitions]);
  });

  it('is learnt for that map alone, though the batch was refused whole', async () => {
    const router = await bench.connect();
    const [orders, other] = [router.map('orders', undefined), router.map('other', undefined)];
    bench.sole.fail = (batch) => {
      const isWrong = batch.maps.some(({ name, affinityParts }) => name === 'orders' && affinityParts === 0);
      const details = { map: 'orders', affinityParts: 1 };
      return isWrong ? new GridError('MAP_CONFLICT', 'orders has others', { details }) : undefined;
    };
    bench.sole.affinityParts.set('orders', 1);
    await Promise.all([
      router.call(OPCODE.PUT, orders, ['a', 1], 1, undefined, undefined),
      router.call(OPCODE.PUT, other, ['a', 1], 2, undefined, undefined),
    ]);
    expect([orders.affinityParts, other.affinityParts]).toEqual([1, 0]);
  });

  it('that the caller declared otherwise is a conflict', async () => {
    const router = await bench.connect();
    bench.sole.affinityParts.set('orders', 1);
    const map = router.map('orders', { affinityParts: 2 });
    await expect(router.call(OPCODE.PUT, map, ['a', 1], 'x', undefined, undefined)).rejects.toMatchObject({
      code: 'MAP_CONFLICT',
    });
  });
});

describe('a router inside a member', () => {
  it('reaches its own member without a socket, the others over one', async () => {
    await bench.restart(2);
    const own = bench.grid.members[0]!;
    const local = {
      memberId: own.id,
      openStream: (answers: KvAnswerSink) => own.services.kv.openStream(answers, undefined as never),
      openSession: (request: { session: number; clientName: string }) =>
        own.services.kv.openSession(request, undefined as never),
    };
    const router = await bench.connect({ seeds: [bench.grid.addresses[1]!], local });
    own.server!.close();
    await Promise.all(numbersUpTo(100).map((key) => put(router, key, { key })));
    expect(await get(router, 7)).toEqual({ key: 7 });
    expect(total(own.batches)).toBeGreaterThan(20);
    expect(total(bench.grid.members[1]!.batches)).toBeGreaterThan(20);
  });
});
