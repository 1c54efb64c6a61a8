/**
 * Two members as processes, little memory, three clients: everything at once, and every reader looks at what it reads.
 *
 * grid-soak G1  Rows show by themselves what is wrong with them (rows.ts); the ledger knows which of them may be seen
 *               (ledger.ts).
 * grid-soak G2  When all is over, the last state is read once more, and nothing is held: no snapshot, no subscription, no
 *               task.
 */
import { connect, type Grid } from '@ashlar/client';
import { type Random, seededRandom } from '@ashlar/core';
import { connectMember } from '@ashlar/transport';
import { type MemberProcess, startMember } from '../../member-process.ts';
import { SoakFault, Tally } from '../tally.ts';
import { attempt, type Call, pause, untilDone } from './attempt.ts';
import { ClosedSums } from './closed-sums.ts';
import { Ledger } from './ledger.ts';
import { RowEvents } from './row-events.ts';
import { RowReader } from './row-readers.ts';
import { RowWriter } from './row-writers.ts';
import { Rows } from './user-code.ts';

/** Enough in each partition for its columns to be kept. */
const KEYS = 6000;
const WRITERS = 6;
const SETTINGS = {
  'memory.maxBytes': '20MiB',
  'cluster.partitionCount': 8,
  'cluster.expectedMembers': 2,
  'workers.queryThreads': 1,
  'workers.userThreads': 1,
};
/** Values that are never changed, so that the rest of the memory is used again and again. */
const BALLAST = { entries: 3000, bytes: 8000 };
/** A busy machine must not look like user code without end. */
const USER_CODE = { file: new URL('user-code.ts', import.meta.url), name: 'soak', limits: { wallMs: 20_000 } };
const STUMBLE = { file: new URL('stumble.ts', import.meta.url), name: 'stumble', limits: { wallMs: 300 } };
const MAPS = ['rows', 'pockets', 'accounts', 'chain'];
const CALL_TIMEOUT_MS = 30_000;
const DROP_COLUMNS_EVERY_MS = 700;
const GUEST_EVERY_MS = 3000;
/** Figures that must fall to 0 when no client asks any more. */
const HELD = ['ashlar_snapshots_open', 'ashlar_subscriptions', 'ashlar_pool_busy', 'ashlar_pool_queued'];
const CALM_TRIES = 200;

export class GridSoak {
  readonly tally = new Tally();
  readonly #random: Random;
  readonly #ledger = new Ledger(KEYS);
  readonly #members: MemberProcess[] = [];
  readonly #clients: Grid[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Runs until the signal fires. @throws SoakFault, or what a member or a client threw */
  async run(signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const stop = (): void => ending.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await this.#start();
      await this.#work({ tally: this.tally, signal: ending.signal }, stop);
      await this.#finish();
    } finally {
      stop();
      await Promise.allSettled(this.#clients.map((client) => client.close()));
      await Promise.allSettled(this.#members.map((member) => member.stop()));
    }
  }

  async #start(): Promise<void> {
    const first = await startMember(SETTINGS);
    this.#members.push(first);
    this.#members.push(await startMember({ ...SETTINGS, 'cluster.join': first.address }));
    for (let count = 0; count < 2; count++) this.#clients.push(await this.#connect());
    for (const client of this.#clients) {
      for (const { file, ...options } of [USER_CODE, STUMBLE]) await client.deploy(file, options);
    }
  }

