/**
 * Three members with a backup each, or two, for suites that end one of them: its first member holds the coordinator, and is never killed.
 *
 *   const grid = await ReplicatedGrid.start();   in beforeAll
 *   await grid.kill(1) ... await grid.back(1)    within a test
 *   await grid.stop();                           in afterAll
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectOptions, type Grid, GridError } from '@ashlar/client';
import type { MemberProcess } from './member-process.ts';
import { RestartableGrid } from './restartable-grid.ts';

const LOOK_EVERY_MS = 50;

export class ReplicatedGrid {
  readonly grid: RestartableGrid;
  /** Whoever asks the suite's own questions. */
  readonly client: Grid;
  readonly #directory: string;
  readonly #copies: number;

  private constructor(grid: RestartableGrid, client: Grid, directory: string, copies: number) {
    this.grid = grid;
    this.client = client;
    this.#directory = directory;
    this.#copies = copies;
  }

  static async start(settings: Readonly<Record<string, string | number>> = {}): Promise<ReplicatedGrid> {
    const directory = await mkdtemp(join(tmpdir(), 'ashlar-failover-'));
    const all = { 'cluster.backups': 1, 'log.level': 'warn', ...settings };
    const grid = await RestartableGrid.start({
      members: 3,
      settings: all,
      firstSettings: { 'cluster.dataDirectory': directory },
    });
    const replicated = new ReplicatedGrid(grid, await grid.connect(), directory, Number(all['cluster.backups']) + 1);
    await replicated.untilWhole();
    return replicated;
  }

  connect(options?: ConnectOptions): Promise<Grid> {
    return this.grid.connect(options);
  }

  member(index: number): MemberProcess {
    return this.grid.member(index);
  }

  async kill(index: 1 | 2): Promise<void> {
    await this.grid.member(index).end('SIGKILL');
  }

  /** A killed member is started again, and gets its copies. */
  async back(index: 1 | 2): Promise<void> {
    await this.grid.startOne(index);
    await this.untilWhole();
  }

  /** Waits until every partition has all of its copies, so that any member may go. */
  async untilWhole(): Promise<void> {
    await until(async () => {
      try {
        const { partitions } = await this.client.cluster();
        return partitions.every(
          ({ phase, inSync, gone }) => phase === 'serving' && inSync.length - gone.length === this.#copies,
        );
      } catch (error) {
        if (GridError.is(error) && error.retryable) return false;
        throw error;
      }
    });
  }

  /** Waits until a member says that it is ready. */
  async untilReady(index: number): Promise<void> {
    await until(async () => (await this.member(index).page('/readyz')).status === 200);
  }

  async stop(): Promise<void> {
    await this.grid.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Waits for what comes to be by itself; the test's own time is the bound. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}
