/**
 * The coordinator of a simulated grid: the replica table, changed by compare-and-set, kept over restarts; the controller beside
 * it, which is not. What it answers may be lost, late or doubled on its way, as everything.
 *
 * sim-coordinator E1  A transaction is applied when it arrives, as often as it arrives; its answer is the table it led to.
 * sim-coordinator E2  A started coordinator goes on with the table of the one before, and a controller that has heard of nobody.
 * sim-coordinator E3  A second controller, where one is wanted, hears of some renewals only, and plans by that at the same time:
 *                     every change is a compare-and-set, so it may do needless things, and no harm.
 * sim-coordinator E4  A controller whose clock had a gap begins anew, as in a real coordinator: it has heard nobody meanwhile, and
 *                     what it waited for may not have passed.
 */
import type { ControllerOptions } from '@ashlar/cluster';
import { emptyReplicaTable, ReplicaController, stepReplicas } from '@ashlar/cluster';
import { HybridClock, type Random, type ReplicaChange, type ReplicaTable } from '@ashlar/core';
import type { Process } from '../kernel/process.ts';
import { COORDINATOR_HOST, type GridMessage, type Host } from './messages.ts';
import type { World } from './world.ts';

const TICK_MS = 25;
/** An operator accepts a loss so long after it was told. */
const OPERATOR_MIN_MS = 100;
const OPERATOR_SPREAD_MS = 1500;

export interface SimCoordinatorOptions extends ControllerOptions {
  readonly partitionCount: number;
  readonly hosts: readonly Host[];
  readonly isDoubled: boolean;
  /** A tick that comes this late has missed too much. */
  readonly clockGapMs: number;
}

export class SimCoordinator {
  readonly #world: World;
  readonly #random: Random;
  readonly #options: SimCoordinatorOptions;
  readonly #hosts: readonly Host[];
  #process: Process;
  #controller: ReplicaController;
  #second: ReplicaController | undefined;
  #clock: HybridClock;
  #table: ReplicaTable;
  #tickedAtMs: number;
  /** When an operator accepts the loss of a partition. */
  readonly #accepts = new Map<number, number>();

  constructor(world: World, process: Process, random: Random, options: SimCoordinatorOptions) {
    this.#world = world;
    this.#random = random;
    this.#options = options;
    this.#hosts = options.hosts;
    this.#table = emptyReplicaTable(options.partitionCount);
    this.#process = process;
    this.#clock = new HybridClock(process.clock.forVersions);
    this.#tickedAtMs = process.clock.monotonicMs();
    this.#controller = this.#newController();
    if (options.isDoubled) this.#second = this.#newController();
    this.#process.run(() => this.#tick());
  }

  get table(): ReplicaTable {
    return this.#table;
  }

  /** sim-coordinator E2 */
  restart(process: Process): void {
    this.#process = process;
    this.#clock = new HybridClock(process.clock.forVersions);
    this.#tickedAtMs = process.clock.monotonicMs();
    this.#controller = this.#newController();
    process.run(() => this.#tick());
  }

  receive(from: Host, message: GridMessage): void {
    this.#process.run(() => this.#take(from, message));
  }

  #take(from: Host, message: GridMessage): void {
    const nowMs = this.#process.clock.monotonicMs();
    switch (message.kind) {
      case 'transact': {
        for (const change of message.transaction.changes)
          if (change.kind === 'register') this.#controller.onRegistration(change.replica, nowMs);
        this.#apply(message.from, message.transaction.changes);
        this.#send(from, {
          ...{ kind: 'transacted', to: message.from, answer: { id: message.transaction.id, table: this.#table } },
        });
        return;
      }
      case 'renew': {
        if (this.#second !== undefined && this.#random.below(3) > 0)
          this.#second.onRenewal(this.#table, message.from, message.lease, nowMs);
        const grant = this.#controller.onRenewal(this.#table, message.from, message.lease, nowMs);
        if (grant === undefined) this.#send(from, { kind: 'table', table: this.#table });
        else this.#send(from, { kind: 'renewed', to: message.from, renewal: grant });
        return;
      }
      case 'askTable':
        this.#send(message.from, { kind: 'table', table: this.#table });
        return;
      default:
        return;
    }
  }

  #tick(): void {
    const nowMs = this.#process.clock.monotonicMs();
    this.#noticeGap(nowMs);
    this.#apply('controller', this.#controller.plan(this.#table, nowMs));
    if (this.#second !== undefined) this.#apply('second controller', this.#second.plan(this.#table, nowMs));
    this.#operate(nowMs);
    this.#process.afterMs(TICK_MS, () => this.#tick());
  }

  /** sim-coordinator E4 */
  #noticeGap(nowMs: number): void {
    const isLate = nowMs - this.#tickedAtMs > this.#options.clockGapMs;
    this.#tickedAtMs = nowMs;
    if (!isLate) return;
    this.#controller = this.#newController(this.#controller);
    if (this.#options.isDoubled) this.#second = this.#newController(this.#second);
  }

  #newController(before?: ReplicaController): ReplicaController {
    return new ReplicaController(this.#options, this.#process.clock.monotonicMs(), before?.highestCeiling());
  }

  /** The operator. */
  #operate(nowMs: number): void {
    for (const [partition, { phase }] of this.#table.partitions.entries()) {
      if (phase !== 'lost') {
        this.#accepts.delete(partition);
        continue;
      }
      const accepts = this.#accepts.get(partition);
      if (accepts === undefined)
        this.#accepts.set(partition, nowMs + OPERATOR_MIN_MS + this.#random.next() * OPERATOR_SPREAD_MS);
      else if (nowMs >= accepts) {
        const result = this.#controller.recover(this.#table, [partition], { ms: nowMs, version: this.#clock.now() });
        if ('changes' in result) this.#apply('operator', result.changes);
      }
    }
  }

  #apply(by: string, changes: readonly ReplicaChange[]): void {
    if (changes.length === 0) return;
    const { table, refused } = stepReplicas(this.#table, changes);
    this.#world.trace(() => {
      const why = refused.map(({ index, why }) => `${index} ${why}`).join();
      return `coordinator: ${by} ${JSON.stringify(changes)} -> table ${table.version}${why === '' ? '' : `, refused ${why}`}`;
    });
    if (table === this.#table) return;
    this.#table = table;
    this.#world.watch.tableChanged(table);
    for (const host of this.#hosts) this.#send(host, { kind: 'table', table });
  }

  #send(to: Host, message: GridMessage): void {
    this.#world.send(COORDINATOR_HOST, to, message);
  }
}
