/** Finds at once what would fail later, and says it in one sentence: ports that are taken, memory that is not there. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { GridError } from '@ashlar/api';
import { formatBytes } from '@ashlar/terminal';
import type { ShowOptions } from './options.ts';

/** Heap, stacks and buffers of a member, beside grid memory; and all of the show itself. */
const MEMBER_BYTES = 192 * 1024 ** 2;
const SHOW_BYTES = 384 * 1024 ** 2;
/** Address space that a Node process reserves without using it. */
const RESERVED_BYTES = 2 * 1024 ** 3;

/** Ports of member 0 and 1: gRPC, and HTTP on the next one. */
export function memberPorts(basePort: number, member: number): { readonly grpc: number; readonly http: number } {
  const grpc = basePort + member * 10;
  return { grpc, http: grpc + 1 };
}

/** @throws GridError INSUFFICIENT_MEMORY, PORT_IN_USE */
export async function checkMachine(options: ShowOptions, memberCount: number): Promise<void> {
  checkMemory(options, memberCount, process.availableMemory(), addressSpaceLimit());
  for (let member = 0; member < memberCount; member += 1) {
    const { grpc, http } = memberPorts(options.port, member);
    for (const port of [grpc, http]) await checkPort(port, options.port);
  }
}

/**
 * @param availableBytes  what the machine, or the container, can still give
 * @param addressSpaceBytes  what `ulimit -v` allows one process; infinite where it is not set
 */
export function checkMemory(
  options: Pick<ShowOptions, 'memory' | 'memoryBytes'>,
  memberCount: number,
  availableBytes: number,
  addressSpaceBytes: number,
): void {
  const wanted = memberCount * (options.memoryBytes + MEMBER_BYTES) + SHOW_BYTES;
  const asked = `${memberCount} members of ${options.memory} and the show itself need ${formatBytes(wanted)}`;
  const hint = 'free some, or ask for less: npm start -- --memory 256MiB --rows 1000000';
  if (availableBytes < wanted) {
    throw new GridError('INSUFFICIENT_MEMORY', `${asked}, and ${formatBytes(availableBytes)} of memory are free`, {
      hint,
    });
  }
  if (addressSpaceBytes < options.memoryBytes + RESERVED_BYTES) {
    const limit = formatBytes(addressSpaceBytes);
    throw new GridError('INSUFFICIENT_MEMORY', `${asked}, and ulimit -v allows a process ${limit} of addresses`, {
      hint,
    });
  }
}

async function checkPort(port: number, basePort: number): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen({ port, host: '127.0.0.1', exclusive: true }, resolve);
  try {
    await promise;
  } catch (cause) {
    throw new GridError('PORT_IN_USE', `port ${port} is taken by another program`, {
      hint: `stop it, or use other ports: npm start -- --port ${basePort + 100}`,
      cause,
    });
  } finally {
    await new Promise((closed) => server.close(closed));
  }
}

function addressSpaceLimit(): number {
  try {
    const line = /^Max address space\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
  } catch {
    return Number.POSITIVE_INFINITY; // not Linux
  }
}
