/**
 * Hosts with real stores on one thread: a coordinator, a network that keeps order a pair, and time that a test moves. Everything
 * between hosts travels through the codec, as it does between processes.
 */
import {
  type ControllerOptions,
  emptyReplicaTable,
  ReplicaController,
  stepReplicas,
  type TableState,
} from '@ashlar/cluster';
import {
  HybridClock,
  type MapId,
  type MemberId,
  memberOfReplica,
  type PartitionId,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  replicaIdOf,
  seededRandom,
} from '@ashlar/core';
import { DEFAULT_OPTIONS, DEFAULT_TIMINGS, type Note } from '@ashlar/replication';
import { decodeValue, encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore, type WriteBatch } from '@ashlar/storage';
import { decided, WritePath } from '../../write-path.ts';
import { decodeMessage, encodeMessage, type WireMessage } from '../message-codec.ts';
import { ReplicaHost } from '../replica-host.ts';

export const MAP = 1 as MapId;
/** One that a member knows when a test says so. */
export const LATER_MAP = 2 as MapId;
const LINK_MS = 0.2;
const SOON_MS = 0.01;
const CONTROLLER_MS = 25;
const WALL_MS = 1_700_000_000_000;
/** Microtasks that an event may need until all that hangs on it has run. */
const MICROTASKS = 12;

interface Event {
  readonly atMs: number;
  readonly order: number;
  run(): void;
}

export interface GridOptions {
  readonly names: readonly string[];
  readonly partitionCount: number;
  readonly backups: number;
  readonly minInSync?: number;
  /** Of the store of a member that names no other. Default: 16 MiB. */
  readonly maxBytes?: number;
  /** Commits come up to so much later. Default: at once. */
  readonly commitDelayMs?: number;
}

export interface MemberOptions {
  /** It has not heard of the map. */
  readonly isBehind?: boolean;
  /** Default: that of the grid. */
  readonly maxBytes?: number;
}

export class HostGrid {
  readonly options: GridOptions;
  readonly members = new Map<string, HostMember>();
  readonly notes: Note[] = [];
  readonly failures: unknown[] = [];
  /** Given back: overwritten, so that whoever reads one still is found out. */
  readonly payloadsDone = new Set<Uint8Array>();
  nowMs = 0;
  table: ReplicaTable;
  /** Members that hear nobody, and are not heard: the coordinator's word included. */
  readonly cutOff = new Set<string>();
  /** Members that stand still, and what they will do when they go on. */
  readonly #paused = new Map<string, (() => void)[]>();
  /** Which messages never come. */
  isLost: ((message: WireMessage) => boolean) | undefined;
  #events: Event[] = [];
  #order = 0;
  #incarnations = 0;
  readonly #controller: ReplicaController;

  private constructor(options: GridOptions) {
    this.options = options;
    this.table = emptyReplicaTable(options.partitionCount);
    const { membershipTtlMs, promotionTimeoutMs, loneGraceMs } = DEFAULT_TIMINGS;
    const controller: ControllerOptions = {
      ...{ copies: options.backups + 1, expectedMembers: options.names.length },
      ...{ membershipTtlMs, promotionTimeoutMs, loneGraceMs },
    };
    this.#controller = new ReplicaController(controller, 0);
  }

