/** What the operations of a batch are for: its maps, keys and processors, each checked before it is used. */
import type { CatalogedMap, GridView } from '@ashlar/cluster';
import { CALL_DEPTH } from '@ashlar/compute';
import { ProcessorCall, type ProcessorCaller, type ProcessorName } from '@ashlar/compute-runtime';
import { GridError, type PartitionId, StaleEpochError } from '@ashlar/core';
import { type EntryLimits, keyLockId, type LockId } from '@ashlar/partitions';
import { checkKey, partitionOf } from '@ashlar/serialization';
import type { MemberStore } from '@ashlar/storage';
import type { KvBatch, ProcessorReference } from '@ashlar/transport';
import { keyStartOf, mapIndexOf, sparse, valueStartOf, wrongPartition } from './batch-columns.ts';
import { type BatchMaps, droppedMap } from './batch-maps.ts';
import type { Session } from './sessions.ts';

export interface TargetDependencies {
  readonly store: MemberStore;
  readonly control: GridView;
  readonly limits: EntryLimits;
}

export class BatchTargets {
  readonly #batch: KvBatch;
  readonly #found: BatchMaps;
  readonly #session: Session | undefined;
  readonly #deps: TargetDependencies;
  /** Those of the batch that were looked up. */
  readonly #processors: ProcessorName[] = [];

  /** @param found  the maps of the batch, and which of them are not those that its mutations mean */
  constructor(batch: KvBatch, found: BatchMaps, session: Session | undefined, deps: TargetDependencies) {
    this.#batch = batch;
    this.#found = found;
    this.#session = session;
    this.#deps = deps;
  }

  mapOf(operation: number): CatalogedMap | undefined {
    return this.#found.maps[mapIndexOf(this.#batch, operation)];
  }

  /** The operation's key as the gate names it; undefined where there is no such map. */
  lockIdOf(operation: number): LockId | undefined {
    const map = this.mapOf(operation);
    if (map === undefined) return undefined;
    return keyLockId(map.id, this.#batch.keys, keyStartOf(this.#batch, operation), this.#batch.keyEnds[operation]!);
  }

  /** @throws GridError STALE_EPOCH, LEASE_EXPIRED, or what the operation's map failed with */
  checkServed(operation: number): void {
    const failure = this.#found.failures?.[mapIndexOf(this.#batch, operation)];
    if (failure !== undefined) throw failure;
    const { serving } = this.#deps.control;
    if (serving?.admits(this.#batch.partitions[operation]!) === true && this.#isRouted(operation)) return;
    const refusal = this.refusalNow(operation);
    if (refusal !== undefined) throw refusal;
  }

  /** Why the operation's partition cannot be answered for at this moment. */
  refusalNow(operation: number): GridError | undefined {
    const { control } = this.#deps;
    const partition = this.#batch.partitions[operation]!;
    if (this.#isRouted(operation)) return control.serving?.readRefusal(partition);
    return new StaleEpochError(partition, this.#batch.tableVersion, control.table.tableVersion);
  }

  /** Its caller means the ownership that this member has. */
  #isRouted(operation: number): boolean {
    return this.#deps.control.serves(this.#batch.partitions[operation]!, this.#batch.tableVersion);
  }

  /**
   * The map of a mutation, its key and partition checked: what another client calls a key must be what we call it.
   *
   * @param isLate  it may have waited long
   */
  checkedMap(operation: number, isLate: boolean): CatalogedMap {
    this.checkServed(operation);
    const batch = this.#batch;
    if (batch.session !== 0 && !this.#mayWrite()) {
      throw new GridError('SESSION_EXPIRED', 'the session is not known here', { hint: 'open a new session' });
    }
    const refusal = this.#found.refusals?.[mapIndexOf(batch, operation)];
    if (refusal !== undefined) throw refusal;
    const map = this.mapOf(operation);
    if (map === undefined) throw new GridError('INVALID_ARGUMENT', 'a mutation names no map of its batch');
    const { store, control, limits } = this.#deps;
    if (isLate && !store.hasMap(map.id)) throw droppedMap(map, control);
    const start = keyStartOf(batch, operation);
    const end = batch.keyEnds[operation]!;
    limits.checkKey(end - start);
    checkKey(batch.keys, start, end);
    const partition = partitionOf(batch.keys, start, end, map.affinityParts, control.partitionCount);
    if (partition === batch.partitions[operation]) return map;
    throw wrongPartition(map, partition, batch.partitions[operation]!);
  }

  /** A session that is known here only for what it sends again may send nothing new. */
  #mayWrite(): boolean {
    const session = this.#session;
    return session !== undefined && !session.isEnded && (session.isOpen || this.#batch.resent);
  }

  /** The processor that an operation names, whether there is such a one or not; undefined: it names none. */
  processorOf(operation: number): ProcessorReference | undefined {
    const { processors, processorOperations, processorIndexes } = this.#batch;
    const index = sparse(processorOperations, processorIndexes, operation);
    return index === undefined ? undefined : processors[index];
  }

  /** A call of a deployed processor. */
  callOf(operation: number, caller: ProcessorCaller, isLate: boolean): ProcessorCall {
    const map = this.checkedMap(operation, isLate);
    const batch = this.#batch;
    const index = sparse(batch.processorOperations, batch.processorIndexes, operation);
    const processor = index === undefined ? undefined : this.#processorAt(index);
    if (processor === undefined) throw new GridError('INVALID_ARGUMENT', 'a PROCESS operation names no processor');
    const valueStart = valueStartOf(batch, operation);
    const partition = batch.partitions[operation]! as PartitionId;
    const keyStart = keyStartOf(batch, operation);
    const keyEnd = batch.keyEnds[operation]!;
    const call = new ProcessorCall(map, partition, batch.keys, keyStart, keyEnd, processor, caller, operation);
    return call.with(batch.values, valueStart, batch.valueEnds?.[operation] ?? valueStart);
  }

  /** @throws GridError UNKNOWN_MODULE */
  #processorAt(index: number): ProcessorName | undefined {
    const known = this.#processors[index];
    if (known !== undefined) return known;
    const named = this.#batch.processors[index];
    if (named === undefined) return undefined;
    this.#deps.control.checkModule(named.module);
    const { module, exportName } = named;
    const processor: ProcessorName = { module, exportName, depth: CALL_DEPTH.processor };
    this.#processors[index] = processor;
    return processor;
  }
}
