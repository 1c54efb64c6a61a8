import type { GridView } from '@ashlar/cluster';
import { MapDroppedError, type MapId, type MemberId, StaleEpochError } from '@ashlar/core';
import type { LocalSnapshots } from '@ashlar/partitions';
import { encodeValue } from '@ashlar/serialization';
import type { DocumentPaths } from '@ashlar/sql-executor';
import { PathFinder, type PathFinderParts } from './path-finder.ts';

const MAP = 1 as MapId;
const { signal } = new AbortController();

function found(...paths: readonly string[]): DocumentPaths {
  return { paths: paths.map((path) => [path]), valueKinds: paths.map(() => 1) };
}

/** A member whose looks a test answers, one by one. */
function bench(of: Readonly<Record<string, DocumentPaths>> = {}) {
  const state = { changes: 0, watched: 0, isSettled: true, isOpen: true };
  const looks: PromiseWithResolvers<DocumentPaths>[] = [];
  const pins = new Set<number>();
  const snapshots = {
    pin: () => {
      pins.add(looks.length);
      return { pinId: looks.length, version: 5 };
    },
    open: async (pinId: number) => pinId,
    checkHeld: (): void => undefined,
    release: (pinId: number) => void pins.delete(pinId),
  };
  // Who serves nothing is not asked.
  const idle = Object.keys(of).length > 1 ? ['idle'] : [];
  const parts = {
    control: {
      self: 'self',
      table: {
        members: [...Object.keys(of), ...idle].map((id) => ({ id })),
        owners: Object.keys(of).map((_, at) => [at]),
      },
      untilServed: () => undefined,
      ownPartitions: [0, 1],
      maps: new Map(),
      mapWithId: () => Promise.reject(new MapDroppedError('m')),
    } as unknown as GridView,
    store: {
      hasMap: () => state.isOpen,
      reshapeCount: () => state.changes,
      watchShapes: (_: MapId, changes: number) => void (state.watched = changes),
      get isSettled() {
        return state.isSettled;
      },
    },
    calls: {
      to: (member: MemberId) => ({ members: { findPaths: async () => ({ body: encodeValue(of[member]) }) } }),
    },
    queryPool: {
      run: () => {
        const look = Promise.withResolvers<DocumentPaths>();
        looks.push(look);
        return { result: look.promise };
      },
    },
  } as unknown as PathFinderParts;
  const finder = new PathFinder(parts, snapshots as unknown as LocalSnapshots);
  /** Answers the look that was begun last once it has begun. */
  const answer = async (count: number, paths: DocumentPaths): Promise<void> => {
    while (looks.length < count) await new Promise((resolve) => setImmediate(resolve));
    looks[count - 1]!.resolve(paths);
  };
  return { finder, state, looks, pins, snapshots, answer };
}

