/**
 * Every setting of a member: its type, default and meaning, in one place. File, environment, flags, the shipped JSON
 * schema and `ashlar config print` all come from here.
 */
import { z } from 'zod';
import { parseDuration, parseSize } from './units.ts';

const size = (meaning: string, fallback: number, least = 0, most = Number.MAX_SAFE_INTEGER) =>
  quantity(meaning, fallback, [least, most], parseSize, 'a size such as 512MiB');
const duration = (meaning: string, fallback: number, least = 0) =>
  quantity(meaning, fallback, [least, Number.MAX_SAFE_INTEGER], parseDuration, 'a time such as 30s');

function quantity(
  meaning: string,
  fallback: number,
  [least, most]: readonly [number, number],
  parse: (text: string) => number | undefined,
  form: string,
) {
  return z
    .union([z.number(), z.string()])
    .transform((given, context): number => {
      const amount = typeof given === 'number' ? given : parse(given);
      if (amount !== undefined && amount >= least && amount <= most && Number.isSafeInteger(amount)) return amount;
      context.addIssue({ code: 'custom', message: `expected ${form}${boundsText(least, most)}` });
      return z.NEVER;
    })
    .default(fallback)
    .describe(meaning);
}

function boundsText(least: number, most: number): string {
  const floor = least > 0 ? `, at least ${least}` : '';
  return most < Number.MAX_SAFE_INTEGER ? `${floor}, at most ${most}` : floor;
}

const count = (meaning: string, fallback: number, least: number, most: number) =>
  z.coerce.number().int().min(least).max(most).default(fallback).describe(meaning);
const text = (meaning: string, fallback: string) => z.string().default(fallback).describe(meaning);
const flag = (meaning: string) =>
  z
    .union([z.boolean(), z.enum(['true', 'false', '1', '0', '']).transform((word) => word === 'true' || word === '1')])
    .default(false)
    .describe(meaning);
const list = (meaning: string) =>
  z
    .union([
      z.array(z.string()),
      z.string().transform((words) =>
        words
          .split(',')
          .map((word) => word.trim())
          .filter(Boolean),
      ),
    ])
    .default([])
    .describe(meaning);

const MIB = 2 ** 20;

export const memberSchema = z.strictObject({
  name: text(
    "The member's name; a restarted member under the same name takes its partitions back. Default: host:port.",
    '',
  ),
  zone: text('Members of one zone fail together. Default: the host name.', ''),
  grpc: z
    .strictObject({
      host: text('Address of the gRPC door.', '127.0.0.1'),
      port: count('Port of the gRPC door; 0 takes a free one.', 7710, 0, 65535),
      advertise: text('host:port under which clients and members reach this one. Default: host and port.', ''),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: text('Address of the HTTP door (metrics, health).', '127.0.0.1'),
      port: count('Port of the HTTP door; 0 takes a free one.', 7711, 0, 65535),
    })
    .prefault({}),
  memory: z
    .strictObject({
      maxBytes: size('Grid memory: entries, keys, indexes, columns and logs together.', 512 * MIB, 16 * MIB),
      queryMaxBytes: size('Memory of one query on one member.', 256 * MIB, MIB),
      logBytesPerPartition: size('Log of a partition: how far a subscriber may lag.', 256 * 1024, 64 * 1024),
    })
    .prefault({}),
  cluster: z
    .strictObject({
      join: list('Addresses (host:port) of a member that holds the coordinator. Empty: this member holds it.'),
      expectedMembers: count('Members the partition table waits for.', 1, 1, 64),
      partitionCount: count('Partitions of the grid, fixed for its life.', 256, 1, 4096),
      dataDirectory: text('Where the coordinator keeps grid id and epoch floor. Empty: nowhere.', ''),
      joinTimeoutMs: duration('How long to wait for the coordinator and for the expected members.', 30_000, 100),
    })
    .prefault({}),
  workers: z
    .strictObject({
      queryThreads: count('Threads for SQL, jobs and columns. 0: one a core, at most 4.', 0, 0, 32),
      userThreads: count('Threads for processors, listeners and jobs. 0: one a core, at most 4.', 0, 0, 32),
      userHeapBytes: size('V8 heap of a user thread.', 64 * MIB, 16 * MIB),
      userWallMs: duration('Wall clock of one processor or listener call.', 1000, 10),
      queueMax: count('Tasks that may wait for a thread before callers are refused.', 4096, 1, 1_000_000),
    })
    .prefault({}),
  limits: z
    .strictObject({
      keyBytes: size('Longest key, encoded.', 64 * 1024, 16, 64 * 1024),
      valueBytes: size('Longest value.', 16 * MIB, 1024),
      messageBytes: size('Longest message between processes.', 64 * MIB, 64 * 1024),
      sessionTtlMs: duration('A session that is silent so long is forgotten with its answers.', 60_000, 1000),
      maxClockAheadMs: duration('Refuse clocks that are further ahead.', 500, 1),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('Least level that is logged.'),
      pretty: flag('Readable lines instead of JSON.'),
    })
    .prefault({}),
  security: z
    .strictObject({
      insecure: flag('Allow a bind wider than loopback without TLS and token.'),
      token: text('Clients and members must bring this bearer token.', ''),
      certFile: text('PEM certificate chain of this member.', ''),
      keyFile: text('PEM private key of this member.', ''),
      caFile: text('PEM certificates by which peers are judged.', ''),
    })
    .prefault({}),
});

export type MemberConfig = z.output<typeof memberSchema>;

/** One leaf of the schema, as file, environment and flags name it. */
export interface Setting {
  /** memory.maxBytes */
  readonly path: readonly string[];
  /** ASHLAR_MEMORY_MAX_BYTES */
  readonly env: string;
  /** memory-max-bytes */
  readonly flag: string;
  readonly meaning: string;
}

/** Every setting, in the schema's order. */
export const SETTINGS: readonly Setting[] = collect(memberSchema, []);

function collect(schema: z.ZodType, path: readonly string[]): Setting[] {
  const object = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
  if (object instanceof z.ZodObject) {
    return Object.entries(object.shape).flatMap(([name, child]) => collect(child as z.ZodType, [...path, name]));
  }
  const words = path.flatMap((name) => name.split(/(?=[A-Z])/)).map((word) => word.toLowerCase());
  return [
    { path, env: `ASHLAR_${words.join('_').toUpperCase()}`, flag: words.join('-'), meaning: schema.description ?? '' },
  ];
}

/** JSON schema of `ashlar.yaml`, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(memberSchema, { io: 'input' });
}
