/** A Redis server of our own: nothing on disk, a free port, one core. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Child, spawnPinned, stopChild } from '../child-process.ts';

export interface RedisProcess extends Child {
  readonly port: number;
  readonly version: string;
}

/**
 * @param replicaOf  port of the one that it follows; undefined: it follows none
 * @throws Error that says how to get Redis where it is missing
 */
export async function startRedis(core: number | undefined, replicaOf?: number): Promise<RedisProcess> {
  const version = redisVersion();
  const port = await freePort();
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  if (replicaOf !== undefined) flags.push('--replicaof', `127.0.0.1 ${replicaOf}`);
  const child = spawnPinned('redis-server', [...flags, '--loglevel', 'warning', '--dir', '/'], core);
  child.stdout?.resume();
  const redis = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20 });
  // Refused until the server listens.
  redis.on('error', () => undefined);
  await redis.ping();
  while (replicaOf !== undefined && !(await redis.info('replication')).includes('master_link_status:up'))
    await pause(20);
  redis.disconnect();
  return { port, version, process: child, pid: child.pid!, stop: () => stopChild(child) };
}

function redisVersion(): string {
  const { stdout, error } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) throw new Error('this bench needs Redis beside us: apt-get install redis-server');
  return /v=(\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
