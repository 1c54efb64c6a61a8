/**
 * Which partitions this member serves, and whether it may do so at this moment: what the core knows, for those who answer.
 *
 * served-partitions P1  A partition is served from the core's `serve` to its `stopServing`; in between leases come and go.
 * served-partitions P2  A yes of the core holds until an input that may end it (its `endings`), a tick at the latest: `admits` and
 *                       `writeRefusal` ask it no more often than that, `isAllServedSince` for what is ahead of the present.
 * served-partitions P3  Nothing is answered while the clock is above the ceiling of a partition's leases: a primary that comes
 *                       later might give the versions that are handed out with it to other records.
 */
import type { Serving, TableState } from '@ashlar/cluster';
import { type Epoch, GridError, StaleEpochError, type Version } from '@ashlar/core';
import type { NotServing, ReplicationCore, ServeAnswer } from '@ashlar/replication';

/** A look at all partitions holds so long, unless something comes before. */
const AHEAD_MS = 20;
const NONE = 0 as Version;

export interface ServedPorts {
  readonly core: Pick<ReplicationCore, 'mayRead' | 'mayWrite' | 'ceilingOf' | 'endings'>;
  nowMs(): number;
  version(): Version;
  onTable(table: TableState): void;
}

export class ServedPartitions implements Serving {
  readonly #ports: ServedPorts;
  /** By partition; 0: it is not served. */
  readonly #epochs: Epoch[];
  readonly #served = new Set<number>();
  /** By partition: the #stamp by which it was found to be readable. */
  readonly #admittedAt: Float64Array;
  /** By partition: the #stamp by which it was found to take writes. */
  readonly #writableAt: Float64Array;
  /** Counts what has begun or ended to be served. */
  #changes = 1;
  #allLookedAt = 0;
  #allUntilMs = Number.NEGATIVE_INFINITY;
  #allCeiling = NONE;
  servedChanges = 0;

  constructor(partitionCount: number, ports: ServedPorts) {
    this.#ports = ports;
    this.#epochs = new Array<Epoch>(partitionCount).fill(0 as Epoch);
    this.#admittedAt = new Float64Array(partitionCount);
    this.#writableAt = new Float64Array(partitionCount);
  }

  /** Rises with whatever may end a yes (served-partitions P2). */
  get #stamp(): number {
    return this.#changes + this.#ports.core.endings;
  }

  /** Those that are served. */
  get partitions(): Iterable<number> {
    return this.#served;
  }

  begin(partition: number, epoch: Epoch): void {
    this.#epochs[partition] = epoch;
    this.#served.add(partition);
    this.#changes++;
  }

  end(partition: number): void {
    this.#epochs[partition] = 0 as Epoch;
    this.#served.delete(partition);
    this.servedChanges++;
    this.#changes++;
  }

  onTable(table: TableState): void {
    this.#ports.onTable(table);
  }

  epochOf(partition: number): Epoch | 0 {
    return this.#epochs[partition] ?? 0;
  }

  admits(partition: number): boolean {
    const stamp = this.#stamp;
    if (this.#admittedAt[partition] === stamp) return true;
    if (this.readRefusal(partition) !== undefined) return false;
    this.#admittedAt[partition] = stamp;
    return true;
  }

  readRefusal(partition: number): GridError | undefined {
    const { core, nowMs } = this.#ports;
    return this.#refusalOf(partition, (atMs) => core.mayRead(partition, atMs), nowMs());
  }

  /** What is sealed a moment too late is not committed without the set: a look that is some milliseconds old will do. */
  writeRefusal(partition: number): GridError | undefined {
    const stamp = this.#stamp;
    if (this.#writableAt[partition] === stamp) return undefined;
    const { core, nowMs } = this.#ports;
    const refusal = this.#refusalOf(partition, (atMs) => core.mayWrite(partition, atMs), nowMs());
    if (refusal === undefined) this.#writableAt[partition] = stamp;
    return refusal;
  }

  ceilingOf(partition: number): Version {
    return this.epochOf(partition) === 0 ? NONE : this.#ports.core.ceilingOf(partition, this.#ports.nowMs());
  }

  isAllServedSince(changes: number): boolean {
    if (changes !== this.servedChanges) return false;
    const nowMs = this.#ports.nowMs();
    if (this.#allLookedAt !== this.#stamp || nowMs >= this.#allUntilMs) this.#lookAtAll(nowMs);
    return nowMs < this.#allUntilMs && this.#ports.version() <= this.#allCeiling;
  }

  /** One that cannot be read some milliseconds from now makes each be looked at by itself. */
  #lookAtAll(nowMs: number): void {
    const { core } = this.#ports;
    const untilMs = nowMs + AHEAD_MS;
    let ceiling = Number.POSITIVE_INFINITY;
    for (const partition of this.#served) {
      ceiling = Math.min(ceiling, core.ceilingOf(partition, untilMs));
      if (ceiling === 0) break;
    }
    this.#allLookedAt = this.#stamp;
    this.#allUntilMs = ceiling === 0 ? Number.NEGATIVE_INFINITY : untilMs;
    this.#allCeiling = ceiling as Version;
  }

  #refusalOf(partition: number, ask: (nowMs: number) => ServeAnswer, nowMs: number): GridError | undefined {
    const epoch = this.epochOf(partition);
    if (epoch === 0) return new StaleEpochError(partition, 0, 0);
    const answer = ask(nowMs);
    if (answer !== 'yes') return refusalFor(partition, answer);
    const { core, version } = this.#ports;
    return version() <= core.ceilingOf(partition, nowMs) ? undefined : refusalFor(partition, 'noLease');
  }
}

const WHY: { readonly [Reason in Exclude<NotServing, 'notPrimary' | 'notEnoughInSync'>]: string } = {
  promoting: 'its new primary has not got there yet',
  noLease: 'its primary waits for the leases of its copies',
  suspended: 'its member is registering again',
  leaving: 'its member is stopping, and hands it over',
};

/** What a caller is answered whose partition this member does not serve at the moment: nothing of it was sealed. */
function refusalFor(partition: number, why: NotServing): GridError {
  if (why === 'notPrimary') return new StaleEpochError(partition, 0, 0);
  const details = { partitionId: partition };
  if (why === 'notEnoughInSync') {
    return new GridError('NOT_ENOUGH_IN_SYNC', `partition ${partition} has fewer copies in sync than writes need`, {
      hint: 'start the members that are missing, or lower cluster.minInSync',
      details,
    });
  }
  return new GridError('LEASE_EXPIRED', `partition ${partition} cannot be asked at this moment: ${WHY[why]}`, {
    details,
  });
}
