/**
 * Every door of the grid while a member stands still, or a way between members is cut: nothing hangs for as long as the fault lasts, and
 * nothing that is answered is wrong. Processes that are killed are other suites' matter (failover-*.test.ts).
 */
import { type Grid, GridError } from '@ashlar/client';
import { ChaosGrid, type MemberName } from './chaos/cluster/chaos-grid.ts';
import type { LinkRule } from './chaos/cluster/links.ts';
import { Accounts, total } from './fixtures/jobs.ts';
import { add, Counters } from './fixtures/processors.ts';
import { EventLog } from './support/event-log.ts';
import { until } from './support/replicated-grid.ts';

const LIMITS = { timeoutMs: 30_000 };
const ROWS = 600;
const PAIRS = 100;
/** Answers of each kind that must come while the fault lasts. */
const ANSWERS = 4;
/** Errors of what changes something, and was under way when the fault began: it may have been applied, or was in part. */
const IN_DOUBT = ['OUTCOME_UNKNOWN', 'PARTIAL_COMMIT', 'PARTIAL'];
/** Calls on keys: none of them fails. */
const KEYED = ['put', 'process'];

let grid: ChaosGrid;
let client: Grid;

beforeAll(async () => {
  grid = await ChaosGrid.start({ backups: 1, partitions: 31 });
  client = await grid.connect();
  for (const file of ['processors.ts', 'jobs.ts']) {
    await client.deploy(new URL(`./fixtures/${file}`, import.meta.url), { limits: { wallMs: 20_000 } });
  }
  const accounts = Array.from({ length: PAIRS * 2 }, (_, at) => [[at >> 1, at & 1], { balance: 5, moves: 1 }] as const);
  await client.map(Accounts).putAll(accounts, LIMITS);
  await untilWhole();
}, 90_000);

afterAll(() => grid.stop(), 30_000);

/** Waits until every partition has both of its copies. */
async function untilWhole(): Promise<void> {
  await until(async () => {
    try {
      const { partitions } = await client.cluster();
      return partitions.every(({ phase, inSync, gone }) => phase === 'serving' && inSync.length - gone.length === 2);
    } catch (error) {
      if (GridError.is(error) && error.retryable) return false;
      throw error;
    }
  });
}

function cut(from: MemberName, to: MemberName): LinkRule {
  return { from, to, isCut: true, delayMs: 0 };
}

interface Fault {
  readonly begin: () => unknown;
  readonly end: () => unknown;
}

function links(...rules: readonly LinkRule[]): Fault {
  return { begin: () => grid.setLinks(rules), end: () => grid.setLinks([]) };
}

/** What is asked again and again, by several clients in turn, until it is stopped. */
class Load {
  readonly answers = new Map<string, number>();
  /** Changes that are in doubt, or done in part, by what was asked. */
  readonly doubts = new Map<string, number>();
  readonly #clients: readonly Grid[];
  readonly #loops: Promise<void>[] = [];
  #turn = 0;
  #isOver = false;

  constructor(clients: readonly Grid[]) {
    this.#clients = clients;
  }

  ask(what: string, run: (client: Grid) => Promise<unknown>): void {
    this.answers.set(what, 0);
    this.doubts.set(what, 0);
    const loop = this.#loop(what, run);
    loop.catch(() => undefined);
    this.#loops.push(loop);
  }

