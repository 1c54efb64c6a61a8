/**
 * A worker that adds up all accounts of a closed system of transfers at every snapshot it is told of, by scan and by key,
 * and looks into every value for bytes that do not belong together.
 */
import { parentPort } from 'node:worker_threads';
import type { MapId, PartitionId } from '@ashlar/core';
import { SlotChunkView, visibleSlots } from '../slots/slot-chunk.ts';
import { type StoreHandle, StoreReader } from '../store-reader.ts';
import { accountNumberOf, balanceOf, encodeAccountKey, isSound } from './transfer-accounts.ts';

export interface TransferTask {
  readonly snapshotId: number;
  readonly version: number;
  readonly mapId: number;
  readonly partitionCount: number;
}

export interface TransferAnswer {
  readonly snapshotId: number;
  /** Whether the snapshot was still open when all was read; if not, the rest means nothing. */
  readonly isAlive: boolean;
  readonly sum: number;
  readonly accounts: number;
  /** Values that lay in extents. */
  readonly inPieces: number;
  readonly errors: readonly string[];
}

const port = parentPort!;
let reader: StoreReader;
let chunk: SlotChunkView;
let inPieces = 0;
const slots = new Int32Array(4096);

port.on('message', (message: { handle: StoreHandle; workerIndex: number } | TransferTask) => {
  if ('handle' in message) {
    reader = StoreReader.attach(message.handle, message.workerIndex);
    chunk = new SlotChunkView(reader.arena);
    return;
  }
  port.postMessage(addUp(message));
});

function addUp(task: TransferTask): TransferAnswer {
  const errors: string[] = [];
  const balances = new Map<number, number>();
  inPieces = 0;
  for (let partition = 0; partition < task.partitionCount; partition++) scan(task, partition, balances, errors);
  let sum = 0;
  for (const balance of balances.values()) sum += balance;
  compareByKey(task, balances, errors);
  const isAlive = reader.snapshotAlive(task.snapshotId);
  return { snapshotId: task.snapshotId, isAlive, sum, accounts: balances.size, inPieces, errors: errors.slice(0, 5) };
}

function scan(task: TransferTask, partition: number, balances: Map<number, number>, errors: string[]): void {
  const chunks = reader.table(task.mapId as MapId, partition as PartitionId)?.chunkCount ?? 0;
  for (let index = 0; index < chunks; index++) {
    reader.enter();
    reader.table(task.mapId as MapId, partition as PartitionId)!.chunk(index, chunk);
    const count = visibleSlots(chunk, task.version, slots);
    for (let row = 0; row < count; row++) {
      chunk.positionKey(slots[row]!);
      const account = accountNumberOf(chunk.bytes, chunk.start);
      chunk.positionValue(slots[row]!);
      if (!isSound(chunk.bytes, chunk.start, chunk.stop, account)) errors.push(`torn value of account ${account}`);
      if (!(chunk.bytes.buffer instanceof SharedArrayBuffer)) inPieces += 1;
      if (balances.has(account)) errors.push(`account ${account} is visible twice`);
      balances.set(account, balanceOf(chunk.bytes, chunk.start));
    }
  }
  reader.leave();
}

function compareByKey(task: TransferTask, balances: Map<number, number>, errors: string[]): void {
  const key = new Uint8Array(8);
  for (const [account, balance] of balances) {
    if (account % 5 !== 0) continue;
    encodeAccountKey(account, key);
    reader.enter();
    const partition = (account % task.partitionCount) as PartitionId;
    if (!reader.get(task.mapId as MapId, partition, key, 0, key.length, task.version)) {
      errors.push(`account ${account} is not found by key`);
    } else if (balanceOf(reader.foundChunk.bytes, reader.foundChunk.start) !== balance) {
      errors.push(`account ${account} has another balance by key`);
    }
  }
  reader.leave();
}
