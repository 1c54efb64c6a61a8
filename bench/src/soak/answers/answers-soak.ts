/**
 * Questions with known answers, many at once: sixteen callers ask in every way there is, while others are cancelled in the
 * middle and user code is killed. A message that reaches the wrong task, or nobody, shows as a short answer.
 *
 * answers-soak A1  Grids of one member with 1, 2 and 4 threads a pool and one of two members take turns until the signal
 *                  fires.
 * answers-soak A2  Whoever is cancelled or killed gets an error that says so; everybody else gets the whole answer.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect, type Grid, GridError } from '@ashlar/client';
import { type Random, seededRandom } from '@ashlar/core';
import { connectMember, type MemberConnection } from '@ashlar/transport';
import { type MemberProcess, startMember } from '../../member-process.ts';
import { attempt, type Call, pause, untilDone } from '../grid/attempt.ts';
import { SoakFault, Tally } from '../tally.ts';
import { spin, spinAll } from './endless.ts';
import { type Caller, expectAnswer, type Question, READS, WRITES } from './questions.ts';
import { Copy, FIXED_COUNT, FixedRows, Source } from './user-code.ts';

const CALLERS = 16;
const CONNECTIONS = 4;
/** Members, and threads of each of their pools. */
const GRIDS = [
  { members: 1, threads: 1 },
  { members: 1, threads: 2 },
  { members: 1, threads: 4 },
  { members: 2, threads: 2 },
] as const;
const MODULES = [
  { file: new URL('user-code.ts', import.meta.url), name: 'answers', limits: { wallMs: 20_000 } },
  { file: new URL('endless.ts', import.meta.url), name: 'endless', limits: { wallMs: 50 } },
];
const CALL_TIMEOUT_MS = 30_000;
/** Pause between two looks at a mirrored entry. */
const MIRROR_LOOK_MS = 5;
const KILL_EVERY_MS = 100;
const CANCEL_AFTER_MS_MAX = 6;

export class AnswersSoak {
  readonly tally = new Tally();
  readonly #random: Random;
  readonly #turnMs: number;

  /** @param turnMs  how long a grid is asked before the next one takes its turn */
  constructor(seed: number, turnMs: number) {
    this.#random = seededRandom(seed);
    this.#turnMs = turnMs;
  }

