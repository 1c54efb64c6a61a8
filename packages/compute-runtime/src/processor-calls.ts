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
import {
  BatchPacker,
  type EntryOutcome,
  type ProcessorBatch,
  type ProcessorOutcomes,
  readyProcessor,
} from '@ashlar/compute';
import { GridError, MapDroppedError, type PartitionId, type Random, type TraceContext, TTL_KEEP } from '@ashlar/core';
import { keyText } from '@ashlar/expressions';
import type { Tracing } from '@ashlar/observe';
import {
  checkOneGo,
  deadlineOf,
  type EntryLimits,
  type GateName,
  type KeyGate,
  keyGateName,
  partitionGateName,
  type WritePath,
} from '@ashlar/partitions';
import { compareBytes, decodeKey, decodeValue, encodeValue } from '@ashlar/serialization';
import { type BatchHeader, type MemberStore, RecordCause, type WriteBatch } from '@ashlar/storage';
import { processorSpans } from './processor-spans.ts';

/**
 * Who made calls and is told of each by the number it gave it. Exactly one of the functions is called, once a call; none of
 * them throws.
 */
export interface ProcessorCaller {
  /** The result in MessagePack, `bytes[start, end)`; empty: undefined. The bytes are good during the call only. */
  onResult(slot: number, bytes: Uint8Array, start: number, end: number): void;
  onError(slot: number, error: unknown): void;
  /** User code refused the call: bytes[start, end) are the refusal (`encodeRefusal`), good during the call only. */
  onRefused(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /** The entry is not as the caller wants it any more. */
  onSkipped?(slot: number): void;
}

/** One call. Its bytes stay valid until it is answered. */
export class ProcessorCall {
  readonly map: CatalogedMap;
  readonly partition: PartitionId;
  /** Canonical bytes keys[keyStart, keyEnd). */
  readonly keys: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  /** MessagePack args[argsStart, argsEnd); empty: called without arguments. */
  readonly args: Uint8Array;
  readonly argsStart: number;
  readonly argsEnd: number;
  readonly processor: ProcessorName;
  readonly caller: ProcessorCaller;
  readonly slot: number;
  /** The entry must still be so, else the call is skipped; such a call chains with no other. */
  readonly isWanted: (() => boolean) | undefined;
  /** The trace it belongs to, where its caller is traced. */
  trace: TraceContext | undefined = undefined;
  /** A listener made it to get on with its events. */
  isProgress = false;
  /** The next call on the same entry in the same task. */
  next: ProcessorCall | undefined = undefined;
  /** Of the first call on an entry: the last one, and how many there are. */
  last: ProcessorCall = this;
  count = 1;
  /** It is on its way to a worker: nothing joins it any more. */
  isSent = false;
  /** Of its key at the gate. */
  readonly name: GateName;

