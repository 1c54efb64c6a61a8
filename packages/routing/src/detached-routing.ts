/**
 * Operations outside of batches back into batches: by queue; what is in doubt under its numbers, what is atomic together.
 */
import { OutcomeUnknownError } from '@ashlar/core';
import { OPCODE } from '@ashlar/transport';
import { BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, BatchBuilder } from './batch-builder.ts';
import type { CallTarget } from './call-target.ts';
import type { MemberQueue } from './member-queue.ts';
import { type DetachedOperation, type Request, type SealContext, SealedBatch } from './sealed-batch.ts';

/** Operations that may share batches. */
export interface QueueGroup {
  readonly queue: MemberQueue;
  readonly operations: DetachedOperation[];
  /** Parallel. */
  readonly partitions: number[];
}

export interface Places {
  partitionOf(operation: DetachedOperation): number;
  /** Undefined: nobody owns the partition. */
  queueOf(partition: number): MemberQueue | undefined;
  /** The session belongs to a grid that is gone: what was sent in it stays in doubt. */
  isLost(session: number): boolean;
}

/** Fails what stays in doubt for ever; sorts the rest by queue, and lists what has none. */
export function groupByQueue(
  operations: readonly DetachedOperation[],
  places: Places,
): { readonly groups: readonly QueueGroup[]; readonly unrouted: readonly DetachedOperation[] } {
  const scopes = new Map<CallTarget | undefined, Map<string, QueueGroup>>();
  const unrouted: DetachedOperation[] = [];
  for (const operation of operations) {
    if (operation.request !== undefined && places.isLost(operation.request.range.session)) {
      operation.target.fail(operation.position, new OutcomeUnknownError('the call'), operation.key);
      continue;
    }
    const partition = places.partitionOf(operation);
    const queue = places.queueOf(partition);
    if (queue === undefined) unrouted.push(operation);
    else addTo(scopes, operation, partition, queue);
  }
  return { groups: [...scopes.values()].flatMap((groups) => [...groups.values()]), unrouted };
}

/** Whether operations of this kind travel apart from others (member-queue.ts). */
function isApart(opcode: number): boolean {
  return opcode === OPCODE.PROCESS || opcode === OPCODE.STATEMENT;
}

function addTo(
  scopes: Map<CallTarget | undefined, Map<string, QueueGroup>>,
  operation: DetachedOperation,
  partition: number,
  queue: MemberQueue,
): void {
  const { atomic, consistency, request, opcode, target } = operation;
  // Atomic is one call's share of one partition; several of them may be too large for one message.
  const scope = atomic ? target : undefined;
  const kind = `${consistency} ${request?.range.session ?? 0} ${isApart(opcode) ? opcode : ''}`;
  const name = `${queue.member.id} ${kind} ${atomic ? partition : ''}`;
  let groups = scopes.get(scope);
  if (groups === undefined) scopes.set(scope, (groups = new Map()));
  let group = groups.get(name);
  if (group === undefined) groups.set(name, (group = { queue, operations: [], partitions: [] }));
  group.operations.push(operation);
  group.partitions.push(partition);
}

/** Seals a group into batches and queues them. */
export function sendGroup(group: QueueGroup, valueBytesMax: number, sealContext: () => SealContext): void {
  const { queue, operations, partitions } = group;
  const { atomic, consistency, request } = operations[0]!;
  const builder = new BatchBuilder({ valueBytesMax, atomic, consistency });
  let requests: Request[] = [];
  const send = (): void => {
    queue.enqueue(new SealedBatch(builder, sealContext(), request === undefined ? undefined : requests));
    requests = [];
  };
  operations.forEach((operation, index) => {
    const { key, value } = operation;
    builder.writeEncoded(value);
    builder.writeKey(key, 0, key.length);
    builder.addAgain(operation, partitions[index]!);
    if (operation.request !== undefined) requests.push(operation.request);
    const isFull = builder.count >= BATCH_OPERATIONS_MAX || builder.bytes >= BATCH_BYTES_MAX;
    if (isFull && !atomic) send();
  });
  if (builder.count > 0) send();
}