  /**
   * A grid all of whose partitions are served.
   *
   * @param disturb  called whenever a millisecond has passed until then
   */
  static async start(options: GridOptions, disturb: (grid: HostGrid) => void = () => undefined): Promise<HostGrid> {
    const grid = new HostGrid(options);
    for (const name of options.names) grid.startMember(name);
    grid.#every(
      () => true,
      CONTROLLER_MS,
      () => grid.#plan(),
    );
    await grid.until(() => {
      disturb(grid);
      return grid.isServed;
    }, 10_000);
    return grid;
  }

  /** Processes that were started. */
  get incarnations(): number {
    return this.#incarnations;
  }

  /** Every partition is served, with as many copies as are wanted. */
  get isWhole(): boolean {
    return this.isServed && this.table.partitions.every(({ inSync }) => inSync.length > this.options.backups);
  }

  /** Every partition can be written to. */
  get isServed(): boolean {
    return this.table.partitions.every(({ phase, primary, epoch }, partition) => {
      const served = phase === 'serving' ? this.memberOf(primary!)?.host.served : undefined;
      return served?.epochOf(partition) === epoch && served.writeRefusal(partition) === undefined;
    });
  }

  memberOf(replica: ReplicaId): HostMember | undefined {
    const member = this.members.get(memberOfReplica(replica));
    return member?.replica === replica ? member : undefined;
  }

  primaryOf(partition: number): HostMember {
    return this.memberOf(this.table.partitions[partition]!.primary!)!;
  }

  startMember(name: string, options: MemberOptions = {}): HostMember {
    const member = new HostMember(this, name, `${++this.#incarnations}`, options);
    this.members.set(name, member);
    this.#tell(member);
    return member;
  }

  /** As kill -9. */
  kill(name: string): void {
    this.members.get(name)!.isDead = true;
    this.members.get(name)!.host.close();
    this.members.delete(name);
  }

  /** As SIGSTOP. */
  pause(name: string): void {
    this.#paused.set(name, []);
  }

  isPaused(name: string): boolean {
    return this.#paused.has(name);
  }

  /** @param first  runs before anything that came meanwhile */
  goOn(name: string, first: () => void): void {
    const waiting = this.#paused.get(name) ?? [];
    this.#paused.delete(name);
    first();
    for (const run of waiting) run();
  }

  /** Now, or when the member goes on. */
  whenRunning(name: string, run: () => void): void {
    const waiting = this.#paused.get(name);
    if (waiting === undefined) run();
    else waiting.push(run);
  }

  at(delayMs: number, run: () => void): void {
    this.#events.push({ atMs: this.nowMs + delayMs, order: this.#order++, run });
  }

  every(isAlive: () => boolean, ms: number, run: () => void): void {
    this.#every(isAlive, ms, run);
  }

  #every(isAlive: () => boolean, ms: number, run: () => void): void {
    this.at(ms, () => {
      if (!isAlive()) return;
      run();
      this.#every(isAlive, ms, run);
    });
  }

  send(message: WireMessage): void {
    const [from, to] = [memberOfReplica(message.from as ReplicaId), memberOfReplica(message.to as ReplicaId)];
    if (this.cutOff.has(from) || this.cutOff.has(to) || this.isLost?.(message) === true) return;
    const payloads = message.payloads.map((payload) => new Uint8Array(payload));
    this.at(LINK_MS, () => this.whenRunning(to, () => this.members.get(to)?.receive({ ...message, payloads })));
  }

  /** @returns undefined: the coordinator was not reached */
  transact(by: ReplicaId, changes: readonly ReplicaChange[]): ReplicaTable | undefined {
    if (this.cutOff.has(memberOfReplica(by))) return undefined;
    for (const change of changes)
      if (change.kind === 'register') this.#controller.onRegistration(change.replica, this.nowMs);
    this.#apply(changes);
    return this.table;
  }

  renew(replica: ReplicaId, lease: { readonly number: number; readonly ceiling: never }) {
    if (this.cutOff.has(memberOfReplica(replica))) return undefined;
    const renewal = this.#controller.onRenewal(this.table, replica, lease, this.nowMs);
    const member = this.memberOf(replica);
    // Who is refused, or hears of another table, asks for the newest.
    if (member !== undefined && (renewal?.tableVersion ?? Infinity) > member.tableVersion) this.#tell(member);
    return renewal;
  }

  #plan(): void {
    this.#apply(this.#controller.plan(this.table, this.nowMs));
  }

  #apply(changes: readonly ReplicaChange[]): void {
    if (changes.length === 0) return;
    const { table } = stepReplicas(this.table, changes);
    if (table === this.table) return;
    this.table = table;
    for (const member of this.members.values()) this.#tell(member);
  }

  #tell(member: HostMember): void {
    const { table } = this;
    const name = memberOfReplica(member.replica);
    this.at(LINK_MS, () => this.cutOff.has(name) || this.whenRunning(name, () => member.onTable(table)));
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
      for (let count = 0; count < MICROTASKS; count++) await undefined;
    }
    this.nowMs = endMs;
  }

  /** @returns the time that it took */
  async until(isSo: () => boolean, ms: number): Promise<number> {
    const beganMs = this.nowMs;
    while (!isSo()) {
      if (this.nowMs - beganMs > ms) throw new Error(`not so after ${ms} ms: ${isSo}`);
      await this.advance(1);
    }
    return this.nowMs - beganMs;
  }

  #next(endMs: number): Event | undefined {
    let best = -1;
    for (let at = 0; at < this.#events.length; at++) {
      const [one, known] = [this.#events[at]!, this.#events[best]];
      if (one.atMs > endMs) continue;
      if (known === undefined || one.atMs < known.atMs || (one.atMs === known.atMs && one.order < known.order))
        best = at;
    }
    return best < 0 ? undefined : this.#events.splice(best, 1)[0];
  }
}

export class HostMember {
  readonly replica: ReplicaId;
  readonly store: MemberStore;
  readonly clock: HybridClock;
  readonly host: ReplicaHost;
  readonly writes: WritePath;
  isDead = false;
  tableVersion = -1;
  /** Time that its monotonic clock has not counted, for the machine was suspended. */
  suspendedMs = 0;

