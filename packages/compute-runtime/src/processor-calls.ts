/**
 * Processor calls on their way to the workers: gathered into tasks, one (module, export) each.
 *
 *   call -> hold its key -> pending group -> task in a user worker -> outcomes -> sealed -> release keys
 *                                                                                   '-> committed -> answer
 *
 * processor-calls P1  A key is held from the submission of a call until its outcome is sealed; calls of the same processor on a
 *                     key that has not been sent yet join it and chain. Whoever comes next on the key sees what is sealed.
 * processor-calls P2  At most `tasksMax` tasks of one depth are under way; meanwhile calls gather, so batches grow with the
 *                     load.
 * processor-calls P3  A call that failed changed nothing; one whose commit is refused (memory) fails with that error.
 * processor-calls P4  No call is refused for want of a write batch: it waits (LOOK_MS), and so do calls behind HELD_TASKS_MAX
 *                     tasks whose answers wait for commits.
 * processor-calls P5  A call runs in the epoch that its partition had when it came, or not at all (STALE_EPOCH): while the
 *                     partition was elsewhere its caller may have sent it there.
 * processor-calls P6  A partition whose commits are slow holds up its own calls: once WAITING_IN_PARTITION_MAX tasks wait for
 *                     it they are put aside until one of its batches is decided, and others go on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { READY_MODULE } from '@ashlar/api';
import { BatchPacker, type ProcessorBatch, type RunningBatch } from '@ashlar/compute';
import { assert, type PartitionId } from '@ashlar/core';
import type { Tracing } from '@ashlar/observe';
import { type KeyGate, partitionLockId } from '@ashlar/partitions';
import { groupName, isSameWork, ProcessorCall, type ProcessorName } from './processor-call.ts';
import { processorSpans } from './processor-spans.ts';
import { ProcessorTask, type ProcessorTaskDependencies, type TaskHost } from './processor-task.ts';
import { ReadyCalls } from './ready-calls.ts';
import { RunningTasks, type TurnWatch } from './running-tasks.ts';

export interface ProcessorCallsDependencies extends ProcessorTaskDependencies {
  readonly gate: KeyGate;
  readonly partitionCount: number;
  readonly run: (batch: ProcessorBatch, depth: number) => RunningBatch;
  /** Makes what keeps the event loop turning while workers have short tasks; undefined: nothing does. */
  readonly turnsFor?: (look: () => void) => TurnWatch | undefined;
  /** Tasks of one depth under way at once. */
  readonly tasksMax: number;
  readonly tracing: Tracing;
}

interface Group {
  readonly processor: ProcessorName;
  /** The first call on each entry. */
  entries: ProcessorCall[];
}

const CALLS_A_TASK_MAX = 64;
/** Groups that stay when they are empty: they are filled again soon. */
const GROUPS_KEPT = 256;
/** Packed batches whose memory is kept for later ones. */
const PACKERS_KEPT = 16;
const PACKER_BYTES_KEPT = 256 << 10;
/** Tasks whose answers wait for commits: no more are begun until some are sent. */
const HELD_TASKS_MAX = 512;
/** Those of them that wait for one partition: its calls are parked meanwhile, and others go on. */
const WAITING_IN_PARTITION_MAX = 64;
/** How often a task that found no batch to stage in looks again. */
const LOOK_MS = 1;

export class ProcessorCalls implements TaskHost {
  readonly #deps: ProcessorCallsDependencies;
  readonly #groups = new Map<string, Group>();
  /** Entries in all groups. */
  #gathered = 0;
  /** By depth. */
  readonly #underWay: number[] = [];
  /** busy[partition]: keys held for processors. */
  readonly #busy: Uint32Array;
  /** By partition: who holds it and waits for the calls that were there before. */
  readonly #idleWaits = new Map<PartitionId, () => void>();
  readonly #packers: BatchPacker[] = [];
  readonly #ready: ReadyCalls;
  readonly #running: RunningTasks;
  /** Tasks whose answers wait for a commit. */
  #heldTasks = 0;
  /** waiting[partition]: tasks whose answers wait for a batch of it. */
  readonly #waiting: Uint32Array;
  /** First calls on entries of partitions that too many tasks wait for. */
  readonly #parked = new Map<PartitionId, ProcessorCall[]>();
  #isScheduled = false;

