/**
 * What the compiler takes and what it refuses, for everything public that has type parameters: this file is checked with all
 * tests (`tsconfig.tests.json`) and never run. Under each `@ts-expect-error` stands what would fail at run time.
 */
import {
  Decimal,
  defineJob,
  defineListener,
  defineMap,
  defineProcessor,
  type EntryEvent,
  type EntryProcessor,
  type Grid,
  type GridKey,
  type GridMap,
  Refusal,
  ready,
  writePut,
} from '@ashlar/api';

interface Account {
  readonly brand: string;
  readonly balance: number;
  readonly cents: bigint;
  readonly exact: Decimal;
  readonly tags: readonly string[];
  readonly moves: readonly { readonly amount: number; readonly by?: { readonly name: string } }[];
  readonly owner?: { readonly id: number; readonly limits: Readonly<Record<string, number>> };
  readonly opened: Date;
  readonly note: string | null;
  readonly either: string | number;
}

declare const grid: Grid;
declare const account: Account;
declare const dynamic: string;

const Accounts = defineMap<string, Account>('accounts');
const Orders = defineMap<readonly [shop: string, order: number], { readonly sum: number }>('orders');
const Untyped = defineMap('untyped');

/** Holds when the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function isType<A>(): <B>(_: B, same: Same<A, B>) => void {
  return () => undefined;
}

// --- processors

export const debit = defineProcessor<Account, { readonly amount: number }, number>((entry, { amount }) => {
  if (entry.value === undefined) throw new Refusal('NO_ACCOUNT', { key: entry.key });
  entry.value = { ...entry.value, balance: entry.value.balance - amount };
  return entry.value.balance;
});
export const flag = defineProcessor<Account>((entry) => {
  entry.remove();
});
export const inferred = defineProcessor((_: { value: Account | undefined }, args: { n: number }) => args.n * 2);
export const maybe = defineProcessor<Account, { readonly n?: number } | undefined, string | undefined>((entry, args) =>
  args?.n === 1 ? entry.value?.brand : undefined,
);
export const anything = defineProcessor<unknown, unknown, unknown>((entry) => entry.value);
export const refuses = defineProcessor<Account, void, never>(() => {
  throw new Refusal('NEVER');
});

// @ts-expect-error async
export const asyncResult = defineProcessor<Account, void, number>(async () => 1);
// @ts-expect-error async, and it answers nothing
export const asyncNothing = defineProcessor<Account>(async () => undefined);
// @ts-expect-error async with an await
export const asyncAwait = defineProcessor<Account, { ms: number }>(async (entry, { ms }) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  entry.remove();
});
// @ts-expect-error a promise that is passed on
export const passedOn = defineProcessor<Account, void, Promise<number>>(() => Promise.resolve(1));
// @ts-expect-error a promise now and then
export const nowAndThen = defineProcessor((entry: { value: Account | undefined }) =>
  entry.value ? 1 : Promise.resolve(1),
);
// @ts-expect-error async, all types inferred
export const asyncInferred = defineProcessor(async (_: { value: Account | undefined }) => 1);
export const wrongValue = defineProcessor<Account>((entry) => {
  // @ts-expect-error a value without its fields
  entry.value = { brand: 'x' };
  // @ts-expect-error no such word
  entry.ttlMs = 'always';
  // @ts-expect-error the key is the entry's
  entry.key = 'b';
});

// --- jobs

export const total = defineJob<Account, { readonly above: number }, number>({
  map: (rows, { above }) => rows.numbers('balance').filter((balance) => balance > above).length,
  reduce: (partials) => partials.reduce((sum, partial) => sum + partial, 0),
});
export const paths = defineJob<Account>({
  map: (rows) => {
    rows.numbers('owner.id');
    rows.numbers('owner.limits.anything');
    rows.numbers('moves[0].amount');
    rows.numbers('cents');
    rows.numbers('exact');
    rows.numbers('either');
    rows.numbers(dynamic);
    rows.numbers('"any name" that is quoted');
    isType<(string | undefined)[]>()(rows.column('brand'), true);
    isType<(string | undefined)[]>()(rows.column('moves[3].by.name'), true);
    isType<(Date | undefined)[]>()(rows.column('opened'), true);
    isType<unknown[]>()(rows.column(dynamic), true);
    // @ts-expect-error no such field
    rows.numbers('typo');
    // @ts-expect-error no such field further down
    rows.numbers('owner.typo');
    // @ts-expect-error no number
    rows.numbers('brand');
    // @ts-expect-error no number
    rows.numbers('opened');
    // @ts-expect-error fields of a text
    rows.numbers('brand.length');
    // @ts-expect-error an array's elements have numbers, it has names
    rows.numbers('tags.length');
    // @ts-expect-error an index into an object
    rows.numbers('owner[0]');
    // @ts-expect-error no path at all
    rows.numbers('');
    // @ts-expect-error no such field
    rows.column('typo');
    // @ts-expect-error a field of an element that it has not
    rows.column('moves[0].typo');
  },
  reduce: () => undefined,
});
export const untypedRows = defineJob({
  map: (rows) => [rows.numbers('whatever.it[2].is'), rows.column('x')],
  reduce: (partials) => partials.length,
});
export const listRows = defineJob<readonly { readonly n: number }[], unknown, number>({
  map: (rows) => {
    // @ts-expect-error a list has no fields
    rows.numbers('n');
    return rows.numbers('[0].n').length;
  },
  reduce: (partials) => partials.length,
});
export const asyncJob = defineJob<Account, unknown, Promise<number>>({
  map: async (rows) => rows.count,
  reduce: async (partials) => partials.reduce((sum, partial) => sum + partial, 0),
});
export const ordersJob = defineJob<{ readonly sum: number }, unknown, string, string, readonly [string, number]>({
  map: (rows) => [...rows.entries()].map(([[shop]]) => shop).join(),
  reduce: (partials) => partials.join(),
});

export async function jobs(): Promise<void> {
  isType<number>()(await grid.run(total, { map: Accounts, above: 5 }), true);
  await grid.run(total, { map: 'accounts', above: 5 });
  await grid.run(total, { map: Untyped, above: 5 }, { timeoutMs: 1000, onProgress: (share) => share.toFixed(2) });
  await grid.run(paths, { map: Accounts });
  await grid.run(untypedRows, { map: Orders });
  await grid.run(ordersJob, { map: Orders });
  isType<number>()(await grid.run(asyncJob, { map: Accounts }), true);
  // @ts-expect-error a map with other values
  await grid.run(total, { map: Orders, above: 5 });
  // @ts-expect-error a map with other keys
  await grid.run(ordersJob, { map: defineMap<string, { readonly sum: number }>('by-name') });
  // @ts-expect-error no map
  await grid.run(total, { above: 5 });
  // @ts-expect-error without its arguments
  await grid.run(total, { map: Accounts });
  // @ts-expect-error an argument of another type
  await grid.run(total, { map: Accounts, above: 'five' });
  // @ts-expect-error an argument that it does not have
  await grid.run(total, { map: Accounts, above: 5, below: 7 });
  // @ts-expect-error a processor is no job
  await grid.run(debit, { map: Accounts });
}

// --- maps

async function* accountsOf(one: Account): AsyncGenerator<[string, Account]> {
  yield ['a', one];
}

export async function maps(): Promise<void> {
  const accounts = grid.map(Accounts);
  isType<GridMap<string, Account>>()(accounts, true);
  isType<GridMap<GridKey, Account>>()(grid.map<Account>('accounts'), true);
  isType<GridMap<string, Account>>()(grid.map<string, Account>('accounts'), true);
  isType<Account | undefined>()(await accounts.get('a'), true);
  await accounts.put('a', account, { ttlMs: 'keep' });
  await accounts.putAll(new Map([['a', account]]));
  const loaded = await accounts.load(accountsOf(account), { onFailure: 'goOn', ttlMs: 5 });
  isType<string | undefined>()(loaded.failures.at(0)?.key, true);
  await accounts.load(new Map([['a', account]]), {
    onProgress: ({ entries, bytes, failed }) => entries + bytes + failed,
  });
  const untyped = grid.map('anything');
  isType<unknown>()(await untyped.get(1), true);
  await untyped.put(['a', 1n, new Uint8Array(1)], { any: 'thing', list: [1, new Date()] });
  isType<unknown>()(await grid.map(Untyped).get('k'), true);
  // @ts-expect-error a key of another type
  await accounts.get(7);
  // @ts-expect-error a value without its fields
  await accounts.put('a', { brand: 'x' });
  // @ts-expect-error no value
  await accounts.put('a', undefined);
  // @ts-expect-error a number where an entry belongs
  await accounts.putAll([['a', 5]]);
  // @ts-expect-error a value of another type
  await accounts.load([['a', 5]]);
  // @ts-expect-error what is no key
  await untyped.get({ id: 1 });
  // @ts-expect-error what is no key either
  await untyped.get(new Date());
  // @ts-expect-error a boolean
  await untyped.put(true, 1);
  // @ts-expect-error maps by what is no key
  defineMap<boolean, Account>('flags');
  // @ts-expect-error no such word
  await accounts.put('a', account, { ttlMs: 'forever' });
  // @ts-expect-error a Date where milliseconds belong
  await accounts.put('a', account, { ttlMs: new Date() });
  // @ts-expect-error put has no condition
  await accounts.put('a', account, { ifVersion: 1 });
  // @ts-expect-error no such option
  defineMap<string, Account>('accounts', { ttl: 5 });
  // @ts-expect-error a value of no type
  (await untyped.get(1))?.balance;
  // @ts-expect-error a name or a definition
  grid.map(5);
}

/** Code for maps of any values goes on as it did. */
export async function generic<T, Args, Result>(
  map: GridMap<string, T>,
  value: T,
  processor: EntryProcessor<T, Args, Result>,
  args: Args,
): Promise<Result> {
  await map.put('k', value);
  await map.processAll(['k'], processor, args);
  const definition = defineMap<string, T>('generic');
  await grid.map(definition).put('k', value);
  return map.process('k', processor, args);
}

