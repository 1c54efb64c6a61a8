/**
 * A grid for a test: members as child processes on free ports with little memory, and clients of it.
 *
 *   const grid = await TestGrid.start({ members: 2 });   in beforeAll
 *   const client = await grid.connect();                 closed by stop()
 *   await grid.stop();                                   in afterAll
 *
 * grid G1  stop() ends every client and every member, whatever state they are in.
 */
import { type ConnectOptions, connect, type Grid } from '@ashlar/client';
import { MemberProcess } from './member-process.ts';

export interface TestGridOptions {
  /** Default 2. */
  readonly members?: number;
  /** Grid memory of each member. Default 128MiB. */
  readonly memory?: string;
  /** More settings, e.g. { 'limits.keyBytes': '1KiB' }. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

const SMALL: Readonly<Record<string, string | number>> = {
  'grpc.port': 0,
  'http.port': 0,
  'http.metricsEveryMs': '5ms',
  'log.level': 'warn',
  'workers.queryThreads': 1,
  'workers.userThreads': 1,
};

export class TestGrid {
  readonly members: readonly MemberProcess[];
  readonly #clients: Grid[] = [];

  private constructor(members: readonly MemberProcess[]) {
    this.members = members;
  }

  static async start(options: TestGridOptions = {}): Promise<TestGrid> {
    const count = options.members ?? 2;
    const first = await MemberProcess.start(memberFlags(options, count, undefined));
    const joining = Array.from({ length: count - 1 }, () =>
      MemberProcess.start(memberFlags(options, count, first.address)),
    );
    const joined = await Promise.allSettled(joining);
    const members = [first, ...joined.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))];
    const failure = joined.find((one) => one.status === 'rejected');
    if (failure === undefined) return new TestGrid(members);
    await endAll(members);
    throw failure.reason;
  }

  get seeds(): readonly string[] {
    return this.members.map((member) => member.address);
  }

  /** A client that stop() closes. */
  async connect(options: ConnectOptions = {}): Promise<Grid> {
    const client = await connect({ seeds: this.seeds, ...options });
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await endAll(this.members);
  }
}

/** Flags of `ashlar start` for one of `count` members; `join` is the address of the first one. */
export function memberFlags(options: TestGridOptions, count: number, join: string | undefined): string[] {
  const settings: Record<string, string | number> = {
    ...SMALL,
    'memory.maxBytes': options.memory ?? '128MiB',
    'cluster.expectedMembers': count,
    ...options.settings,
  };
  if (join !== undefined) settings['cluster.join'] = join;
  return Object.entries(settings).flatMap(([setting, value]) => ['--set', `${setting}=${value}`]);
}

async function endAll(members: readonly MemberProcess[]): Promise<void> {
  await Promise.all(members.filter((member) => !member.hasEnded).map((member) => member.end('SIGKILL')));
}
