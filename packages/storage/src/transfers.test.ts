/**
 * Real workers beside the writer: accounts of a closed system are written, removed, brought back, staged and aborted
 * without pause, in little memory, so that slots and blocks are used again all the time; at every snapshot the sum is
 * the same, every value whole, every account there once.
 */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Epoch, GridError, HybridClock, type MapId, type PartitionId, seededRandom } from '@ashlar/core';
import { MemberStore } from './member-store.ts';
import { closeAll, settle } from './testing/store-bench.ts';
import { encodeAccount, encodeAccountKey } from './testing/transfer-accounts.ts';
import type { TransferAnswer } from './testing/transfer-worker.ts';

const MAP = 1 as MapId;
const PARTITIONS = 4;
const MIB = 2 ** 20;
const OPENING_BALANCE = 100;
const WORKERS = 2;
const DURATION_MS = Number(process.env['ASHLAR_STRESS_MS'] ?? 3000);

interface BankOptions {
  readonly accounts: number;
  readonly maxBytes: number;
  /** Padding of one value in eight, at most. */
  readonly longBytesMax: number;
}

class Bank {
  readonly store: MemberStore;
  readonly options: BankOptions;
  readonly balances: number[];
  readonly #random = seededRandom(11);
  readonly #key = new Uint8Array(8);

  constructor(options: BankOptions) {
    this.options = options;
    this.balances = new Array<number>(options.accounts).fill(OPENING_BALANCE);
    this.store = MemberStore.create({
      maxBytes: options.maxBytes,
      partitionCount: PARTITIONS,
      maxWorkers: WORKERS,
      hashSeed: 99,
      clock: new HybridClock(),
      logBytesPerPartition: 100_000,
      recordChecksums: true,
    });
    this.store.openMap(MAP, { affinityParts: 0 });
    for (let id = 0; id < PARTITIONS; id++) this.store.openPartition(id as PartitionId, 1 as Epoch);
    const batch = this.store.begin();
    for (let account = 0; account < options.accounts; account++) this.#write(batch, account, OPENING_BALANCE);
    batch.commit();
  }

  #write(batch: ReturnType<MemberStore['begin']>, account: number, balance: number): void {
    encodeAccountKey(account, this.#key);
    const value = encodeAccount(account, balance, this.#paddingBytes());
    const partition = (account % PARTITIONS) as PartitionId;
    // An account without money is removed, and comes back with the next transfer.
    if (balance === 0) batch.remove(MAP, partition, this.#key, 0, 8);
    else batch.put(MAP, partition, this.#key, 0, 8, batch.value(value, 0, value.length));
  }

  #paddingBytes(): number {
    return this.#random.below(this.#random.below(8) === 0 ? this.options.longBytesMax : 120);
  }

  /**
   * Some transfers in one batch; a third of the batches is aborted, some change the key twice. What memory or the log does
   * not take is given up.
   */
  transfer(): void {
    const batch = this.store.begin();
    try {
      this.#stageTransfers(batch);
    } catch (error) {
      batch.abort();
      if (!GridError.is(error, 'OUT_OF_MEMORY') && !GridError.is(error, 'LOG_FULL')) throw error;
    }
  }

  #stageTransfers(batch: ReturnType<MemberStore['begin']>): void {
    const { accounts } = this.options;
    const after = new Map<number, number>();
    const count = 1 + this.#random.below(this.#random.below(50) === 0 ? accounts : 6);
    for (let index = 0; index < count; index++) {
      const from = this.#random.below(accounts);
      const to = this.#random.below(accounts);
      const balance = after.get(from) ?? this.balances[from]!;
      const amount = this.#random.below(4) === 0 ? balance : this.#random.below(balance + 1);
      if (from === to) continue;
      after.set(from, balance - amount);
      after.set(to, (after.get(to) ?? this.balances[to]!) + amount);
      this.#write(batch, from, after.get(from)!);
      this.#write(batch, to, after.get(to)!);
    }
    if (this.#random.below(3) === 0) {
      batch.abort();
      return;
    }
    batch.commit();
    for (const [account, balance] of after) this.balances[account] = balance;
  }
}

describe('workers that scan beside the writer', () => {
  it(
    'find the same sum, whole values and every account once at every snapshot',
    () => watch(new Bank({ accounts: 3000, maxBytes: 16 * MIB, longBytesMax: 900 })),
    DURATION_MS + 30_000,
  );

  it(
    'find the same of values that lie in pieces',
    async () => {
      const inPieces = await watch(new Bank({ accounts: 400, maxBytes: 20 * MIB, longBytesMax: 500_000 }));
      expect(inPieces).toBeGreaterThan(0);
    },
    DURATION_MS + 30_000,
  );
});

/** Lets workers look on while the bank writes. @returns values that they found in pieces */
async function watch(bank: Bank): Promise<number> {
  const workers = Array.from({ length: WORKERS }, (_, workerIndex) => startWorker(bank, workerIndex));
  const end = Date.now() + DURATION_MS;
  let answers = 0;
  let inPieces = 0;
  const ask = async (worker: Worker): Promise<void> => {
    while (Date.now() < end) {
      const { id, version } = bank.store.openSnapshot();
      const funded = bank.balances.filter((balance) => balance > 0).length;
      worker.postMessage({ snapshotId: id, version, mapId: MAP, partitionCount: PARTITIONS });
      const [answer] = (await once(worker, 'message')) as [TransferAnswer];
      expect(answer.errors).toEqual([]);
      expect([answer.isAlive, answer.sum]).toEqual([true, bank.options.accounts * OPENING_BALANCE]);
      expect(answer.accounts).toBe(funded);
      bank.store.releaseSnapshot(id);
      answers += 1;
      inPieces += answer.inPieces;
    }
  };
  const write = async (): Promise<void> => {
    while (Date.now() < end) {
      for (let index = 0; index < 30; index++) bank.transfer();
      bank.store.reclaim(2000);
      await nextTurn();
    }
  };
  await Promise.all([write(), ...workers.map(ask)]);
  expect(answers).toBeGreaterThan(5);
  settle(bank.store);
  bank.store.checkInvariants();
  closeAll(bank.store, [MAP], PARTITIONS);
  expect(bank.store.stats().freeBytes + bank.store.stats().slackBytes).toBe(freeOf(bank.store));
  await Promise.all(workers.map((worker) => worker.terminate()));
  for (let index = 0; index < WORKERS; index++) bank.store.workerGone(index);
  return inPieces;
}

/** What is free when nothing is held. */
function freeOf(store: MemberStore): number {
  const { maps, systemBytes, freeBytes } = store.stats();
  expect(maps).toEqual([]);
  expect(Object.values(systemBytes).reduce((sum, bytes) => sum + bytes, 0)).toBe(0);
  return freeBytes;
}

function startWorker(bank: Bank, workerIndex: number): Worker {
  const worker = new Worker(new URL('./testing/transfer-worker.ts', import.meta.url));
  worker.postMessage({ handle: bank.store.handle, workerIndex });
  return worker;
}
