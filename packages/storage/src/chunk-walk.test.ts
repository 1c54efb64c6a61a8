import { enterChunk } from './chunk-walk.ts';
import { CHUNK_SLOTS_MAX, CONTROL_EPOCH_WORD, WORKER_WORDS_START } from './layout.ts';
import { MAP, makeBench, PARTITION, put, settle } from './testing/store-bench.ts';

describe('the way along the chunks of a partition', () => {
  const place = { mapId: MAP, map: 'cards', partitionId: PARTITION };

  it('ends where the table does', () => {
    const { store, reader } = makeBench();
    expect(enterChunk(reader, place, 0)).toBeUndefined();
    for (let index = 0; index <= CHUNK_SLOTS_MAX; index++) put(store, `k${index}`, 'v');
    expect([0, 1, 2].map((index) => enterChunk(reader, place, index)?.used)).toEqual([CHUNK_SLOTS_MAX, 1, undefined]);
    reader.leave();
  });

  it('tells a map that was dropped from one that ends, where its name is given (W2)', () => {
    const { store, reader } = makeBench();
    put(store, 'k', 'v');
    expect(enterChunk(reader, place, 0)?.used).toBe(1);
    store.dropMap(MAP);
    expect(() => enterChunk(reader, place, 1)).toThrow(expect.objectContaining({ code: 'MAP_DROPPED' }));
    expect(enterChunk(reader, { mapId: MAP, partitionId: PARTITION }, 1)).toBeUndefined();
    reader.leave();
  });

  it('enters the reader epoch anew for every chunk (W1)', () => {
    const { store, reader } = makeBench();
    const words = reader.arena.segments[0]!.i32;
    put(store, 'k', 'v');
    enterChunk(reader, place, 0);
    const entered = words[WORKER_WORDS_START]!;
    for (let round = 0; words[CONTROL_EPOCH_WORD] === entered; round++) {
      put(store, 'k', `v${round}`);
      settle(store);
    }
    enterChunk(reader, place, 0);
    expect([words[WORKER_WORDS_START], entered < words[WORKER_WORDS_START]!]).toEqual([
      words[CONTROL_EPOCH_WORD],
      true,
    ]);
    reader.leave();
  });
});
