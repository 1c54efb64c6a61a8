/**
 * Processor calls on their way to the workers: gathered into batches, one (module, export) each, committed together.
 *
 *   call -> hold its key -> pending group -> task in a user worker -> outcomes -> one write batch -> release keys -> answer
 *
 * P1  A key is held from the submission of a call until its outcome is committed; calls of the same processor on a key
 *     that has not been sent yet join it and chain.
 * P2  At most `tasksMax` tasks of a lane are under way; meanwhile calls gather, so batches grow with the load.
 * P3  A call that failed changed nothing; one whose commit is refused (memory) fails with that error.
 */
import { READY_MODULE } from '@ashlar/api';
import type { CatalogedMap } from '@ashlar/cluster';
import { type ProcessorBatch, type ProcessorOutcomes, readyProcessor } from '@ashlar/compute';
import type { PartitionId, Random } from '@ashlar/core';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import { type MemberStore, RecordCause, type WriteBatch } from '@ashlar/storage';
import { partitionGateName } from './gate-names.ts';
import { gateName, type KeyGate } from './key-gate.ts';

export interface ProcessorCall {
  readonly map: CatalogedMap;
  readonly partition: PartitionId;
  /** Canonical bytes; stay valid until the call is answered. */
  readonly key: Uint8Array;
  /** MessagePack; empty: called without arguments. */
  readonly args: Uint8Array;
  readonly module: string;
  readonly exportName: string;
  /** How deep in calls from user code. */
  readonly depth: number;
  /** The entry must still be as the caller saw it, else `onSkipped`. */
  readonly isWanted?: () => boolean;
  readonly onSkipped?: () => void;
  /** MessagePack of the result. */
  readonly onResult: (result: Uint8Array) => void;
  readonly onError: (error: unknown) => void;
}

export interface ProcessorCallsDependencies {
  readonly store: MemberStore;
  readonly gate: KeyGate;
  readonly clock: { now(): number };
  readonly random: Random;
  readonly partitionCount: number;
  readonly run: (batch: ProcessorBatch, depth: number) => Promise<ProcessorOutcomes>;
  /** Tasks of one lane under way at once. */
  readonly tasksMax: number;
}

/** The entry that calls of one group work on, in their order. */
interface EntryCalls {
  readonly name: string;
  readonly calls: ProcessorCall[];
}

interface Group {
  readonly module: string;
  readonly exportName: string;
  readonly depth: number;
  readonly entries: Map<string, EntryCalls>;
}

const CALLS_A_TASK_MAX = 256;
const UNDEFINED_RESULT = new Uint8Array(0);

export class ProcessorCalls {
  readonly #deps: ProcessorCallsDependencies;
  readonly #groups = new Map<string, Group>();
  /** By depth. */
  readonly #underWay: number[] = [];
  /** busy[partition]: keys held for processors. */
  readonly #busy: Uint32Array;
  #isScheduled = false;

  constructor(deps: ProcessorCallsDependencies) {
    this.#deps = deps;
    this.#busy = new Uint32Array(deps.partitionCount);
  }

