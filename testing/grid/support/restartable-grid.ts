/** Two members on ports of their own, each started again with the command it was started with. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectOptions, connect, type Grid, GridError } from '@ashlar/client';
import { memberFlags, type TestGridOptions } from './grid.ts';
import { MemberProcess } from './member-process.ts';
import { freePort } from './tcp-proxy.ts';

const POLL_MS = 20;

export interface RestartableOptions extends TestGridOptions {
  /** Settings of the first member alone, which holds the coordinator. */
  readonly firstSettings?: Readonly<Record<string, string | number>>;
}

export class RestartableGrid {
  /** By index: the coordinator's member is the first. */
  readonly addresses: readonly string[];
  readonly #commands: readonly (readonly string[])[];
  readonly #members: (MemberProcess | undefined)[] = [];
  readonly #clients: Grid[] = [];

  private constructor(ports: readonly number[], options: RestartableOptions) {
    this.addresses = ports.map((port) => `127.0.0.1:${port}`);
    this.#commands = ports.map((port, index) => {
      const own = index === 0 ? options.firstSettings : {};
      const settings = { 'log.level': 'info', ...options.settings, ...own, 'grpc.port': port };
      return memberFlags({ ...options, settings }, ports.length, index === 0 ? undefined : this.addresses[0]);
    });
  }

  /** None of the members runs yet. */
  static async make(options: RestartableOptions = {}): Promise<RestartableGrid> {
    const ports: number[] = [];
    for (let index = 0; index < (options.members ?? 2); index++) ports.push(await freePort());
    return new RestartableGrid(ports, options);
  }

  static async start(options: RestartableOptions = {}): Promise<RestartableGrid> {
    const grid = await RestartableGrid.make(options);
    await grid.startAll();
    return grid;
  }

  member(index: number): MemberProcess {
    return this.#members[index]!;
  }

  async startOne(index: number): Promise<MemberProcess> {
    const member = await MemberProcess.start(this.#commands[index]!);
    this.#members[index] = member;
    return member;
  }

  async startAll(): Promise<void> {
    await Promise.all(this.#commands.map((_, index) => this.startOne(index)));
  }

  /** A client that stop() closes. */
  async connect(options: ConnectOptions = {}): Promise<Grid> {
    const client = await connect({ seeds: this.addresses, ...options });
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#members.map((member) => (member?.hasEnded === false ? member.end('SIGKILL') : undefined)));
  }
}

/** Partitions that are lost, once some are: a member that is started again first joins. */
export async function lossesTold(client: Grid): Promise<readonly number[]> {
  for (;;) {
    const { partitions } = await untilAnswered(() => client.cluster());
    const lost = partitions.flatMap(({ phase }, partition) => (phase === 'lost' ? [partition] : []));
    if (lost.length > 0) return lost;
    await sleep(POLL_MS);
  }
}

/** As an operator does once it is told: what was held by a process that has ended begins anew. @returns the partitions */
export async function acceptLosses(client: Grid): Promise<readonly number[]> {
  for (;;) {
    const recovered = await untilAnswered(() => client.recover('all'));
    if (recovered.length > 0) return recovered;
    await sleep(POLL_MS);
  }
}

/** Repeats what nobody can answer at this moment. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!GridError.wrap(error).retryable) throw error;
      await sleep(POLL_MS);
    }
  }
}

/** Lines that a member logged, by their message. */
export function logged(member: MemberProcess, message: string): Record<string, unknown>[] {
  return member.log
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === message);
}
