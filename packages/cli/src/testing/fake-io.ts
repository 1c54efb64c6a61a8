/** A world for command tests: text streams, and a grid that holds maps in memory and answers SQL as told. */
import type { ColumnBatch, Grid, GridKey, MemberStats, ResultColumn, SqlResult } from '@ashlar/api';
import type { CliIo, RunningMember } from '../io.ts';
import { runCli } from '../program.ts';
import type { TextStream } from '../render/screen.ts';

export interface SqlAnswer {
  readonly columns: readonly ResultColumn[];
  /** batches[batch][row][column]. */
  readonly batches: readonly (readonly (readonly unknown[])[])[];
  readonly affected?: number;
  readonly notices?: readonly string[];
}

export interface FakeWorld {
  readonly answer?: SqlAnswer | Error;
  readonly connectFails?: Error;
  readonly member?: RunningMember | Error;
  readonly env?: Record<string, string>;
  readonly isTTY?: boolean;
  /** What grid.stats() answers, look after look; the last one again and again. */
  readonly looks?: readonly (readonly MemberStats[])[];
}

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the grid was asked: "connect host:port", "sql TEXT [params]". */
  readonly asked: readonly string[];
  readonly maps: ReadonlyMap<string, ReadonlyMap<GridKey, unknown>>;
}

/** Runs one command line in a fake world. @param during  runs beside it, with the world's controls */
export async function runFake(
  args: readonly string[],
  world: FakeWorld = {},
  during: (controls: {
    interrupt: () => void;
    parentGone: () => void;
    press: (key: string) => void;
  }) => void = () => {},
): Promise<Ran> {
  const stdout = textStream(world.isTTY);
  const stderr = textStream(world.isTTY);
  const asked: string[] = [];
  const maps = new Map<string, Map<GridKey, unknown>>();
  const interrupted = new AbortController();
  let parentGone = (): void => {};
  let press = (_key: string): void => {};
  const io: CliIo = {
    stdout,
    stderr,
    env: world.env ?? {},
    signal: interrupted.signal,
    onParentGone: (callback) => {
      parentGone = callback;
    },
    onKey: (pressed) => {
      press = pressed;
      return () => {};
    },
    connect: async ({ seeds }) => {
      asked.push(`connect ${seeds.join(' ')}`);
      if (world.connectFails !== undefined) throw world.connectFails;
      return fakeGrid(world, asked, maps);
    },
    startMember: async ({ flags }) => {
      asked.push(`start ${JSON.stringify(flags)}`);
      if (world.member === undefined || Error.isError(world.member)) throw world.member;
      return world.member;
    },
  };
  const running = runCli(args, io);
  during({ interrupt: () => interrupted.abort(), parentGone: () => parentGone(), press: (key) => press(key) });
  const exitCode = await running;
  return { exitCode, stdout: stdout.text(), stderr: stderr.text(), asked, maps };
}

function textStream(isTTY = false): TextStream & { text(): string } {
  const written: string[] = [];
  return { isTTY, columns: 120, write: (text) => written.push(text) > 0, text: () => written.join('') };
}

function fakeGrid(world: FakeWorld, asked: string[], maps: Map<string, Map<GridKey, unknown>>): Grid {
  const looks = [...(world.looks ?? [[]])];
  const grid: Pick<Grid, 'ping' | 'stats' | 'close' | typeof Symbol.asyncDispose> & { map: unknown; sql: unknown } = {
    ping: async () => [{ member: 'member-1', address: '127.0.0.1:7710', roundTripMs: 0.42 }],
    stats: async () => (looks.length > 1 ? looks.shift()! : looks[0]!),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
    map: (name: string) => ({
      putAll: async (entries: Iterable<[GridKey, unknown]>) => {
        const map = maps.get(name) ?? new Map<GridKey, unknown>();
        maps.set(name, map);
        for (const [key, value] of entries) map.set(key, value);
      },
    }),
    sql: (text: string, params: readonly unknown[]) => {
      asked.push(`sql ${text} ${JSON.stringify(params)}`);
      return fakeResult(world.answer);
    },
  };
  return grid as unknown as Grid;
}

function fakeResult(answer: FakeWorld['answer']): Partial<SqlResult<unknown>> {
  const told = (): SqlAnswer => {
    if (answer === undefined || Error.isError(answer)) throw answer;
    return answer;
  };
  return {
    columns: async () => told().columns,
    notices: async () => told().notices ?? [],
    execute: async () => ({ affected: told().affected ?? 0 }),
    async *batches(): AsyncGenerator<ColumnBatch> {
      const { columns, batches } = told();
      for (const rows of batches) {
        yield { columns, rowCount: rows.length, values: (column) => rows.map((row) => row[column]) };
      }
    },
  };
}
