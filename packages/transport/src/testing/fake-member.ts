/**
 * A grid for tests: Maps behind the service interfaces, over real gRPC, with hooks to delay, fail and watch.
 *
 * All members of a FakeGrid share one store, as if every write were replicated at once: entries, and the answers kept
 * for requests that are sent again.
 */
import {
  type Epoch,
  GridError,
  MapDroppedError,
  type MemberId,
  type PartitionTable,
  type WireError,
} from '@ashlar/core';
import { isMutation, type KvAnswers, type KvBatch, OPCODE, STATUS } from '../kv-batch.ts';
import { serve } from '../server.ts';
import type { GridServer, ServeOptions } from '../server-types.ts';
import type { AdminService, GridServices, KvAnswerSink, KvBatchSink, KvService } from '../services.ts';
import { unsupportedServices } from './fake-services.ts';

export const PARTITION_COUNT = 16;
const NO_BYTES = new Uint8Array(0);
/** Never given twice, not even by two grids. */
let nextSession = 1000;

interface StoredEntry {
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs: number;
}

interface Answer {
  readonly status: number;
  readonly value?: Uint8Array | undefined;
  readonly version?: number | undefined;
  readonly expiresAtMs?: number | undefined;
  readonly error?: WireError;
}

export interface FakeStore {
  readonly entries: Map<string, StoredEntry>;
  /** How often each (session, request number) was applied. */
  readonly applied: Map<string, number>;
  /** Answers kept for requests sent again. */
  readonly window: Map<string, Answer>;
  readonly sessions: Set<number>;
  version: number;
}

function newStore(): FakeStore {
  return { entries: new Map(), applied: new Map(), window: new Map(), sessions: new Set(), version: 1 };
}

export class FakeMember {
  readonly id: MemberId;
  readonly store: FakeStore;
  /** Replaceable parts. */
  readonly services: { -readonly [K in keyof GridServices]: GridServices[K] };
  /** Batches as they came. */
  readonly batches: KvBatch[] = [];
  /** Called before a batch is answered; a promise delays the answer (the batch is applied already). */
  beforeAnswer: ((batch: KvBatch) => Promise<void> | undefined) | undefined;
  /** Error for an operation, instead of running it. */
  fail: ((batch: KvBatch, operation: number) => GridError | undefined) | undefined;
  /** Affinity parts of maps; others have none. */
  readonly affinityParts = new Map<string, number>();
  /** Which map has a name; where any is set, mutations that mean another one are refused and answers tell the ids. */
  readonly mapIds = new Map<string, number>();
  #table: PartitionTable;
  /** Who watches the table now: each is told of every new one. */
  readonly watchers = new Set<() => void>();
  incarnation = 'i1';
  streamsOpened = 0;
  leaseMs = 30_000;
  /** What leases tell of its clock. */
  version = 1;
  server: GridServer | undefined;

  constructor(id: string, store: FakeStore = newStore()) {
    this.id = id as MemberId;
    this.store = store;
    this.#table = tableOf([this.id], []);
    this.services = { ...unsupportedServices(), kv: this.#kv(), admin: this.#admin() };
  }

  get table(): PartitionTable {
    return this.#table;
  }

  set table(table: PartitionTable) {
    this.#table = table;
    for (const wake of this.watchers) wake();
  }

  /** Opens the door at `port` (0: any). */
  async start(port = 0, options: Partial<ServeOptions> = {}): Promise<string> {
    this.server = await serve({ services: this.services, authorize: () => true, ...options, port });
    const address = `127.0.0.1:${this.server.port}`;
    this.table = { ...this.table, members: this.table.members.map((m) => (m.id === this.id ? { ...m, address } : m)) };
    return address;
  }

  get port(): number {
    return this.server?.port ?? 0;
  }

  async stop(): Promise<void> {
    await this.server?.close();
  }

  #kv(): KvService {
    return {
      openStream: (answers) => this.#stream(answers),
      openSession: async ({ session }) => {
        const id = session === 0 ? nextSession++ : session;
        this.store.sessions.add(id);
        return { session: id, leaseMs: this.leaseMs, version: this.version };
      },
      renewSession: async ({ session }) => ({ session, leaseMs: this.leaseMs, version: this.version }),
      closeSession: async ({ session }) => {
        this.store.sessions.delete(session);
      },
      get: async ({ key }) => ({ found: true, json: JSON.stringify(key), version: 7, expiresAtMs: 0 }),
      put: async () => ({ version: 8 }),
      remove: async () => ({ removed: false }),
    };
  }

