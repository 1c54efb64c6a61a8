/**
 * Members in one process, without a network and without user workers: stores, write paths, drivers and the deliveries between
 * them, whose faults are the test's to say. A partition can be moved from one to another with its data and log.
 */
import {
  type CatalogState,
  type ControlCommand,
  type ControlState,
  type Coordinator,
  DEFAULT_MAP_SETTINGS,
  EmbeddedCoordinator,
  GridView,
  NO_KEEPER,
  type TableState,
  Watchers,
} from '@ashlar/cluster';
import type { ListenerOutcome, ListenerRunner, ListenerWrite } from '@ashlar/compute';
import {
  type Epoch,
  GridError,
  HybridClock,
  type MapId,
  type MemberId,
  type PartitionId,
  type Sequence,
  seededRandom,
} from '@ashlar/core';
import { EventHub } from '@ashlar/events';
import { MemberMetrics, NO_TRACING } from '@ashlar/observe';
import {
  EntryLimits,
  KeyGate,
  LateCommits,
  LogPressure,
  needMapOf,
  Ownership,
  openMap,
  PROMPT_COMMITTER,
  WritePath,
} from '@ashlar/partitions';
import { decodeKey, decodeValue, encodeKey, encodeValue, type Key, partitionOf } from '@ashlar/serialization';
import { MemberStore, RecordKind, readRecordFrame } from '@ashlar/storage';
import { DeliveryDoor } from '../delivery-door.ts';
import type { ForgetTimes } from '../forgotten-listeners.ts';
import { ListenerDriver } from '../listener-driver.ts';
import {
  type Checkpoint,
  checkpointKey,
  decodeCheckpoint,
  decodeMark,
  LISTENER_MAP,
  type ListenerId,
  type Mark,
  markKey,
} from '../listener-records.ts';

export const PARTITIONS = 4;
export const MODULE = 'm';
export const LISTENER = 'copy';
export const SOURCE = 'source';
export const TARGET = 'target';

/** What the listener makes of an event. What code throws has failed for good; USER_CODE_TIMEOUT: it killed its thread. */
export interface BenchEvent {
  readonly key: Key;
  readonly value: unknown;
}
export type ListenerCode = (events: readonly BenchEvent[]) => readonly { readonly key: Key; readonly value: unknown }[];

/** One entry an event, in the target map: an effect that came twice is an update there. */
export const copyEvents: ListenerCode = (events) =>
  events.map(({ key, value }) => ({ key: ['copy', key, value] as never, value }));

export interface BenchOptions {
  readonly members?: number;
  /** Commits come late by up to so many milliseconds, in an order of their own. */
  readonly lateMs?: number;
  readonly dropShare?: number;
  readonly seed?: number;
  /** Most that a log keeps of what nobody holds. */
  readonly logBytesPerPartition?: number;
  /** When records of undeployed listeners go; default: in minutes. */
  readonly forgetTimes?: ForgetTimes;
}

/** What happens to deliveries from one member to another: answer as `pass` does, or fail. */
export type Fault = (pass: () => Promise<Uint8Array>) => Promise<Uint8Array>;

class MovableCoordinator implements Coordinator {
  readonly #inner: EmbeddedCoordinator;
  readonly #moved = new Map<number, number>();
  readonly #tables = new Watchers<TableState>();
  readonly #views: GridView[] = [];
  #moves = 0;

