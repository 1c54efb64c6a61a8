/** How calls on many entries share the event loop, and wait for room in the queues. */
import { pause } from './connections.ts';
import type { GroupCall } from './group-call.ts';
import type { Router } from './router.ts';

const SLICE_MS = 5;
/** Entries between two looks at the clock. */
const SLICE_CHECK = 64;
/** How often a group that waits looks at the clock. */
const WAIT_CHECK_MS = 25;

/** Lets the event loop turn when a slice is used up. */
export class Slices {
  readonly #router: Router;
  readonly #group: GroupCall;
  #count = 0;
  #startMs = performance.now();

  constructor(router: Router, group: GroupCall) {
    this.#router = router;
    this.#group = group;
  }

  /** Behind each entry. Undefined: go on; else wait for it: false means that the group's time is over. */
  next(): Promise<boolean> | undefined {
    if ((++this.#count & (SLICE_CHECK - 1)) !== 0) return undefined;
    const room = this.#router.room();
    if (room === undefined && performance.now() - this.#startMs < SLICE_MS) return undefined;
    return this.turn(room);
  }

  /** A turn of the event loop, once `room` is there. @returns false: the group's time is over */
  async turn(room?: Promise<void>): Promise<boolean> {
    this.#group.feed();
    await orEnd(room, this.#group);
    if (this.#group.isOverdue) return false;
    await new Promise((resolve) => setImmediate(resolve));
    this.#group.feed();
    this.#startMs = performance.now();
    return true;
  }
}

/** Waits for what a group needs to go on; not longer than the group's time. */
export async function orEnd(awaited: Promise<void> | undefined, group: GroupCall): Promise<void> {
  let isThere = awaited === undefined;
  while (!isThere && !group.done && !group.isOverdue) {
    isThere = await Promise.race([awaited!.then(() => true), pause(WAIT_CHECK_MS).then(() => false)]);
  }
}
