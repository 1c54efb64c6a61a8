/**
 * The places of a listener in the logs of this member's partitions: where it goes on, from which sequence it holds the log,
 * and what of its outbox is to be delivered first.
 *
 * listener-places P1  A place begins with its checkpoint: with the one that lies in the partition, or with a first one at
 *                     the present end of the log, which is committed before the place is open.
 * listener-places P2  The log is held from the checkpoint on, so that what a restart reads again is there.
 * listener-places P3  Where the log does not reach back to the checkpoint, or is another one, events may be missing: that is
 *                     logged and counted, and the listener goes on with the oldest that there is.
 */
import { assert, type Epoch, type GridError, type PartitionId, type Sequence } from '@ashlar/core';
import type { LogConsumer, LogHolder } from '@ashlar/storage';
import { type Checkpoints, checkServedHere } from './checkpoints.ts';
import type { ListenerParts } from './listener-parts.ts';
import type { Checkpoint, Outbox, PlacedWrite } from './listener-records.ts';

export interface PlacesOptions {
  readonly parts: Pick<ListenerParts, 'store' | 'control'>;
  readonly checkpoints: Checkpoints;
  readonly holder: LogHolder;
  /** Whether a checkpoint that lies there belongs to a listener that was given up: then only its outbox counts. */
  readonly startsAnew: boolean;
  /** Events between the checkpoint and `firstSequence` are not in the log. */
  readonly onGap: (partition: PartitionId, checkpoint: Checkpoint, firstSequence: number) => void;
}

export class ListenerPlace {
  readonly partition: PartitionId;
  readonly epoch: Epoch;
  readonly incarnation: number;
  readonly #consumer: LogConsumer;
  readonly #checkpoints: Checkpoints;
  #checkpoint: Checkpoint;

  constructor(
    partition: PartitionId,
    epoch: Epoch,
    incarnation: number,
    checkpoint: Checkpoint,
    consumer: LogConsumer,
    checkpoints: Checkpoints,
  ) {
    this.partition = partition;
    this.epoch = epoch;
    this.incarnation = incarnation;
    this.#checkpoint = checkpoint;
    this.#consumer = consumer;
    this.#checkpoints = checkpoints;
  }

  /** The last event it has done with. */
  get sequence(): number {
    return this.#consumer.position - 1;
  }

  /** What is to be delivered before the next step. */
  get outbox(): Outbox | undefined {
    return this.#checkpoint.outbox;
  }

  /**
   * Commits a step: everything up to `sequence` is done with.
   *
   * @param own     writes of this partition
   * @param outbox  for others; undefined: none
   * @throws as Checkpoints.write()
   */
  async step(
    sequence: number,
    own: readonly PlacedWrite[],
    outbox: Outbox | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    assert(sequence >= this.sequence, 'listener-records R1: the steps of a source rise');
    const next = { incarnation: this.incarnation, sequence, outbox };
    await this.#checkpoints.write(this, next, own, signal);
    this.#checkpoint = next;
    this.#consumer.advance(sequence + 1);
  }

  /** Takes the checkpoint away. */
  forget(signal: AbortSignal): Promise<void> {
    return this.#checkpoints.remove(this, signal);
  }

  /** Holds the log no more. */
  close(): void {
    this.#consumer.close();
  }
}

/** @throws GridError SEQUENCE_GONE where the partition is not here; what reading and writing checkpoints fails with */
export async function openPlace(
  partition: PartitionId,
  { parts, checkpoints, holder, startsAnew, onGap }: PlacesOptions,
  signal: AbortSignal,
): Promise<ListenerPlace> {
  const { store, control } = parts;
  const epoch = control.epochOf(partition);
  const { incarnation, committedSequence } = store.logInfo(partition);
  const hold = (next: number): LogConsumer =>
    store.addConsumer(partition, { durable: true, at: next as Sequence, holder });
  const first = hold(committedSequence + 1);
  try {
    const known = await checkpoints.read(partition);
    checkServedHere(control, { partition, epoch });
    if (known !== undefined && !startsAnew) {
      const next = resumeAt(partition, known, store.logInfo(partition), onGap);
      return new ListenerPlace(partition, epoch, incarnation, known, hold(next), checkpoints);
    }
    const checkpoint = { incarnation, sequence: committedSequence as number, outbox: known?.outbox };
    await checkpoints.write({ partition, epoch }, checkpoint, [], signal);
    return new ListenerPlace(partition, epoch, incarnation, checkpoint, hold(first.position), checkpoints);
  } finally {
    first.close();
  }
}

/** The sequence to read first (listener-places P3). */
function resumeAt(
  partition: PartitionId,
  known: Checkpoint,
  log: { readonly incarnation: number; readonly firstSequence: number; readonly committedSequence: number },
  onGap: PlacesOptions['onGap'],
): number {
  const next = known.sequence + 1;
  if (known.incarnation === log.incarnation && next >= log.firstSequence) {
    assert(known.sequence <= log.committedSequence, 'a checkpoint lies behind the events that it tells of');
    return next;
  }
  onGap(partition, known, log.firstSequence);
  return log.firstSequence;
}

/** Whether opening failed because the partition is not here any more: another ownership is on its way. */
export function isPartitionGone(error: GridError): boolean {
  return error.code === 'SEQUENCE_GONE' || error.code === 'STALE_EPOCH';
}
