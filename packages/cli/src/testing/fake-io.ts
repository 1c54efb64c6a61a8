/** A world for command tests: text streams, and a grid that holds maps in memory and answers SQL as the test says. */
import { PassThrough, Readable } from 'node:stream';
import type { ClusterState, EntryEvent, Grid, GridKey, MemberStats } from '@ashlar/api';
import { isError } from '@ashlar/core';
import type { TextStream } from '@ashlar/terminal';
import type { CliIo, ConnectRequest, InputStream, RunningMember } from '../io.ts';
import { runCli } from '../program.ts';
import { FakeGrid, type SqlAnswer } from './fake-grid.ts';

export type { SqlAnswer } from './fake-grid.ts';

export interface FakeWorld {
  /** Contents of standard input. */
  readonly input?: string;
  /** Lines that someone types at a terminal, one for each prompt; '^C' is the key. */
  readonly typed?: readonly string[];
  readonly answer?: SqlAnswer | Error;
  /** By statement; others get `answer`. */
  readonly answers?: Readonly<Record<string, SqlAnswer | Error>>;
  readonly maps?: Readonly<Record<string, readonly (readonly [GridKey, unknown])[]>>;
  /** Events that a subscription gets, until it is cancelled. */
  readonly events?: readonly EntryEvent<GridKey, unknown>[];
  readonly connectFails?: Error;
  readonly member?: RunningMember | Error;
  readonly env?: Record<string, string>;
  readonly isTTY?: boolean;
  readonly cluster?: ClusterState;
  /** What grid.recover() throws, one after the other, before it recovers. */
  readonly recoverErrors?: readonly Error[];
  /** Answers of grid.stats(), one after the other; the last is repeated. */
  readonly looks?: readonly (readonly MemberStats[])[];
  readonly columns?: number;
}

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, and what was typed, as a terminal shows them. */
  readonly transcript: string;
  /** Calls of the grid: "connect host:port", "sql TEXT [params]". */
  readonly asked: readonly string[];
  /** Options of the last `connect`. */
  readonly requests: readonly ConnectRequest[];
  readonly maps: ReadonlyMap<string, ReadonlyMap<GridKey, unknown>>;
}

export interface Controls {
  readonly interrupt: () => void;
  readonly parentGone: () => void;
  /** A key at the terminal of a command that listens for keys. */
  readonly press: (key: string) => void;
}

const PROMPT = /ashlar.> $/;

/** Runs one command line in a fake world. @param during  runs beside it, with the world's controls */
export async function runFake(
  args: readonly string[],
  world: FakeWorld = {},
  during: (controls: Controls) => void = () => {},
): Promise<Ran> {
  const isTTY = world.isTTY ?? world.typed !== undefined;
  const transcript: string[] = [];
  const typist = typistOf(world.typed ?? [], transcript, () => interrupt());
  const stdout = textStream(isTTY, world.columns, (text) => {
    transcript.push(text);
    if (PROMPT.test(text)) typist.type();
  });
  const stderr = textStream(isTTY, world.columns, (text) => transcript.push(text));
  const asked: string[] = [];
  const requests: ConnectRequest[] = [];
  const grid = new FakeGrid(world, asked);
  const interrupted = new AbortController();
  let onInterrupt: (() => void) | undefined;
  let parentGone = (): void => {};
  let press = (_key: string): void => {};
  const interrupt = (): void => (onInterrupt ?? (() => interrupted.abort()))();
  const input = world.typed === undefined ? Readable.from(world.input === undefined ? [] : [world.input]) : typist.keys;
  const io: CliIo = {
    stdin: Object.assign<InputStream, { isTTY: boolean }>(input, { isTTY }),
    stdout,
    stderr,
    // A dumb terminal: what is typed is not redrawn.
    env: world.typed === undefined ? (world.env ?? {}) : { TERM: 'dumb', ASHLAR_HISTORY: '', ...world.env },
    signal: interrupted.signal,
    onInterrupt: (callback) => {
      onInterrupt = callback;
      return () => {
        onInterrupt = undefined;
      };
    },
    onParentGone: (callback) => {
      parentGone = callback;
    },
    onKey: (pressed) => {
      press = pressed;
      return () => {};
    },
    connect: async (request) => {
      asked.push(`connect ${request.seeds.join(' ')}`);
      requests.push(request);
      if (world.connectFails !== undefined) throw world.connectFails;
      return grid as unknown as Grid;
    },
    startMember: async ({ flags }) => {
      asked.push(`start ${JSON.stringify(flags)}`);
      if (world.member === undefined || isError(world.member)) throw world.member;
      return world.member;
    },
  };
  const running = runCli(args, io);
  during({ interrupt, parentGone: () => parentGone(), press: (key) => press(key) });
  const exitCode = await running;
  return {
    exitCode,
    stdout: stdout.text(),
    stderr: stderr.text(),
    transcript: transcript.join(''),
    asked,
    requests,
    maps: grid.entries,
  };
}

/** Types a line when it is called, and Ctrl-D behind the last. */
function typistOf(
  lines: readonly string[],
  transcript: string[],
  interrupt: () => void,
): { readonly keys: PassThrough; readonly type: () => void } {
  const keys = new PassThrough();
  const left = [...lines];
  const type = (): void => {
    const line = left.shift();
    setImmediate(() => {
      if (line === undefined) keys.end();
      else if (line === '^C') {
        transcript.push('^C');
        interrupt();
      } else {
        transcript.push(`${line}\n`);
        keys.write(`${line}\n`);
      }
    });
  };
  return { keys, type };
}

function textStream(
  isTTY: boolean,
  columns = 120,
  onWrite: (text: string) => void = () => {},
): TextStream & { text(): string } {
  const written: string[] = [];
  const write = (text: string): boolean => {
    onWrite(text);
    return written.push(text) > 0;
  };
  return { isTTY, columns, write, text: () => written.join('') };
}