  constructor(members: number) {
    this.#inner = new EmbeddedCoordinator({
      ...{ partitionCount: PARTITIONS, expectedMembers: members, newGridId: () => 'grid' },
      keeper: NO_KEEPER,
    });
    this.#inner.watchTable(() => this.#tables.tell(this.#table));
  }

  get #table(): TableState {
    const { table } = this.#inner.state;
    const owners = table.owners.map((owner, partition) => {
      const to = this.#moved.get(partition);
      return to === undefined ? owner : [to];
    });
    const epochs = table.epochs.map((epoch) => (epoch + this.#moves) as Epoch);
    return { ...table, owners, epochs, tableVersion: table.tableVersion + this.#moves };
  }

  get state(): ControlState {
    return { table: this.#table, catalog: this.#inner.state.catalog };
  }

  async refresh(): Promise<ControlState> {
    return this.state;
  }

  follow(view: GridView): void {
    this.#views.push(view);
  }

  /** As a grid's coordinator: answered when every member does what the change asks of it. */
  async submit(command: ControlCommand): Promise<ControlState> {
    await this.#inner.submit(command);
    if (command.kind !== 'createMap') await Promise.all(this.#views.map((view) => view.stands()));
    return this.state;
  }

  transact(...given: Parameters<Coordinator['transact']>): ReturnType<Coordinator['transact']> {
    return this.#inner.transact(...given);
  }

  renew(...given: Parameters<Coordinator['renew']>): ReturnType<Coordinator['renew']> {
    return this.#inner.renew(...given);
  }

  recover(...given: Parameters<Coordinator['recover']>): ReturnType<Coordinator['recover']> {
    return this.#inner.recover(...given);
  }

  watchTable(listener: (table: TableState) => void): () => void {
    return this.#tables.add(listener);
  }

  watchCatalog(listener: (catalog: CatalogState) => void): () => void {
    return this.#inner.watchCatalog(listener);
  }

  bundleAtHand(hash: string): string | undefined {
    return this.#inner.bundleAtHand(hash);
  }

  bundle(hash: string): Promise<string> {
    return this.#inner.bundle(hash);
  }

  move(partition: PartitionId, member: number): void {
    this.#moved.set(partition, member);
    this.#moves += 1;
    this.#tables.tell(this.#table);
  }
}

export class BenchMember {
  readonly id: MemberId;
  readonly clock = new HybridClock();
  readonly store: MemberStore;
  readonly gate = new KeyGate(1000);
  readonly writes: WritePath;
  readonly control: GridView;
  readonly ownership: Ownership;
  readonly door: DeliveryDoor;
  readonly told: string[] = [];
  /** Runs of the listener's code: the events of each. */
  readonly runs: (readonly BenchEvent[])[] = [];
  code: ListenerCode = copyEvents;
  /** What happens to deliveries that this member sends. */
  fault: Fault = (pass) => pass();
  /** An outcome instead of running the code. */
  failNext: ListenerOutcome | undefined;
  driver: ListenerDriver;
  readonly #bench: ListenerBench;
  readonly #hub: EventHub;
  readonly #forgetTimes: ForgetTimes | undefined;

  constructor(id: MemberId, bench: ListenerBench, options: BenchOptions) {
    const { lateMs = 0, dropShare = 0, seed = 1, logBytesPerPartition } = options;
    this.id = id;
    this.#bench = bench;
    this.#forgetTimes = options.forgetTimes;
    const { clock } = this;
    this.store = MemberStore.create({
      maxBytes: 32 << 20,
      partitionCount: PARTITIONS,
      maxWorkers: 0,
      hashSeed: 1,
      clock,
      ...(logBytesPerPartition === undefined ? {} : { logBytesPerPartition }),
    });
    const { store } = this;
    const random = seededRandom(seed);
    const later = (ms: number, run: () => void): (() => void) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    };
    const late = { random, delayMaxMs: lateMs, dropShare, nowMs: () => performance.now(), later };
    this.writes = new WritePath(store, lateMs === 0 ? PROMPT_COMMITTER : new LateCommits(store, late));
    this.control = new GridView(id, bench.coordinator, (error) => this.told.push(`follow: ${error}`));
    this.ownership = new Ownership(this.control);
    this.control.onCatalog(() => this.#follow());
    this.control.onTable(() => this.#follow());
    this.#hub = new EventHub(logsOf(store), { partitionCount: PARTITIONS, subscriptionsMax: 10 });
    this.control.onCatalog(() => this.#hub.mapsChanged());
    store.addCommitListener((partition) => this.#hub.committed(partition));
    const { control, gate, writes } = this;
    this.door = new DeliveryDoor({
      ...{ store, writes, control, clock, gate, limits: LIMITS, needMap: needMapOf({ control, store }) },
      send: (member, body) => this.fault(() => bench.memberNamed(member).door.take(body)),
    });
    this.driver = this.#newDriver();
    bench.coordinator.follow(this.control);
  }

  #newDriver(): ListenerDriver {
    const { clock, store, writes, control, ownership, gate, told } = this;
    const log = {
      info: (_facts: object, message: string) => void told.push(message),
      warn: (_facts: object, message: string) => void told.push(message),
      error: (_facts: object, message: string) => void told.push(message),
    };
    const parts = {
      clock,
      store,
      writes,
      control,
      ownership,
      hub: this.#hub,
      metrics: new MemberMetrics(),
      tracing: NO_TRACING,
      log,
    };
    return new ListenerDriver({
      ...{ parts, gate, limits: LIMITS, pressure: new LogPressure(store), relay: this.door.relay },
      runner: { run: (run) => this.#run(run) },
      grid: () => Promise.reject(new Error('no calls are made')),
      processors: {} as never,
      forgetTimes: this.#forgetTimes,
    });
  }

  /** As a member process that is started again over what it held: a new driver, nothing else. */
  async restart(): Promise<void> {
    await this.driver.close();
    this.driver = this.#newDriver();
    await this.driver.standing();
  }

  async #run({ groups }: Parameters<ListenerRunner['run']>[0]): Promise<readonly ListenerOutcome[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return groups.map((events): ListenerOutcome => {
      const seen = events.map(({ key, value }) => ({ key: decodeKey(key), value: value && decodeValue(value) }));
      this.runs.push(seen);
      const failure = this.failNext;
      this.failNext = undefined;
      if (failure !== undefined) return failure;
      return this.#outcomeOf(seen);
    });
  }

  #outcomeOf(events: readonly BenchEvent[]): ListenerOutcome {
    try {
      const writes = this.code(events).map(
        ({ key, value }): ListenerWrite => ({
          ...{ map: TARGET, key: encodeKey(key), ttlMs: undefined },
          value: value === undefined ? undefined : encodeValue(value),
        }),
      );
      return { kind: 'writes', writes };
    } catch (cause) {
      const error = GridError.wrap(cause);
      return { kind: 'failed', error, transient: false, isDeath: error.code === 'USER_CODE_TIMEOUT' };
    }
  }

  #follow(): void {
    const { store, control } = this;
    const { maps } = control.catalog;
    const { owners, epochs } = control.table;
    const ids = new Set(maps.map(({ id }) => id));
    for (const id of store.mapIds) if (!ids.has(id)) store.dropMap(id);
    for (const map of maps) if (!store.hasMap(map.id)) openMap(store, map);
    for (let index = 0; index < owners.length; index++) {
      const partition = index as PartitionId;
      const epoch = epochs[index]!;
      if (!control.isMine(index)) {
        if (store.isPartitionOpen(partition) && !this.#bench.isReceiving(this, partition))
          store.closePartition(partition);
      } else if (this.#bench.isReceiving(this, partition)) store.promotePartition(partition, epoch);
      else store.openPartition(partition, epoch);
    }
  }

  async put(map: string, key: Key, value: unknown): Promise<void> {
    const { id } = await this.control.mapFor(map, DEFAULT_MAP_SETTINGS, false);
    const [keyBytes, bytes] = [encodeKey(key), encodeValue(value)];
    const partition = this.#bench.partitionOf(key);
    const batch = this.writes.begin();
    batch.put(id, partition, keyBytes, 0, keyBytes.length, batch.value(bytes, 0, bytes.length));
    this.writes.submit(batch);
    await new Promise<void>((resolve) => (batch.state === 'sealed' ? batch.whenDecided(resolve) : resolve()));
    if ((batch.state as string) !== 'committed') throw new GridError('OUTCOME_UNKNOWN', 'the put was lost');
  }

  get(map: string, key: Key): unknown {
    const id = this.control.maps.get(map)?.id;
    const bytes = encodeKey(key);
    if (id === undefined || !this.store.find(id, this.#bench.partitionOf(key), bytes, 0, bytes.length))
      return undefined;
    const { valueBytes, valueStart, valueEnd } = this.store.found;
    return decodeValue(valueBytes.slice(valueStart, valueEnd));
  }

  checkpoint(partition: PartitionId): Checkpoint | undefined {
    const bytes = this.#record(partition, checkpointKey(this.#bench.listener));
    return bytes === undefined ? undefined : decodeCheckpoint(bytes);
  }

  /** What was taken here from the outboxes of `source`. */
  mark(partition: PartitionId, source: PartitionId): Mark | undefined {
    const bytes = this.#record(partition, markKey(this.#bench.listener, source));
    return bytes === undefined ? undefined : decodeMark(bytes);
  }

  /** Records of listeners, of whatever kind, in this member's partitions. */
  get listenerRecords(): number {
    const id = this.control.maps.get(LISTENER_MAP)?.id;
    return id === undefined ? 0 : this.store.entryCount(id);
  }

  #record(partition: PartitionId, key: Uint8Array): Uint8Array | undefined {
    const id = this.control.maps.get(LISTENER_MAP)?.id;
    if (id === undefined || !this.store.find(id, partition, key, 0, key.length)) return undefined;
    const { valueBytes, valueStart, valueEnd } = this.store.found;
    return valueBytes.slice(valueStart, valueEnd);
  }

  /** Puts into a map as its log tells them: the key of each. */
  putsOf(map: string): Key[] {
    const id = this.control.maps.get(map)?.id;
    const keys: Key[] = [];
    for (const partition of this.control.ownPartitions) {
      const { firstSequence } = this.store.logInfo(partition);
      this.store.readLog(partition, firstSequence, 100_000, (record) => {
        if (record.mapId !== id || record.kind !== RecordKind.put) return;
        record.positionKey();
        keys.push(decodeKey(record.bytes.slice(record.start, record.stop)));
      });
    }
    return keys;
  }
}

const LIMITS = new EntryLimits({ keyBytesMax: 1024, valueBytesMax: 1 << 20 });

function logsOf(store: MemberStore): ConstructorParameters<typeof EventHub>[0] {
  return {
    readLog: (partition, from, recordsMax, visit) =>
      store.readLog(partition as PartitionId, from as Sequence, recordsMax, visit),
    committedSequence: (partition) =>
      store.isPartitionOpen(partition as PartitionId) ? store.logInfo(partition as PartitionId).committedSequence : 0,
    incarnation: (partition) => store.logInfo(partition as PartitionId).incarnation,
    resolvedVersion: () => store.resolvedVersion(),
  };
}

export class ListenerBench {
  readonly coordinator: MovableCoordinator;
  readonly members: readonly BenchMember[];
  readonly #receiving = new Set<string>();

  private constructor(options: BenchOptions) {
    const { members = 1, seed = 1 } = options;
    this.coordinator = new MovableCoordinator(members);
    this.members = Array.from(
      { length: members },
      (_, index) => new BenchMember(`member-${index}` as MemberId, this, { ...options, seed: seed + index }),
    );
  }

  static async start(options: BenchOptions = {}): Promise<ListenerBench> {
    const bench = new ListenerBench(options);
    for (const { id } of bench.members) {
      const member = { id, address: `127.0.0.1:${id}`, httpAddress: '', zone: '', incarnation: 'one' };
      await bench.coordinator.submit({ kind: 'join', member });
    }
    for (const name of [LISTENER_MAP, SOURCE, TARGET]) {
      await bench.coordinator.submit({ kind: 'createMap', name, options: DEFAULT_MAP_SETTINGS });
    }
    return bench;
  }

  async deploy(hash = 'a'): Promise<void> {
    const exports = [{ name: LISTENER, kind: 'listener', map: SOURCE }];
    const bundle = `// ${hash}`;
    const { createHash } = await import('node:crypto');
    const module = {
      name: MODULE,
      hash: createHash('sha256').update(bundle).digest('hex'),
      bundle,
      exports,
      wallMs: 0,
      heapBytes: 0,
    };
    await this.coordinator.submit({ kind: 'putModule', module });
  }

  /** The listener as it is known. */
  get listener(): ListenerId {
    const mapId = this.members[0]!.control.maps.get(SOURCE)?.id ?? (0 as MapId);
    return { module: MODULE, exportName: LISTENER, mapId };
  }

  undeploy(): Promise<unknown> {
    return this.coordinator.submit({ kind: 'removeModule', name: MODULE });
  }

  memberNamed(id: MemberId): BenchMember {
    return this.members.find((member) => member.id === id)!;
  }

  partitionOf(key: Key): PartitionId {
    const bytes = encodeKey(key);
    return partitionOf(bytes, 0, bytes.length, 0, PARTITIONS) as PartitionId;
  }

  ownerOf(partition: PartitionId): BenchMember {
    return this.members.find(({ control }) => control.isMine(partition))!;
  }

  put(map: string, key: Key, value: unknown): Promise<void> {
    return this.ownerOf(this.partitionOf(key)).put(map, key, value);
  }

  get(map: string, key: Key): unknown {
    return this.ownerOf(this.partitionOf(key)).get(map, key);
  }

  isReceiving({ id }: BenchMember, partition: PartitionId): boolean {
    return this.#receiving.has(`${id} ${partition}`);
  }

  /** Another member keeps a partition too from now on: ship() brings it what there is. */
  backUp(partition: PartitionId, to: BenchMember): void {
    const from = this.ownerOf(partition);
    const { incarnation } = from.store.logInfo(partition);
    this.#receiving.add(`${to.id} ${partition}`);
    to.store.openPartition(partition, from.control.epochOf(partition), { role: 'backup', incarnation });
  }

  ship(partition: PartitionId, to: BenchMember): void {
    const from = this.ownerOf(partition);
    const { committedSequence } = from.store.logInfo(partition);
    const { committedSequence: shown } = to.store.logInfo(partition);
    for (let next = shown + to.store.tailLength(partition) + 1; next <= committedSequence; ) {
      const frame = from.store.encodeLog(partition, next as Sequence, 1000, Infinity)!;
      next = to.store.applyFrame(readRecordFrame(frame));
    }
    to.store.commitBackup(partition, committedSequence);
  }

  /** Hands a partition with its data and its log to another member, which may have kept it before. */
  move(partition: PartitionId, to: BenchMember): void {
    const from = this.ownerOf(partition);
    if (!this.isReceiving(to, partition)) this.backUp(partition, to);
    this.ship(partition, to);
    to.clock.observe(from.clock.now());
    this.coordinator.move(partition, this.members.indexOf(to));
    this.#receiving.delete(`${to.id} ${partition}`);
  }

  async close(): Promise<void> {
    for (const member of this.members) {
      member.fault = (pass) => pass();
      await member.driver.close();
      member.writes.close();
    }
  }
}

/** Resolves once it is true: a test that waits for what never comes runs into its own limit. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}