  constructor(deps: ProcessorCallsDependencies) {
    this.#deps = deps;
    this.#busy = new Uint32Array(deps.partitionCount);
    this.#waiting = new Uint32Array(deps.partitionCount);
    this.#running = new RunningTasks(deps.turnsFor);
    this.#ready = new ReadyCalls({
      ...deps,
      hold: (call) => this.#hold(call),
      release: (call) => this.release(call),
      waitingMax: deps.gate.waitingMax,
    });
  }

  /** Keys held or waiting for a worker. */
  get pendingCount(): number {
    return this.#gathered;
  }

  /** Whether a call holds a key of the partition. */
  isBusy(partition: PartitionId): boolean {
    return this.#busy[partition]! > 0;
  }

  /**
   * Calls `next` once no call holds a key of the partition, in the turn in which the last one lets go: for whoever holds the
   * partition at the gate, so that no call comes after that. It does not throw.
   *
   * @returns how to wait no more
   */
  onIdle(partition: PartitionId, next: () => void): () => void {
    assert(
      this.isBusy(partition) && !this.#idleWaits.has(partition),
      'a busy partition is waited for by its one holder',
    );
    this.#idleWaits.set(partition, next);
    return () => {
      if (this.#idleWaits.get(partition) === next) this.#idleWaits.delete(partition);
    };
  }

  /** The key must be free. Answers through the call's caller. */
  submit(call: ProcessorCall): void {
    call.epoch ??= this.#deps.store.epochOf(call.partition);
    if (call.processor.module === READY_MODULE) {
      this.#ready.run(call);
      return;
    }
    this.#hold(call);
    this.#groupOf(call.processor).entries.push(call);
    this.#gathered++;
    this.#schedule();
  }

  /** As submit, once nothing holds the key; or behind a call of the same processor that is still to be sent. */
  submitWhenFree(call: ProcessorCall): void {
    const { gate } = this.#deps;
    call.epoch ??= this.#deps.store.epochOf(call.partition);
    const partition = partitionLockId(call.partition);
    const held = gate.heldCount === 0 ? undefined : [partition, call.name].find((name) => gate.isHeld(name));
    try {
      if (held === undefined) this.submit(call);
      else if (held !== call.name || !this.join(call)) gate.wait(held, () => this.submitWhenFree(call));
    } catch (error) {
      call.caller.onError(call.position, error);
    }
  }

  /** Chains a call behind one of the same processor on the same key, if that has not been sent and nothing waits. */
  join(call: ProcessorCall): boolean {
    const { gate, store } = this.#deps;
    if (call.isWanted !== undefined || gate.hasWaiting(call.name)) return false;
    const first = gate.holderOf(call.name);
    if (!(first instanceof ProcessorCall) || first.isSent || first.isWanted !== undefined) return false;
    if (!isSameWork(first, call) || first.count >= CALLS_A_TASK_MAX) return false;
    call.epoch ??= store.epochOf(call.partition);
    if (call.epoch !== first.epoch) return false;
    first.isProgress ||= call.isProgress;
    first.last.next = call;
    first.last = call;
    first.count += 1;
    return true;
  }

  #groupOf(processor: ProcessorName): Group {
    const name = groupName(processor);
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { processor, entries: [] };
      this.#groups.set(name, group);
    }
    return group;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const group of this.#groups.values()) {
      while (group.entries.length > 0 && this.#mayRun(group)) {
        const entries = takeEntries(group, this.#isParked);
        if (entries.length === 0) break;
        this.#gathered -= entries.length;
        void this.#runTask(group, entries);
      }
    }
    if (this.#groups.size <= GROUPS_KEPT) return;
    for (const [name, { entries }] of this.#groups) if (entries.length === 0) this.#groups.delete(name);
  }

  /** Puts the calls on an entry aside where too many tasks wait for its partition. @returns whether it did */
  readonly #isParked = (first: ProcessorCall): boolean => {
    const { partition } = first;
    if (this.#waiting[partition]! < WAITING_IN_PARTITION_MAX) return false;
    const parked = this.#parked.get(partition);
    if (parked === undefined) this.#parked.set(partition, [first]);
    else parked.push(first);
    return true;
  };

  #mayRun({ processor }: Group): boolean {
    return (this.#underWay[processor.depth] ?? 0) < this.#deps.tasksMax && this.#heldTasks < HELD_TASKS_MAX;
  }

  async #runTask({ processor }: Group, entries: readonly ProcessorCall[]): Promise<void> {
    const { depth, module, exportName } = processor;
    this.#underWay[depth] = (this.#underWay[depth] ?? 0) + 1;
    const batch = this.#packers.pop() ?? new BatchPacker();
    const task = new ProcessorTask(this.#deps, this);
    try {
      task.pack(batch, processor, entries);
      if (task.entries.length > 0) await this.#run(task, batch, depth, `${module}.${exportName}`);
    } catch (error) {
      task.fail(error);
    } finally {
      if (this.#packers.length < PACKERS_KEPT && batch.byteCount <= PACKER_BYTES_KEPT) this.#packers.push(batch);
      this.#underWay[depth]!--;
      if (this.#gathered > 0) this.#schedule();
    }
  }

  async #run(task: ProcessorTask, batch: BatchPacker, depth: number, name: string): Promise<void> {
    const spans = processorSpans(task.entries, name, this.#deps.tracing);
    if (spans !== undefined) batch.setTraces(spans.traces, spans.traceOf);
    const running = this.#deps.run(batch, depth);
    try {
      await this.#running.run(task, running);
      spans?.end(undefined);
    } catch (error) {
      spans?.end(error);
      throw error;
    }
    while (!task.stage(running.outcomes, running.outcomes.callCount)) await sleep(LOOK_MS, undefined, { ref: false });
  }

  /* ---- For tasks -------------------------------------------------------------------------------------------------- */

  #hold(call: ProcessorCall): void {
    this.#deps.gate.hold(call.name, call);
    this.#busy[call.partition]!++;
  }

  /** @see TaskHost */
  release({ name, partition }: ProcessorCall): void {
    const left = --this.#busy[partition]!;
    this.#deps.gate.release(name);
    if (left === 0 && this.#idleWaits.size > 0) this.#tellIdle(partition);
  }

  #tellIdle(partition: PartitionId): void {
    const next = this.#idleWaits.get(partition);
    if (next === undefined || this.isBusy(partition)) return;
    this.#idleWaits.delete(partition);
    next();
  }

  /** @see TaskHost */
  again(first: ProcessorCall): void {
    first.isSent = false;
    this.#groupOf(first.processor).entries.push(first);
    this.#gathered++;
    this.#schedule();
  }

  /** @see TaskHost */
  onHeld(): void {
    this.#heldTasks++;
  }

  /** @see TaskHost */
  onHeldTold(): void {
    this.#heldTasks--;
    if (this.#gathered > 0) this.#schedule();
  }

  /** @see TaskHost */
  onWaiting(partition: PartitionId): void {
    this.#waiting[partition]!++;
  }

  /** @see TaskHost */
  onDecided(partition: PartitionId): void {
    this.#waiting[partition]!--;
    const parked = this.#parked.get(partition);
    if (parked === undefined || this.#waiting[partition]! >= WAITING_IN_PARTITION_MAX) return;
    this.#parked.delete(partition);
    for (const first of parked) this.#groupOf(first.processor).entries.push(first);
    this.#schedule();
  }
}

/**
 * The first entries of a group, as many as one task takes.
 *
 * @param isParked  the calls on an entry are put aside, and are in the group no more
 */
function takeEntries(group: Group, isParked: (first: ProcessorCall) => boolean): readonly ProcessorCall[] {
  const { entries } = group;
  const taken: ProcessorCall[] = [];
  let calls = 0;
  let at = 0;
  for (; at < entries.length; at++) {
    const first = entries[at]!;
    if (calls > 0 && calls + first.count > CALLS_A_TASK_MAX) break;
    if (isParked(first)) continue;
    calls += first.count;
    first.isSent = true;
    taken.push(first);
  }
  if (at < entries.length) entries.splice(0, at);
  else group.entries = [];
  return taken;
}
