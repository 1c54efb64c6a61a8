import { CountersByMap } from '@ashlar/observe';
import { OPCODE, STATUS } from '@ashlar/transport';
import fc from 'fast-check';
import { type CountedBatch, countBatch, countEach } from './batch-counts.ts';

describe('the counters of maps', () => {
  const catalog = (count: number) => Array.from({ length: count }, (_, id) => ({ id, name: `m${id}` }));

  it('count a batch over several maps as they would count a batch a map', () => {
    const opcodes = fc.integer({ min: OPCODE.GET, max: OPCODE.PROCESS });
    const operation = fc.record({ map: fc.integer({ min: 0, max: 2 }), opcode: opcodes, isTrue: fc.boolean() });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 50 }), (operations) => {
        const together = new CountersByMap();
        together.follow(catalog(2));
        countEach(batchOf(operations), [{ id: 0 }, { id: 1 }, undefined], 5, together);
        const apart = new CountersByMap();
        apart.follow(catalog(2));
        operations.forEach((one) => {
          const maps = [{ id: 0 }, { id: 1 }, undefined];
          const own = batchOf([{ ...one, map: 0 }]);
          countEach(own, [maps[one.map]], 5, apart);
        });
        const told = (maps: CountersByMap) =>
          maps.all
            .filter(({ counts }) => counts.some((count) => count > 0))
            .sort((a, b) => (a.label < b.label ? -1 : 1));
        expect(told(together)).toEqual(told(apart));
      }),
    );
  });

  it('record the time of a batch once, for all of its operations', () => {
    const counters = new CountersByMap().of({ id: 1 });
    countBatch({ hits: 3, misses: 2, puts: 4, removes: 1, calls: 0 }, counters, 100);
    expect([...counters.counts]).toEqual([3, 2, 4, 1, 0]);
    expect([counters.getLatency.total, counters.putLatency.total]).toEqual([5, 4]);
  });
});

function batchOf(operations: readonly { map: number; opcode: number; isTrue: boolean }[]): CountedBatch {
  return {
    batch: {
      count: operations.length,
      opcodes: Uint8Array.from(operations, ({ opcode }) => opcode),
      mapIndexes: Uint32Array.from(operations, ({ map }) => map),
    },
    answers: { statuses: Uint8Array.from(operations, ({ isTrue }) => (isTrue ? STATUS.TRUE : STATUS.FALSE)) },
    ...{ hits: 0, misses: 0, puts: 0, removes: 0, calls: 0 },
  };
}
