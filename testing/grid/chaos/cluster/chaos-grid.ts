/**
 * Three members as processes of the command line, whose every connection goes through the links of the run: members are
 * advertised under the addresses of proxies, and clients know no others. The driver looks at doors directly.
 *
 * chaos-grid C1  Every process ends with the run, whatever state it is in.
 * chaos-grid C2  A member that is started again has the ports, the name and the command of before; its first member has its data
 *                directory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectOptions, connect, type Grid } from '@ashlar/client';
import type { PartitionTable } from '@ashlar/core';
import { connectMember } from '@ashlar/transport';
import { memberFlags } from '../../support/grid.ts';
import { MemberProcess } from '../../support/member-process.ts';
import { freePort } from '../../support/tcp-proxy.ts';
import { LinkControl } from './link-control.ts';
import type { LinkedMember, LinkRule } from './links.ts';
import { SOURCE_VARIABLE } from './source-address.ts';

export interface ChaosGridOptions {
  readonly backups: number;
  readonly partitions: number;
  /** More settings of all members. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** The first holds the coordinator. */
export const MEMBERS = ['a', 'b', 'c'] as const;
export type MemberName = (typeof MEMBERS)[number];
export const COORDINATOR: MemberName = 'a';

const PRELOAD = new URL('./source-address.ts', import.meta.url).href;
const SETTINGS = { 'memory.maxBytes': '256MiB', 'log.level': 'info', 'limits.maxClockAheadMs': '2s' };
const TABLE_TIMEOUT_MS = 2000;

export class ChaosGrid {
  readonly partitions: number;
  readonly backups: number;
  readonly #links = new LinkControl();
  readonly #folder = mkdtempSync(join(tmpdir(), 'ashlar-chaos-'));
  readonly #members = new Map<MemberName, MemberProcess>();
  readonly #clients: Grid[] = [];
  #linked: readonly LinkedMember[] = [];
  #addresses: readonly string[] = [];
  #settings: Readonly<Record<string, string | number>> = {};

  private constructor({ backups, partitions }: ChaosGridOptions) {
    this.backups = backups;
    this.partitions = partitions;
  }

  static async start(options: ChaosGridOptions): Promise<ChaosGrid> {
    const grid = new ChaosGrid(options);
    try {
      await grid.#start(options);
      return grid;
    } catch (error) {
      await grid.stop();
      throw error;
    }
  }

  async #start({ backups, partitions, settings }: ChaosGridOptions): Promise<void> {
    const linked: LinkedMember[] = [];
    for (const [index, name] of MEMBERS.entries()) {
      linked.push({ name, port: await freePort(), sourceAddress: `127.0.0.${11 + index}` });
    }
    this.#linked = linked;
    this.#addresses = await this.#links.listen(linked);
    this.#settings = { ...SETTINGS, ...settings, 'cluster.partitionCount': partitions, 'cluster.backups': backups };
    await Promise.all(MEMBERS.map((name) => this.startMember(name)));
  }

  /** Starts a member, or starts it again with its command (chaos-grid C2). */
  async startMember(name: MemberName): Promise<void> {
    const index = MEMBERS.indexOf(name);
    const { port, sourceAddress } = this.#linked[index]!;
    const isFirst = name === COORDINATOR;
    const settings = {
      ...this.#settings,
      ...{ name, 'grpc.port': port, 'grpc.advertise': this.#addresses[index]! },
      ...(isFirst ? { 'cluster.dataDirectory': join(this.#folder, 'coordinator') } : {}),
    };
    const flags = memberFlags({ settings, memory: SETTINGS['memory.maxBytes'] }, MEMBERS.length, this.#joinOf(name));
    const env = { [SOURCE_VARIABLE]: sourceAddress, NODE_OPTIONS: `--import=${PRELOAD}` };
    this.#members.set(name, await MemberProcess.start(flags, env));
  }

  #joinOf(name: MemberName): string | undefined {
    return name === COORDINATOR ? undefined : this.#addresses[MEMBERS.indexOf(COORDINATOR)];
  }

  member(name: MemberName): MemberProcess {
    return this.#members.get(name)!;
  }

  /** All links but these are whole from now on. */
  setLinks(rules: readonly LinkRule[]): Promise<void> {
    return this.#links.set(rules);
  }

  /** A client that stop() closes. */
  async connect(options: ConnectOptions = {}): Promise<Grid> {
    const client = await connect({ seeds: this.#addresses, waitForMembers: true, ...options });
    this.#clients.push(client);
    return client;
  }

  /** The partition table as the coordinator's member has it. */
  async table(): Promise<PartitionTable> {
    const connection = connectMember(`127.0.0.1:${this.#linked[MEMBERS.indexOf(COORDINATOR)]!.port}`);
    try {
      return await connection.admin.getTable(undefined, { timeoutMs: TABLE_TIMEOUT_MS });
    } finally {
      connection.close();
    }
  }

  /** The last lines of every member's log. */
  logs(): string {
    const lines = [...this.#members].map(([name, { log }]) => `---- ${name}\n${log.join('\n')}`);
    return lines.join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    const running = [...this.#members.values()].filter(({ hasEnded }) => !hasEnded);
    await Promise.all(running.map((member) => member.end('SIGKILL')));
    await this.#links.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