  #connect(): Promise<Grid> {
    const seeds = this.#members.map(({ address }) => address);
    // A guest may come while all of them are started again.
    return connect({ seeds, timeoutMs: CALL_TIMEOUT_MS, waitForMembers: true });
  }

  /** All tasks, until the signal fires or one of them fails. */
  async #work(call: Call, stop: () => void): Promise<void> {
    const [grid, other] = this.#clients as [Grid, Grid];
    const sums = new ClosedSums(grid, other, this.#random, call);
    await sums.open();
    await this.#loadBallast(grid);
    await grid.map(Rows).put(0, { key: 0, n: 0, x: 0, label: '', fill: '' });
    await grid.map(Rows).remove(0);
    const readers = [grid, other].map((client) => new RowReader(client, this.#ledger, this.#random, call));
    const writers = Array.from({ length: WRITERS }, (_, index) => this.#writer(index, call));
    const tasks = [
      ...writers.map((writer) => writer.run()),
      ...readers.flatMap((reader) => [reader.select(), reader.get(), reader.list()]),
      readers[1]!.inspect(),
      new RowEvents(other, this.#ledger, call).run(),
      ...sums.tasks(),
      this.#dropColumns(call),
      this.#guests(call),
    ];
    try {
      await Promise.all(tasks);
    } finally {
      stop();
      await Promise.allSettled(tasks);
    }
  }

  async #loadBallast(grid: Grid): Promise<void> {
    const value = 'b'.repeat(BALLAST.bytes);
    const entries = Array.from({ length: BALLAST.entries }, (_, key) => [key, value] as const);
    await untilDone(() => grid.map('ballast').putAll(entries));
  }

  #writer(index: number, call: Call): RowWriter {
    const keys = Array.from({ length: KEYS }, (_, key) => key).filter((key) => key % WRITERS === index);
    return new RowWriter(this.#clients[index % 2]!, this.#ledger, this.#random, keys, call);
  }

  /** Statements find their columns warm and cold in turn. */
  async #dropColumns({ signal, tally }: Call): Promise<void> {
    const connections = this.#members.map(({ address }) => connectMember(address));
    try {
      while (!signal.aborted) {
        const map = MAPS[this.#random.below(MAPS.length)]!;
        for (const { admin } of connections) await admin.dropColumns({ map }, { timeoutMs: CALL_TIMEOUT_MS });
        tally.add('columns dropped');
        await pause(DROP_COLUMNS_EVERY_MS, signal);
      }
    } finally {
      for (const connection of connections) connection.close();
    }
  }

  /** Clients that come, begin to read and to listen, and go in the middle of it. */
  async #guests(call: Call): Promise<void> {
    while (!call.signal.aborted) {
      await attempt(call, 'clients that came and went', async () => {
        const guest = await this.#connect();
        const rows = guest.map(Rows);
        const select = guest.sql('SELECT * FROM rows').all();
        const reading = Promise.allSettled([select, rows.entries().next(), rows.subscribe().next()]);
        await pause(this.#random.below(100), call.signal);
        await guest.close();
        await reading;
      });
      await pause(GUEST_EVERY_MS, call.signal);
    }
  }

  async #finish(): Promise<void> {
    const [grid] = this.#clients as [Grid];
    const view = this.#ledger.view();
    const keys = Array.from({ length: KEYS }, (_, key) => key);
    const values = await grid.map(Rows).getAll(keys);
    const there = keys.filter((key) => values[key] !== undefined);
    for (const key of there) this.#ledger.check(view, key, values[key], 'the last look');
    this.#ledger.checkAll(view, new Set(there), 'the last look');
    await this.#becomeCalm(grid);
    for (const map of [...MAPS, 'ballast']) {
      await untilDone(() => grid.map(map).clear());
      await this.#becomeEmpty(grid, map);
    }
  }

  /** An entry that is due is gone for clear() already; size() counts it until the sweep comes. */
  async #becomeEmpty(grid: Grid, map: string): Promise<void> {
    let size = 0;
    for (let tries = 0; tries < CALM_TRIES; tries++) {
      size = await grid.map(map).size();
      if (size === 0) return;
      await pause(50, new AbortController().signal);
    }
    throw new SoakFault(`${map} has ${size} entries after clear()`);
  }

  /** Nothing is held for anybody. */
  async #becomeCalm(grid: Grid): Promise<void> {
    let held: string[] = [];
    for (let tries = 0; tries < CALM_TRIES; tries++) {
      const stats = await grid.stats();
      const figures = stats.flatMap((member) => member.figures);
      held = figures.filter(({ name, value }) => HELD.includes(name) && value > 0).map(({ name }) => name);
      if (held.length === 0) return;
      await pause(50, new AbortController().signal);
    }
    throw new SoakFault('something is held when nobody asks any more', { held });
  }
}
