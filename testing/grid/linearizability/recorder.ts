/**
 * Clients that write a history: each asks one thing after the other, of few hot keys and some cold ones, by every way in which a
 * key is written or read. Two of them share a connection, and so a session.
 */
import { type Grid, GridError, ready } from '@ashlar/client';
import { type Random, seededRandom } from '@ashlar/core';
import { add, Counters, store } from '../fixtures/processors.ts';
import type { Operation, Value } from './history.ts';

export interface RecorderOptions {
  readonly seed: number;
  readonly operationsAClient: number;
  readonly hotKeys: number;
  readonly coldKeys: number;
  readonly timeoutMs: number;
}

/** The recorded history, and how the calls ended. */
export interface Recorded {
  readonly history: readonly Operation[];
  /** By code: failures that prove that nothing was applied, and others. */
  readonly refused: ReadonlyMap<string, number>;
  readonly unknown: ReadonlyMap<string, number>;
}

/** An operation on its way: what it asks, and when. Its answer completes it. */
interface Draft {
  readonly op: Operation['op'];
  readonly in?: number | readonly [Value, number];
}

/** Asks; answers what came back, or undefined where nothing does. */
type Ask = (grid: Grid, key: string, draft: Draft, timeoutMs: number) => Promise<Value | boolean | undefined>;

const now = (): number => Number(process.hrtime.bigint());

/** @param grids  connections; two clients use each */
export async function record(grids: readonly Grid[], options: RecorderOptions): Promise<Recorded> {
  const recorder = new StepRecorder(options);
  const chooser = seededRandom(options.seed + 1);
  let clients = 0;
  const client = async (grid: Grid): Promise<void> => {
    let number = clients++;
    for (let count = 0; count < options.operationsAClient; count++) {
      // Whoever does not know what became of its call goes on as another client.
      if ((await recorder.step(number, grid, keyOf(options, chooser))) === 'unknown') number = clients++;
    }
  };
  await Promise.all(grids.flatMap((grid) => [client(grid), client(grid)]));
  const { history, refused, unknown } = recorder;
  return { history, refused, unknown };
}

function keyOf({ hotKeys, coldKeys }: RecorderOptions, random: Random): string {
  const isHot = random.below(10) < 7;
  return isHot ? `hot${random.below(hotKeys)}` : `cold${random.below(coldKeys)}`;
}

/** How a call ended. */
export type CallEnd = 'answered' | 'refused' | 'unknown';

export interface StepOptions {
  readonly seed: number;
  readonly timeoutMs: number;
  /** Told of every call as it ends; `error` of one that failed. */
  readonly onEnd?: (op: Operation['op'], end: CallEnd, error: GridError | undefined) => void;
}

/** Asks, one random thing at a time, and writes down what came back. */
export class StepRecorder {
  readonly history: Operation[] = [];
  readonly refused = new Map<string, number>();
  readonly unknown = new Map<string, number>();
  readonly #options: StepOptions;
  readonly #random: Random;
  /** Value of the last write: no two write the same. */
  #value = 0;