  #admin(): AdminService {
    return {
      hello: async () => ({
        protocolMin: 1,
        protocolMax: 1,
        features: 0,
        gridId: this.table.gridId,
        incarnation: this.incarnation,
        memberId: this.id,
        partitionCount: PARTITION_COUNT,
        table: this.table,
        limits: {
          keyBytesMax: 65_536,
          valueBytesMax: 1 << 20,
          messageBytesMax: 4 << 20,
          batchesMax: 64,
          batchBytesMax: 8 << 20,
        },
      }),
      getTable: async () => this.table,
      watchTable: ({ signal }) => this.#tables(signal),
      ping: async () => ({ memberId: this.id, address: 'here', version: this.store.version }),
      listMaps: async () => ({ maps: [] }),
      mapSize: async ({ map }) => ({
        entries: [...this.store.entries.keys()].filter((name) => name.startsWith(`${map}/`)).length,
        bytes: 0,
      }),
      clear: async () => {
        this.store.entries.clear();
        return { removed: 0, version: this.store.version };
      },
      dropMap: async () => ({ existed: true, mapId: 1 }),
      dropColumns: async () => undefined,
      stats: async () => ({
        memberId: this.id,
        figures: [{ name: 'ashlar_members', labels: [{ name: 'of', value: 'table' }], value: 1 }],
      }),
      getReplicas: async () => ({
        ...{ memberId: this.id, tableVersion: this.table.tableVersion, backups: 0, minInSync: 1 },
        ...{ members: [], partitions: [] },
      }),
      recover: async ({ partitions }) => ({ recovered: partitions }),
    };
  }

  async *#tables(signal: AbortSignal): AsyncGenerator<PartitionTable, void, undefined> {
    let wake = (): void => undefined;
    const watcher = (): void => wake();
    this.watchers.add(watcher);
    signal.addEventListener('abort', watcher);
    try {
      for (let told: PartitionTable | undefined; !signal.aborted; ) {
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (told === this.#table) await changed;
        else yield (told = this.#table);
      }
    } finally {
      this.watchers.delete(watcher);
    }
  }

  #stream(answers: KvAnswerSink): KvBatchSink {
    this.streamsOpened++;
    let open = true;
    return {
      onBatch: (batch) => {
        this.batches.push(batch);
        const reply = this.#run(batch);
        const delay = this.beforeAnswer?.(batch);
        if (delay === undefined) answers.write(reply);
        else void delay.then(() => open && answers.write(reply));
      },
      onClose: () => {
        open = false;
      },
    };
  }

  #run(batch: KvBatch): KvAnswers {
    const list: Answer[] = [];
    let number = batch.firstRequest;
    for (let operation = 0; operation < batch.count; operation++) {
      const changes = isMutation(batch.opcodes[operation]!);
      const { requestOffsets } = batch;
      const request = requestOffsets === undefined ? number : batch.firstRequest + requestOffsets[operation]!;
      list.push(changes ? this.#once(batch, operation, request) : this.#operate(batch, operation));
      if (changes) number++;
    }
    const answers = answersOf(batch, list, this.store.version, this.table.tableVersion);
    if (this.mapIds.size === 0) return answers;
    return { ...answers, mapIds: Uint32Array.from(batch.maps, ({ name }) => this.mapIds.get(name) ?? 0) };
  }

  #once(batch: KvBatch, operation: number, request: number): Answer {
    const name = `${batch.session}/${request}`;
    const known = this.store.window.get(name);
    if (known !== undefined) return known;
    if (!this.store.sessions.has(batch.session)) {
      return failed(new GridError(batch.resent ? 'OUTCOME_UNKNOWN' : 'SESSION_EXPIRED', 'unknown session'));
    }
    const answer = this.#operate(batch, operation);
    if (answer.status !== STATUS.FAILED) {
      this.store.applied.set(name, (this.store.applied.get(name) ?? 0) + 1);
      this.store.window.set(name, answer);
    }
    return answer;
  }

  #operate(batch: KvBatch, operation: number): Answer {
    const failure = this.fail?.(batch, operation) ?? this.#refusal(batch, operation);
    if (failure !== undefined) return failed(failure);
    const start = operation === 0 ? 0 : batch.keyEnds[operation - 1]!;
    const key = Buffer.from(batch.keys.subarray(start, batch.keyEnds[operation]!)).toString('hex');
    const name = `${batch.maps[batch.mapIndexes?.[operation] ?? 0]!.name}/${key}`;
    const valueStart = operation === 0 ? 0 : (batch.valueEnds?.[operation - 1] ?? 0);
    const value = batch.values.slice(valueStart, batch.valueEnds?.[operation] ?? 0);
    const ttlAt = batch.ttlOperations.indexOf(operation);
    const conditionAt = batch.ifVersionOperations.indexOf(operation);
    const ifVersion = conditionAt < 0 ? undefined : batch.ifVersions[conditionAt];
    const expiresAtMs = ttlAt < 0 ? 0 : 1_000_000 + batch.ttlMs[ttlAt]!;
    return this.#apply(batch.opcodes[operation]!, name, { value, version: 0, expiresAtMs }, ifVersion);
  }

  #refusal(batch: KvBatch, operation: number): GridError | undefined {
    const partition = batch.partitions[operation]!;
    const owner = this.table.members[this.table.owners[partition]?.[0] ?? -1];
    if (owner?.id !== this.id) return new GridError('STALE_EPOCH', `partition ${partition} is not here`);
    const map = batch.maps[batch.mapIndexes?.[operation] ?? 0]!;
    const now = this.mapIds.get(map.name) ?? 0;
    const { mapId } = map;
    if (isMutation(batch.opcodes[operation]!) && this.mapIds.size > 0 && mapId > 0 && mapId !== now) {
      return new MapDroppedError(map.name, { mapId, now });
    }
    const affinityParts = this.affinityParts.get(map.name) ?? 0;
    if (affinityParts === map.affinityParts) return undefined;
    return new GridError('MAP_CONFLICT', `map '${map.name}' has ${affinityParts} affinity parts`, {
      details: { affinityParts },
    });
  }

  #apply(opcode: number, name: string, entry: StoredEntry, ifVersion: number | undefined): Answer {
    const { store } = this;
    const old = store.entries.get(name);
    const put = (): void => {
      store.entries.set(name, { ...entry, version: ++store.version });
    };
    const hit: Answer = { status: old === undefined ? STATUS.FALSE : STATUS.TRUE, value: old?.value };
    const meets = old !== undefined && (ifVersion === undefined || old.version === ifVersion);
    const told = (yes: boolean): Answer => ({ status: yes ? STATUS.TRUE : STATUS.FALSE });
    switch (opcode) {
      case OPCODE.GET:
        return hit;
      case OPCODE.GET_ENTRY:
        return { ...hit, version: old?.version, expiresAtMs: old?.expiresAtMs };
      case OPCODE.HAS:
        return told(old !== undefined);
      case OPCODE.PUT:
        put();
        return told(true);
      case OPCODE.PUT_IF_ABSENT:
        if (old === undefined) put();
        return told(old === undefined);
      case OPCODE.GET_AND_PUT:
        put();
        return hit;
      case OPCODE.REPLACE:
        if (meets) put();
        return told(meets);
      case OPCODE.REMOVE:
        if (meets) store.entries.delete(name);
        return told(meets);
      case OPCODE.GET_AND_REMOVE:
        store.entries.delete(name);
        return hit;
      default:
        return { status: STATUS.TRUE, value: entry.value };
    }
  }
}

