/**
 * One snapshot over several members: pin every member's clock, take the highest, open there.
 *
 * So nothing is missing at v (every member had pinned at or below it), and v covers every write acknowledged before
 * (its version is at or below its member's clock when we asked).
 */
import { CancelledError, type MemberId, type Version } from '@ashlar/core';
import type { GridControl } from '../control/grid-control.ts';
import type { Peers } from '../control/peers.ts';
import type { LocalSnapshots } from './local-snapshots.ts';

export interface GridSnapshot {
  readonly version: Version;
  /** The snapshot's name on each member concerned. */
  readonly ids: ReadonlyMap<MemberId, number>;
  /** Idempotent; never rejects. */
  release(): void;
}

export interface GridSnapshotsDependencies {
  readonly control: GridControl;
  readonly peers: Peers;
  readonly local: LocalSnapshots;
  readonly clock: { observe(version: Version): void; now(): Version };
}

const CALL_TIMEOUT_MS = 5000;

export class GridSnapshots {
  readonly #deps: GridSnapshotsDependencies;

  constructor(deps: GridSnapshotsDependencies) {
    this.#deps = deps;
  }

  /**
   * @param members  whose partitions will be read
   * @param seen     the highest version the caller's session knows of
   */
  async open(members: readonly MemberId[], seen: Version, signal?: AbortSignal): Promise<GridSnapshot> {
    const { clock } = this.#deps;
    clock.observe(seen);
    const pins = new Map<MemberId, number>();
    const release = once(() => this.#release(pins));
    try {
      const from = clock.now();
      const versions = await allOf(members, async (member) => {
        const pin = await this.#pin(member, from);
        pins.set(member, pin.pinId);
        return pin.version;
      });
      if (signal?.aborted) throw new CancelledError('the snapshot');
      const version = Math.max(from, ...versions) as Version;
      await allOf(members, (member) => this.#openAt(member, pins.get(member)!, version, signal));
      clock.observe(version);
      return { version, ids: pins, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Not cancelled: a pin whose answer nobody hears would be held until its lease ends. */
  async #pin(member: MemberId, seen: Version): Promise<{ pinId: number; version: Version }> {
    const { control, peers, local } = this.#deps;
    if (member === control.self) return local.pin(seen);
    const { members } = peers.to(member, control.table);
    const { pinId, version } = await members.pinSnapshot({ version: seen }, { timeoutMs: CALL_TIMEOUT_MS });
    return { pinId, version: version as Version };
  }

  async #openAt(member: MemberId, pinId: number, version: Version, signal?: AbortSignal): Promise<void> {
    const { control, peers, local } = this.#deps;
    if (member === control.self) {
      await local.open(pinId, version);
      return;
    }
    const { members } = peers.to(member, control.table);
    const { tableVersion } = control.table;
    await members.openSnapshot(
      { pinId, version, partitions: [], tableVersion },
      { timeoutMs: CALL_TIMEOUT_MS, signal },
    );
  }

  #release(pins: ReadonlyMap<MemberId, number>): void {
    const { control, peers, local } = this.#deps;
    for (const [member, pinId] of pins) {
      if (member === control.self) local.release(pinId);
      else {
        const { members } = peers.to(member, control.table);
        // A member that cannot be reached lets the snapshot go by its lease.
        members.releaseSnapshot({ snapshotId: pinId }, { timeoutMs: CALL_TIMEOUT_MS }).catch(() => undefined);
      }
    }
  }
}

/** All results, or the first failure once every call has ended: what succeeded late is known to the caller's clean-up. */
async function allOf<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const settled = await Promise.allSettled(items.map(run));
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