export function asUnknown(map: GridMap<string, Account>): GridMap<string, unknown> {
  return map;
}

// --- processors on maps

export async function calls(): Promise<void> {
  const accounts = grid.map(Accounts);
  isType<number>()(await accounts.process('a', debit, { amount: 5 }), true);
  isType<number[]>()(await accounts.processAll(['a'], debit, { amount: 5 }), true);
  await accounts.process('a', flag, undefined);
  await accounts.process('a', maybe, undefined);
  await accounts.process('a', anything, { what: 'ever' });
  await accounts.processWhere('balance < $1', [0], flag);
  await accounts.processWhere('TRUE', [], flag, undefined, { timeoutMs: 5 });
  await accounts.processWhere('TRUE', [], maybe);
  await accounts.processWhere('TRUE', [], debit, { amount: 5 });
  await grid.map('accounts').process('a', debit, { amount: 5 });
  await grid.map(Untyped).process('a', debit, { amount: 5 });
  // @ts-expect-error arguments of another shape
  await accounts.process('a', debit, { sum: 5 });
  // @ts-expect-error one argument too many
  await accounts.process('a', debit, { amount: 5, sum: 5 });
  // @ts-expect-error without its arguments
  await accounts.process('a', debit, undefined);
  // @ts-expect-error without its arguments
  await accounts.processWhere('TRUE', [], debit);
  // @ts-expect-error arguments of another type
  await accounts.processWhere('TRUE', [], debit, { amount: '5' });
  // @ts-expect-error parameters are a list
  await accounts.processWhere('balance < $1', 0, flag);
  // @ts-expect-error a processor of other entries
  await grid.map(Orders).process(['x', 1], debit, { amount: 5 });
  // @ts-expect-error a processor of other entries
  await grid.map(Orders).processWhere('TRUE', [], flag);
  // @ts-expect-error a job is no processor
  await accounts.process('a', total, { above: 5 });
  // @ts-expect-error a function is none until it is defined as one
  await accounts.process('a', () => 1, undefined);
  // @ts-expect-error arguments are checked on untyped maps too
  await grid.map('accounts').process('a', debit, { sum: 5 });
}