  constructor(grid: HostGrid, name: string, incarnation: string, { isBehind = false, maxBytes }: MemberOptions) {
    this.replica = replicaIdOf(name as MemberId, incarnation);
    const time = {
      monotonicMs: () => grid.nowMs - this.suspendedMs,
      wallMs: () => WALL_MS + grid.nowMs,
      bootMs: () => grid.nowMs,
    };
    this.clock = new HybridClock(time);
    const { partitionCount, minInSync = 1, commitDelayMs = 0 } = grid.options;
    const random = seededRandom(Number(incarnation));
    this.store = MemberStore.create({
      ...{
        maxBytes: maxBytes ?? grid.options.maxBytes ?? 16 << 20,
        partitionCount,
        maxWorkers: 0,
        hashSeed: 1,
        clock: this.clock,
      },
    });
    if (!isBehind) this.openMap();
    this.host = new ReplicaHost({
      ...{ store: this.store, clock: this.clock, time },
      delayCommit:
        commitDelayMs === 0
          ? undefined
          : (commit) => grid.at(random.next() * commitDelayMs, () => grid.whenRunning(name, commit)),
      replication: { ...DEFAULT_OPTIONS, minInSync, self: this.replica, partitionCount, timings: DEFAULT_TIMINGS },
      timers: {
        next: (run) => grid.at(0, () => grid.whenRunning(name, () => this.isDead || run())),
        soon: (run) => grid.at(SOON_MS, () => grid.whenRunning(name, () => this.isDead || run())),
        every: (ms, run) => {
          let isOver = false;
          grid.every(
            () => !isOver && !this.isDead,
            ms,
            () => grid.isPaused(name) || run(),
          );
          return () => {
            isOver = true;
          };
        },
      },
      ports: {
        send: (to, message) => grid.send(encodeMessage({ from: this.replica, to, message })),
        transact: async ({ changes }) => grid.transact(this.replica, changes),
        renew: async (replica, lease) => grid.renew(replica, lease as never),
        servedChanged: () => undefined,
        payloadDone: (payload) => {
          if (grid.payloadsDone.has(payload)) grid.failures.push(new Error('a payload was given back twice'));
          grid.payloadsDone.add(payload);
          payload.fill(0xee);
        },
        noted: (note) => grid.notes.push(note),
        failed: (error) => grid.failures.push(error),
      },
    });
    this.writes = new WritePath(this.store, this.host.committer);
    this.store.checkEpochs((partition) => {
      const refusal = this.host.served.writeRefusal(partition);
      if (refusal !== undefined) throw refusal;
      return this.host.served.epochOf(partition) as never;
    });
    this.host.begin();
  }

  openMap(map: MapId = MAP): void {
    this.store.openMap(map, { ttlMs: 0, maxIdleMs: 0 } as never);
  }

  onTable(replicas: ReplicaTable): void {
    this.tableVersion = Math.max(this.tableVersion, replicas.version);
    if (!this.isDead) this.host.served.onTable({ replicas } as unknown as TableState);
  }

  receive(message: WireMessage): void {
    const { from, to, message: read } = decodeMessage(message);
    this.host.received(from, to, read);
  }

  /** Stages a value, and seals it. */
  put(partition: number, key: number, value: unknown, map: MapId = MAP): WriteBatch {
    const batch = this.writes.begin();
    this.stage(batch, partition, key, value, map);
    this.writes.submit(batch);
    return batch;
  }

  stage(batch: WriteBatch, partition: number, key: number, value: unknown, map: MapId = MAP): void {
    const [keyBytes, bytes] = [encodeKey(key), encodeValue(value)];
    batch.put(map, partition as PartitionId, keyBytes, 0, keyBytes.length, batch.value(bytes, 0, bytes.length));
  }

  /** What is committed here, whether the member serves it or keeps it for another. */
  get(partition: number, key: number, map: MapId = MAP): unknown {
    const bytes = encodeKey(key);
    if (!this.store.find(map, partition as PartitionId, bytes, 0, bytes.length)) return undefined;
    const { found } = this.store;
    return decodeValue(found.valueBytes, found.valueStart, found.valueEnd);
  }
}

/** Whether a batch came to be committed as a whole, once it is decided. */
export async function outcomeOf(grid: HostGrid, batch: WriteBatch): Promise<boolean> {
  let outcome: boolean | undefined;
  void Promise.resolve(decided(batch)).then((isWhole) => {
    outcome = isWhole;
  });
  await grid.until(() => outcome !== undefined, 5000);
  return outcome!;
}
