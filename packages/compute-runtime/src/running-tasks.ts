/**
 * The tasks that workers have, looked at while they run: what the first calls left is staged and answered while the worker runs the
 * others and the callers make their next calls, where little is under way. Much keeps all of them busy without.
 *
 *   worker: run run run run run ...
 *   member:         look -> stage a part -> its answers leave -> stage a part ...
 *   caller:                                 next calls ...
 *
 * running-tasks R1  A turn of the event loop stages one part: PART calls, or what is left of a task. Its answers leave between two turns;
 *                   two parts in one turn would travel together, and their caller would sleep meanwhile.
 * running-tasks R2  The event loop is kept turning for that within the bounds of spinning (`TurnWatch`). Where it is not, because the
 *                   option says so or others want the core, a task is staged as a whole when its worker says that it is over.
 * running-tasks R3  Parts cost a turn and a message each: they are made only where calls are answered faster with them (pays-trial.ts).
 */
import type { RunningBatch } from '@ashlar/compute';
import { SmallSet } from '@ashlar/core';
import { PaysTrial } from './pays-trial.ts';
import type { ProcessorTask } from './processor-task.ts';

/** Calls of which the outcomes are worth a write batch and a message of their own. */
const PART = 32;
/** Calls that workers have, up to which tasks are staged in parts. */
const FEW_CALLS = 96;

/** Keeps the event loop of this thread turning for a moment, and looks in every turn: a spinner (transport's spinner.ts). */
export interface TurnWatch {
  /** Whether it turns. */
  readonly isWatching: boolean;
  nowMs(): number;
  /** Something is expected soon: it turns from now on, or goes on for as long again. */
  watch(nowMs: number): void;
  /** It came. */
  arrived(nowMs: number): void;
  /** Nothing is waited for any more. */
  rest(nowMs: number): void;
}

interface Running {
  readonly task: ProcessorTask;
  readonly batch: RunningBatch;
  readonly callCount: number;
  /** Calls [0, staged) were staged. */
  staged: number;
  /** Resolves run(): no worker has it, and all of it is staged. */
  end: (() => void) | undefined;
}

export class RunningTasks {
  readonly #running = new SmallSet<Running>();
  readonly #turns: TurnWatch | undefined;
  readonly #trial = new PaysTrial();
  #isScheduled = false;
  /** Calls of tasks that workers have; whether they were FEW_CALLS at most since workers had none. */
  #calls = 0;
  #isFew = true;

  /** @param turnsFor  makes what keeps the loop turning, with what it calls in every turn; undefined: nothing does */
  constructor(turnsFor: ((look: () => void) => TurnWatch | undefined) | undefined) {
    this.#turns = turnsFor?.(() => {
      if (!this.#isScheduled && this.#isFew) this.#stagePart();
    });
  }

  /** Resolves when no worker has the task any more and what is left of it may be staged: calls from some on, or those that found no batch. */
  async run(task: ProcessorTask, batch: RunningBatch): Promise<void> {
    const running: Running = { task, batch, callCount: batch.outcomes.callCount, staged: 0, end: undefined };
    const { callCount } = running;
    this.#running.add(running);
    this.#begin(callCount);
    await batch.finished;
    const inParts = running.staged > 0 || (this.#isFew && callCount > PART && this.#turns?.isWatching === true);
    if (this.#turns !== undefined) this.#try(callCount, this.#turns.nowMs());
    this.#calls -= callCount;
    if (this.#calls === 0) this.#isFew = true;
    if (inParts && running.staged < callCount) {
      this.#schedule();
      await new Promise<void>((resolve) => {
        running.end = resolve;
      });
    }
    this.#running.delete(running);
    this.#came();
  }

  #begin(callCount: number): void {
    this.#calls += callCount;
    const wasFew = this.#isFew;
    this.#isFew &&= this.#calls <= FEW_CALLS;
    const turns = this.#turns;
    if (turns === undefined || !wasFew) return;
    if (this.#isFew && this.#trial.isOn) turns.watch(turns.nowMs());
    else turns.rest(turns.nowMs());
  }

  /** running-tasks R3 */
  #try(callCount: number, nowMs: number): void {
    if (this.#isFew) this.#trial.ended(callCount, nowMs);
    else this.#trial.interrupt();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#stagePart();
    });
  }

  /** running-tasks R1 */
  #stagePart(): void {
    let isStaged = false;
    for (const running of this.#running) {
      let calls = readyCalls(running);
      if (calls > 0 && !isStaged) {
        isStaged = true;
        stageFurther(running, calls);
        calls = readyCalls(running);
      }
      if (calls > 0) {
        this.#schedule();
        break;
      }
    }
    if (isStaged) this.#came();
  }

  #came(): void {
    const turns = this.#turns;
    if (turns === undefined) return;
    const nowMs = turns.nowMs();
    turns.arrived(nowMs);
    if (this.#calls > 0 && this.#isFew && this.#trial.isOn) turns.watch(nowMs);
  }
}

/** Calls that may be staged as a part; 0: there are too few. */
function readyCalls({ batch, callCount, staged }: Running): number {
  if (staged === callCount) return 0;
  const completed = batch.look();
  const ready = Math.min(completed - staged, PART);
  return ready < PART && completed < callCount ? 0 : ready;
}

function stageFurther(running: Running, calls: number): void {
  const { task, batch, callCount } = running;
  running.staged += calls;
  try {
    task.stage(batch.outcomes, running.staged);
    task.tellPart();
  } catch (error) {
    task.fail(error);
  }
  if (running.staged === callCount) running.end?.();
}
