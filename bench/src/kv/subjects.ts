/** The stores that `kv` compares, as its client process reaches them. */
import { connect, defineMap } from '@ashlar/client';
import { Redis } from 'ioredis';
import { openEcho } from './echo-client.ts';

export interface KvSubject {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<unknown>;
  /** Many at once, as a loader stores them; not offered where there is nothing to load. */
  putAll?(entries: readonly (readonly [string, unknown])[]): Promise<unknown>;
  /** False: answers carry no values (echo), so there is nothing to check. */
  readonly hasValues: boolean;
  close(): Promise<unknown>;
}

export const SUBJECTS = ['ashlar', 'ashlar-spin-off', 'redis', 'redis-autopipe', 'echo', 'echo-shared'] as const;
/**
 * 'ashlar-spin-off': neither its client nor its member spins. 'ashlar-sql': gets by a SELECT with the key. 'echo-shared': the
 * connections of a process share one socket. 'redis-wait': a write is over when one replica has it.
 */
export type SubjectName = (typeof SUBJECTS)[number] | 'ashlar-sql' | 'redis-wait';

/** @param address  host:port, several with commas between them */
export async function openSubject(name: SubjectName, address: string): Promise<KvSubject> {
  switch (name) {
    case 'ashlar':
      return openAshlar(address);
    case 'ashlar-spin-off':
      return openAshlar(address, 'off');
    case 'ashlar-sql':
      return openSql(address);
    case 'redis':
      return openRedis(address, false);
    case 'redis-autopipe':
      return openRedis(address, true);
    case 'redis-wait':
      return openWaitingRedis(address);
    case 'echo':
      return openEcho(address, 'own');
    case 'echo-shared':
      return openEcho(address, 'shared');
  }
}

async function openAshlar(address: string, spin: 'auto' | 'off' = 'auto'): Promise<KvSubject> {
  const grid = await connect({ seeds: address.split(','), spin });
  const map = grid.map(defineMap<string, unknown>('kv'));
  return {
    get: (key) => map.get(key),
    put: (key, value) => map.put(key, value),
    putAll: (entries) => map.putAll(entries),
    hasValues: true,
    close: () => grid.close(),
  };
}

async function openSql(address: string): Promise<KvSubject> {
  const byGet = await openAshlar(address);
  const grid = await connect({ seeds: address.split(',') });
  return {
    ...byGet,
    async get(key) {
      const [row] = await grid.sql<Record<string, unknown>>('SELECT * FROM kv WHERE __key = $1', [key]).all();
      return row;
    },
    close: () => Promise.all([grid.close(), byGet.close()]),
  };
}

async function openRedis(address: string, enableAutoPipelining: boolean): Promise<KvSubject> {
  const [host, port] = address.split(':') as [string, string];
  const redis = new Redis({ host, port: Number(port), enableAutoPipelining });
  await redis.flushall();
  return {
    get: async (key) => fromText(await redis.get(key)),
    put: (key, value) => redis.set(key, toText(value)),
    putAll(entries) {
      const pipeline = redis.pipeline();
      for (const [key, value] of entries) pipeline.set(key, toText(value));
      return pipeline.exec();
    },
    hasValues: true,
    close: () => redis.quit(),
  };
}

/**
 * WAIT blocks its connection, so writes have one of their own: those of a turn go as one pipeline with one WAIT behind them, and reads are
 * held up by none.
 */
async function openWaitingRedis(address: string): Promise<KvSubject> {
  const reads = await openRedis(address, true);
  const [host, port] = address.split(':') as [string, string];
  const redis = new Redis({ host, port: Number(port) });
  let turn: { readonly pipeline: ReturnType<Redis['pipeline']>; readonly done: Promise<void> } | undefined;
  const begin = (): NonNullable<typeof turn> => {
    const pipeline = redis.pipeline();
    const done = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        turn = undefined;
        pipeline.call('WAIT', '1', '5000');
        pipeline
          .exec()
          .then((results) => (results?.at(-1)?.[1] === 1 ? resolve() : reject(new Error('no replica'))), reject);
      });
    });
    return { pipeline, done };
  };
  return {
    ...reads,
    put(key, value) {
      turn ??= begin();
      turn.pipeline.set(key, toText(value));
      return turn.done;
    },
    close: () => Promise.all([reads.close(), redis.quit()]),
  };
}

/** Records are kept as JSON there, which is what applications do. */
function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fromText(text: string | null): unknown {
  return text?.startsWith('{') ? JSON.parse(text) : text;
}