  constructor(
    map: CatalogedMap,
    partition: PartitionId,
    keys: Uint8Array,
    keyStart: number,
    keyEnd: number,
    args: Uint8Array,
    argsStart: number,
    argsEnd: number,
    processor: ProcessorName,
    caller: ProcessorCaller,
    slot: number,
    isWanted?: () => boolean,
  ) {
    this.map = map;
    this.partition = partition;
    this.keys = keys;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.args = args;
    this.argsStart = argsStart;
    this.argsEnd = argsEnd;
    this.processor = processor;
    this.caller = caller;
    this.slot = slot;
    this.isWanted = isWanted;
    this.name = keyGateName(map.id, keys, keyStart, keyEnd);
  }
}

/** What runs, and how deep in calls from user code. */
export interface ProcessorName {
  readonly module: string;
  readonly exportName: string;
  readonly depth: number;
}

export interface ProcessorCallsDependencies {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly gate: KeyGate;
  readonly limits: EntryLimits;
  readonly clock: { now(): number };
  readonly random: Random;
  readonly partitionCount: number;
  readonly run: (batch: ProcessorBatch, depth: number) => Promise<ProcessorOutcomes>;
  /** Tasks of one lane under way at once. */
  readonly tasksMax: number;
  readonly tracing: Tracing;
}

interface Group {
  readonly processor: ProcessorName;
  /** The first call on each entry. */
  entries: ProcessorCall[];
}

/** How far a task has come: what is left to be done when it fails. */
interface Progress {
  isHeld: boolean;
  /** Calls that were told of their outcome, from the first on. */
  answered: number;
}

const CALLS_A_TASK_MAX = 64;
/** Groups that stay when they are empty: they are filled again soon. */
const GROUPS_KEPT = 256;
/** Packed batches whose memory is kept for later ones. */
const PACKERS_KEPT = 16;
const PACKER_BYTES_KEPT = 256 << 10;
/** An entry that was due expires at a version of its own. */
const ONCE_PER_KEY = { oncePerKey: true };
const PROGRESS_ONCE_PER_KEY = { oncePerKey: true, isProgress: true };
const UNDEFINED_RESULT = new Uint8Array(0);

export class ProcessorCalls {
  readonly #deps: ProcessorCallsDependencies;
  readonly #groups = new Map<string, Group>();
  /** Entries in all groups. */
  #gathered = 0;
  /** By depth. */
  readonly #underWay: number[] = [];
  /** busy[partition]: keys held for processors. */
  readonly #busy: Uint32Array;
  readonly #packers: BatchPacker[] = [];
  #isScheduled = false;

  constructor(deps: ProcessorCallsDependencies) {
    this.#deps = deps;
    this.#busy = new Uint32Array(deps.partitionCount);
  }

  /** Keys held or waiting for a worker. */
  get pendingCount(): number {
    return this.#gathered;
  }

  /** Whether a call holds a key of the partition. */
  isBusy(partition: PartitionId): boolean {
    return this.#busy[partition]! > 0;
  }

  /** The key must be free. Answers through the call's caller. */
  submit(call: ProcessorCall): void {
    if (call.isWanted?.() === false) {
      call.caller.onSkipped?.(call.slot);
      return;
    }
    if (call.processor.module === READY_MODULE) {
      this.#runReady(call);
      return;
    }
    this.#deps.gate.hold(call.name, call);
    this.#busy[call.partition]!++;
    this.#groupOf(call.processor).entries.push(call);
    this.#gathered++;
    this.#schedule();
  }

  /** As submit, once nothing holds the key; or behind a call of the same processor that is still to be sent. */
  submitWhenFree(call: ProcessorCall): void {
    const { gate } = this.#deps;
    const partition = partitionGateName(call.partition);
    const held = gate.heldCount === 0 ? undefined : [partition, call.name].find((name) => gate.isHeld(name));
    try {
      if (held === undefined) this.submit(call);
      else if (held !== call.name || !this.join(call)) gate.wait(held, () => this.submitWhenFree(call));
    } catch (error) {
      call.caller.onError(call.slot, error);
    }
  }

