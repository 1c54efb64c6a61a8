import { GridError } from '@ashlar/core';
import {
  type Column,
  decodeValue,
  encodeColumns,
  encodeKey,
  encodeValue,
  type StatementOutput,
  ValueTag,
} from '@ashlar/serialization';
import type { ProcessWhereRequest, SqlRequest } from '@ashlar/transport';
import { FakeMember } from '@ashlar/transport/testing';
import { type Context, type ContextManager, context, createTraceState, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { connect, defineMap, type Grid, ready } from './index.ts';
import * as fraud from './testing/fraud.processors.ts';

const FRAUD_FILE = new URL('./testing/fraud.processors.ts', import.meta.url);
const Accounts = defineMap<string, fraud.Account>('accounts');
const ACCOUNT: fraud.Account = { brand: 'x', balance: 100, owner: { id: 7 } };

let member: FakeMember;
let grid: Grid;
let address: string;

beforeEach(async () => {
  member = new FakeMember('a');
  address = await member.start();
  grid = await connect({ seeds: [address] });
});

afterEach(async () => {
  await grid.close();
  await member.stop();
});

function numbers(...values: number[]): Column {
  const lanes = { tags: undefined, values: undefined, codes: undefined, dictionary: undefined };
  return {
    type: 'float8',
    length: values.length,
    uniform: ValueTag.NUMBER,
    numbers: Float64Array.from(values),
    ...lanes,
  };
}

function texts(...values: (string | null)[]): Column {
  const lanes = { numbers: undefined, codes: undefined, dictionary: undefined };
  const tags = Uint8Array.from(values, (value) => (value === null ? ValueTag.NULL : ValueTag.TEXT));
  return { type: 'text', length: values.length, uniform: undefined, tags, values, ...lanes };
}

function batch(...columns: Column[]): StatementOutput {
  return { kind: 'batch', bytes: encodeColumns({ length: columns[0]!.length, columns }) };
}

const HEADER: StatementOutput = {
  kind: 'header',
  columns: [
    { name: 'n', type: 'float8' },
    { name: 'label', type: 'text' },
  ],
  notices: ['first'],
};
const END = { kind: 'end', affected: 5, rows: 3, version: 77, elapsedMs: 1, notices: ['last'], batches: 0 } as const;

/** Answers every statement with these, the end counting the batches; notes what was asked. */
function answer(...told: StatementOutput[]): SqlRequest[] {
  const batches = told.filter(({ kind }) => kind === 'batch').length;
  return answerExactly(...told.map((output) => (output === END ? { ...END, batches } : output)));
}

function answerExactly(...outputs: StatementOutput[]): SqlRequest[] {
  const asked: SqlRequest[] = [];
  member.services.sql.execute = async function* (request) {
    asked.push(request);
    yield* outputs;
  };
  return asked;
}

const THREE = [HEADER, batch(numbers(1, 2), texts('a', null)), batch(numbers(3), texts('c')), END];

describe('a map', () => {
  it('has the verbs of the api', async () => {
    const accounts = grid.map(Accounts);
    expect(accounts.name).toBe('accounts');
    expect(await accounts.get('a')).toBeUndefined();
    expect(await accounts.getEntry('a')).toBeUndefined();
    expect(await accounts.put('a', ACCOUNT, { ttlMs: 60_000 })).toBeUndefined();
    const entry = await accounts.getEntry('a');
    expect(entry).toEqual({ key: 'a', value: ACCOUNT, version: 2, expiresAtMs: 1_060_000 });
    expect(await accounts.replace('a', { ...ACCOUNT, balance: 90 }, { ifVersion: entry!.version })).toBe(true);
    expect(await accounts.replace('a', ACCOUNT, { ifVersion: entry!.version })).toBe(false);
    expect(await accounts.putIfAbsent('a', ACCOUNT)).toBe(false);
    expect((await accounts.getAndPut('a', ACCOUNT))?.balance).toBe(90);
    expect(await accounts.has('a')).toBe(true);
    await accounts.putAll([
      ['b', ACCOUNT],
      ['c', { ...ACCOUNT, balance: 1 }],
    ]);
    expect(await accounts.getAll(['c', 'nobody', 'b'])).toEqual([{ ...ACCOUNT, balance: 1 }, undefined, ACCOUNT]);
    expect(await accounts.size()).toBe(3);
    expect(await accounts.remove('b', { ifVersion: 1 })).toBe(false);
    expect(await accounts.remove('b')).toBe(true);
    expect(await accounts.getAndRemove('c')).toMatchObject({ balance: 1 });
    await accounts.clear();
    expect(await accounts.size()).toBe(0);
  });

  it('refuses by rejecting, never by throwing', async () => {
    const accounts = grid.map<fraud.Account>('accounts');
    const refused = accounts.put('a', ACCOUNT, { ttlMs: -1 });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(accounts.get(Number.NaN)).rejects.toMatchObject({ code: 'INVALID_KEY' });
    const processed = accounts.process('a', fraud.debit, { amount: 1 });
    await expect(processed).rejects.toMatchObject({ code: 'UNKNOWN_EXPORT' });
  });

  it('is read by statements where all of it is asked for', async () => {
    const columns = ['key', 'value', 'version', 'expires'].map((name) => ({ name, type: 'json' }));
    const asked = answer(
      { kind: 'header', columns, notices: [] },
      batch(texts('a', 'b'), texts('one', 'two'), numbers(5, 6), texts(null, null)),
      END,
    );
    const found = [];
    for await (const entry of grid.map<string>('odd "name"').entries()) found.push(entry);
    expect(found).toEqual([
      { key: 'a', value: 'one', version: 5, expiresAtMs: undefined },
      { key: 'b', value: 'two', version: 6, expiresAtMs: undefined },
    ]);
    expect(asked[0]!.text).toContain('FROM "odd ""name"""');
    member.services.sql.execute = () => {
      throw new GridError('UNKNOWN_MAP', 'unknown map');
    };
    for await (const _ of grid.map('nowhere').keys()) throw new Error('there are no keys');
  });

  it('ends no walk in silence: what comes after the first row is an error', async () => {
    member.services.sql.execute = async function* () {
      yield { kind: 'header', columns: [{ name: 'key', type: 'text' }], notices: [] };
      yield batch(texts('a'));
      throw new GridError('UNKNOWN_MAP', 'dropped meanwhile');
    };
    const seen: unknown[] = [];
    const walk = async (): Promise<void> => {
      for await (const key of grid.map('m').keys()) seen.push(key);
    };
    await expect(walk()).rejects.toMatchObject({ code: 'UNKNOWN_MAP' });
    expect(seen).toEqual(['a']);
  });
});

describe('a statement', () => {
  it('is not sent before its result is asked for', async () => {
    const asked = answer(...THREE);
    const result = grid.sql('SELECT 1');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(asked).toHaveLength(0);
    expect(await result.all()).toHaveLength(3);
    expect(asked).toHaveLength(1);
  });

  it('takes values of a template as parameters', async () => {
    const asked = answer(...THREE);
    const id = 7;
    await grid.sql`SELECT * FROM accounts WHERE id = ${id} AND brand = ${'x'}`.all();
    expect(asked[0]!.text).toBe('SELECT * FROM accounts WHERE id = $1 AND brand = $2');
    expect(decodeValue(asked[0]!.parameters)).toEqual([7, 'x']);
  });

  it('gives rows, the first row, batches, columns, notices, or what it changed', async () => {
    answer(...THREE);
    const rows = [
      { n: 1, label: 'a' },
      { n: 2, label: null },
      { n: 3, label: 'c' },
    ];
    expect(await grid.sql('S').all()).toEqual(rows);
    expect(await grid.sql('S').first()).toEqual(rows[0]);
    expect(await grid.sql('S').execute()).toEqual({ affected: 5 });
    const seen = [];
    for await (const row of grid.sql('S')) seen.push(row);
    expect(seen).toEqual(rows);
    const result = grid.sql('S');
    expect(await result.columns()).toEqual([
      { name: 'n', type: 'float8' },
      { name: 'label', type: 'text' },
    ]);
    const batches = [];
    for await (const one of result.batches()) batches.push([one.rowCount, one.values(0), one.values(1)]);
    expect(batches).toEqual([
      [2, [1, 2], ['a', null]],
      [1, [3], ['c']],
    ]);
    expect(await result.notices()).toEqual(['first', 'last']);
    await expect(result.all()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('asks for one row where one is wanted', async () => {
    const asked = answer(HEADER, END);
    expect(await grid.sql('S').first()).toBeUndefined();
    expect(asked[0]!.rowsMax).toBe(1);
  });

  it('that lacks a batch, or its end, is an error and no short result', async () => {
    const one = batch(numbers(1), texts('a'));
    answerExactly(HEADER, one, { ...END, batches: 2 });
    await expect(grid.sql('SELECT 1').all()).rejects.toMatchObject({
      code: 'INTERNAL',
      details: { received: 1, sent: 2 },
    });
    answerExactly(HEADER, one);
    await expect(grid.sql('SELECT 1').all()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await expect(grid.sql('DELETE FROM m').execute()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    answerExactly(HEADER, one, { ...END, batches: 0 });
    await expect(grid.sql('SELECT 1').all()).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('carries the version of the session on, there and back', async () => {
    const asked = answer(...THREE);
    await grid.sql('S').all();
    await grid.sql('S').all();
    expect(asked.map(({ sessionVersion }) => sessionVersion)).toEqual([member.version, 77]);
  });

  it('makes fields of its own of columns named like an object’s parts', async () => {
    answer({ kind: 'header', columns: [{ name: '__proto__', type: 'float8' }], notices: [] }, batch(numbers(1)), END);
    const [row] = await grid.sql('S').all();
    expect(Object.keys(row!)).toEqual(['__proto__']);
  });

  it('fails with the error of the member, with its place', async () => {
    member.services.sql.execute = () => {
      throw new GridError('SYNTAX_ERROR', 'what?', { position: { offset: 3, line: 1, column: 4 } });
    };
    const failure = { code: 'SYNTAX_ERROR', position: { offset: 3, line: 1, column: 4 } };
    await expect(grid.sql('S').all()).rejects.toMatchObject(failure);
    await expect(grid.sql('S').columns()).rejects.toMatchObject(failure);
  });

  it('refuses parameters that mean nothing', async () => {
    await expect(grid.sql('S', [1, undefined]).all()).rejects.toMatchObject({ code: 'INVALID_PARAMETER' });
    await expect(grid.sql('S', [() => 1]).all()).rejects.toMatchObject({ code: 'INVALID_PARAMETER' });
  });

  it.each<[string, unknown]>([
    ['undefined', [1, undefined]],
    ['a hole', new Array(1)],
    ['a Map', [new Map()]],
    ['no array', 'abc'],
    ['an object', { 0: 1 }],
  ])('refuses %s among the parameters of a statement, of processWhere and of a subscription', async (_, given) => {
    const parameters = given as unknown[];
    const refused = { code: 'INVALID_PARAMETER' };
    const map = grid.map('m');
    await expect(grid.sql('S', parameters).all()).rejects.toMatchObject(refused);
    await expect(map.processWhere('a = $1', parameters, ready.increment, { path: 'n', by: 1 })).rejects.toMatchObject(
      refused,
    );
    if (!Array.isArray(parameters)) return;
    const feed = map.subscribe({ where: 'a = $1', params: parameters })[Symbol.asyncIterator]();
    await expect(feed.next()).rejects.toMatchObject(refused);
  });

  it('can be cancelled', async () => {
    member.services.sql.execute = async function* (_, { signal }) {
      yield HEADER;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const abort = new AbortController();
    const all = grid.sql('S', [], { signal: abort.signal }).all();
    setTimeout(() => abort.abort(), 30);
    await expect(all).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it.each([
    ['SELECT 1', 'DEADLINE_EXCEEDED', true],
    ["WITH x AS (SELECT 'update') SELECT * FROM x", 'DEADLINE_EXCEEDED', true],
    ['DELETE FROM m', 'OUTCOME_UNKNOWN', false],
  ])('has its time: %s ends with %s, before its first answer and after', async (text, code, retryable) => {
    const ended = { code, retryable };
    for (const first of [[], [HEADER]]) {
      member.services.sql.execute = async function* (_, { signal }) {
        yield* first;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      };
      await expect(grid.sql(text, [], { timeoutMs: 50 }).all()).rejects.toMatchObject(ended);
    }
  });

  it.each([
    ['SELECT 1', 'CONNECTION_LOST', true],
    ["WITH x AS (SELECT 'update') SELECT * FROM x", 'CONNECTION_LOST', true],
    ['DELETE FROM m', 'OUTCOME_UNKNOWN', false],
  ])('whose link breaks after the header and some rows: %s ends with %s', async (text, code, retryable) => {
    const { port } = member;
    member.services.sql.execute = async function* (_, { signal }) {
      yield* THREE.slice(0, 2);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const rows = grid.sql(text)[Symbol.asyncIterator]();
    await rows.next();
    await rows.next();
    const rest = rows.next();
    rest.catch(() => undefined);
    const late = grid.sql(text);
    await late.columns();
    const unread = late.all();
    unread.catch(() => undefined);
    await member.stop();
    await expect(rest).rejects.toMatchObject({ code, retryable });
    await expect(unread).rejects.toMatchObject({ code, retryable });
    await member.start(port);
  });

  it('that only reads waits for a lost link; one that writes is in doubt', async () => {
    const { port } = member;
    let tries = 0;
    member.services.sql.execute = async function* (_, { signal }) {
      tries++;
      if (tries <= 2) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      yield* [...THREE.slice(0, 3), { ...END, batches: 2 }];
    };
    const read = grid.sql('SELECT 1').all();
    const write = grid.sql('DELETE FROM m').execute();
    write.catch(() => undefined);
    while (tries < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    await member.stop();
    await member.start(port);
    expect(await read).toHaveLength(3);
    await expect(write).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });
});

describe('user code', () => {
  it('is called by the names it was deployed under', async () => {
    const deployed: { name: string; exports: unknown }[] = [];
    member.services.compute.deploy = async (request) => {
      deployed.push(request);
      return { module: request.name, hash: request.hash };
    };
    const { module, hash } = await grid.deploy(FRAUD_FILE);
    expect(module).toBe('fraud');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(deployed[0]!.exports).toEqual([
      { name: 'audit', kind: 'listener', map: 'accounts', state: '' },
      { name: 'debit', kind: 'processor', map: '', state: '' },
      { name: 'flag', kind: 'processor', map: '', state: '' },
      { name: 'histogram', kind: 'job', map: '', state: '' },
      { name: 'withdraw', kind: 'processor', map: '', state: '' },
    ]);
    const accounts = grid.map(Accounts);
    expect(await accounts.process('a', fraud.debit, { amount: 5 })).toEqual({ amount: 5 });
    expect(member.batches.at(-1)!.processors).toEqual([{ module: 'fraud', exportName: 'debit' }]);
    expect(await accounts.processAll(['a', 'b'], fraud.debit, { amount: 2 })).toEqual([{ amount: 2 }, { amount: 2 }]);
    await grid.deploy(FRAUD_FILE, { name: 'second' });
    await accounts.process('a', fraud.flag, undefined);
    expect(member.batches.at(-1)!.processors).toEqual([{ module: 'second', exportName: 'flag' }]);
    expect(await grid.undeploy('second')).toBe(true);
  });

  it('that is ready-made needs no deployment', async () => {
    await grid.map<{ n: number }>('m').process(1, ready.increment, { path: 'n', by: 1 });
    expect(member.batches.at(-1)!.processors).toEqual([{ module: 'ashlar', exportName: 'increment' }]);
  });

  it('runs over a condition', async () => {
    const asked: ProcessWhereRequest[] = [];
    member.services.compute.processWhere = async (request) => {
      asked.push(request);
      return { affected: 3, version: 9, notices: ['a notice'] };
    };
    const map = grid.map<unknown>('m');
    expect(await map.processWhere('n < $1', [5], ready.increment, { path: 'n', by: 1 })).toEqual({
      affected: 3,
      notices: ['a notice'],
    });
    await map.processWhere('', [], ready.increment, { path: 'n', by: 1 }, { strict: true });
    expect(asked.map(({ strict }) => strict)).toEqual([false, true]);
    expect(asked[0]).toMatchObject({ map: 'm', where: 'n < $1', module: 'ashlar', exportName: 'increment' });
    expect(decodeValue(asked[0]!.parameters)).toEqual([5]);
  });

  it('as a job tells its progress and its result', async () => {
    await grid.deploy(FRAUD_FILE);
    let args: unknown;
    member.services.compute.runJob = async function* (request) {
      args = decodeValue(request.arguments);
      yield { kind: 'progress', share: 0.5 };
      yield { kind: 'result', bytes: encodeValue([1, 2, 3]) };
    };
    const shares: number[] = [];
    const onProgress = (share: number): void => {
      shares.push(share);
    };
    expect(await grid.run(fraud.histogram, { map: Accounts, width: 10 }, { onProgress })).toEqual([1, 2, 3]);
    expect([args, shares]).toEqual([{ width: 10 }, [0.5]]);
  });
});

describe('a grid', () => {
  it('is pinged member by member', async () => {
    const [one] = await grid.ping();
    expect(one).toMatchObject({ member: 'a' });
    expect(one!.roundTripMs).toBeGreaterThan(0);
  });

  it('tells the figures of its members', async () => {
    expect(await grid.stats()).toEqual([
      {
        member: 'a',
        address,
        figures: [{ name: 'ashlar_members', labels: { of: 'table' }, value: 1 }],
        error: undefined,
      },
    ]);
  });

  it('tells which member does not answer', async () => {
    member.services.admin.stats = async () => {
      throw new GridError('OVERLOADED', 'later');
    };
    expect(await grid.stats()).toMatchObject([{ member: 'a', figures: [], error: { code: 'OVERLOADED' } }]);
  });

  it('that is closed refuses everything by name', async () => {
    const accounts = grid.map(Accounts);
    await grid.close();
    const refused = { code: 'CLIENT_CLOSED' };
    await expect(accounts.get('a')).rejects.toMatchObject(refused);
    await expect(accounts.putAll([['a', ACCOUNT]])).rejects.toMatchObject(refused);
    await expect(accounts.size()).rejects.toMatchObject(refused);
    await expect(grid.sql('S').all()).rejects.toMatchObject(refused);
    await expect(accounts.subscribe().next()).rejects.toMatchObject(refused);
    await expect(grid.ping()).rejects.toMatchObject(refused);
    await expect(grid.stats()).rejects.toMatchObject(refused);
    await grid.close();
  });

  it('is closed by its scope', async () => {
    const scoped = await connect({ seeds: [address] });
    await scoped.map('m').put(1, 1);
    await scoped[Symbol.asyncDispose]();
    await expect(scoped.map('m').get(1)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });
});

describe('keys of the canonical form', () => {
  it('reach the member as they are', async () => {
    await grid.map('m').put(['a', 1n, 2.5], 1);
    expect(Buffer.from(member.batches.at(-1)!.keys)).toEqual(Buffer.from(encodeKey(['a', 1, 2.5])));
  });
});

describe('the trace of the application', () => {
  const parent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
  const traceparent = `00-${parent.traceId}-${parent.spanId}-01`;
  /** The span that is active; a stand-in for the context manager of an SDK. */
  let active: Context = ROOT_CONTEXT;

  beforeAll(() => {
    const manager = { active: () => active, with: () => undefined, bind: () => undefined } as unknown as ContextManager;
    context.setGlobalContextManager(Object.assign(manager, { enable: () => manager, disable: () => manager }));
  });
  afterEach(() => {
    active = ROOT_CONTEXT;
  });
  afterAll(() => context.disable());

  it('goes with each operation, once a batch where it is one', async () => {
    const accounts = grid.map(Accounts);
    active = trace.setSpanContext(ROOT_CONTEXT, parent);
    await Promise.all([accounts.get('a'), accounts.get('b')]);
    const traced = [accounts.get('a')];
    active = ROOT_CONTEXT;
    await Promise.all([...traced, accounts.get('b')]);
    await accounts.get('a');
    const traces = member.batches.map((batch) => ({ traces: batch.traces, indexes: batch.traceIndexes }));
    const known = [{ traceparent, tracestate: '' }];
    expect(traces.slice(-3)).toEqual([
      { traces: known, indexes: undefined },
      { traces: known, indexes: Uint32Array.of(1, 0) },
      { traces: [], indexes: undefined },
    ]);
  });

  it('goes with statements and other calls', async () => {
    const seen: unknown[] = [];
    member.services.admin.ping = async (call) => {
      seen.push(call.trace);
      return { memberId: 'a', address: 'here', version: 1 };
    };
    active = trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceState: createTraceState('vendor=1') });
    await grid.ping();
    active = ROOT_CONTEXT;
    await grid.ping();
    expect(seen).toEqual([{ traceparent, tracestate: 'vendor=1' }, undefined]);
  });
});

describe('spinning', () => {
  it("is on unless the option says 'off', and tells what it did", async () => {
    const map = grid.map<string>('m');
    for (let call = 0; call < 20; call++) await map.put('k', `${call}`);
    const { allowed, reason, spins, hits } = grid.spin;
    expect(reason === '').toBe(allowed);
    if (allowed) expect(spins).toBeGreaterThan(0);
    else expect(spins).toBe(0);
    expect(hits).toBeLessThanOrEqual(spins);
    const quiet = await connect({ seeds: [address], spin: 'off' });
    await quiet.map('m').get('k');
    expect(quiet.spin).toMatchObject({ allowed: false, reason: "spin is 'off'", spins: 0 });
    await quiet.close();
  });

  it("can be 'auto' or 'off'", async () => {
    const refusal = { code: 'INVALID_ARGUMENT', message: "spin is \"on\": it can be 'auto' or 'off'" };
    await expect(connect({ seeds: [address], spin: 'on' as never })).rejects.toMatchObject(refusal);
  });
});