  /** Runs until the signal fires. @throws SoakFault, or what a member or a client threw */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.everyGrid(signal);
  }

  /** Gives each grid one turn, unless the signal fires before. Errors as of run(). */
  async everyGrid(signal: AbortSignal): Promise<void> {
    for (const { members, threads } of GRIDS) {
      if (signal.aborted) return;
      await this.#turn(members, threads, signal);
      this.tally.add(`grids of ${members} with ${threads} threads`);
    }
  }

  async #turn(count: number, threads: number, signal: AbortSignal): Promise<void> {
    const members: MemberProcess[] = [];
    const clients: Grid[] = [];
    const connections: MemberConnection[] = [];
    try {
      await startMembers(members, count, threads);
      const seeds = members.map(({ address }) => address);
      for (let at = 0; at < CONNECTIONS; at++) clients.push(await connect({ seeds, timeoutMs: CALL_TIMEOUT_MS }));
      for (const address of seeds) connections.push(connectMember(address));
      await fill(clients[0]!);
      // Each client learns by deploying how the members call what it has.
      for (const client of clients) for (const { file, ...options } of MODULES) await client.deploy(file, options);
      const callers = Array.from({ length: CALLERS }, (_, number): Caller => {
        const member = connections[number % connections.length]!;
        return { grid: clients[number % CONNECTIONS]!, member };
      });
      await this.#ask(callers, AbortSignal.any([signal, AbortSignal.timeout(this.#turnMs)]));
    } finally {
      for (const connection of connections) connection.close();
      await Promise.allSettled(clients.map((client) => client.close()));
      await Promise.allSettled(members.map((member) => member.stop()));
    }
  }

  /** Everybody at once, until the signal fires or one of them meets a fault. */
  async #ask(callers: readonly Caller[], signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const stop = (): void => ending.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const call: Call = { tally: this.tally, signal: ending.signal };
    const tasks = [
      ...callers.map((caller) => this.#questions(caller, call)),
      this.#sameQuestion(callers, call),
      this.#cancel(callers[0]!, call),
      this.#kill(callers[1]!.grid, call),
      this.#mirror(callers[2]!.grid, call),
    ];
    try {
      await Promise.all(tasks);
    } finally {
      stop();
      await Promise.allSettled(tasks);
      signal.removeEventListener('abort', stop);
    }
  }

  async #questions(caller: Caller, call: Call): Promise<void> {
    while (!call.signal.aborted) {
      const isWrite = this.#random.below(READS.length) === 0;
      await this.#put(isWrite ? WRITES : READS[this.#random.below(READS.length)]!, caller, call);
    }
  }

  /** All callers ask the same at the same time: the threads end their tasks together. */
  async #sameQuestion(callers: readonly Caller[], call: Call): Promise<void> {
    while (!call.signal.aborted) {
      const question = READS[this.#random.below(READS.length)]!;
      await Promise.all(callers.map((caller) => this.#put(question, caller, call)));
    }
  }

  async #put(question: Question, caller: Caller, call: Call): Promise<void> {
    await attempt(call, 'answers', () => question.ask(caller));
  }

  /** Leaves statements and jobs in the middle: what is answered all the same is answered whole. */
  async #cancel(caller: Caller, { signal, tally }: Call): Promise<void> {
    while (!signal.aborted) {
      const question = READS[this.#random.below(READS.length)]!;
      const leaving = new AbortController();
      const timer = setTimeout(() => leaving.abort(), this.#random.below(CANCEL_AFTER_MS_MAX));
      try {
        await question.ask(caller, leaving.signal);
      } catch (error) {
        if (!GridError.is(error, 'CANCELLED')) throw error;
        tally.add('cancelled');
      } finally {
        clearTimeout(timer);
      }
    }
  }

  async #kill(grid: Grid, { signal, tally }: Call): Promise<void> {
    const kills = [() => grid.map(FixedRows).process(1, spin, undefined), () => grid.run(spinAll, { map: FixedRows })];
    for (let turn = 0; !signal.aborted; turn++) {
      const outcome = await kills[turn % kills.length]!().catch((error: unknown) => error);
      if (signal.aborted) return;
      if (!GridError.is(outcome, 'USER_CODE_TIMEOUT')) {
        throw new SoakFault('user code without end did not end by its limit', { outcome: String(outcome) });
      }
      tally.add('threads killed');
      await pause(KILL_EVERY_MS, signal);
    }
  }

  /** Every event reaches the listener, and what it asks for meanwhile is answered to it. */
  async #mirror(grid: Grid, { signal, tally }: Call): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) {
      const keys = Array.from({ length: CALLERS }, (_, caller) => [caller, turn] as const);
      await untilDone(() => grid.map(Source).putAll(keys.map((key) => [key, turn] as const)));
      const n = turn % FIXED_COUNT;
      for (;;) {
        const copies = await grid.map(Copy).getAll(keys);
        for (const copy of copies) {
          if (copy !== undefined) expectAnswer('what a listener wrote', copy, { turn, n, seen: n });
        }
        if (!copies.includes(undefined)) break;
        if (signal.aborted) return;
        await pause(MIRROR_LOOK_MS, signal);
      }
      tally.add('events mirrored', keys.length);
      await nextTurn();
    }
  }
}

async function startMembers(members: MemberProcess[], count: number, threads: number): Promise<void> {
  const settings = {
    'memory.maxBytes': '64MiB',
    'cluster.partitionCount': 8,
    'cluster.expectedMembers': count,
    'workers.queryThreads': threads,
    'workers.userThreads': threads,
  };
  members.push(await startMember(settings));
  while (members.length < count) {
    members.push(await startMember({ ...settings, 'cluster.join': members[0]!.address }));
  }
}

async function fill(grid: Grid): Promise<void> {
  const rows = Array.from({ length: FIXED_COUNT }, (_, n) => [n, { n, g: n % 5, t: `text ${n}` }] as const);
  await untilDone(() => grid.map(FixedRows).putAll(rows));
  await grid.map('own').put('first', { v: 0, c: -1 });
}
