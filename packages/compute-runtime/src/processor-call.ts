/** One call of a processor on its way, who made it, and what runs. */
import type { CatalogedMap } from '@ashlar/cluster';
import type { Epoch, PartitionId, TraceContext } from '@ashlar/core';
import { keyLockId, type LockId } from '@ashlar/partitions';
import { compareBytes } from '@ashlar/serialization';

/**
 * Whoever made calls, and learns of each by the position that it gave it. Exactly one of the functions is called, once a call; none of
 * them throws.
 */
export interface ProcessorCaller {
  /** The result in MessagePack, `bytes[start, end)`; empty: undefined. The bytes are good during the call only. */
  onResult(position: number, bytes: Uint8Array, start: number, end: number): void;
  onError(position: number, error: unknown): void;
  /** User code refused the call: bytes[start, end) are the refusal (`encodeRefusal`), good during the call only. */
  onRefused(position: number, bytes: Uint8Array, start: number, end: number): void;
  /** The call was skipped: the entry no longer is as the caller wants it. */
  onSkipped?(position: number): void;
  /** Calls of its were answered in this turn, and others are in a later one. */
  onPart?(): void;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** One call. Its bytes stay valid until it is answered. */
export class ProcessorCall {
  readonly map: CatalogedMap;
  readonly partition: PartitionId;
  /** Canonical bytes keys[keyStart, keyEnd). */
  readonly keys: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  /** MessagePack args[argsStart, argsEnd); empty: called without arguments. */
  args = NO_BYTES;
  argsStart = 0;
  argsEnd = 0;
  readonly processor: ProcessorName;
  readonly caller: ProcessorCaller;
  readonly position: number;
  /**
   * Whether the entry still is as the caller wants it; if not, the call is skipped. Such a call chains with no other. It
   * reads the newest state, and the last thing that it does with the store is that look.
   */
  isWanted: (() => boolean) | undefined = undefined;
  /** The trace it belongs to, where its caller is traced. */
  trace: TraceContext | undefined = undefined;
  /** Whether a listener made it, to make progress with its events. */
  isProgress = false;
  /** The session under which its caller may send it again; 0: it does not. */
  session = 0;
  requestNumber = 0;
  /** The epoch of its partition when it came; set by ProcessorCalls. It runs in no other. */
  epoch: Epoch | undefined = undefined;
  /** The next call on the same entry in the same task. */
  next: ProcessorCall | undefined = undefined;
  /** Kept by the first call on an entry: the last one, and how many there are. */
  last: ProcessorCall = this;
  count = 1;
  /** It is on its way to a worker: nothing joins it any more. */
  isSent = false;
  /** The lock id of its key. */
  readonly name: LockId;

  constructor(
    map: CatalogedMap,
    partition: PartitionId,
    keys: Uint8Array,
    keyStart: number,
    keyEnd: number,
    processor: ProcessorName,
    caller: ProcessorCaller,
    position: number,
  ) {
    this.map = map;
    this.partition = partition;
    this.keys = keys;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.processor = processor;
    this.caller = caller;
    this.position = position;
    this.name = keyLockId(map.id, keys, keyStart, keyEnd);
  }

  /** What it is called with: MessagePack args[start, end). */
  with(args: Uint8Array, start: number, end: number): this {
    this.args = args;
    this.argsStart = start;
    this.argsEnd = end;
    return this;
  }
}

/** The processor that runs, and how deep within calls from user code. */
export interface ProcessorName {
  readonly module: string;
  readonly exportName: string;
  readonly depth: number;
}

let lastProcessor: ProcessorName | undefined;
let lastName = '';

/** The name of the group in which calls of the processor gather. */
export function groupName(processor: ProcessorName): string {
  if (processor !== lastProcessor) {
    lastProcessor = processor;
    lastName = `${processor.depth} ${processor.module} ${processor.exportName}`;
  }
  return lastName;
}

/** Whether a call can run in the same task as the one that holds its name: the same processor, the very same key. */
export function isSameWork(first: ProcessorCall, call: ProcessorCall): boolean {
  if (first.map.id !== call.map.id || groupName(first.processor) !== groupName(call.processor)) return false;
  return compareBytes(first.keys, first.keyStart, first.keyEnd, call.keys, call.keyStart, call.keyEnd) === 0;
}

/** Visits every call in the order of its task, with its index there and the index of its entry. */
export function eachCall(
  entries: readonly ProcessorCall[],
  visit: (call: ProcessorCall, index: number, entry: number) => void,
): void {
  let index = 0;
  for (let entry = 0; entry < entries.length; entry++) {
    for (let call: ProcessorCall | undefined = entries[entry]; call !== undefined; call = call.next)
      visit(call, index++, entry);
  }
}