  async #loop(what: string, run: (client: Grid) => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      try {
        await run(this.#clients[this.#turn++ % this.#clients.length]!);
        this.answers.set(what, this.answers.get(what)! + 1);
      } catch (error) {
        if (!GridError.is(error) || KEYED.includes(what)) throw error;
        if (IN_DOUBT.includes(error.code)) this.doubts.set(what, this.doubts.get(what)! + 1);
        else if (!error.retryable) throw error;
      }
    }
  }

  /** Waits until each of them was answered so many more times. */
  async untilAnswered(more: number): Promise<void> {
    const wanted = [...this.answers].map(([what, count]) => [what, count + more] as const);
    const all = until(() => wanted.every(([what, count]) => this.answers.get(what)! >= count));
    await Promise.race([all, Promise.all(this.#loops)]);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }
}

describe('while', () => {
  it.each<[string, () => Fault]>([
    [
      'a member stands still',
      () => ({
        begin: () => grid.member('b').child.kill('SIGSTOP'),
        end: () => grid.member('b').child.kill('SIGCONT'),
      }),
    ],
    [
      'a member is cut off from the others, and clients still reach it',
      () => links(cut('b', 'a'), cut('a', 'b'), cut('b', 'c'), cut('c', 'b')),
    ],
    ['nobody hears of a member, which hears all others', () => links(cut('c', 'a'), cut('c', 'b'))],
    ['two members do not reach each other', () => links(cut('b', 'c'), cut('c', 'b'))],
  ])(
    '%s everything is answered, rightly',
    async (name, faultOf) => {
      const map = name.replaceAll(/\W+/g, '_').slice(0, 40);
      const rows = client.map<number, { n: number }>(`rows_${map}`);
      await rows.putAll(
        Array.from({ length: ROWS }, (_, key) => [key, { n: 0 }] as const),
        LIMITS,
      );
      const told = client.map<number, { n: number }>(`told_${map}`);
      const log = await EventLog.open(told);
      const clients = [client, await grid.connect(), await grid.connect()];
      const load = new Load(clients);
      let puts = 0;
      let added = 0;
      let made = 0;
      load.ask('SELECT', async (any) => {
        const text = `SELECT count(*) AS count, sum(balance) AS sum FROM accounts`;
        const answer = await any.sql<{ count: number; sum: number }>(text, [], LIMITS).all();
        expect(answer).toEqual([{ count: PAIRS * 2, sum: PAIRS * 10 }]);
      });
      load.ask('SELECT of rows', async (any) => {
        expect(await any.sql(`SELECT __key, n FROM rows_${map}`, [], LIMITS).all()).toHaveLength(ROWS);
      });
      load.ask('UPDATE', async (any) => {
        const { affected } = await any.sql(`UPDATE rows_${map} SET n = n + 1`, [], LIMITS).execute();
        expect(affected).toBe(ROWS);
      });
      load.ask('size', async (any) => expect(await any.map('accounts').size(LIMITS)).toBe(PAIRS * 2));
      load.ask('put', async () => {
        await told.put(0, { n: puts }, LIMITS);
        puts += 1;
      });
      load.ask('process', async () => {
        await client.map(Counters).process(map, add, { by: 1 }, LIMITS);
        added += 1;
      });
      load.ask('job', async () => {
        const answer = await client.run(total, { map: Accounts }, LIMITS);
        expect(answer).toEqual({ count: PAIRS * 2, balance: PAIRS * 10, moves: PAIRS * 2 });
      });
      load.ask('catalog', async (any) => {
        const fresh = any.map<number, number>(`made_${map}_${made++}`);
        await fresh.put(1, 1, LIMITS);
        expect(await fresh.size(LIMITS)).toBe(1);
      });
      await load.untilAnswered(2);
      const fault = faultOf();
      await fault.begin();
      try {
        await load.untilAnswered(ANSWERS);
        await log.until(puts);
      } finally {
        await fault.end();
      }
      await load.untilAnswered(1);
      await load.stop();
      await untilWhole();
      const done = load.answers.get('UPDATE')!;
      const [span] = await client
        .sql<{ least: number; most: number }>(`SELECT min(n) AS least, max(n) AS most FROM rows_${map}`, [], LIMITS)
        .all();
      expect(span!.least).toBeGreaterThanOrEqual(done);
      expect(span!.most).toBeLessThanOrEqual(done + load.doubts.get('UPDATE')!);
      const counted = await client.map(Counters).get(map, LIMITS);
      expect(counted).toEqual({ n: added });
      expect((await log.until(puts)).map(({ value }) => value?.n)).toEqual(Array.from({ length: puts }, (_, n) => n));
      await log.stop();
      await Promise.all(clients.slice(1).map((one) => one.close()));
    },
    150_000,
  );
});
