/**
 * The show's members: child processes that run `ashlar start`.
 *
 * members M1  A member ends with the show, however that ends: `--exit-with-parent` makes it watch the pipe at its stdin.
 * members M2  stop() returns when every child has exited: asked first (SIGTERM), killed after GRACE_MS.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, GridError } from '@ashlar/api';
import { MEMBER_NODE_FLAGS } from '@ashlar/cli';
import type { ShowOptions } from './options.ts';
import { memberPorts } from './preflight.ts';

export interface MemberInfo {
  readonly name: string;
  readonly pid: number;
  readonly address: string;
  readonly httpAddress: string;
}

/** Below one second, so that Ctrl-C is answered within it. */
const GRACE_MS = 400;
const READY_TIMEOUT_MS = 20_000;
const LOG_TAIL_LINES = 12;

export class Members {
  readonly #children: ChildProcess[] = [];
  readonly #tails = new Map<ChildProcess, string[]>();
  readonly #failed = Promise.withResolvers<never>();
  #stopping = false;

  constructor() {
    this.#failed.promise.catch(() => {}); // whoever awaits `failure` sees it
  }

  /** Rejects when a member ends before it was told to. */
  get failure(): Promise<never> {
    return this.#failed.promise;
  }

  /** Starts `count` members and waits until each listens. */
  async start(options: ShowOptions, count: number): Promise<readonly MemberInfo[]> {
    const starting = Array.from({ length: count }, (_, index) => this.#startOne(options, index, count));
    return Promise.race([Promise.all(starting), this.failure]);
  }

  async #startOne(options: ShowOptions, index: number, count: number): Promise<MemberInfo> {
    const name = `member-${index + 1}`;
    const ports = memberPorts(options.port, index);
    const flags = ['--name', name, '--port', String(ports.grpc), '--http-port', String(ports.http)];
    flags.push('--memory', options.memory, '--members-expected', String(count), '--log-level', 'warn');
    if (index > 0) flags.push('--join', `127.0.0.1:${options.port}`);
    const child = spawnMember(flags);
    this.#children.push(child);
    const tail: string[] = [];
    this.#tails.set(child, tail);
    createInterface({ input: child.stderr! }).on('line', (line) => {
      tail.push(line);
      if (tail.length > LOG_TAIL_LINES) tail.shift();
    });
    child.once('close', (code, signal) => this.#ended(name, child, code, signal));
    child.once('error', (cause) => this.#failed.reject(new GridError('INTERNAL', `cannot start ${name}`, { cause })));
    return readyLine(name, child);
  }

  #ended(name: string, child: ChildProcess, code: number | null, signal: string | null): void {
    if (this.#stopping) return;
    const told = this.#tails.get(child)!.join('\n');
    const how = signal === null ? `exit code ${code}` : signal;
    this.#failed.reject(new GridError('INTERNAL', `${name} ended (${how})${told === '' ? '' : `:\n${told}`}`));
  }

  /** Stops all members. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const living = this.#children.filter((child) => child.exitCode === null && child.signalCode === null);
    await Promise.all(living.map(stopChild));
  }

  /** Kills what still lives, without waiting. */
  kill(): void {
    this.#stopping = true;
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

function spawnMember(flags: readonly string[]): ChildProcess {
  const door = fileURLToPath(import.meta.resolve('@ashlar/cli'));
  const main = join(dirname(door), `main${extname(door)}`);
  const node = ['--conditions=@ashlar/source', '--disable-warning=ExperimentalWarning', ...MEMBER_NODE_FLAGS, main];
  return spawn(process.execPath, [...node, 'start', ...flags, '--ready-json', '--exit-with-parent'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Waits for the line that `--ready-json` promises; lines of other kinds are logs and pass by. */
async function readyLine(name: string, child: ChildProcess): Promise<MemberInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<MemberInfo>();
  const timer = setTimeout(
    () => reject(new GridError('CONNECT_TIMEOUT', `${name} was not ready after ${READY_TIMEOUT_MS / 1000} s`)),
    READY_TIMEOUT_MS,
  );
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const told = parseEvent(line);
    if (told?.event === 'listening') {
      resolve({ name, pid: child.pid!, address: told.address ?? '', httpAddress: told.httpAddress ?? '' });
    } else if (told?.event === 'failed') {
      reject(new GridError(told.code ?? 'INTERNAL', `${name}: ${told.message}`, { hint: told.hint }));
    }
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

interface MemberLine {
  readonly event?: string;
  readonly address?: string;
  readonly httpAddress?: string;
  readonly code?: ErrorCode;
  readonly message?: string;
  readonly hint?: string;
}

function parseEvent(line: string): MemberLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const killing = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  await ended;
  clearTimeout(killing);
}
