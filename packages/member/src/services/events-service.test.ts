import { getEventListeners } from 'node:events';
import { drops } from '@ashlar/cluster/testing';
import { GridError } from '@ashlar/core';
import { EventHub, type Pulled, type Subscription } from '@ashlar/events';
import { MemberMetrics } from '@ashlar/observe';
import { Ownership } from '@ashlar/partitions';
import { encodeValue } from '@ashlar/serialization';
import type { PlannedCondition } from '@ashlar/sql-planner';
import type { AnswerRoom, CallContext, SubscribeOutput, SubscribeRequest } from '@ashlar/transport';
import { callContext, SELF, testGrid } from '../testing/test-grid.ts';
import { type EventsDependencies, eventsService, logSource } from './events-service.ts';

const REQUEST: SubscribeRequest = {
  ...{ map: 'm', where: '', parameters: new Uint8Array(0), types: [], from: '', onSlow: 'lag', partitions: [] },
};

type Stream = AsyncIterator<SubscribeOutput>;

/** Member `a`, alone, with the map `m`; `condition` is what a text behind WHERE is planned to. */
async function bench(condition: Partial<PlannedCondition> = {}, pulls?: readonly Pulled[]) {
  const grid = await testGrid({ partitionCount: 2, members: [SELF] });
  const { control, store } = grid;
  const mapId = await grid.createMap('m');
  const logs = logSource(store);
  const hub = pulls === undefined ? new EventHub(logs, { partitionCount: 2, subscriptionsMax: 2 }) : handMade(pulls);
  store.addCommitListener((partition) => hub.committed(partition));
  control.onCatalog(() => hub.mapsChanged());
  const asked: string[] = [];
  const planning = { meanwhile: (): void => undefined };
  const planCondition: EventsDependencies['planCondition'] = async (map, text) => {
    asked.push(`${map}: ${text}`);
    planning.meanwhile();
    return { scan: { columns: [] }, parameterCount: 0, notices: [], ...condition } as unknown as PlannedCondition;
  };
  const metrics = new MemberMetrics();
  const service = eventsService({ control, ownership: new Ownership(control), hub, logs, metrics, planCondition });
  control.onTable(() => hub.ownersChanged());
  const leaving = new AbortController();
  const subscribe = (request: Partial<SubscribeRequest> = {}, context: Partial<CallContext> = {}): Stream => {
    const call = callContext({ signal: leaving.signal, ...context });
    return service.subscribe({ ...REQUEST, ...request }, call)[Symbol.asyncIterator]();
  };
  const put = (partition: number, ...keys: readonly string[]): void => grid.put(mapId, partition, ...keys);
  const incarnations = [0, 1].map((partition) => logs.incarnation(partition));
  const token = (sequences: unknown, of: Partial<{ map: string; mapId: number; format: number; logs: unknown }> = {}) =>
    tokenOf([of.format ?? 2, of.map ?? 'm', of.mapId ?? mapId, of.logs ?? incarnations, sequences]);
  return {
    ...grid,
    mapId,
    hub,
    metrics,
    leaving,
    subscribe,
    put,
    putInto: grid.put,
    asked,
    planning,
    incarnations,
    token,
  };
}

/** A hub whose one subscription gives what it is told to. */
function handMade(pulls: readonly Pulled[]): EventHub {
  const left = [...pulls];
  const subscription = {
    ...{ partitions: [0, 1], positions: [0, 0], mapId: 1, filterCounts: { dividedByZero: 0, oddValues: 0 } },
    pull: () => left.shift() ?? { events: undefined, more: false, resolved: 9 },
    changed: () => new Promise(() => undefined),
    takeMoved: () => ({ partitions: [], sequences: [] }),
    wake: () => undefined,
  } as unknown as Subscription;
  const nothing = (): void => undefined;
  const told = { committed: nothing, mapsChanged: nothing, ownersChanged: nothing };
  return { open: () => subscription, close: nothing, ...told } as unknown as EventHub;
}

function tokenOf(fields: unknown): string {
  return Buffer.from(encodeValue(fields)).toString('base64url');
}

