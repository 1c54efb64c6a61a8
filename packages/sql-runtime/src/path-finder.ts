/**
 * What the documents of a map have, paths and kinds of numbers, over the whole grid: each member asks its query workers, and
 * remembers what they found while its part of the map stays as it is.
 */
import type { GridView } from '@ashlar/cluster';
import { CancelledError, type MapId, type MemberId, type PartitionId, type Version } from '@ashlar/core';
import { type LocalSnapshots, type NeedMap, needMapOf, toldOfOpening, twiceAtMost } from '@ashlar/partitions';
import { decodeValue } from '@ashlar/serialization';
import type { DocumentPaths, PathsTask } from '@ashlar/sql-executor';
import type { MemberStore } from '@ashlar/storage';
import type { GridCalls } from '@ashlar/transport';
import type { WorkerPool } from '@ashlar/workers';

/** What it needs of the member. */
export interface PathFinderParts {
  readonly control: GridView;
  readonly store: MemberStore;
  readonly calls: GridCalls;
  readonly queryPool: WorkerPool;
}

/** Most maps that are remembered; what was found first goes first. */
const REMEMBERED_MAX = 1000;
/** Changes of a map, since somebody asked last, that are looked at for whether they change what was found. */
const WATCHED_CHANGES = 1 << 18;

interface Remembered {
  /** The map's count of changes of shapes before it was looked at. */
  readonly reshapes: number;
  readonly found: DocumentPaths;
}

/** A look under way, and the one that follows it if somebody asked meanwhile. */
interface Look {
  readonly running: Promise<DocumentPaths>;
  next: Promise<DocumentPaths> | undefined;
}

export class PathFinder {
  readonly #parts: PathFinderParts;
  readonly #snapshots: LocalSnapshots;
  readonly #needMap: NeedMap;
  readonly #remembered = new Map<MapId, Remembered>();
  readonly #looks = new Map<MapId, Look>();

  constructor(parts: PathFinderParts, snapshots: LocalSnapshots) {
    this.#parts = parts;
    this.#snapshots = snapshots;
    this.#needMap = needMapOf(parts);
  }

  /**
   * The paths in the documents of all members that serve partitions. Those that are lost hold none; for others that nobody serves
   * at this moment it waits, within the time of a call.
   *
   * @throws (rejects with) GridError SNAPSHOT_EXPIRED where they go on changing hands; MEMBER_UNREACHABLE
   */
  inGrid({ id }: { readonly id: MapId }, signal: AbortSignal): Promise<DocumentPaths> {
    return twiceAtMost(signal, async () => {
      try {
        return await this.#askAll(id, signal);
      } catch (error) {
        throw toldOfOpening(error, this.#parts.control);
      }
    });
  }

  async #askAll(id: MapId, signal: AbortSignal): Promise<DocumentPaths> {
    const { control, calls } = this.#parts;
    const waits = control.untilServed('notLost', { signal });
    if (waits !== undefined) await waits;
    const found = await Promise.all(
      primariesIn(control.table, control.self).map(async (member) => {
        if (member === control.self) return this.here(id, signal);
        const { body } = await calls.to(member).members.findPaths({ mapId: id }, { signal });
        return decodeValue(body) as DocumentPaths;
      }),
    );
    return found.length === 1 ? found[0]! : united(found);
  }

  /** The same where it is known without asking anybody: this member is the grid, and nothing was written since it was looked for. */
  inGridNow({ id }: { readonly id: MapId }): DocumentPaths | undefined {
    const { control, store } = this.#parts;
    const { members } = control.table;
    return members.length === 1 && members[0]!.id === control.self && store.hasMap(id) ? this.#known(id) : undefined;
  }

  /**
   * On this member, everything that was acknowledged before the call included. Who asks while it is being looked waits for the
   * next look, one for all: so there are two at most a map.
   */
  async here(mapId: MapId, signal: AbortSignal): Promise<DocumentPaths> {
    if (!this.#parts.store.hasMap(mapId)) await this.#needMap(mapId, `#${mapId}`);
    const known = this.#known(mapId);
    if (known !== undefined) return known;
    const look = this.#looks.get(mapId);
    const found = look === undefined ? this.#begin(mapId) : (look.next ??= this.#after(look.running, mapId));
    return unlessAborted(found, signal);
  }

  /** What was found before, if nothing was written since. A large batch that is committed may not be counted as a change yet. */
  #known(mapId: MapId): DocumentPaths | undefined {
    const { store } = this.#parts;
    const known = this.#remembered.get(mapId);
    if (known?.reshapes !== store.reshapeCount(mapId) || !store.isSettled) return undefined;
    store.watchShapes(mapId, WATCHED_CHANGES);
    return known.found;
  }

  #begin(mapId: MapId): Promise<DocumentPaths> {
    const running = this.#look(mapId).finally(() => {
      if (this.#looks.get(mapId)?.next === undefined) this.#looks.delete(mapId);
    });
    this.#looks.set(mapId, { running, next: undefined });
    return running;
  }

  async #after(running: Promise<unknown>, mapId: MapId): Promise<DocumentPaths> {
    await running.catch(() => undefined);
    const known = this.#known(mapId);
    if (known === undefined) return this.#begin(mapId);
    this.#looks.delete(mapId);
    return known;
  }

  /** Every thread of the pool keeps what it found, so one task does all partitions. */
  async #look(mapId: MapId): Promise<DocumentPaths> {
    const { store, control, queryPool } = this.#parts;
    store.watchShapes(mapId, WATCHED_CHANGES);
    const reshapes = store.reshapeCount(mapId);
    const { pinId, version } = this.#snapshots.pin(0 as Version);
    try {
      const partitions = control.ownPartitions as PartitionId[];
      const snapshotId = await this.#snapshots.open(pinId, version, partitions);
      const task: PathsTask = { mapId, partitions, snapshotId, snapshotVersion: version };
      const found = await queryPool.run<DocumentPaths>('paths', task).result;
      this.#snapshots.checkHeld(snapshotId, partitions);
      this.#remember(mapId, { reshapes, found });
      return found;
    } finally {
      this.#snapshots.release(pinId);
    }
  }

  #remember(mapId: MapId, remembered: Remembered): void {
    this.#remembered.delete(mapId);
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.delete(this.#remembered.keys().next().value!);
    this.#remembered.set(mapId, remembered);
  }
}

/** Who serves partitions; this member alone where nobody does. */
function primariesIn({ owners, members }: GridView['table'], self: MemberId): readonly MemberId[] {
  const indexes = new Set(owners.flatMap(([primary]) => primary ?? []));
  return indexes.size === 0 ? [self] : [...indexes].map((index) => members[index]!.id);
}

/** @throws GridError CANCELLED when the signal comes first */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(new CancelledError('looking for the paths of a map'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

/** Every path once, with the kinds of all members. */
function united(parts: readonly DocumentPaths[]): DocumentPaths {
  const places = new Map<string, number>();
  const paths: (readonly string[])[] = [];
  const valueKinds: number[] = [];
  for (const part of parts) {
    for (const [index, path] of part.paths.entries()) {
      const key = JSON.stringify(path);
      const place = places.get(key) ?? paths.push(path) - 1;
      places.set(key, place);
      valueKinds[place] = (valueKinds[place] ?? 0) | part.valueKinds[index]!;
    }
  }
  return { paths, valueKinds };
}