// --- ready-made processors

export async function increments(): Promise<void> {
  const accounts = grid.map(Accounts);
  isType<number>()(await accounts.process('a', ready.increment, { path: 'balance', by: 1 }), true);
  isType<bigint>()(await accounts.process('a', ready.increment, { path: 'cents', by: 1n }), true);
  await accounts.process('a', ready.increment, { path: 'cents', by: 1 });
  isType<Decimal>()(await accounts.process('a', ready.increment, { path: 'exact', by: Decimal.parse('1.5') }), true);
  await accounts.process('a', ready.increment, { path: 'owner.id', by: 1, ttlMs: 'never' });
  await accounts.process('a', ready.increment, { path: 'owner.limits.daily', by: 1 });
  await accounts.process('a', ready.increment, { path: 'moves[0].amount', by: 1 });
  await accounts.process('a', ready.increment, { path: dynamic, by: 1 });
  await accounts.processAll(['a'], ready.increment, { path: 'balance', by: 1 });
  await accounts.processWhere('TRUE', [], ready.increment, { path: 'balance', by: 1 });
  await grid.map('untyped').process('a', ready.increment, { path: 'a.b[0]', by: 1 });
  // @ts-expect-error no such field
  await accounts.process('a', ready.increment, { path: 'balanse', by: 1 });
  // @ts-expect-error no such field further down
  await accounts.process('a', ready.increment, { path: 'owner.identity', by: 1 });
  // @ts-expect-error a text
  await accounts.process('a', ready.increment, { path: 'brand', by: 1 });
  // @ts-expect-error a path through a text
  await accounts.process('a', ready.increment, { path: 'brand.n', by: 1 });
  // @ts-expect-error a bigint onto a number
  await accounts.process('a', ready.increment, { path: 'balance', by: 1n });
  // @ts-expect-error a Decimal onto a bigint
  await accounts.process('a', ready.increment, { path: 'cents', by: Decimal.parse('0.5') });
  // @ts-expect-error a text
  await accounts.process('a', ready.increment, { path: 'balance', by: '1' });
  // @ts-expect-error nothing to add
  await accounts.process('a', ready.increment, { path: 'balance' });
  // @ts-expect-error no such option
  await accounts.process('a', ready.increment, { path: 'balance', by: 1, ttl: 5 });
  // @ts-expect-error no such word
  await accounts.process('a', ready.increment, { path: 'balance', by: 1, ttlMs: 'always' });
  // @ts-expect-error on every door
  await accounts.processAll(['a'], ready.increment, { path: 'balanse', by: 1 });
  // @ts-expect-error on every door
  await accounts.processWhere('TRUE', [], ready.increment, { path: 'balanse', by: 1 });
  // @ts-expect-error it takes arguments
  await accounts.processWhere('TRUE', [], ready.increment);
  // @ts-expect-error a number has no fields
  await grid.map<number>('numbers').process('a', ready.increment, { path: 'n', by: 1 });
}