  /** Keys held or waiting for a worker. */
  get pendingCount(): number {
    let count = 0;
    for (const { entries } of this.#groups.values()) count += entries.size;
    return count;
  }

  /** Whether a call holds a key of the partition. */
  isBusy(partition: PartitionId): boolean {
    return this.#busy[partition]! > 0;
  }

  /** The key must be free. Answers by the call's functions, exactly one of them, once. */
  submit(call: ProcessorCall): void {
    if (call.isWanted?.() === false) {
      call.onSkipped?.();
      return;
    }
    if (call.module === READY_MODULE) {
      this.#runReady(call);
      return;
    }
    const name = gateName(call.map.id, call.key, 0, call.key.length);
    this.#deps.gate.hold(name);
    this.#busy[call.partition]!++;
    this.#groupOf(call).entries.set(name, { name, calls: [call] });
    this.#schedule();
  }

  /** As submit, once nothing holds the key; or behind a call of the same processor that is still to be sent. */
  submitWhenFree(call: ProcessorCall): void {
    const { gate } = this.#deps;
    const name = gateName(call.map.id, call.key, 0, call.key.length);
    const partition = partitionGateName(call.partition);
    const held = gate.heldCount === 0 ? undefined : [partition, name].find((candidate) => gate.isHeld(candidate));
    try {
      if (held === undefined) this.submit(call);
      else if (held !== name || !this.join(name, call)) gate.wait(held, () => this.submitWhenFree(call));
    } catch (error) {
      call.onError(error);
    }
  }

  /** Chains a call behind one of the same processor on the same key, if that has not been sent and nothing waits. */
  join(name: string, call: ProcessorCall): boolean {
    if (call.isWanted !== undefined || this.#deps.gate.hasWaiting(name)) return false;
    const entry = this.#groups.get(groupName(call))?.entries.get(name);
    if (entry === undefined || entry.calls.length >= CALLS_A_TASK_MAX) return false;
    entry.calls.push(call);
    return true;
  }

  #groupOf(call: ProcessorCall): Group {
    const name = groupName(call);
    let group = this.#groups.get(name);
    if (group === undefined) {
      const { module, exportName, depth } = call;
      group = { module, exportName, depth, entries: new Map() };
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
    for (const [name, group] of this.#groups) {
      while (group.entries.size > 0 && (this.#underWay[group.depth] ?? 0) < this.#deps.tasksMax) {
        void this.#runTask(group, takeEntries(group));
      }
      if (group.entries.size === 0) this.#groups.delete(name);
    }
  }

  async #runTask(group: Group, entries: readonly EntryCalls[]): Promise<void> {
    const { depth } = group;
    this.#underWay[depth] = (this.#underWay[depth] ?? 0) + 1;
    try {
      const outcomes = await this.#deps.run(this.#batchOf(group, entries), depth);
      this.#commit(entries, outcomes);
    } catch (error) {
      this.#release(entries);
      for (const { calls } of entries) for (const call of calls) call.onError(error);
    } finally {
      this.#underWay[depth]!--;
      if (this.#groups.size > 0) this.#schedule();
    }
  }

  #batchOf({ module, exportName }: Group, entries: readonly EntryCalls[]): ProcessorBatch {
    const { store, clock, random } = this.#deps;
    const now = clock.now();
    const callCount = entries.reduce((sum, { calls }) => sum + calls.length, 0);
    const keys: Uint8Array[] = [];
    const values: (Uint8Array | undefined)[] = [];
    const ttlMs = new Float64Array(entries.length).fill(Number.NaN);
    const entryOf = new Uint32Array(callCount);
    const args: (Uint8Array | undefined)[] = [];
    const seeds = new Int32Array(callCount);
    entries.forEach(({ calls }, entry) => {
      const { map, partition, key } = calls[0]!;
      const exists = store.find(map.id, partition, key, 0, key.length);
      const { valueBytes, valueStart, valueEnd, expiresAt } = store.found;
      keys.push(key);
      values.push(exists ? valueBytes.slice(valueStart, valueEnd) : undefined);
      if (exists && expiresAt > 0) ttlMs[entry] = Math.max(0, (expiresAt - now) / 1000);
      for (const call of calls) {
        entryOf[args.length] = entry;
        seeds[args.length] = random.below(2 ** 31);
        args.push(call.args.length === 0 ? undefined : call.args);
      }
    });
    const nowMs = new Float64Array(callCount).fill(Math.floor(now / 1000));
    return { module, exportName, keys, values, ttlMs, entryOf, args, nowMs, seeds };
  }

  /** Commits what the calls left, lets the keys go, then answers. */
  #commit(entries: readonly EntryCalls[], outcomes: ProcessorOutcomes): void {
    const refused = new Map<number, unknown>();
    const writes = this.#deps.store.begin();
    try {
      for (const [index, { calls }] of entries.entries()) {
        try {
          this.#stage(writes, calls[0]!, outcomes.entry(index));
        } catch (error) {
          refused.set(index, error);
        }
      }
      writes.commit();
    } finally {
      this.#release(entries);
    }
    let at = 0;
    for (const [index, { calls }] of entries.entries()) {
      for (const call of calls) {
        const error = outcomes.error(at) ?? refused.get(index);
        if (error === undefined) call.onResult(outcomes.result(at) ?? UNDEFINED_RESULT);
        else call.onError(error);
        at++;
      }
    }
    outcomes.release();
  }

  #stage(
    writes: WriteBatch,
    { map, partition, key }: ProcessorCall,
    outcome: ReturnType<ProcessorOutcomes['entry']>,
  ): void {
    if (outcome.action === 'keep' && outcome.ttlMs === undefined) return;
    if (outcome.action === 'remove') {
      writes.remove(map.id, partition, key, 0, key.length, RecordCause.processor);
      return;
    }
    const { store, clock } = this.#deps;
    const exists = store.find(map.id, partition, key, 0, key.length, writes);
    const { found } = store;
    // An entry that was removed and stored again in the batch is a new one.
    const before = exists && !outcome.isRenewed ? found.expiresAt : 0;
    const expiresAt = expiryOf(outcome.ttlMs, before, clock.now());
    const { value } = outcome;
    if (value !== undefined) {
      writes.put(map.id, partition, key, 0, key.length, value, 0, value.length, expiresAt, RecordCause.processor);
    } else if (exists) {
      const { valueBytes, valueStart, valueEnd } = found;
      writes.put(
        map.id,
        partition,
        key,
        0,
        key.length,
        valueBytes,
        valueStart,
        valueEnd,
        expiresAt,
        RecordCause.processor,
      );
    }
  }

