/**
 * The judge of a subscription: the events of a key form a chain, each beginning at the state that the one before it left.
 *
 * event-chain E1  An event whose version came before is doubled; one whose version is lower than the last one's is out of order; one
 *                 that begins at another state than the last one left has lost what lies between.
 * event-chain E2  What the last event of a key left is what the key holds in the end.
 * event-chain E3  A subscription that ends with SEQUENCE_GONE has lost events. It begins anew, and knows no state until the next
 *                 event.
 */
import { type EntryEvent, type Grid, GridError, type GridKey } from '@ashlar/client';
import { pause } from '../load/pace.ts';

export interface EventCounts {
  lost: number;
  doubled: number;
  disordered: number;
}

/** Text of a state; of an absent entry: ABSENT. */
type State = string;
export const ABSENT: State = 'absent';

interface ChainEnd {
  state: State;
  version: number;
  readonly versions: Set<number>;
}

/** Versions of a key that are remembered, so that an old event is told from one that came twice. */
const VERSIONS_MAX = 300;
const SHOWN = 10;
/** Until a subscription that failed is asked for again. */
const AGAIN_MS = 100;

export class EventChain {
  readonly counts: EventCounts = { lost: 0, doubled: 0, disordered: 0 };
  readonly types = new Map<string, number>();
  /** What was wrong, in words; the first of it. */
  readonly complaints: string[] = [];
  taken = 0;
  readonly #name: string;
  readonly #ends = new Map<string, ChainEnd>();
  /** Whether a key without events is known to have been absent at the begin. */
  #isFromTheBegin = true;

  constructor(name: string) {
    this.#name = name;
  }

  take({ key, type, version, value, oldValue }: EntryEvent<GridKey, unknown>): void {
    this.taken++;
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    const name = JSON.stringify(key);
    const [before, after] = [stateOf(oldValue), stateOf(value)];
    const end = this.#ends.get(name);
    const known = end?.state ?? (this.#isFromTheBegin ? ABSENT : before);
    const facts = `${type} of ${name} from ${before} to ${after} at ${version}, after ${known} at ${end?.version}`;
    if (end?.versions.has(version) === true) this.#complain('doubled', facts);
    else if (end !== undefined && version < end.version) this.#complain('disordered', facts);
    else if (known !== before) this.#complain('lost', facts);
    this.#goOn(name, end, after, version);
  }

  /** event-chain E3 */
  gone(error: unknown): void {
    this.#complain('lost', `the subscription ended: ${String(error)}`);
    this.#isFromTheBegin = false;
    this.#ends.clear();
  }

  /** Keys whose last event left another state than they hold (event-chain E2). */
  behind(final: ReadonlyMap<string, State>): string[] {
    return [...final]
      .filter(([name, state]) => (this.#ends.get(name)?.state ?? (this.#isFromTheBegin ? ABSENT : state)) !== state)
      .slice(0, SHOWN)
      .map(([name, state]) => `${name} holds ${state}, its last event left ${this.#ends.get(name)?.state ?? ABSENT}`);
  }

  missed(behind: readonly string[]): void {
    for (const facts of behind) this.#complain('lost', facts);
  }

  #goOn(name: string, end: ChainEnd | undefined, state: State, version: number): void {
    const next = end ?? { state, version, versions: new Set<number>() };
    if (version >= next.version) Object.assign(next, { state, version });
    if (next.versions.size === VERSIONS_MAX) next.versions.delete(next.versions.values().next().value!);
    next.versions.add(version);
    this.#ends.set(name, next);
  }

  #complain(kind: keyof EventCounts, facts: string): void {
    this.counts[kind]++;
    if (this.complaints.length < SHOWN) this.complaints.push(`${this.#name}: ${kind}: ${facts}`);
  }
}

export function stateOf(value: unknown): State {
  return value === undefined ? ABSENT : JSON.stringify(value);
}

/** Follows a map, over every break, until it is stopped. */
export class Follower {
  readonly map: string;
  readonly chain: EventChain;
  /** Resolves when it stands on every partition. */
  readonly ready: Promise<void>;
  readonly #stopping = new AbortController();
  readonly #reading: Promise<void>;
  readonly #onEvent: (event: EntryEvent<GridKey, unknown>) => void;
  #token: string | undefined;

  /**
   * @param grids       it subscribes with each in turn
   * @param breakEvery  events after which it leaves and goes on by its token with the next; Infinity: never
   * @param onEvent     told of each
   */
  constructor(
    grids: readonly Grid[],
    map: string,
    breakEvery: number,
    onEvent: (event: EntryEvent<GridKey, unknown>) => void = () => undefined,
  ) {
    this.map = map;
    this.#onEvent = onEvent;
    this.chain = new EventChain(`events of ${map}${breakEvery < Infinity ? ', resumed' : ''}`);
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.#reading = this.#read(grids, map, breakEvery, ready.resolve);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reading;
  }

  async #read(grids: readonly Grid[], map: string, breakEvery: number, onReady: () => void): Promise<void> {
    const { signal } = this.#stopping;
    for (let turn = 0; !signal.aborted; turn++) {
      const from = this.#token ?? 'now';
      const events = grids[turn % grids.length]!.map<GridKey, unknown>(map).subscribe({ from, onReady, signal });
      try {
        let count = 0;
        for await (const event of events) {
          this.chain.take(event);
          this.#onEvent(event);
          this.#token = event.token;
          if (++count === breakEvery) break;
        }
      } catch (error) {
        if (signal.aborted) return;
        // What ends a subscription may be a break that it does not bridge; then its token does.
        if (!GridError.is(error) || !error.retryable) {
          this.chain.gone(error);
          this.#token = undefined;
        }
        await pause(AGAIN_MS, signal);
      }
    }
  }
}