export async function appends(): Promise<void> {
  const accounts = grid.map(Accounts);
  isType<number>()(await accounts.process('a', ready.append, { path: 'tags', items: ['x'] }), true);
  await accounts.process('a', ready.append, { path: 'moves', items: [{ amount: 5 }] });
  await grid.map('untyped').process('a', ready.append, { path: 'list', items: [1, 'x'] });
  // @ts-expect-error no such field
  await accounts.process('a', ready.append, { path: 'tag', items: ['x'] });
  // @ts-expect-error no array
  await accounts.process('a', ready.append, { path: 'balance', items: [1] });
  // @ts-expect-error items of another type
  await accounts.process('a', ready.append, { path: 'tags', items: [1] });
  // @ts-expect-error one item is no list
  await accounts.process('a', ready.append, { path: 'tags', items: 'x' });
}

export async function patches(): Promise<void> {
  const accounts = grid.map(Accounts);
  await accounts.process('a', ready.mergePatch, { patch: { balance: 5 } });
  await accounts.process('a', ready.mergePatch, { patch: { owner: { id: 5 } } });
  await accounts.process('a', ready.mergePatch, { patch: { owner: null } });
  await accounts.process('a', ready.mergePatch, { patch: { owner: { limits: { daily: 5 } } }, ttlMs: 5 });
  await grid.map('untyped').process('a', ready.mergePatch, { patch: { any: { thing: null } } });
  // @ts-expect-error no such field
  await accounts.process('a', ready.mergePatch, { patch: { balanse: 5 } });
  // @ts-expect-error another type
  await accounts.process('a', ready.mergePatch, { patch: { balance: '5' } });
  // @ts-expect-error a field that is always there
  await accounts.process('a', ready.mergePatch, { patch: { balance: null } });
  // @ts-expect-error a field that is always there, further down
  await accounts.process('a', ready.mergePatch, { patch: { owner: { id: null } } });
  // @ts-expect-error values that have no fields
  await grid.map<number>('numbers').process('a', ready.mergePatch, { patch: { n: 1 } });
  // @ts-expect-error values that are lists
  await grid.map<number[]>('lists').process('a', ready.mergePatch, { patch: { length: 1 } });
}

