/** One run of `events`: writes at its pace, and checks that each change arrives once, those of a key in order. */
import { keepUnderWay } from '../keep-under-way.ts';
import { shapeOf } from '../kv/shapes.ts';
import { KEYS } from '../kv/workload.ts';
import type { EventsSubject } from './subjects.ts';

export interface RunRequest {
  readonly count: number;
  /** Puts a second, at even distances; undefined: as fast as `inFlight` allow. */
  readonly perSecond?: number;
  readonly inFlight: number;
  /** Subscribers beside the one that is measured, whose conditions nothing meets. */
  readonly inVain: number;
}

export interface RunFigures {
  readonly eventsPerS: number;
  /** From the call of put to the subscriber. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Latency of the puts themselves. */
  readonly putP50Us: number;
  readonly putP99Us: number;
}

/** Keys in use: few, so that each is overwritten often. */
const KEYS_USED = 1000;
const STUCK_MS = 10_000;
const SHAPE = shapeOf('text');

export class Run {
  readonly #subject: EventsSubject;
  readonly #request: RunRequest;
  readonly #startedMs: Float64Array;
  readonly #putUs: Float32Array;
  readonly #eventUs: Float32Array;
  readonly #lastOf = new Int32Array(KEYS_USED).fill(-1);
  readonly #allSeen = Promise.withResolvers<void>();
  #seen = 0;
  #wrong: Error | undefined;

  constructor(subject: EventsSubject, request: RunRequest) {
    this.#subject = subject;
    this.#request = request;
    this.#startedMs = new Float64Array(request.count);
    this.#putUs = new Float32Array(request.count);
    this.#eventUs = new Float32Array(request.count);
  }

  onEvent(value: string): void {
    const nowMs = performance.now();
    const key = Number(value.slice(0, 6));
    const operation = SHAPE.operationOf(value, key);
    if (operation <= this.#lastOf[key]!) this.#wrong ??= new Error(`key ${key}: change ${operation} came out of order`);
    this.#lastOf[key] = operation;
    this.#eventUs[operation] = (nowMs - this.#startedMs[operation]!) * 1000;
    this.#seen += 1;
    if (this.#seen === this.#request.count) this.#allSeen.resolve();
  }

  async go(): Promise<RunFigures> {
    const { count, perSecond } = this.#request;
    const startedMs = performance.now();
    await (perSecond === undefined ? this.#atFullRate() : this.#paced(perSecond));
    const timer = setTimeout(
      () => this.#allSeen.reject(new Error(`${this.#seen} of ${count} changes were told`)),
      STUCK_MS,
    );
    await this.#allSeen.promise;
    clearTimeout(timer);
    const elapsedMs = performance.now() - startedMs;
    if (this.#wrong !== undefined) throw this.#wrong;
    this.#eventUs.sort();
    this.#putUs.sort();
    return {
      eventsPerS: (count / elapsedMs) * 1000,
      p50Us: this.#eventUs[Math.floor(count * 0.5)]!,
      p99Us: this.#eventUs[Math.floor(count * 0.99)]!,
      putP50Us: this.#putUs[Math.floor(count * 0.5)]!,
      putP99Us: this.#putUs[Math.floor(count * 0.99)]!,
    };
  }

  #atFullRate(): Promise<void> {
    return keepUnderWay(this.#request.inFlight, this.#request.count, (operation) => this.#put(operation));
  }

  /** A slow answer does not slow down what is asked behind it. */
  async #paced(perSecond: number): Promise<void> {
    const { count } = this.#request;
    const startedMs = performance.now();
    const puts: Promise<void>[] = [];
    while (puts.length < count) {
      const due = Math.min(count, Math.floor(((performance.now() - startedMs) * perSecond) / 1000));
      while (puts.length < due) puts.push(this.#put(puts.length));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await Promise.all(puts);
  }

  async #put(operation: number): Promise<void> {
    const key = operation % KEYS_USED;
    const startedMs = performance.now();
    this.#startedMs[operation] = startedMs;
    await this.#subject.put(KEYS[key]!, SHAPE.make(key, operation) as string);
    this.#putUs[operation] = (performance.now() - startedMs) * 1000;
  }
}
