/**
 * Counts a batch of key-value operations when it is answered: a few additions and two histogram updates, whatever its
 * size. Only a batch over several maps is gone through once more, to give each map what is its own.
 */

import { COUNT, type CountersByMap, type MapCounters } from '@ashlar/observe';
import { OPCODE, STATUS } from '@ashlar/transport';

/** What is counted of a batch. */
export interface CountedBatch {
  readonly batch: {
    readonly count: number;
    readonly opcodes: Uint8Array;
    readonly mapIndexes: Uint32Array | undefined;
  };
  readonly answers: { readonly statuses: Uint8Array };
  readonly hits: number;
  readonly misses: number;
  readonly puts: number;
  readonly removes: number;
  readonly calls: number;
}

type Map = { readonly id: number };

/** @param map  undefined: there is no such map */
export function countersOf(map: Map | undefined, maps: CountersByMap): MapCounters {
  return map === undefined ? maps.unknown : maps.of(map);
}

/** All operations concern one map. @param us  from the batch's arrival to its answer */
export function countBatch(
  { hits, misses, puts, removes, calls }: Omit<CountedBatch, 'batch' | 'answers'>,
  { counts, getLatency, putLatency }: MapCounters,
  us: number,
): void {
  counts[COUNT.hits]! += hits;
  counts[COUNT.misses]! += misses;
  counts[COUNT.puts]! += puts;
  counts[COUNT.removes]! += removes;
  counts[COUNT.calls]! += calls;
  if (hits + misses > 0) getLatency.record(us, hits + misses);
  if (puts > 0) putLatency.record(us, puts);
}

/** The operations concern several maps. */
export function countEach(
  { batch, answers }: CountedBatch,
  maps: readonly (Map | undefined)[],
  us: number,
  all: CountersByMap,
): void {
  const tallies = maps.map(() => ({ hits: 0, misses: 0, puts: 0, removes: 0, calls: 0 }));
  for (let operation = 0; operation < batch.count; operation++) {
    const status = answers.statuses[operation]!;
    const opcode = batch.opcodes[operation]!;
    if (status > STATUS.TRUE && opcode !== OPCODE.PROCESS) continue;
    const tally = tallies[batch.mapIndexes?.[operation] ?? 0]!;
    const kind = kindOf(opcode, status === STATUS.TRUE);
    if (kind !== undefined) tally[kind]++;
  }
  tallies.forEach((tally, index) => {
    countBatch(tally, countersOf(maps[index], all), us);
  });
}

/** What an answered operation counts as; undefined: a condition that did not hold. */
function kindOf(opcode: number, isTrue: boolean): keyof typeof COUNT | undefined {
  switch (opcode) {
    case OPCODE.GET:
    case OPCODE.GET_ENTRY:
    case OPCODE.HAS:
      return isTrue ? 'hits' : 'misses';
    case OPCODE.PUT:
    case OPCODE.GET_AND_PUT:
      return 'puts';
    case OPCODE.PUT_IF_ABSENT:
    case OPCODE.REPLACE:
      return isTrue ? 'puts' : undefined;
    case OPCODE.REMOVE:
    case OPCODE.GET_AND_REMOVE:
      return 'removes';
    case OPCODE.STATEMENT:
      // Whoever answers it has counted it.
      return undefined;
    default:
      return 'calls';
  }
}