  constructor(options: StepOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** One random thing asked of a key: one call, or two where what was read is replaced. */
  step(client: number, grid: Grid, key: string): Promise<CallEnd> {
    const [op, ask] = WAYS[this.#random.below(WAYS.length)]!;
    if (op === 'cas') return this.#compareAndSet(client, grid, key, ask);
    return this.#one(client, grid, key, this.#draft(op), ask);
  }

  /** Adds one to a counter. */
  increment(client: number, grid: Grid, key: string): Promise<CallEnd> {
    const ways = WAYS.filter(([op]) => op === 'incr');
    return this.#one(client, grid, key, { op: 'incr', in: 1 }, ways[this.#random.below(ways.length)]![1]);
  }

  read(client: number, grid: Grid, key: string): Promise<CallEnd> {
    return this.#one(client, grid, key, { op: 'get' }, WAYS[0]![1]);
  }

  #draft(op: Exclude<Operation['op'], 'cas'>): Draft {
    if (op === 'get' || op === 'remove') return { op };
    if (op === 'incr') return { op, in: 1 };
    return { op, in: this.#nextValue() };
  }

  /** Far enough apart that increments do not make one of another. */
  #nextValue(): number {
    this.#value += 100_000;
    return this.#value;
  }

  /** Reads, then replaces what was read. */
  async #compareAndSet(client: number, grid: Grid, key: string, ask: Ask): Promise<CallEnd> {
    let seen: Value = null;
    let version: number | undefined;
    const look: Ask = async (_, __, ___, timeoutMs) => {
      const entry = await grid.map(Counters).getEntry(key, { timeoutMs });
      seen = entry?.value.n ?? null;
      version = entry?.version;
      return seen;
    };
    const read = await this.#one(client, grid, key, { op: 'get' }, look);
    if (read !== 'answered') return read;
    const replace: Ask = async (_, __, draft, timeoutMs) => {
      const value = { n: (draft.in as readonly [Value, number])[1] };
      if (version === undefined) return grid.map(Counters).putIfAbsent(key, value, { timeoutMs });
      return grid.map(Counters).replace(key, value, { ifVersion: version, timeoutMs });
    };
    const way = ask === readyCompareAndSet ? ask : replace;
    return this.#one(client, grid, key, { op: 'cas', in: [seen, this.#nextValue()] }, way);
  }

  async #one(client: number, grid: Grid, key: string, draft: Draft, ask: Ask): Promise<CallEnd> {
    const call = now();
    const asked = { ...draft, client, key, call };
    try {
      const out = await ask(grid, key, draft, this.#options.timeoutMs);
      this.history.push({ ...asked, return: now(), ok: true, ...(out === undefined ? {} : { out }) } as Operation);
      this.#options.onEnd?.(draft.op, 'answered', undefined);
      return 'answered';
    } catch (cause) {
      const error = GridError.wrap(cause);
      const { code, retryable } = error;
      // What may be repeated was not applied.
      const counts = retryable ? this.refused : this.unknown;
      counts.set(code, (counts.get(code) ?? 0) + 1);
      const end = retryable || draft.op === 'get' ? 'refused' : 'unknown';
      if (end === 'unknown') this.history.push({ ...asked, return: null, ok: 'unknown' } as Operation);
      this.#options.onEnd?.(draft.op, end, error);
      return end;
    }
  }
}

const inOf = (draft: Draft): { readonly n: number } => ({ n: draft.in as number });

const readyCompareAndSet: Ask = async (grid, key, draft, timeoutMs) => {
  const [seen, value] = draft.in as readonly [Value, number];
  const expected = seen === null ? undefined : { n: seen };
  return grid.map(Counters).process(key, ready.compareAndSet, { expected, value: { n: value } }, { timeoutMs });
};

/** Every way to read or to write a key. */
const WAYS: readonly (readonly [Operation['op'], Ask])[] = [
  ['get', async (grid, key, _, timeoutMs) => (await grid.map(Counters).get(key, { timeoutMs }))?.n ?? null],
  ['get', async (grid, key, _, timeoutMs) => (await grid.map(Counters).get(key, { timeoutMs }))?.n ?? null],
  ['put', async (grid, key, draft, timeoutMs) => void (await grid.map(Counters).put(key, inOf(draft), { timeoutMs }))],
  [
    'put',
    async (grid, key, draft, timeoutMs) =>
      void (await grid.map(Counters).process(key, store, inOf(draft), { timeoutMs })),
  ],
  [
    'getAndPut',
    async (grid, key, draft, timeoutMs) =>
      (await grid.map(Counters).getAndPut(key, inOf(draft), { timeoutMs }))?.n ?? null,
  ],
  ['putIfAbsent', (grid, key, draft, timeoutMs) => grid.map(Counters).putIfAbsent(key, inOf(draft), { timeoutMs })],
  ['cas', async () => undefined],
  ['cas', readyCompareAndSet],
  ['remove', (grid, key, _, timeoutMs) => grid.map(Counters).remove(key, { timeoutMs })],
  ['incr', (grid, key, _, timeoutMs) => grid.map(Counters).process(key, add, { by: 1 }, { timeoutMs })],
  [
    'incr',
    (grid, key, _, timeoutMs) => grid.map(Counters).process(key, ready.increment, { path: 'n', by: 1 }, { timeoutMs }),
  ],
];
