/** The limit: the same work as bare loops over typed arrays, the rows split between threads. Texts are codes already. */
import { Worker } from 'node:worker_threads';
import { type Columns, GROUP_COUNT, groupName, type QueryName, ROW_COUNT, type Row } from './data.ts';
import type { Part, PartAnswer } from './loop-worker.ts';
import type { ScanSubject } from './subjects.ts';

export class LoopScan implements ScanSubject {
  readonly #workers: readonly Worker[];

  constructor(columns: Columns, threads: number) {
    this.#workers = Array.from({ length: threads }, (_, thread) => {
      const start = Math.floor((ROW_COUNT / threads) * thread);
      const end = Math.floor((ROW_COUNT / threads) * (thread + 1));
      return new Worker(new URL('loop-worker.ts', import.meta.url), { workerData: { columns, start, end } });
    });
  }

  async ask(query: QueryName, constant: number): Promise<readonly Row[]> {
    const grouped = query !== 'filter-sum';
    const parts = await Promise.all(this.#workers.map((worker) => askPart(worker, { grouped, constant })));
    const groups = grouped ? GROUP_COUNT : 1;
    return Array.from({ length: groups }, (_, group) => ({
      ...(grouped ? { g: query === 'group-str' ? groupName(group) : group } : {}),
      n: parts.reduce((sum, { counts }) => sum + counts[group]!, 0),
      total: parts.reduce((sum, { sums }) => sum + sums[group]!, 0),
    }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function askPart(worker: Worker, part: Part): Promise<PartAnswer> {
  return new Promise((resolve) => {
    worker.once('message', resolve);
    worker.postMessage(part);
  });
}