async function take(stream: Stream, count: number): Promise<SubscribeOutput[]> {
  const taken: SubscribeOutput[] = [];
  while (taken.length < count) {
    const { value, done } = await stream.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

/** Keys of the next batch of events. */
async function eventsOf(stream: Stream): Promise<number> {
  for (;;) {
    const { value, done } = await stream.next();
    if (done === true) return 0;
    if (value.kind === 'events') return value.events.count;
  }
}

describe('a subscription', () => {
  it('that conflates tells no place beyond the events that it has sent, however much is committed meanwhile', async () => {
    const { subscribe, put } = await bench();
    const stream = subscribe({ onSlow: 'conflate' });
    await take(stream, 1);
    put(0, 'x');
    expect(await take(stream, 1)).toMatchObject([{ kind: 'events', events: { count: 1 } }]);
    put(0, 'y');
    put(1, 'z');
    expect(await take(stream, 2)).toMatchObject([
      { kind: 'resolved', partitions: [0], sequences: [1], batches: 1 },
      { kind: 'events', events: { count: 2 } },
    ]);
  });

  it('tells first where it stands, then events, then how far it is resolved', async () => {
    const { subscribe, put, mapId, incarnations } = await bench();
    put(1, 'before');
    const stream = subscribe();
    const [standing] = await take(stream, 1);
    expect(standing).toEqual({
      ...{ kind: 'standing', partitions: [0, 1], sequences: [0, 1], partitionCount: 2, mapId, incarnations },
    });
    put(0, 'x', 'y');
    const [events, resolved] = await take(stream, 2);
    expect(events).toMatchObject({ kind: 'events', number: 1, mapId, events: { count: 2 } });
    expect(resolved).toMatchObject({
      kind: 'resolved',
      partitions: [0],
      sequences: [2],
      batches: 1,
      mapId,
      oddValues: 0,
    });
    put(1, 'z');
    expect(await take(stream, 1)).toMatchObject([{ kind: 'events', number: 2, events: { count: 1 } }]);
  });

  it('says how far it is resolved behind each batch where its caller waits for versions, and now and then in any case', async () => {
    const { subscribe, put } = await bench();
    const kinds = async (stream: Stream): Promise<string[]> => {
      await take(stream, 1);
      const seen: string[] = [];
      for (const value of ['x', 'y']) {
        put(0, value);
        seen.push(...(await take(stream, 1)).map(({ kind }) => kind));
      }
      return seen;
    };
    const waiting = subscribe({ tellsResolved: true });
    expect(await kinds(waiting)).toEqual(['events', 'resolved']);
    expect(await take(waiting, 1)).toMatchObject([{ kind: 'events' }]);
    expect(await take(waiting, 3)).toMatchObject([
      { kind: 'resolved', batches: 2 },
      { kind: 'resolved', batches: 2, partitions: [0], sequences: [2] },
      { kind: 'resolved', batches: 2, partitions: [], sequences: [] },
    ]);
    await waiting.return?.();
    const other = subscribe();
    expect(await kinds(other)).toEqual(['events', 'resolved']);
    expect(await take(other, 2)).toMatchObject([
      { kind: 'events' },
      { kind: 'resolved', partitions: [0], sequences: [4] },
    ]);
  });

  it('says where it is when it passed over what nobody wanted', async () => {
    const { subscribe, put } = await bench();
    const stream = subscribe({ types: [2] });
    await take(stream, 2);
    put(1, 'x', 'y');
    expect(await take(stream, 1)).toMatchObject([{ kind: 'resolved', partitions: [1], sequences: [2], batches: 0 }]);
  });

  it('counts what it sends', async () => {
    const { subscribe, put, metrics } = await bench();
    const stream = subscribe();
    await take(stream, 1);
    put(0, 'x', 'y', 'z');
    await eventsOf(stream);
    expect(metrics.eventsSent).toBe(3);
  });

  it('ends when its caller leaves, and is closed', async () => {
    const { subscribe, hub, leaving } = await bench();
    const [waiting, left] = [subscribe(), subscribe()];
    for (const stream of [waiting, left]) await take(stream, 1);
    expect(hub.count).toBe(2);
    await expect(subscribe().next()).rejects.toMatchObject({ code: 'OVERLOADED' });
    await left.return?.();
    expect(hub.count).toBe(1);
    await take(waiting, 1);
    const next = waiting.next();
    leaving.abort();
    expect(await next).toMatchObject({ done: true });
    expect(hub.count).toBe(0);
  });

  it('that sleeps ends when a partition of its own is lost, though nothing is committed', async () => {
    const { subscribe, hub, loseAndRegain } = await bench();
    const stream = subscribe({ types: [2] });
    await take(stream, 2);
    const next = stream.next();
    loseAndRegain(1);
    await expect(next).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    expect(hub.count).toBe(0);
  });

  it('that fails is closed', async () => {
    const { subscribe, put, hub, loseAndRegain } = await bench();
    const stream = subscribe();
    await take(stream, 1);
    loseAndRegain(1);
    put(0, 'x');
    await expect(eventsOf(stream)).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    expect(hub.count).toBe(0);
  });

  it('gives what is left of a map that is dropped, then MAP_DROPPED', async () => {
    const { subscribe, put, coordinator } = await bench();
    const stream = subscribe();
    await take(stream, 1);
    put(0, 'x', 'y');
    await coordinator.submit(drops('m'));
    expect(await eventsOf(stream)).toBe(2);
    await expect(eventsOf(stream)).rejects.toMatchObject({ code: 'MAP_DROPPED' });
  });

  it('leaves nothing behind of the times it waited', async () => {
    const { subscribe, put, leaving } = await bench();
    const stream = subscribe();
    await take(stream, 1);
    for (let round = 0; round < 20; round++) {
      const next = eventsOf(stream);
      await new Promise((resolve) => setImmediate(resolve));
      put(0, 'x');
      await next;
    }
    expect(getEventListeners(leaving.signal, 'abort').length).toBeLessThan(2);
  });

  it('waits for its reader: it takes nothing from the logs while there is no room for answers', async () => {
    const { subscribe, put } = await bench();
    const room = Promise.withResolvers<void>();
    const answers = {
      hasRoom: true,
      held: 0,
      room: () => room.promise,
      hold: (bytes: number) => (answers.held += bytes),
    };
    const stream = subscribe({}, { answers: answers as AnswerRoom });
    await take(stream, 1);
    answers.hasRoom = false;
    put(0, 'x');
    const next = eventsOf(stream);
    put(0, 'y');
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(answers.held).toBe(0);
    answers.hasRoom = true;
    room.resolve();
    expect(await next).toBe(2);
    expect(answers.held).toBeGreaterThan(0);
  });

  it('reads a long log slice by slice, and lets others have their turn between them', async () => {
    const skipped: Pulled = { events: undefined, more: true, resolved: undefined };
    const { subscribe } = await bench({}, [skipped, skipped, skipped]);
    let turns = 0;
    const count = (): void => {
      turns++;
      if (turns < 100) setImmediate(count);
    };
    const stream = subscribe();
    await take(stream, 1);
    setImmediate(count);
    expect(await take(stream, 1)).toMatchObject([{ kind: 'resolved', version: 9 }]);
    expect(turns).toBeGreaterThanOrEqual(2);
    turns = 100;
  });
});

describe('what a subscription asks for', () => {
  it.each([
    ['a partition that there is not', { partitions: [0, 2] }, 'STALE_EPOCH'],
    ['a partition twice', { partitions: [1, 1] }, 'INVALID_ARGUMENT'],
    ['a type that there is not', { types: [0, 7] }, 'INVALID_ARGUMENT'],
    ['parameters that are no list', { parameters: encodeValue({ a: 1 }) }, 'INVALID_PARAMETER'],
    ['a condition with a parameter that is not given', { where: 'x > $2' }, 'INVALID_PARAMETER'],
  ])('is refused before it stands: %s', async (_what, request, code) => {
    const { subscribe, hub } = await bench({ parameterCount: 2 });
    await expect(subscribe(request).next()).rejects.toMatchObject({ code });
    expect(hub.count).toBe(0);
  });

  it('is planned only where it has a condition, for its map', async () => {
    const { subscribe, asked } = await bench();
    await take(subscribe(), 1);
    await take(subscribe({ where: 'x > 1' }), 1);
    expect(asked).toEqual(['m: x > 1']);
  });

  it('is refused where a partition was lost and regained while the condition was planned', async () => {
    const { subscribe, planning, loseAndRegain } = await bench();
    planning.meanwhile = () => loseAndRegain(0);
    await expect(subscribe({ where: 'x > 1' }).next()).rejects.toMatchObject({ code: 'STALE_EPOCH' });
  });

  it('needs a complete grid', async () => {
    const { control } = await testGrid({ members: [SELF, 'b'], joined: 1 });
    const service = eventsService({ control } as EventsDependencies);
    const stream = service.subscribe(REQUEST, callContext())[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toMatchObject({ code: 'GRID_INCOMPLETE' });
  });

  it('may be a map that is not there yet: its first put is seen', async () => {
    const { subscribe, createMap, putInto } = await bench();
    const stream = subscribe({ map: 'later' });
    expect(await take(stream, 1)).toMatchObject([{ mapId: 0 }]);
    putInto(await createMap('later'), 0, 'x');
    expect(await eventsOf(stream)).toBe(1);
  });
});

describe('a token', () => {
  it('is where a subscription goes on: no event twice, none left out', async () => {
    const { subscribe, put, token } = await bench();
    put(0, 'x', 'y');
    put(1, 'z');
    const stream = subscribe({ from: token([1, 0]) });
    expect(await take(stream, 1)).toMatchObject([{ kind: 'standing', sequences: [1, 0] }]);
    expect(await eventsOf(stream)).toBe(2);
  });

  it('may say once what all its logs have in common, and holds for the partitions that are asked for', async () => {
    const { subscribe, put, token, incarnations } = await bench();
    put(1, 'z');
    const stream = subscribe({ from: token([9, 0], { logs: incarnations[1] }), partitions: [1] });
    expect(await eventsOf(stream)).toBe(1);
  });

  it.each<[string, (of: Awaited<ReturnType<typeof bench>>) => string]>([
    ['of another map', ({ token }) => token([0, 0], { map: 'n' })],
    ['of the first release', ({ token }) => token([0, 0], { format: 1 })],
    ['beyond the end of a log', ({ token }) => token([0, 5])],
    ['of fewer partitions', ({ token }) => token([0])],
    ['with sequences that are none', ({ token }) => token([0, -1])],
    ['with sequences that are text', ({ token }) => token(['0', '0'])],
    ['without sequences', ({ token }) => token('0')],
    ['without logs', ({ token }) => token([0, 0], { logs: [] })],
    ['with half a map', ({ token }) => token([0, 0], { mapId: 0.5 })],
    ['that is no list', () => tokenOf({ 0: 2 })],
    ['that is cut off', ({ token }) => token([0, 0]).slice(0, 8)],
    ['that is no text of a token', () => '?!'],
  ])('%s is refused', async (_what, made) => {
    const all = await bench();
    await expect(all.subscribe({ from: made(all) }).next()).rejects.toMatchObject({
      code: 'INVALID_TOKEN',
      hint: expect.any(String),
    });
  });

  it('of a log that is not there any more is gone; with its map, that is dropped', async () => {
    const { subscribe, token, mapId, createMap, coordinator } = await bench();
    const foreign = token([0, 0], { logs: 12345 });
    const failure = await subscribe({ from: foreign })
      .next()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'SEQUENCE_GONE', details: { partition: 0 }, hint: expect.any(String) });
    await coordinator.submit(drops('m'));
    await createMap('m');
    await expect(subscribe({ from: foreign }).next()).rejects.toMatchObject({ code: 'MAP_DROPPED' });
    await expect(subscribe({ from: token([0, 0], { mapId }) }).next()).resolves.toMatchObject({ done: false });
  });

  it('of a map that nobody here has heard of makes its member ask', async () => {
    const { subscribe, token, coordinator, mapId } = await bench();
    let asked = 0;
    const { refresh } = coordinator;
    coordinator.refresh = () => {
      asked++;
      return refresh.call(coordinator);
    };
    await subscribe({ from: token([0, 0]) }).next();
    expect(asked).toBe(0);
    await subscribe({ from: token([0, 0], { mapId: mapId + 1 }) })
      .next()
      .catch(() => undefined);
    expect(asked).toBe(1);
    coordinator.refresh = () => Promise.reject(new GridError('MEMBER_UNREACHABLE', 'nobody there'));
    const next = subscribe({ from: token([0, 0], { mapId: mapId + 1 }) }).next();
    await expect(next).rejects.toMatchObject({ code: 'MEMBER_UNREACHABLE' });
  });
});
