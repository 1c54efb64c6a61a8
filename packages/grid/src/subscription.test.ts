import { getEventListeners } from 'node:events';
import type { EntryEvent, EventType, Grid } from '@ashlar/api';
import { GridError, seededRandom } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { EVENT_TYPES, type EventBatch, type SubscribeOutput, type SubscribeRequest } from '@ashlar/transport';
import { FakeGrid, PARTITION_COUNT } from '@ashlar/transport/testing';
import { connect } from './testing/connected-grid.ts';
import { decodeToken } from './token.ts';

type Update = EntryEvent<unknown, { n: number }>;

interface LogRecord {
  readonly type: EventType;
  readonly partition: number;
  readonly sequence: number;
  readonly key: string;
  readonly value: unknown;
  readonly oldValue: unknown;
}

/** Logs by partition, shared by all members, and the subscriptions that read them. */
class FakeLogs {
  readonly requests: SubscribeRequest[] = [];
  /** Batches to lose from here on. */
  losses = 0;
  readonly #logs: LogRecord[][] = Array.from({ length: PARTITION_COUNT }, () => []);
  #wake: (() => void)[] = [];
  #version = 100;

  append(partition: number, type: EventType, key: string, value?: unknown, oldValue?: unknown): void {
    const log = this.#logs[partition]!;
    log.push({ type, partition, sequence: log.length + 1, key, value, oldValue });
    this.#version++;
    this.wakeAll();
  }

  wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async *subscribe(request: SubscribeRequest, signal: AbortSignal, owns: (p: number) => boolean) {
    this.requests.push(request);
    const partitions = request.partitions;
    const from = request.from === '' ? undefined : decodeToken(request.from, request.map, PARTITION_COUNT);
    const at = partitions.map((partition) => from?.sequences[partition] ?? this.#logs[partition]!.length);
    signal.addEventListener('abort', () => this.wakeAll());
    const incarnations = partitions.map(() => 7);
    let batches = 0;
    yield {
      kind: 'standing',
      partitions,
      incarnations,
      sequences: [...at],
      partitionCount: PARTITION_COUNT,
    } as SubscribeOutput;
    while (!signal.aborted) {
      if (partitions.some((partition) => !owns(partition))) throw new GridError('STALE_EPOCH', 'moved');
      const records = partitions.flatMap((partition, index) => this.#logs[partition]!.slice(at[index]!));
      partitions.forEach((partition, index) => {
        at[index] = this.#logs[partition]!.length;
      });
      if (records.length > 0) {
        batches += 1;
        // A batch that is lost was sent all the same.
        if (this.losses-- <= 0) yield { kind: 'events', events: batchOf(records), number: batches } as SubscribeOutput;
      }
      yield {
        kind: 'resolved',
        version: this.#version,
        partitions,
        sequences: [...at],
        batches,
        dividedByZero: 0,
        oddValues: 0,
      } as SubscribeOutput;
      if (records.length === 0) await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}

function batchOf(records: readonly LogRecord[]): EventBatch {
  const bytesOf = (value: unknown): Uint8Array => (value === undefined ? new Uint8Array(0) : encodeValue(value));
  const column = (parts: readonly Uint8Array[]): { ends: Uint32Array; bytes: Uint8Array } => {
    let end = 0;
    return { ends: Uint32Array.from(parts, ({ length }) => (end += length)), bytes: Buffer.concat(parts) };
  };
  const keys = column(records.map(({ key }) => encodeKey(key)));
  const values = column(records.map(({ value }) => bytesOf(value)));
  const oldValues = column(records.map(({ oldValue }) => bytesOf(oldValue)));
  return {
    count: records.length,
    types: Uint8Array.from(records, ({ type }) => EVENT_TYPES.indexOf(type)),
    partitions: Uint32Array.from(records, ({ partition }) => partition),
    sequences: Float64Array.from(records, ({ sequence }) => sequence),
    versions: Float64Array.from(records, ({ sequence }) => 1000 + sequence),
    keyEnds: keys.ends,
    keys: keys.bytes,
    valueEnds: values.ends,
    values: values.bytes,
    oldValueEnds: oldValues.ends,
    oldValues: oldValues.bytes,
  };
}

let grid: Grid;
let fake: FakeGrid;
let logs: FakeLogs;

beforeEach(async () => {
  fake = new FakeGrid(2);
  logs = new FakeLogs();
  for (const member of fake.members) {
    const owns = (p: number): boolean => member.table.members[member.table.owners[p]?.[0] ?? -1]?.id === member.id;
    member.services.events = {
      subscribe: (request, { signal }) => logs.subscribe(request, signal, owns),
    };
  }
  await fake.start();
  grid = await connect({ seeds: fake.addresses });
});

afterEach(async () => {
  await grid.close();
  await fake.stop();
});

async function take(count: number, events: AsyncIterableIterator<Update>): Promise<Update[]> {
  const taken: Update[] = [];
  while (taken.length < count) {
    const next = await events.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never came to be');
}

/** A subscription that stands. */
async function standing(options = {}): Promise<AsyncIterableIterator<Update>> {
  const map = grid.map<{ n: number }>('m');
  return new Promise((resolve) => {
    const events = map.subscribe({ ...options, onReady: () => resolve(events) });
  });
}

describe('a subscription', () => {
  it.each([Number.POSITIVE_INFINITY, 2 ** 31])(
    'may take its time to stand, further than timers reach: %d',
    async (timeoutMs) => {
      const events = await standing({ timeoutMs });
      logs.append(0, 'insert', 'a', { n: 1 });
      expect(await take(1, events)).toMatchObject([{ key: 'a' }]);
      await events.return?.();
    },
  );

  it('leaves nothing at a signal that outlives it', async () => {
    const { signal } = new AbortController();
    for (let round = 0; round < 3; round++) {
      const events = await standing({ signal });
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      await events.return?.();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }
    const aborted = AbortSignal.abort();
    const late = grid.map('m').subscribe({ signal: aborted, timeoutMs: 60_000 });
    await expect(late.next()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(getEventListeners(aborted, 'abort')).toHaveLength(0);
  });

  it('hands nothing out before it knows where it begins in every partition: a token says so', async () => {
    const late = fake.members[1]!;
    const gate = Promise.withResolvers<void>();
    const { events: doors } = late.services;
    const subscribe = doors.subscribe.bind(doors);
    doors.subscribe = async function* (request, context) {
      await gate.promise;
      yield* subscribe(request, context);
    };
    const mine = fake.members[0]!.table.owners.findIndex(([owner]) => owner === 0);
    const abort = new AbortController();
    const events = grid.map<{ n: number }>('m').subscribe({ signal: abort.signal });
    const first = events.next();
    await until(() => logs.requests.length === 1);
    logs.append(mine, 'insert', 'a', { n: 1 });
    const early = await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))]);
    expect(early).toBe('nothing');
    gate.resolve();
    const { value } = await first;
    expect(value).toMatchObject({ key: 'a' });
    const { incarnations } = decodeToken((value as Update).token, 'm', PARTITION_COUNT);
    expect([...incarnations].every((incarnation) => incarnation === 7)).toBe(true);
    abort.abort();
  });

  it('gives events of all members with their values', async () => {
    const events = await standing({
      where: 'n < $1',
      params: [9],
      types: ['insert', 'update', 'remove'],
      onSlow: 'cut',
    });
    logs.append(0, 'insert', 'a', { n: 1 });
    logs.append(1, 'update', 'b', { n: 2 }, { n: 1 });
    logs.append(0, 'remove', 'a', undefined, { n: 1 });
    const seen = await take(3, events);
    const plain = seen.map(({ type, map, key, value, oldValue, version }) => ({
      type,
      map,
      key,
      value,
      oldValue,
      version,
    }));
    expect(plain).toEqual(
      expect.arrayContaining([
        { type: 'insert', map: 'm', key: 'a', value: { n: 1 }, oldValue: undefined, version: 1001 },
        { type: 'update', map: 'm', key: 'b', value: { n: 2 }, oldValue: { n: 1 }, version: 1001 },
        { type: 'remove', map: 'm', key: 'a', value: undefined, oldValue: { n: 1 }, version: 1002 },
      ]),
    );
    expect(logs.requests[0]).toMatchObject({ where: 'n < $1', types: [0, 1, 2], onSlow: 'cut', from: '' });
    expect(logs.requests.flatMap(({ partitions }) => partitions).sort((a, b) => a - b)).toEqual(
      Array.from({ length: PARTITION_COUNT }, (_, partition) => partition),
    );
    await events.return?.();
  });

  it('goes on behind the token of any event, without gap and without repeat', async () => {
    const events = await standing();
    for (let n = 0; n < 40; n++) logs.append(n % PARTITION_COUNT, 'insert', `k${n}`, { n });
    const first = await take(40, events);
    await events.return?.();
    for (const place of [0, 7, 39]) {
      const rest = grid.map<{ n: number }>('m').subscribe({ from: first[place]!.token });
      const keys = (await take(39 - place, rest)).map(({ key }) => key);
      await rest.return?.();
      const before = first.slice(0, place + 1).map(({ key }) => key);
      expect(new Set([...before, ...keys]).size).toBe(40);
      expect(keys.some((key) => before.includes(key))).toBe(false);
    }
    expect(first[0]!.token).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it('survives a broken link', async () => {
    const events = await standing();
    const { port } = fake.members[1]!;
    logs.append(1, 'insert', 'before', { n: 0 });
    expect((await take(1, events)).map(({ key }) => key)).toEqual(['before']);
    await fake.members[1]!.stop();
    logs.append(1, 'insert', 'meanwhile', { n: 1 });
    logs.append(0, 'insert', 'elsewhere', { n: 1 });
    await fake.members[1]!.start(port);
    logs.append(1, 'insert', 'after', { n: 2 });
    const keys = (await take(3, events)).map(({ key }) => key);
    expect(keys.sort()).toEqual(['after', 'elsewhere', 'meanwhile']);
    await events.return?.();
  });

  it('asks again for a batch that did not come, instead of going on behind it', async () => {
    const events = await standing();
    logs.losses = 1;
    logs.append(0, 'insert', 'a', { n: 1 });
    await until(() => logs.losses < 1);
    logs.append(0, 'insert', 'b', { n: 2 });
    logs.append(0, 'insert', 'c', { n: 3 });
    expect((await take(3, events)).map(({ key }) => key)).toEqual(['a', 'b', 'c']);
    await events.return?.();
  });

  it('follows partitions that move', async () => {
    const events = await standing();
    logs.append(1, 'insert', 'before', { n: 0 });
    await take(1, events);
    fake.assign(Array.from({ length: PARTITION_COUNT }, () => 0));
    logs.append(1, 'insert', 'after', { n: 1 });
    expect((await take(1, events)).map(({ key }) => key)).toEqual(['after']);
    await events.return?.();
  });

  it('under links that break and partitions that move neither misses nor repeats an event', async () => {
    const random = seededRandom(5);
    const events = await standing();
    let appended = 0;
    let total = Number.POSITIVE_INFINITY;
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        for (let count = random.below(20); count > 0; count--) {
          logs.append(random.below(PARTITION_COUNT), 'insert', `k${appended}`, { n: appended++ });
        }
        await new Promise((resolve) => setTimeout(resolve, random.below(4)));
      }
    })();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { key } of events) if (seen.push(key) === total) return;
    })();
    for (let round = 0; round < 15; round++) {
      const member = fake.members[random.below(2)]!;
      const { port } = member;
      if (random.below(2) === 0) fake.assign(Array.from({ length: PARTITION_COUNT }, () => random.below(2)));
      else {
        await member.stop();
        await member.start(port);
      }
      await new Promise((resolve) => setTimeout(resolve, random.below(40)));
    }
    isOver = true;
    await writing;
    total = appended + 1;
    logs.append(0, 'insert', `k${appended}`, { n: appended++ });
    await reading;
    expect(seen).toHaveLength(appended);
    expect(new Set(seen).size).toBe(appended);
  });

  it('tells up to which version nothing is missing', async () => {
    const versions: number[] = [];
    const events = await standing({ onResolved: (version: number) => versions.push(version) });
    logs.append(0, 'insert', 'a', { n: 1 });
    await take(1, events);
    logs.append(0, 'insert', 'b', { n: 1 });
    await take(1, events);
    expect(versions.length).toBeGreaterThan(0);
    expect([...versions].sort((a, b) => a - b)).toEqual(versions);
    await events.return?.();
  });

  it('goes on at who takes over, by its token, and has nothing resolved while nobody has', async () => {
    const versions: number[] = [];
    const events = await standing({ onResolved: (version: number) => versions.push(version) });
    const mine = fake.members[0]!.table.owners.findIndex(([owner]) => owner === 1);
    const other = fake.members[0]!.table.owners.findIndex(([owner]) => owner === 0);
    logs.append(mine, 'insert', 'a', { n: 1 });
    expect(await take(1, events)).toMatchObject([{ key: 'a' }]);
    const owners = fake.members[0]!.table.owners.map((members) => (members[0] === 1 ? [] : members));
    fake.serve(owners);
    logs.wakeAll();
    // Its feed ends when its client has the table; the other member's goes on.
    logs.append(other, 'insert', 'b', { n: 2 });
    expect(await take(1, events)).toMatchObject([{ key: 'b' }]);
    const next = take(1, events);
    // The other member has resolved a version by which this event is there already.
    logs.append(mine, 'insert', 'c', { n: 3 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    fake.serve(owners.map((members) => (members.length === 0 ? [0] : members)));
    logs.wakeAll();
    expect(await next).toMatchObject([{ key: 'c' }]);
    expect(Math.max(0, ...versions)).toBeLessThan(103);
    logs.append(other, 'insert', 'd', { n: 4 });
    expect(await take(1, events)).toMatchObject([{ key: 'd' }]);
    expect(versions.at(-1)).toBeGreaterThanOrEqual(103);
    expect([...versions].sort((x, y) => x - y)).toEqual(versions);
    expect(logs.requests.at(-1)!.partitions).toHaveLength(PARTITION_COUNT);
    expect(logs.requests.at(-1)!.from).not.toBe('');
    await events.return?.();
  });

  it('of a partition that is lost hands out what it has, then says so', async () => {
    const events = await standing();
    logs.append(0, 'insert', 'a', { n: 1 });
    await until(() => logs.requests.length === 2);
    expect(await take(1, events)).toMatchObject([{ key: 'a' }]);
    fake.serve(
      fake.members[0]!.table.owners.map((members, partition) => (partition === 1 ? [] : members)),
      [1],
    );
    logs.wakeAll();
    await expect(events.next()).rejects.toMatchObject({ code: 'PARTITION_LOST', details: { partitions: ['1'] } });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('throws what cannot be gone on with', async () => {
    for (const member of fake.members) {
      member.services.events.subscribe = () => {
        throw new GridError('SEQUENCE_GONE', 'too late', { hint: 'start from now' });
      };
    }
    const events = grid.map('m').subscribe();
    await expect(events.next()).rejects.toMatchObject({ code: 'SEQUENCE_GONE', hint: 'start from now' });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it.each([
    ['comes again', [1, 1]],
    ['comes behind a later one', [2, 1]],
    ['came before the subscription began', [0]],
  ])('takes nothing of a batch in which an event %s', async (_, sequences) => {
    const records = sequences.map((sequence) => ({
      ...{ type: 'insert', partition: 0, sequence, key: 'a', value: 1, oldValue: undefined },
    })) as readonly LogRecord[];
    for (const member of fake.members) {
      member.services.events.subscribe = async function* ({ partitions }, { signal }) {
        const all = partitions.map(() => 0);
        const start = { partitions, incarnations: all, sequences: all, partitionCount: PARTITION_COUNT };
        yield { kind: 'standing', ...start };
        if (partitions.includes(0)) yield { kind: 'events', events: batchOf(records), number: 1 };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      };
    }
    const events = grid.map('m').subscribe();
    await expect(events.next()).rejects.toMatchObject({ code: 'INTERNAL', details: { partition: 0 } });
  });

  it('refuses a token that is not its own', async () => {
    const events = await standing();
    logs.append(0, 'insert', 'a', { n: 1 });
    const [event] = await take(1, events);
    await events.return?.();
    const refused = { code: 'INVALID_TOKEN' };
    await expect(grid.map('other').subscribe({ from: event!.token }).next()).rejects.toMatchObject(refused);
    await expect(
      grid
        .map('m')
        .subscribe({ from: event!.token.slice(3) })
        .next(),
    ).rejects.toMatchObject(refused);
    await expect(grid.map('m').subscribe({ from: '%%%' }).next()).rejects.toMatchObject(refused);
  });

  it('ends when it is left, cancelled, or the client closes', async () => {
    const left = await standing();
    await left.return?.();
    expect(await left.next()).toEqual({ done: true, value: undefined });
    const abort = new AbortController();
    const cancelled = await standing({ signal: abort.signal });
    const next = cancelled.next();
    abort.abort();
    await expect(next).rejects.toMatchObject({ code: 'CANCELLED' });
    const closing = await standing();
    const pending = closing.next();
    pending.catch(() => undefined);
    await grid.close();
    await expect(pending).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });

  it('that is not read makes members wait, not the heap grow', async () => {
    const events = await standing();
    let pulled = 0;
    const subscribe = logs.subscribe.bind(logs);
    logs.subscribe = async function* (...args) {
      for await (const output of subscribe(...args)) {
        pulled++;
        yield output;
      }
    };
    const text = 'x'.repeat(100_000);
    for (let n = 0; n < 200; n++) {
      logs.append(0, 'insert', `k${n}`, { n, text });
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => true);
    expect(pulled).toBeLessThan(200);
    expect(await take(200, events)).toHaveLength(200);
    await events.return?.();
  });
});