  #release(entries: readonly EntryCalls[]): void {
    for (const { name, calls } of entries) {
      this.#busy[calls[0]!.partition]!--;
      this.#deps.gate.release(name);
    }
  }

  /** Ready-made processors are pure functions over the decoded value: no worker, no key held. */
  #runReady(call: ProcessorCall): void {
    const { map, partition, key, args, exportName } = call;
    const { store } = this.#deps;
    let result: Uint8Array;
    try {
      const run = readyProcessor(exportName);
      const exists = store.find(map.id, partition, key, 0, key.length);
      const { valueBytes, valueStart, valueEnd, expiresAt } = store.found;
      const value = exists ? decodeValue(valueBytes, valueStart, valueEnd) : undefined;
      const outcome = run(value, args.length === 0 ? undefined : decodeValue(args));
      if (outcome.action === 'set') {
        const bytes = encodeValue(outcome.value);
        const writes = store.begin();
        try {
          writes.put(
            map.id,
            partition,
            key,
            0,
            key.length,
            bytes,
            0,
            bytes.length,
            exists ? expiresAt : 0,
            RecordCause.processor,
          );
          writes.commit();
        } catch (error) {
          writes.abort();
          throw error;
        }
      }
      result = outcome.result === undefined ? UNDEFINED_RESULT : encodeValue(outcome.result);
    } catch (error) {
      call.onError(error);
      return;
    }
    call.onResult(result);
  }
}

function groupName({ module, exportName, depth }: ProcessorCall): string {
  return `${depth} ${module} ${exportName}`;
}

/** The first entries of a group, as many as one task takes. */
function takeEntries(group: Group): EntryCalls[] {
  const taken: EntryCalls[] = [];
  let calls = 0;
  for (const [name, entry] of group.entries) {
    if (calls > 0 && calls + entry.calls.length > CALLS_A_TASK_MAX) break;
    taken.push(entry);
    calls += entry.calls.length;
    group.entries.delete(name);
  }
  return taken;
}

/** In version units; 0: the map's default. */
function expiryOf(ttlMs: number | undefined, before: number, now: number): number {
  if (ttlMs === undefined) return before;
  return Number.isFinite(ttlMs) ? now + Math.ceil(ttlMs * 1000) : 0;
}
