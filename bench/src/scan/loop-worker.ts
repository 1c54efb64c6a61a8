/** A thread of `loop`: sums its share of the rows. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Columns, GROUP_COUNT } from './data.ts';

export interface Part {
  readonly grouped: boolean;
  readonly constant: number;
}

export interface PartAnswer {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
}

const { columns, start, end } = workerData as { columns: Columns; start: number; end: number };

parentPort!.on('message', ({ grouped, constant }: Part) => {
  parentPort!.postMessage(grouped ? sumGroups(columns, constant) : sumAll(columns, constant));
});

function sumAll({ x, y }: Columns, least: number): PartAnswer {
  let count = 0;
  let sum = 0;
  for (let row = start; row < end; row++) {
    if (y[row]! >= least) {
      count++;
      sum += x[row]!;
    }
  }
  return { counts: Float64Array.of(count), sums: Float64Array.of(sum) };
}

function sumGroups({ x, y, g }: Columns, least: number): PartAnswer {
  const counts = new Float64Array(GROUP_COUNT);
  const sums = new Float64Array(GROUP_COUNT);
  for (let row = start; row < end; row++) {
    if (y[row]! >= least) {
      const group = g[row]!;
      counts[group]!++;
      sums[group]! += x[row]!;
    }
  }
  return { counts, sums };
}