describe('the paths of a map on this member', () => {
  it('are remembered while nothing was written since', async () => {
    const { finder, state, looks, pins, answer } = bench();
    const first = finder.here(MAP, signal);
    await answer(1, found('a'));
    expect(await first).toEqual(found('a'));
    expect(await finder.here(MAP, signal)).toEqual(found('a'));
    expect([looks.length, pins.size]).toEqual([1, 0]);
    state.changes++;
    const second = finder.here(MAP, signal);
    await answer(2, found('a', 'b'));
    expect(await second).toEqual(found('a', 'b'));
  });

  it('are told without asking anybody where this member is the grid, and its documents are watched from then on', async () => {
    const { finder, state, looks, answer } = bench({ self: found('z') });
    const first = finder.inGrid({ id: MAP }, signal);
    expect(finder.inGridNow({ id: MAP })).toBeUndefined();
    await answer(1, found('a'));
    expect(await first).toEqual(found('a'));
    state.watched = 0;
    expect(finder.inGridNow({ id: MAP })).toEqual(found('a'));
    expect([state.watched > 0, looks.length]).toEqual([true, 1]);
    state.changes++;
    expect(finder.inGridNow({ id: MAP })).toBeUndefined();
    const { finder: oneOfTwo } = bench({ self: found('a'), b: found('b') });
    expect(oneOfTwo.inGridNow({ id: MAP })).toBeUndefined();
  });

  it('are looked at again where a change is committed and not counted yet', async () => {
    const { finder, state, answer } = bench();
    const first = finder.here(MAP, signal);
    await answer(1, found('a'));
    await first;
    state.isSettled = false;
    const second = finder.here(MAP, signal);
    await answer(2, found('b'));
    expect(await second).toEqual(found('b'));
  });

  it('are not remembered as of after a write that came while they were looked at', async () => {
    const { finder, state, answer } = bench();
    const first = finder.here(MAP, signal);
    while (state.changes === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      state.changes++;
    }
    await answer(1, found('a'));
    await first;
    const second = finder.here(MAP, signal);
    await answer(2, found('a', 'b'));
    expect(await second).toEqual(found('a', 'b'));
  });

  it('are looked at once for all who ask meanwhile: by a look that begins after they asked', async () => {
    const { finder, state, looks, answer } = bench();
    const first = finder.here(MAP, signal);
    const others = Array.from({ length: 10 }, () => finder.here(MAP, signal));
    state.changes++;
    await answer(1, found('old'));
    expect(await first).toEqual(found('old'));
    await answer(2, found('new'));
    expect(await Promise.all(others)).toEqual(new Array(10).fill(found('new')));
    expect(looks).toHaveLength(2);
  });

  it('are found by the next who asks after a look that failed', async () => {
    const { finder, looks, pins, answer } = bench();
    const [first, waiting] = [finder.here(MAP, signal), finder.here(MAP, signal)];
    while (looks.length < 1) await new Promise((resolve) => setImmediate(resolve));
    looks[0]!.reject(new Error('no worker'));
    await expect(first).rejects.toThrow('no worker');
    await answer(2, found('a'));
    expect(await waiting).toEqual(found('a'));
    expect(pins.size).toBe(0);
  });

  it('are not taken where a partition was lost while they were looked at', async () => {
    const { finder, snapshots, answer } = bench();
    snapshots.checkHeld = () => {
      throw new StaleEpochError(0, 1, 2);
    };
    const first = finder.here(MAP, signal);
    await answer(1, found('a'));
    await expect(first).rejects.toMatchObject({ code: 'STALE_EPOCH' });
  });

  it('are waited for no longer than who asks does; the others get them', async () => {
    const { finder, answer } = bench();
    const abort = new AbortController();
    const [stays, leaves] = [finder.here(MAP, signal), finder.here(MAP, abort.signal)];
    abort.abort();
    await expect(leaves).rejects.toMatchObject({ code: 'CANCELLED' });
    await answer(1, found('a'));
    expect(await stays).toEqual(found('a'));
  });

  it('of a map that is not here and nowhere else are MAP_DROPPED', async () => {
    const { finder, state } = bench();
    state.isOpen = false;
    await expect(finder.here(MAP, signal)).rejects.toMatchObject({ code: 'MAP_DROPPED' });
  });
});

describe('the paths of a map in the grid', () => {
  it('are those of all members that serve, each once, with the kinds that any of them found', async () => {
    const { finder } = bench({
      a: { paths: [['x'], ['y', 'z']], valueKinds: [1, 2] },
      b: { paths: [['y', 'z'], ['w']], valueKinds: [4, 8] },
    });
    expect(await finder.inGrid({ id: MAP }, signal)).toEqual({
      paths: [['x'], ['y', 'z'], ['w']],
      valueKinds: [1, 6, 8],
    });
  });

  it('of one member are its own', async () => {
    const { finder } = bench({ a: found('x') });
    expect(await finder.inGrid({ id: MAP }, signal)).toEqual(found('x'));
  });
});
