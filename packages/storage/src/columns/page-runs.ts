/** Leased pages that a task brought along: runs of neighbouring pages, used whole. */

import { PAGE_BYTES } from '../layout.ts';
import type { Ref } from '../memory/arena.ts';
import { pageRef } from '../memory/page-leases.ts';

export class PageRuns {
  #runs: Int32Array[] = [];

  /** Takes over the runs of a new task; what was left of the one before is forgotten. */
  begin(runs: readonly Int32Array[]): void {
    this.#runs = [...runs];
  }

  /** The shortest run of at least `bytes`; undefined when there is none. */
  take(bytes: number): Int32Array | undefined {
    const wanted = Math.ceil(bytes / PAGE_BYTES);
    let best = -1;
    for (let index = 0; index < this.#runs.length; index++) {
      const { length } = this.#runs[index]!;
      if (length >= wanted && (best < 0 || length < this.#runs[best]!.length)) best = index;
      if (length === wanted) break;
    }
    return best < 0 ? undefined : this.#runs.splice(best, 1)[0];
  }

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** What no region took. */
  rest(): Int32Array[] {
    const rest = this.#runs;
    this.#runs = [];
    return rest;
  }
}

/** Where a run begins. */
export function runRef(run: Int32Array): Ref {
  return pageRef(run[0]!);
}
