/** Who reads the log of a partition, and how far it has come. Writer's thread only. */
import { assert } from '@ashlar/core';
import type { PartitionLog } from './partition-log.ts';

/** Whom a durable consumer reads for; named to those who are refused because of it. */
export interface LogHolder {
  readonly name: string;
  /** Whether it has stopped reading: whoever waits for it waits in vain. */
  readonly isStopped: boolean;
}

/** Someone who reads a log at a pace of its own. */
export class LogConsumer {
  readonly log: PartitionLog;
  readonly durable: boolean;
  readonly holder: LogHolder | undefined;
  /** The next sequence it wants; everything before may go. */
  position: number;

  constructor(log: PartitionLog, durable: boolean, position: number, holder?: LogHolder) {
    this.log = log;
    this.durable = durable;
    this.holder = holder;
    this.position = position;
  }

  /** What it wanted next was dropped. */
  get isGone(): boolean {
    return this.position < this.log.firstSequence;
  }

  advance(position: number): void {
    assert(position >= this.position, 'a consumer goes forward');
    assert(position <= this.log.committedSequence + 1, 'partition-log L2: a consumer has read what is committed');
    const read = position - this.position;
    this.position = position;
    if (this.durable) this.log.noteConsumed(read);
  }

  close(): void {
    this.log.removeConsumer(this);
  }
}

/** From where replicas that catch up want a log, each. */
export class CuttableHolds {
  /** The lowest of them; Infinity: none. */
  from = Infinity;
  readonly #byReplica = new Map<string, number>();

  /** @param sequence  Infinity: it wants no more */
  hold(replica: string, sequence: number): void {
    if (sequence === Infinity) this.#byReplica.delete(replica);
    else this.#byReplica.set(replica, sequence);
    this.from = Math.min(Infinity, ...this.#byReplica.values());
  }

  clear(): void {
    this.#byReplica.clear();
    this.from = Infinity;
  }
}
