/** The stores that `process` compares. */
import { fileURLToPath } from 'node:url';
import { connect, defineMap, ready } from '@ashlar/client';
import { Redis } from 'ioredis';
import { type Counter, increment } from './increment.ts';

export interface ProcessSubject {
  /** Creates every counter at 0. */
  fill(keys: readonly string[]): Promise<void>;
  /** @returns the count after it */
  increment(key: string, by: number): Promise<number>;
  /** The same without code of the user's own: a ready-made processor, a command of the server. */
  incrementReady(key: string, by: number): Promise<number>;
  /** Sum of all counters. */
  sum(keys: readonly string[]): Promise<number>;
  close(): Promise<unknown>;
}

export const SUBJECTS = ['ashlar', 'redis-evalsha', 'redis-hincrby'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

const MODULE = fileURLToPath(new URL('increment.ts', import.meta.url));
const SCRIPT = "return redis.call('HINCRBY', KEYS[1], 'count', ARGV[1])";
const FILL_BATCH = 10_000;

/** @param address  host:port */
export async function openSubject(name: SubjectName, address: string): Promise<ProcessSubject> {
  return name === 'ashlar' ? openAshlar(address) : openRedis(address);
}

async function openAshlar(address: string): Promise<ProcessSubject> {
  const grid = await connect({ seeds: [address] });
  const map = grid.map(defineMap<string, Counter>('counters'));
  await grid.deploy(MODULE, { name: 'increment' });
  return {
    fill: (keys) => map.putAll(keys.map((key) => [key, { owner: key, count: 0 }] as const)),
    increment: (key, by) => map.process(key, increment, { by }),
    incrementReady: (key, by) => map.process(key, ready.increment, { path: 'count', by }),
    async sum(keys) {
      const counters = await map.getAll(keys);
      return counters.reduce((total, counter) => total + counter!.count, 0);
    },
    close: () => grid.close(),
  };
}

/** One hash for each counter, so that nothing is parsed; the faster one of ioredis' two modes. */
async function openRedis(address: string): Promise<ProcessSubject> {
  const [host, port] = address.split(':') as [string, string];
  const redis = new Redis({ host, port: Number(port), enableAutoPipelining: true });
  const hash = (await redis.script('LOAD', SCRIPT)) as string;
  return {
    async fill(keys) {
      for (let start = 0; start < keys.length; start += FILL_BATCH) {
        const some = keys.slice(start, start + FILL_BATCH);
        await Promise.all(some.map((key) => redis.hset(key, { owner: key, count: 0 })));
      }
    },
    increment: (key, by) => redis.evalsha(hash, 1, key, by) as Promise<number>,
    incrementReady: (key, by) => redis.hincrby(key, 'count', by),
    async sum(keys) {
      const counts = await Promise.all(keys.map((key) => redis.hget(key, 'count')));
      return counts.reduce((total, count) => total + Number(count), 0);
    },
    close: () => redis.quit(),
  };
}
