import { WriteTurns } from './write-turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Batches under way, as a store counts them. */
function bench(freeBatches: number) {
  let tell: (() => void) | undefined;
  const store = { freeBatches, onBatchFree: (to: (() => void) | undefined) => void (tell = to) };
  const free = (count: number): void => {
    for (let one = 0; one < count; one++) {
      store.freeBatches++;
      tell?.();
    }
  };
  return { store, free, turns: new WriteTurns(store, 2), isWatched: () => tell !== undefined };
}

it('keeps what is reserved for others (T2)', () => {
  const { store, turns } = bench(3);
  expect(turns.isShort).toBe(false);
  store.freeBatches = 2;
  expect(turns.isShort).toBe(true);
});

it('lets those who wait go on in their order, as far as there is room (T1)', async () => {
  const { store, free, turns, isWatched } = bench(2);
  const done: string[] = [];
  const use = (name: string) => () => {
    done.push(name);
    store.freeBatches--;
  };
  for (const name of ['a', 'b', 'c']) turns.wait(use(name));
  await turn();
  expect([done, turns.waitingCount]).toEqual([[], 3]);
  free(2);
  await turn();
  expect([done, turns.isShort]).toEqual([['a', 'b'], true]);
  free(1);
  await turn();
  expect([done, turns.waitingCount, isWatched()]).toEqual([['a', 'b', 'c'], 0, false]);
});

it('puts who is short again behind those who waited meanwhile', async () => {
  const { store, free, turns } = bench(2);
  const done: string[] = [];
  const twice = (): void => {
    done.push('a1');
    store.freeBatches--;
    turns.wait(() => done.push('a2'));
  };
  turns.wait(twice);
  turns.wait(() => done.push('b'));
  free(1);
  await turn();
  free(1);
  await turn();
  expect(done).toEqual(['a1', 'b', 'a2']);
});

it('makes nobody wait for ever who comes when there is room already', async () => {
  const { turns } = bench(9);
  let isDone = false;
  turns.wait(() => {
    isDone = true;
  });
  await turn();
  expect(isDone).toBe(true);
});

it('tells whoever waits for room in its turn, or when that gives up', async () => {
  const { free, turns } = bench(2);
  const [staying, leaving] = [new AbortController(), new AbortController()];
  const done: string[] = [];
  void turns.room(staying.signal).then(() => done.push('room'));
  void turns.room(leaving.signal).then(() => done.push('left'));
  await turn();
  expect(done).toEqual([]);
  leaving.abort();
  await turns.room(leaving.signal);
  expect(done).toEqual(['left']);
  free(1);
  await turn();
  expect([done, turns.waitingCount]).toEqual([['left', 'room'], 0]);
});
