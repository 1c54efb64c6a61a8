/** Calls that are made within another one: they end with it, have its time at most, and belong to its trace. */
import type { Grid } from '@ashlar/api';
import type { CallScope, TraceContext } from '@ashlar/core';
import { Router } from '@ashlar/routing';
import { FakeMember } from '@ashlar/transport/testing';
import { RoutedGrid } from './routed-grid.ts';
import { limitsIn } from './scoped-limits.ts';

const TRACE: TraceContext = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: '',
};

let member: FakeMember;
let grid: RoutedGrid;

beforeEach(async () => {
  member = new FakeMember('a');
  grid = RoutedGrid.over(await Router.connect({ seeds: [await member.start()] }));
});

afterEach(async () => {
  await grid.close();
  await member.stop();
});

/** Every way of asking something of the grid. */
const VERBS: readonly (readonly [string, (within: Grid) => Promise<unknown>])[] = [
  ['get', (within) => within.map('m').get('k')],
  ['getEntry', (within) => within.map('m').getEntry('k')],
  ['getAll', (within) => within.map('m').getAll(['k'])],
  ['put', (within) => within.map('m').put('k', 1)],
  ['putAll', (within) => within.map('m').putAll([['k', 1]])],
  ['putIfAbsent', (within) => within.map('m').putIfAbsent('k', 1)],
  ['getAndPut', (within) => within.map('m').getAndPut('k', 1)],
  ['replace', (within) => within.map('m').replace('k', 1)],
  ['remove', (within) => within.map('m').remove('k')],
  ['getAndRemove', (within) => within.map('m').getAndRemove('k')],
  ['has', (within) => within.map('m').has('k')],
  ['size', (within) => within.map('m').size()],
  ['clear', (within) => within.map('m').clear()],
  ['keys', (within) => within.map('m').keys().next()],
  ['sql', (within) => within.sql('SELECT 1').all()],
  ['maps', (within) => within.maps()],
  ['drop', (within) => within.drop('m')],
  ['undeploy', (within) => within.undeploy('m')],
  ['ping', (within) => within.ping()],
  ['subscribe', (within) => within.map('m').subscribe().next()],
];

function scope(changes: Partial<CallScope>): CallScope {
  return { signal: new AbortController().signal, trace: undefined, ...changes };
}

describe('a call within one that is over', () => {
  it.each(VERBS)('%s: is not sent, and says CANCELLED where that was given up', async (_, ask) => {
    const within = grid.within(scope({ signal: AbortSignal.abort() }));
    await expect(ask(within)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(member.batches).toHaveLength(0);
  });

  it.each(VERBS.filter(([name]) => name !== 'subscribe'))(
    '%s: is not sent, and says DEADLINE_EXCEEDED where that has no time left',
    async (_, ask) => {
      const within = grid.within(scope({ deadlineMs: performance.now() - 1 }));
      await expect(ask(within)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
      expect(member.batches).toHaveLength(0);
    },
  );
});

describe('a call within another', () => {
  it('is cancelled with it while it is under way', async () => {
    const outer = new AbortController();
    member.beforeAnswer = () => {
      outer.abort();
      return new Promise(() => undefined);
    };
    const within = grid.within(scope({ signal: outer.signal })).map('m');
    await expect(within.get('k')).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('belongs to its trace', async () => {
    await grid
      .within(scope({ trace: TRACE }))
      .map('m')
      .get('k');
    expect(member.batches.at(-1)?.traces).toEqual([TRACE]);
    await grid.map('m').get('k');
    expect(member.batches.at(-1)?.traces).toEqual([]);
  });

  it('ends nothing but itself when the inner grid is closed', async () => {
    await grid.within(scope({})).close();
    await expect(grid.map('m').has('k')).resolves.toBe(false);
  });

  it('has the shorter of both times, and its own where the outer one has none', () => {
    const late = { ...scope({}), deadlineMs: performance.now() + 60_000 };
    expect(limitsIn(late, { timeoutMs: 10 }, 5000).timeoutMs).toBe(10);
    expect(limitsIn(late, undefined, 5000).timeoutMs).toBe(5000);
    expect(limitsIn(late, { timeoutMs: 120_000 }, 5000).timeoutMs).toBeLessThanOrEqual(60_000);
    expect(limitsIn(late, undefined, Number.POSITIVE_INFINITY).timeoutMs).toBeLessThanOrEqual(60_000);
    expect(limitsIn(scope({}), undefined, Number.POSITIVE_INFINITY).timeoutMs).toBeUndefined();
  });
});
