/**
 * One snapshot over several members: pin every member's clock, take the highest, open there.
 *
 * So nothing is missing at v (every member had pinned at or below it), and v covers every write acknowledged before
 * (its version is at or below its member's clock when we asked).
 *
 * Members hold a snapshot as long as it is read or renewed. Whoever opened one is at work until it says that it waits for
 * somebody else (isIdle): what is at work is renewed everywhere every `renewEveryMs`; what waits ages.
 */

import type { GridView } from '@ashlar/cluster';
import { CancelledError, type MemberId, type PartitionId, SmallSet, type Version } from '@ashlar/core';
import { toldOfOpening } from '@ashlar/partitions';
import type { GridCalls } from '@ashlar/transport';

export interface GridSnapshot {
  readonly version: Version;
  /** The snapshot's name on each member concerned. */
  readonly ids: ReadonlyMap<MemberId, number>;
  /** True while nothing is read in it: it is not renewed then. Set back when work goes on. */
  isIdle: boolean;
  /** Its age starts anew, on every member. Cheap: messages to others go out at most every `renewEveryMs`. */
  renew(): void;
  /** On one member; nothing more is read there. */
  releaseAt(member: MemberId): void;
  /** Idempotent; never rejects. */
  release(): void;
}

export interface GridSnapshotsDependencies {
  readonly control: GridView;
  readonly calls: GridCalls;
  /** A snapshot of this member is at work: a call would cost more. */
  readonly touchOwn: (pinId: number) => void;
  readonly clock: { observe(version: Version): void; now(): Version };
  readonly renewEveryMs: number;
}

const CALL_TIMEOUT_MS = 5000;

export class GridSnapshots {
  readonly #deps: GridSnapshotsDependencies;
  readonly #open = new SmallSet<OpenSnapshot>();
  readonly #timer: NodeJS.Timeout;

  constructor(deps: GridSnapshotsDependencies) {
    this.#deps = deps;
    this.#timer = setInterval(() => this.#renewAll(), deps.renewEveryMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * @param parts  what will be read where; nothing that is undecided elsewhere is waited for
   * @param seen   the highest version the caller's session knows of
   * @throws GridError SNAPSHOT_EXPIRED where a member went, or lost partitions, meanwhile; MEMBER_UNREACHABLE, LEASE_EXPIRED,
   *   OVERLOADED, DEADLINE_EXCEEDED
   */
  async open(
    parts: ReadonlyMap<MemberId, readonly PartitionId[]>,
    seen: Version,
    signal?: AbortSignal,
  ): Promise<GridSnapshot> {
    const { clock } = this.#deps;
    const members = [...parts.keys()];
    clock.observe(seen);
    const pins = new Map<MemberId, number>();
    try {
      const from = clock.now();
      const versions = await allOf(members, async (member) => {
        const pin = await this.#pin(member, from);
        pins.set(member, pin.pinId);
        return pin.version;
      });
      if (signal?.aborted) throw new CancelledError('the snapshot');
      const version = Math.max(from, ...versions) as Version;
      await allOf(members, (member) => this.#openAt(member, pins.get(member)!, version, parts.get(member)!, signal));
      clock.observe(version);
      const snapshot = new OpenSnapshot(version, pins, this);
      this.#open.add(snapshot);
      return snapshot;
    } catch (error) {
      for (const [member, pinId] of pins) this.release(member, pinId);
      throw toldOfOpening(error, this.#deps.control);
    }
  }

  /** @internal Of an open snapshot. */
  forget(snapshot: OpenSnapshot): void {
    this.#open.delete(snapshot);
  }

  /** @internal A member that does not hold it any more says so to its reader. */
  renew(member: MemberId, pinId: number, version: Version): void {
    const { control, calls } = this.#deps;
    const request = { pinId, version, partitions: [], tableVersion: control.table.tableVersion };
    unheard(() => calls.to(member).members.openSnapshot(request, { timeoutMs: CALL_TIMEOUT_MS }));
  }

  /** @internal Other members are renewed by the interval alone. */
  touch(pins: ReadonlyMap<MemberId, number>): void {
    const pinId = pins.get(this.#deps.control.self);
    if (pinId !== undefined) this.#deps.touchOwn(pinId);
  }

  #renewAll(): void {
    for (const snapshot of [...this.#open]) snapshot.renewWhereDue();
  }

  /** Not cancelled: a pin whose answer nobody hears would be held until its lease ends. */
  async #pin(member: MemberId, seen: Version): Promise<{ pinId: number; version: Version }> {
    const { control, calls } = this.#deps;
    const request = { version: seen, memberId: control.self };
    const { pinId, version } = await calls.to(member).members.pinSnapshot(request, { timeoutMs: CALL_TIMEOUT_MS });
    return { pinId, version: version as Version };
  }

  /** What is undecided there is waited for as long as the statement has time. */
  async #openAt(
    member: MemberId,
    pinId: number,
    version: Version,
    partitions: readonly PartitionId[],
    signal?: AbortSignal,
  ): Promise<void> {
    const { control, calls } = this.#deps;
    const { tableVersion } = control.table;
    const limits = signal === undefined ? { timeoutMs: CALL_TIMEOUT_MS } : { signal };
    await calls.to(member).members.openSnapshot({ pinId, version, partitions, tableVersion }, limits);
  }

  /** @internal Of an open snapshot. A member that cannot be reached lets it go by its age. */
  release(member: MemberId, pinId: number): void {
    const { calls } = this.#deps;
    unheard(() => calls.to(member).members.releaseSnapshot({ snapshotId: pinId }, { timeoutMs: CALL_TIMEOUT_MS }));
  }
}

/** Makes a call whose outcome nobody waits for, not even that its member has left the table. */
function unheard(call: () => Promise<unknown>): void {
  try {
    call().catch(() => undefined);
  } catch {
    // It could not even be asked.
  }
}

class OpenSnapshot implements GridSnapshot {
  readonly version: Version;
  readonly ids: ReadonlyMap<MemberId, number>;
  readonly #held: Map<MemberId, number>;
  readonly #snapshots: GridSnapshots;
  isIdle = false;
  /** Something happened since members were renewed last. */
  #isNews = false;

  constructor(version: Version, ids: ReadonlyMap<MemberId, number>, snapshots: GridSnapshots) {
    this.version = version;
    this.ids = ids;
    this.#held = new Map(ids);
    this.#snapshots = snapshots;
  }

  renew(): void {
    this.#isNews = true;
    this.#snapshots.touch(this.#held);
  }

  renewWhereDue(): void {
    if (this.isIdle && !this.#isNews) return;
    this.#isNews = false;
    for (const [member, pinId] of this.#held) this.#snapshots.renew(member, pinId, this.version);
  }

  releaseAt(member: MemberId): void {
    const pinId = this.#held.get(member);
    if (pinId === undefined) return;
    this.#held.delete(member);
    this.#snapshots.release(member, pinId);
  }

  release(): void {
    for (const member of [...this.#held.keys()]) this.releaseAt(member);
    this.#snapshots.forget(this);
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