  /** Chains a call behind one of the same processor on the same key, if that has not been sent and nothing waits. */
  join(call: ProcessorCall): boolean {
    const { gate } = this.#deps;
    if (call.isWanted !== undefined || gate.hasWaiting(call.name)) return false;
    const first = gate.holderOf(call.name);
    if (!(first instanceof ProcessorCall) || first.isSent || !isSameWork(first, call)) return false;
    if (first.count >= CALLS_A_TASK_MAX) return false;
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
      while (group.entries.length > 0 && (this.#underWay[group.processor.depth] ?? 0) < this.#deps.tasksMax) {
        const entries = takeEntries(group);
        this.#gathered -= entries.length;
        void this.#runTask(group, entries);
      }
    }
    if (this.#groups.size <= GROUPS_KEPT) return;
    for (const [name, { entries }] of this.#groups) if (entries.length === 0) this.#groups.delete(name);
  }

  async #runTask({ processor }: Group, entries: readonly ProcessorCall[]): Promise<void> {
    const { depth, module, exportName } = processor;
    this.#underWay[depth] = (this.#underWay[depth] ?? 0) + 1;
    const batch = this.#packers.pop() ?? new BatchPacker();
    const spans = processorSpans(entries, `${module}.${exportName}`, this.#deps.tracing);
    const progress = { isHeld: true, answered: 0 };
    try {
      this.#pack(batch, processor, entries);
      if (spans !== undefined) batch.setTraces(spans.traces, spans.traceOf);
      const outcomes = await this.#deps.run(batch, depth);
      spans?.end(undefined);
      this.#finish(entries, outcomes, progress);
    } catch (error) {
      spans?.end(error);
      if (progress.isHeld) this.#release(entries);
      eachCall(entries, (call, index) => {
        if (index >= progress.answered) call.caller.onError(call.slot, error);
      });
    } finally {
      if (this.#packers.length < PACKERS_KEPT && batch.byteCount <= PACKER_BYTES_KEPT) this.#packers.push(batch);
      this.#underWay[depth]!--;
      if (this.#gathered > 0) this.#schedule();
    }
  }

  #pack(batch: BatchPacker, { module, exportName }: ProcessorName, entries: readonly ProcessorCall[]): void {
    const { store, clock, random } = this.#deps;
    const now = clock.now();
    const nowMs = Math.floor(now / 1000);
    batch.begin(module, exportName);
    for (const first of entries) {
      const { map, partition, keys, keyStart, keyEnd } = first;
      const entry = batch.addEntry(keys, keyStart, keyEnd);
      if (store.find(map.id, partition, keys, keyStart, keyEnd)) {
        const { valueBytes, valueStart, valueEnd, expiresAt } = store.found;
        const ttlMs = expiresAt > 0 ? Math.max(0, (expiresAt - now) / 1000) : Number.NaN;
        batch.setValue(entry, valueBytes, valueStart, valueEnd, ttlMs);
      }
      for (let call: ProcessorCall | undefined = first; call !== undefined; call = call.next) {
        const args = call.argsEnd > call.argsStart ? call.args : undefined;
        batch.addCall(entry, args, call.argsStart, call.argsEnd, nowMs, random.below(2 ** 31));
      }
    }
  }

  /** Commits what the calls left, lets the keys go, then answers. */
  #finish(entries: readonly ProcessorCall[], outcomes: ProcessorOutcomes, progress: Progress): void {
    let unstaged: Map<ProcessorCall, unknown> | undefined;
    const writePath = this.#deps.writes;
    const header = entries.some((call) => call.isProgress) ? PROGRESS_ONCE_PER_KEY : ONCE_PER_KEY;
    let writes = writePath.begin(header);
    for (let entry = 0; entry < entries.length; entry++) {
      try {
        while (!this.#stage(writes, entries[entry]!, outcomes.entry(entry))) {
          writePath.submit(writes);
          writes = writePath.begin(header);
        }
      } catch (error) {
        unstaged ??= new Map();
        unstaged.set(entries[entry]!, error);
      }
    }
    writePath.submit(writes);
    // Whoever wants to wait for room in a log does so before those who wait for the key are let through.
    const early = unstaged === undefined ? undefined : tellFullLogs(entries, outcomes, unstaged);
    progress.isHeld = false;
    this.#release(entries);
    eachCall(entries, (call, index, first) => {
      progress.answered = index + 1;
      if (early?.has(call) === true) return;
      const { caller, slot } = call;
      const failure = outcomes.error(index);
      const isRefused = failure === undefined && outcomes.isRefused(index);
      const error = failure ?? (isRefused ? undefined : unstaged?.get(first));
      if (error !== undefined) {
        caller.onError(slot, error);
        return;
      }
      const { bytes, start, end } = outcomes.result(index);
      if (isRefused) caller.onRefused(slot, bytes, start, end);
      else caller.onResult(slot, bytes, start, end);
    });
    outcomes.release();
  }

  /** @returns false: the batch is to be cut first, the entry's expiry has to go before */
  #stage(writes: WriteBatch, call: ProcessorCall, outcome: EntryOutcome): boolean {
    const { action, bytes, valueStart, valueEnd, ttlMs, isRenewed } = outcome;
    const { map, partition, keys, keyStart, keyEnd } = call;
    if (!this.#deps.store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
    if (action === 'keep' && ttlMs === undefined) return true;
    if (action === 'remove') {
      return writes.remove(map.id, partition, keys, keyStart, keyEnd, RecordCause.processor) || !writes.wantsCut;
    }
    const { store, clock, limits } = this.#deps;
    if (action === 'set') limits.checkValue(valueEnd - valueStart);
    if (action === 'set' && ttlMs === undefined && map.ttlMs === 0 && !store.hasDeadlines(map.id, partition)) {
      return stagePut(writes, call, bytes, valueStart, valueEnd, 0);
    }
    const exists = store.find(map.id, partition, keys, keyStart, keyEnd, writes);
    const { found } = store;
    // An entry that was removed and stored again in the batch is a new one.
    const expiresAt = deadlineOf(ttlMs ?? TTL_KEEP, clock.now(), exists && !isRenewed ? found.expiresAt : undefined);
    if (action === 'set') return stagePut(writes, call, bytes, valueStart, valueEnd, expiresAt);
    if (exists) return stagePut(writes, call, found.valueBytes, found.valueStart, found.valueEnd, expiresAt);
    return true;
  }

  #release(entries: readonly ProcessorCall[]): void {
    for (const { name, partition } of entries) {
      this.#busy[partition]!--;
      this.#deps.gate.release(name);
    }
  }

  /** Ready-made processors are pure functions over the decoded value: no worker, no key held. */
  #runReady(call: ProcessorCall): void {
    let result: Uint8Array;
    try {
      result = this.#readyResult(call);
    } catch (error) {
      call.caller.onError(call.slot, GridError.is(error, 'TYPE_MISMATCH') ? atKey(error, call) : error);
      return;
    }
    call.caller.onResult(call.slot, result, 0, result.length);
  }

