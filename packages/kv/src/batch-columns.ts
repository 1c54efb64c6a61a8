/** Where the parts of an operation lie in the columns of its batch. */
import type { CatalogedMap } from '@ashlar/cluster';
import { GridError, TTL_DEFAULT, TTL_KEEP } from '@ashlar/core';
import { isMutation, type KvBatch, OPCODE } from '@ashlar/transport';

export function mapIndexOf({ mapIndexes }: KvBatch, operation: number): number {
  return mapIndexes?.[operation] ?? 0;
}

export function keyStartOf({ keyEnds }: KvBatch, operation: number): number {
  return operation === 0 ? 0 : keyEnds[operation - 1]!;
}

export function valueStartOf({ valueEnds }: KvBatch, operation: number): number {
  return operation === 0 ? 0 : (valueEnds?.[operation - 1] ?? 0);
}

export function operationsByPartition({ count, partitions }: KvBatch): Iterable<readonly number[]> {
  const groups = new Map<number, number[]>();
  for (let operation = 0; operation < count; operation++) {
    const partition = partitions[operation]!;
    const group = groups.get(partition);
    if (group === undefined) groups.set(partition, [operation]);
    else group.push(operation);
  }
  return groups.values();
}

/** Request numbers of a batch whose mutations count up, as offsets from its first. */
export function offsetsOf(opcodes: Uint8Array): Uint32Array {
  let mutations = 0;
  return Uint32Array.from(opcodes, (opcode) => (isMutation(opcode) ? mutations++ : 0));
}

/** The element of a sparse column for an operation: `operations` is ascending, `values` parallel to it. */
export function sparse(operations: Uint32Array, values: ArrayLike<number>, operation: number): number | undefined {
  // All operations have one, or all from the first on.
  if (operations[operation] === operation) return values[operation];
  let low = 0;
  let high = operations.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (operations[middle]! < operation) low = middle + 1;
    else high = middle;
  }
  return low < operations.length && operations[low] === operation ? values[low] : undefined;
}

/** What another client calls a key must be what we call it. */
export function wrongPartition(map: CatalogedMap, partition: number, given: number): GridError {
  return new GridError('MAP_CONFLICT', `the key belongs to partition ${partition}, not ${given}`, {
    hint: `map '${map.name}' has affinityParts ${map.affinityParts}`,
    details: { map: map.name, affinityParts: map.affinityParts },
  });
}

/** Whether an entry's version is the one that the operation asks for, if it asks. @throws GridError INVALID_ARGUMENT */
export function fitsCondition(batch: KvBatch, operation: number, version: number): boolean {
  const wanted = sparse(batch.ifVersionOperations, batch.ifVersions, operation);
  if (wanted === undefined || wanted === version) return true;
  if (Number.isSafeInteger(wanted) && wanted >= 0) return false;
  throw new GridError('INVALID_ARGUMENT', `a condition on version ${wanted}: the version of an entry is expected`);
}

/** Time to live of an operation. Where none is given, a REPLACE keeps the entry's; other puts take the map's default. */
export function ttlOf({ ttlOperations, ttlMs, opcodes }: KvBatch, operation: number): number {
  const told = ttlOperations.length === 0 ? undefined : sparse(ttlOperations, ttlMs, operation);
  return told ?? (opcodes[operation] === OPCODE.REPLACE ? TTL_KEEP : TTL_DEFAULT);
}