/** Several members over one store. */
export class FakeGrid {
  readonly members: readonly FakeMember[];
  readonly store: FakeStore = newStore();
  #addresses: string[] = [];
  #tableVersion = 1;

  constructor(count: number) {
    this.members = Array.from({ length: count }, (_, index) => new FakeMember(`m${index}`, this.store));
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  async start(): Promise<this> {
    this.#addresses = await Promise.all(this.members.map((member) => member.start()));
    this.assign(Array.from({ length: PARTITION_COUNT }, (_, partition) => partition % this.members.length));
    return this;
  }

  /**
   * A new table, told to all members: partition p belongs to member owners[p].
   *
   * @param present  indexes of the members in the table; default: all
   */
  assign(owners: readonly number[], present: readonly number[] = this.members.map((_, index) => index)): void {
    const ids = this.members.map(({ id }) => id);
    const all = tableOf(ids, this.#addresses);
    const table: PartitionTable = {
      ...all,
      tableVersion: ++this.#tableVersion,
      members: present.map((index) => all.members[index]!),
      owners: owners.map((owner) => [present.indexOf(owner)]),
    };
    for (const member of this.members) member.table = table;
  }

  /**
   * As assign, with members that hold copies.
   *
   * @param owners  by partition: the primary's index, then those of who may stand in for it; none: nobody serves it
   * @param silent  indexes of the members that are taken for dead
   */
  serve(owners: readonly (readonly number[])[], lost: readonly number[] = [], silent: readonly number[] = []): void {
    const all = tableOf(
      this.members.map(({ id }) => id),
      this.#addresses,
    );
    const dead = silent.length === 0 ? undefined : silent.map((index) => this.members[index]!.id);
    const table: PartitionTable = { ...all, tableVersion: ++this.#tableVersion, owners, lost, silent: dead };
    for (const member of this.members) member.table = table;
  }

  /** Starts a member that was stopped, at another port. */
  async restartElsewhere(index: number): Promise<void> {
    this.#addresses[index] = await this.members[index]!.start();
    const { members, owners } = this.members[0]!.table;
    this.assign(owners.map(([owner]) => this.members.findIndex(({ id }) => id === members[owner!]!.id)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}

function tableOf(ids: readonly MemberId[], addresses: readonly string[]): PartitionTable {
  const partitions = Array.from({ length: PARTITION_COUNT });
  return {
    tableVersion: 1,
    gridId: 'grid',
    members: ids.map((id, index) => ({ id, address: addresses[index] ?? '', httpAddress: '', zone: '' })),
    expectedMembers: ids.length,
    awaited: [],
    lost: [],
    owners: partitions.map((_, partition) => [partition % ids.length]),
    epochs: partitions.map(() => 1 as Epoch),
  };
}

function failed(error: GridError): Answer {
  return { status: STATUS.FAILED, error: error.toWire() };
}

function answersOf(batch: KvBatch, list: readonly Answer[], highestVersion: number, tableVersion: number): KvAnswers {
  const values = Buffer.concat(list.map((answer) => answer.value ?? NO_BYTES));
  let end = 0;
  const valueEnds = Uint32Array.from(list, (answer) => (end += answer.value?.length ?? 0));
  const withVersions = batch.opcodes.includes(OPCODE.GET_ENTRY);
  return {
    batchId: batch.batchId,
    highestVersion,
    tableVersion,
    statuses: Uint8Array.from(list, (answer) => answer.status),
    valueEnds: values.length === 0 ? undefined : valueEnds,
    values,
    versions: withVersions ? Float64Array.from(list, (answer) => answer.version ?? 0) : undefined,
    expiresAtMs: withVersions ? Float64Array.from(list, (answer) => answer.expiresAtMs ?? 0) : undefined,
    errors: list.flatMap((answer, operation) =>
      answer.error === undefined ? [] : [{ operations: Uint32Array.of(operation), error: answer.error }],
    ),
  };
}