  #readyResult({
    map,
    partition,
    keys,
    keyStart,
    keyEnd,
    args,
    argsStart,
    argsEnd,
    processor,
    isProgress,
  }: ProcessorCall): Uint8Array {
    const { store, limits, clock } = this.#deps;
    const run = readyProcessor(processor.exportName);
    if (!store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
    const exists = store.find(map.id, partition, keys, keyStart, keyEnd);
    const { found } = store;
    const { expiresAt } = found;
    if (exists) checkOneGo(found.valueBytes, found.valueStart, found.valueEnd);
    checkOneGo(args, argsStart, argsEnd);
    const value = exists ? decodeValue(found.valueBytes, found.valueStart, found.valueEnd) : undefined;
    const outcome = run(value, argsEnd > argsStart ? decodeValue(args, argsStart, argsEnd) : undefined);
    if (outcome.action !== 'keep') {
      const bytes = outcome.action === 'set' ? encodeValue(outcome.value) : undefined;
      if (bytes !== undefined) limits.checkValue(bytes.length);
      const ttl = outcome.action === 'set' ? (outcome.ttl ?? TTL_KEEP) : TTL_KEEP;
      const deadline = deadlineOf(ttl, clock.now(), exists ? expiresAt : undefined);
      this.#writeAtOnce(isProgress ? PROGRESS_ONCE_PER_KEY : ONCE_PER_KEY, (writes) => {
        const cause = RecordCause.processor;
        if (bytes === undefined) {
          return writes.remove(map.id, partition, keys, keyStart, keyEnd, cause) || !writes.wantsCut;
        }
        return writes.put(map.id, partition, keys, keyStart, keyEnd, bytes, 0, bytes.length, deadline, cause);
      });
    }
    return outcome.result === undefined ? UNDEFINED_RESULT : encodeValue(outcome.result);
  }

  /** @param stage  answers false when the batch is to be cut first */
  #writeAtOnce(header: BatchHeader, stage: (writes: WriteBatch) => boolean): void {
    const writePath = this.#deps.writes;
    let writes = writePath.begin(header);
    try {
      while (!stage(writes)) {
        writePath.submit(writes);
        writes = writePath.begin(header);
      }
      writePath.submit(writes);
    } catch (error) {
      writes.abort();
      throw error;
    }
  }
}

