/** A member with a million documents, asked over gRPC as any client does. */

import { fileURLToPath } from 'node:url';
import { connect, defineMap, type Grid, type GridMap } from '@ashlar/client';
import { connectMember, type MemberConnection } from '@ashlar/transport';
import { LineProcess } from '../line-process.ts';
import { type MemberProcess, startMember } from '../member-process.ts';
import { type Columns, groupName, type QueryName, ROW_COUNT, type Row, statement } from './data.ts';
import type { ScanSubject } from './subjects.ts';

const LOAD_BATCH = 10_000;
const ADMIN_TIMEOUT_MS = 5_000;
const UPDATER = fileURLToPath(new URL('updater.ts', import.meta.url));

export interface Document {
  readonly x: number;
  readonly y: number;
  readonly g: number;
  readonly s: string;
  /** Changed by updates; no statement reads it. */
  readonly revision: number;
}

export const Rows = defineMap<number, Document>('t');

export function documentOf({ x, y, g }: Columns, row: number, revision: number): Document {
  return { x: x[row]!, y: y[row]!, g: g[row]!, s: groupName(g[row]!), revision };
}

export class AshlarScan implements ScanSubject {
  readonly #member: MemberProcess;
  readonly #grid: Grid;
  readonly #admin: MemberConnection;

  private constructor(member: MemberProcess, grid: Grid, admin: MemberConnection) {
    this.#member = member;
    this.#grid = grid;
    this.#admin = admin;
  }

  /** Loaded, its columns not made yet. */
  static async open(columns: Columns, threads: number): Promise<AshlarScan> {
    const member = await startMember({ 'workers.queryThreads': threads, 'memory.maxBytes': '1GiB' });
    const grid = await connect({ seeds: [member.address] });
    await load(grid.map(Rows), columns);
    return new AshlarScan(member, grid, connectMember(member.address));
  }

  async ask(query: QueryName, constant: number): Promise<readonly Row[]> {
    return this.#grid.sql<Row>(statement(query, constant)).all();
  }

  /** Brings back the state before the first statement. */
  async dropColumns(): Promise<void> {
    await this.#admin.admin.dropColumns({ map: Rows.name }, { timeoutMs: ADMIN_TIMEOUT_MS });
  }

  /** Another process changes `perSecond` entries a second from now on. */
  startUpdates(perSecond: number): Promise<LineProcess> {
    return LineProcess.start('the updater', UPDATER, [this.#member.address, String(perSecond)]);
  }

  async close(): Promise<void> {
    this.#admin.close();
    await this.#grid.close();
    await this.#member.stop();
  }
}

async function load(map: GridMap<number, Document>, columns: Columns): Promise<void> {
  for (let start = 0; start < ROW_COUNT; start += LOAD_BATCH) {
    const rows = Array.from({ length: LOAD_BATCH }, (_, at) => start + at);
    await map.putAll(rows.map((row) => [row, documentOf(columns, row, 0)] as const));
  }
}
