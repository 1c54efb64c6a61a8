/**
 * A client of a simulated grid, by the rules of routing: asks the primary of its own table, which may be old; sends again under
 * the same number until its time is over; then nobody knows what became of the operation.
 *
 * sim-client R1  One operation is under way at a time; its attempts have one number, and the version of its first sending.
 * sim-client R2  An operation did not happen only where every attempt was refused; otherwise, without an answer, it is unknown.
 * sim-client R3  The session's version rises with every answer.
 * sim-client R4  An operation that the grid may have forgotten is sent under another number only when its one attempt was
 *                refused: no other is on its way.
 */
import { memberOfReplica, type Random, type ReplicaTable } from '@ashlar/core';
import type { Answer, GridMessage, Host, KeyRequest } from '../grid/messages.ts';
import type { World } from '../grid/world.ts';
import { ABSENT, type KeyValue, type Operation } from '../history/operation.ts';
import type { Happening, Kernel } from '../kernel/kernel.ts';
import { choose, type KeySpace } from './workload.ts';

export interface ClientOptions {
  readonly host: Host;
  readonly number: number;
  readonly memberHosts: readonly Host[];
  readonly keys: KeySpace;
  readonly thinkMs: number;
  readonly attemptMs: number;
  readonly totalMs: number;
  readonly writeShare: number;
  readonly snapshotShare: number;
}

const RETRY_MIN_MS = 3;
const RETRY_SPREAD_MS = 40;

/** An operation on its way. */
interface Call {
  readonly key: string;
  readonly partition: number;
  readonly verb: KeyRequest['verb'];
  readonly given: number;
  readonly callMs: number;
  readonly untilMs: number;
  readonly onEnd: ((value: KeyValue | undefined) => void) | undefined;
  request: number;
  sentVersion: number;
  attempts: number;
  refused: number;
  timer: Happening | undefined;
}

/** A snapshot on its way: pins, then openings, then values as of one version. */
interface Scan {
  readonly request: number;
  readonly callMs: number;
  readonly partitions: readonly number[];
  version: number;
  isOpening: boolean;
  readonly awaited: Set<number>;
  readonly values: Map<string, KeyValue>;
  timer: Happening | undefined;
}

export class SimClient {
  readonly #world: World;
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly #options: ClientOptions;
  readonly #history: Operation[];
  #table: ReplicaTable | undefined;
  #version = 0;
  #nextRequest = 1;
  #call: Call | undefined;
  #scan: Scan | undefined;
  isStopped = false;
  answered = 0;
  unknown = 0;

  constructor(world: World, kernel: Kernel, random: Random, history: Operation[], options: ClientOptions) {
    this.#world = world;
    this.#kernel = kernel;
    this.#random = random;
    this.#history = history;
    this.#options = options;
  }

  start(): void {
    this.#next();
  }

  /** Operations under way end; no other follows. */
  stop(): void {
    this.isStopped = true;
  }

  get isIdle(): boolean {
    return this.#call === undefined && this.#scan === undefined;
  }

  /** One operation beside the workload, once that has stopped. */
  ask(
    key: string,
    partition: number,
    verb: KeyRequest['verb'],
    given: number,
    onEnd: (value: KeyValue | undefined) => void,
  ): void {
    this.#begin({ key, partition, verb, given }, onEnd);
  }

  receive(message: GridMessage): void {
    if (message.kind === 'table') this.#sawTable(message.table);
    if (message.kind !== 'answer') return;
    if (message.table !== undefined) this.#sawTable(message.table);
    if (message.version > this.#version) this.#version = message.version;
    if (this.#call !== undefined && message.request === this.#call.request) this.#answered(this.#call, message);
    else if (this.#scan !== undefined && message.request === this.#scan.request) this.#scanned(this.#scan, message);
  }

  #next(): void {
    if (this.isStopped) return;
    const { thinkMs, snapshotShare, keys, writeShare } = this.#options;
    this.#kernel.after(-Math.log(1 - this.#random.next()) * thinkMs, () => {
      if (this.isStopped) return;
      if (this.#random.next() < snapshotShare) this.#beginScan();
      else this.#begin(choose(keys, writeShare, this.#random), undefined);
    });
  }

  /* ---- Operations on a key ---------------------------------------------------------------------------------------------- */

  #begin(chosen: Pick<Call, 'key' | 'partition' | 'verb' | 'given'>, onEnd: Call['onEnd']): void {
    const call: Call = {
      ...{ ...chosen, callMs: this.#kernel.nowMs, untilMs: this.#kernel.nowMs + this.#options.totalMs, onEnd },
      ...{ request: this.#nextRequest++, sentVersion: this.#version, attempts: 0, refused: 0, timer: undefined },
    };
    this.#call = call;
    this.#attempt(call);
  }

  #attempt(call: Call): void {
    if (this.#call !== call) return;
    if (this.#kernel.nowMs >= call.untilMs) {
      this.#giveUp(call);
      return;
    }
    call.attempts += 1;
    this.#send(call.partition, {
      ...{ kind: 'request', client: this.#options.host, session: this.#options.number + 1, request: call.request },
      ...{ attempt: call.attempts, sentVersion: call.sentVersion, sessionVersion: this.#version },
      ...{
        tableVersion: this.#table?.version ?? 0,
        partition: call.partition,
        key: call.key,
        verb: call.verb,
        given: call.given,
      },
    });
    const restMs = call.untilMs - this.#kernel.nowMs;
    call.timer = this.#kernel.after(Math.min(restMs, this.#options.attemptMs), () => {
      this.#askTable();
      this.#attempt(call);
    });
  }