let lastProcessor: ProcessorName | undefined;
let lastName = '';

/** Of the group in which calls of the processor gather. */
function groupName(processor: ProcessorName): string {
  if (processor !== lastProcessor) {
    lastProcessor = processor;
    lastName = `${processor.depth} ${processor.module} ${processor.exportName}`;
  }
  return lastName;
}

function stagePut(
  writes: WriteBatch,
  { map, partition, keys, keyStart, keyEnd }: ProcessorCall,
  value: Uint8Array,
  start: number,
  end: number,
  expiresAt: number,
): boolean {
  return writes.put(map.id, partition, keys, keyStart, keyEnd, value, start, end, expiresAt, RecordCause.processor);
}

/** Whether a call can run in the same task as the one that holds its name: the same processor, the very same key. */
function isSameWork(first: ProcessorCall, call: ProcessorCall): boolean {
  if (first.map.id !== call.map.id || groupName(first.processor) !== groupName(call.processor)) return false;
  return compareBytes(first.keys, first.keyStart, first.keyEnd, call.keys, call.keyStart, call.keyEnd) === 0;
}

/** The first entries of a group, as many as one task takes. */
function takeEntries(group: Group): readonly ProcessorCall[] {
  const { entries } = group;
  let calls = 0;
  let taken = 0;
  for (; taken < entries.length; taken++) {
    const first = entries[taken]!;
    if (calls > 0 && calls + first.count > CALLS_A_TASK_MAX) break;
    calls += first.count;
    first.isSent = true;
  }
  if (taken < entries.length) return entries.splice(0, taken);
  group.entries = [];
  return entries;
}

/** Visits every call in the order of its task, with its index there and the first call on its entry. */
function eachCall(
  entries: readonly ProcessorCall[],
  visit: (call: ProcessorCall, index: number, first: ProcessorCall) => void,
): void {
  let index = 0;
  for (const first of entries) {
    for (let call: ProcessorCall | undefined = first; call !== undefined; call = call.next) visit(call, index++, first);
  }
}

/** Tells the calls whose changes a full log refused. @returns which ones they are */
function tellFullLogs(
  entries: readonly ProcessorCall[],
  outcomes: ProcessorOutcomes,
  unstaged: ReadonlyMap<ProcessorCall, unknown>,
): ReadonlySet<ProcessorCall> {
  const told = new Set<ProcessorCall>();
  eachCall(entries, (call, index, first) => {
    const error = unstaged.get(first);
    if (!GridError.is(error, 'LOG_FULL') || outcomes.error(index) !== undefined || outcomes.isRefused(index)) return;
    told.add(call);
    call.caller.onError(call.slot, error);
  });
  return told;
}

/** An error of a value that a processor cannot use, with the key of the entry. */
function atKey(error: GridError, { keys, keyStart, keyEnd }: ProcessorCall): GridError {
  const key = keyText(decodeKey(keys, keyStart, keyEnd));
  const { hint, details } = error;
  return new GridError(error.code, `${error.message}: the entry with the key ${key}`, {
    hint,
    details: { ...details, key },
    cause: error,
  });
}