export async function compares(): Promise<void> {
  const accounts = grid.map(Accounts);
  isType<boolean>()(await accounts.process('a', ready.compareAndSet, { expected: undefined, value: account }), true);
  await accounts.process('a', ready.compareAndSet, { expected: account, value: undefined });
  await grid.map('untyped').process('a', ready.compareAndSet, { expected: 1, value: 'x' });
  // @ts-expect-error a value of another type
  await accounts.process('a', ready.compareAndSet, { expected: account, value: { balance: 5 } });
  // @ts-expect-error nothing to compare with
  await accounts.process('a', ready.compareAndSet, { value: account });
}

// --- events, listeners, statements

export async function events(): Promise<void> {
  const accounts = grid.map(Accounts);
  for await (const event of accounts.subscribe({
    where: 'balance < $1',
    params: [0],
    types: ['update'],
    onSlow: 'lag',
  })) {
    isType<EntryEvent<string, Account>>()(event, true);
    if (event.type === 'update') isType<Account>()(event.oldValue, true);
    // @ts-expect-error an insert has no old value
    if (event.type === 'insert') event.oldValue.balance;
  }
  // @ts-expect-error no such option
  accounts.subscribe({ filter: 'balance < 0' });
  // @ts-expect-error no such word
  accounts.subscribe({ onSlow: 'drop' });
  // @ts-expect-error no such type of events
  accounts.subscribe({ types: ['delete'] });
  // @ts-expect-error a token is a text
  accounts.subscribe({ from: 5 });
  // @ts-expect-error a condition is a text
  accounts.subscribe({ where: (value: Account) => value.balance < 0 });
}

const Totals = defineMap<string, number>('totals');

export const listens = defineListener({
  map: Accounts,
  after: async (changes, inside) => {
    const found = await inside.map(Accounts).getAll(changes.map(({ key }) => key));
    isType<(Account | undefined)[]>()(found, true);
    await inside.map(Accounts).process('a', debit, { amount: 5 });
    await inside.map(Accounts).process('a', ready.increment, { path: 'balance', by: 1 });
    isType<number[]>()(await inside.map(Accounts).processEach([['a', { amount: 5 }]], debit), true);
    await inside.map(Accounts).processEach([['a', { path: 'balance', by: 1 }]], ready.increment);
    // @ts-expect-error arguments of another shape
    await inside.map(Accounts).processEach([['a', { sum: 5 }]], debit);
    // @ts-expect-error no such field
    await inside.map(Accounts).processEach([['a', { path: 'balanse', by: 1 }]], ready.increment);
    // @ts-expect-error a key of another type
    await inside.map(Accounts).get(7);
    // @ts-expect-error a value of another type
    writePut(Totals, 'all', 'five');
    // @ts-expect-error a key of another type
    writePut(Totals, 5, 5);
    return [writePut(Totals, 'all', changes.length, 'keep'), { kind: 'remove', map: 'totals', key: 'x' }];
  },
});
// @ts-expect-error a write-set has puts and removes
export const listensBadly = defineListener({ map: Accounts, after: () => [{ kind: 'delete', map: 'x', key: 'y' }] });
// @ts-expect-error a listener answers a write-set or nothing
export const listensAndCounts = defineListener({ map: Accounts, after: (changes) => changes.length });

export async function statements(): Promise<void> {
  const rows = await grid.sql<{ brand: string; n: number }>`SELECT brand, count(*) AS n FROM accounts GROUP BY 1`.all();
  isType<{ brand: string; n: number }[]>()(rows, true);
  const [row] = await grid.sql('SELECT * FROM accounts WHERE balance > $1', [10], { strict: true }).all();
  isType<unknown>()(row?.['balance'], true);
  await grid.sql`SELECT * FROM accounts WHERE brand = ${row?.['brand']}`.all();
  // @ts-expect-error columns that the row type does not have
  rows[0]?.balance;
  // @ts-expect-error parameters are a list
  await grid.sql('SELECT $1', 10).all();
  // @ts-expect-error no such option
  await grid.sql('SELECT 1', [], { lax: true }).all();
}

// --- refusals

export const typed: Refusal<'POOR', { missing: number }> = new Refusal('POOR', { missing: 5 });
// @ts-expect-error a code is a text
export const noCode = new Refusal(5);