  #answered(call: Call, { refusal, value, attempt }: Answer): void {
    if (refusal === undefined) {
      this.#record(call, this.#kernel.nowMs, call.verb === 'put' ? undefined : value);
      this.answered += 1;
      this.#end(call, value);
      return;
    }
    call.refused += 1;
    if (attempt !== call.attempts) return;
    this.#kernel.cancel(call.timer);
    if (refusal === 'FORGOTTEN') {
      if (call.refused < call.attempts) {
        this.#giveUp(call);
        return;
      }
      // sim-client R4
      call.request = this.#nextRequest++;
      call.sentVersion = this.#version;
      call.attempts = 0;
      call.refused = 0;
    }
    if (refusal !== 'NOT_PRIMARY') this.#askTable();
    const pauseMs = RETRY_MIN_MS + this.#random.next() * RETRY_SPREAD_MS;
    call.timer = this.#kernel.after(pauseMs, () => this.#attempt(call));
  }

  /** sim-client R2 */
  #giveUp(call: Call): void {
    if (call.verb !== 'get' && call.refused < call.attempts) {
      this.#record(call, Infinity, undefined);
      this.unknown += 1;
    }
    this.#end(call, undefined);
  }

  #end(call: Call, value: KeyValue | undefined): void {
    this.#kernel.cancel(call.timer);
    this.#call = undefined;
    call.onEnd?.(value);
    this.#next();
  }

  #record({ key, callMs, verb, given }: Call, returnMs: number, answer: KeyValue | undefined): void {
    this.#history.push({ client: this.#options.number, key, callMs, returnMs, kind: verb, given, answer });
  }

  /* ---- Snapshots -------------------------------------------------------------------------------------------------------- */

  #beginScan(): void {
    const { partitionCount } = this.#options.keys;
    const partitions = Array.from({ length: partitionCount }, (_, partition) => partition);
    const scan: Scan = {
      ...{ request: this.#nextRequest++, callMs: this.#kernel.nowMs, partitions, version: this.#version },
      ...{ isOpening: false, awaited: new Set(partitions), values: new Map(), timer: undefined },
    };
    this.#scan = scan;
    for (const partition of partitions) {
      this.#send(partition, {
        ...{ kind: 'pin', client: this.#options.host, request: scan.request, partition, sessionVersion: this.#version },
      });
    }
    scan.timer = this.#kernel.after(this.#options.attemptMs * 2, () => this.#endScan(scan));
  }

  #scanned(scan: Scan, { refusal, partition, version, values }: Answer): void {
    if (refusal !== undefined) {
      this.#endScan(scan);
      return;
    }
    if (values === undefined ? scan.isOpening : !scan.isOpening) return;
    if (!scan.awaited.delete(partition)) return;
    if (values === undefined) scan.version = Math.max(scan.version, version);
    else for (const [key, value] of values) scan.values.set(key, value);
    if (scan.awaited.size > 0) return;
    if (!scan.isOpening) {
      this.#openAll(scan);
      return;
    }
    for (const key of this.#options.keys.keysOf(scan.partitions)) {
      const answer = scan.values.get(key) ?? ABSENT;
      const { nowMs } = this.#kernel;
      const { number } = this.#options;
      this.#history.push({ client: number, key, callMs: scan.callMs, returnMs: nowMs, kind: 'get', given: 0, answer });
    }
    this.answered += 1;
    this.#endScan(scan);
  }

  #openAll(scan: Scan): void {
    scan.isOpening = true;
    for (const partition of scan.partitions) {
      scan.awaited.add(partition);
      this.#send(partition, {
        ...{ kind: 'open', client: this.#options.host, request: scan.request, partition, version: scan.version },
      });
    }
  }

  #endScan(scan: Scan): void {
    if (this.#scan !== scan) return;
    this.#kernel.cancel(scan.timer);
    this.#scan = undefined;
    this.#next();
  }

  /* ---- Routing ---------------------------------------------------------------------------------------------------------- */

  #send(partition: number, message: GridMessage): void {
    const { host, memberHosts } = this.#options;
    const primary = this.#table?.partitions[partition]?.primary;
    const to = primary === undefined ? memberHosts[this.#random.below(memberHosts.length)]! : memberOfReplica(primary);
    this.#world.send(host, to, message);
  }

  #askTable(): void {
    const { host, memberHosts } = this.#options;
    this.#world.send(host, memberHosts[this.#random.below(memberHosts.length)]!, { kind: 'askTable', from: host });
  }

  #sawTable(table: ReplicaTable): void {
    if (this.#table === undefined || table.version > this.#table.version) this.#table = table;
  }
}
