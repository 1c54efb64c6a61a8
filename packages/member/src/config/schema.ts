/**
 * Every setting of a member: its type, default and meaning, in one place. File, environment, flags, the shipped JSON
 * schema and `ashlar config print` all come from here.
 */
import { z } from 'zod';
import { formatDuration, formatSize, parseDuration, parseSize, SIZE_PATTERN, TIME_PATTERN } from './units.ts';

/** Kind of a setting's value, for `config print` and for error messages. */
export type SettingKind = 'size' | 'time' | 'count' | 'text' | 'flag' | 'list' | 'choice';

interface SettingFacts {
  readonly kind: SettingKind;
  /** The expected value in words, for errors: "a size such as 512MiB". */
  readonly expected: string;
  /** Whether the value must never be shown. */
  readonly isSecret: boolean;
}

const facts = z.registry<SettingFacts>();

interface Quantity {
  readonly kind: 'size' | 'time';
  readonly parse: (text: string) => number | undefined;
  readonly pattern: RegExp;
  /** Writes a bound as errors show it. */
  readonly format: (amount: number) => string;
  readonly example: string;
}

const SIZE: Quantity = {
  kind: 'size',
  parse: parseSize,
  pattern: SIZE_PATTERN,
  format: formatSize,
  example: 'a size such as 512MiB',
};
const TIME: Quantity = {
  kind: 'time',
  parse: parseDuration,
  pattern: TIME_PATTERN,
  format: formatDuration,
  example: 'a time such as 30s',
};

const size = (meaning: string, fallback: number, least = 0, most = Number.MAX_SAFE_INTEGER) =>
  quantity(SIZE, meaning, fallback, least, most);
const duration = (meaning: string, fallback: number, least = 0) =>
  quantity(TIME, meaning, fallback, least, Number.MAX_SAFE_INTEGER);

function quantity(
  { kind, parse, pattern, format, example }: Quantity,
  meaning: string,
  fallback: number,
  least: number,
  most: number,
) {
  const floor = least > 0 ? `, at least ${format(least)}` : '';
  const expected = `${example}${floor}${most < Number.MAX_SAFE_INTEGER ? `, at most ${format(most)}` : ''}`;
  const number = z.int().min(least).max(most);
  return z
    .union([number, z.string().regex(pattern)], { error: expected })
    .transform((given, context): number => {
      const amount = typeof given === 'number' ? given : parse(given);
      if (amount !== undefined && amount >= least && amount <= most) return amount;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    })
    .default(fallback)
    .describe(meaning)
    .register(facts, { kind, expected, isSecret: false });
}

function count(meaning: string, fallback: number, least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`;
  const number = z.int().min(least).max(most);
  const digits = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(number);
  return z
    .union([number, digits], { error: expected })
    .default(fallback)
    .describe(meaning)
    .register(facts, { kind: 'count', expected, isSecret: false });
}

function text(
  meaning: string,
  fallback: string,
  options: { pattern?: RegExp; expected?: string; isSecret?: true } = {},
) {
  const { pattern, expected = 'text', isSecret = false } = options;
  const string = z.string({ error: expected });
  return (pattern === undefined ? string : string.regex(pattern, { error: expected }))
    .default(fallback)
    .describe(meaning)
    .register(facts, { kind: 'text', expected, isSecret });
}

function flag(meaning: string) {
  const expected = 'true or false';
  const words = z.enum(['true', 'false', '1', '0']).transform((word) => word === 'true' || word === '1');
  return z
    .union([z.boolean(), words], { error: expected })
    .default(false)
    .describe(meaning)
    .register(facts, { kind: 'flag', expected, isSecret: false });
}

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^\s:,[\]]+):\d{1,5}$/;

/** Addresses: a list in the file, separated by commas elsewhere. */
function addresses(meaning: string) {
  const expected = 'host:port, or a list of them';
  const one = z.string().regex(ADDRESS);
  const several = z
    .string()
    .transform((words) => words.split(',').flatMap((word) => word.trim() || []))
    .pipe(z.array(one));
  return z
    .union([z.array(one), several], { error: expected })
    .default([])
    .describe(meaning)
    .register(facts, { kind: 'list', expected, isSecret: false });
}

function choice<const Words extends readonly [string, ...string[]]>(
  meaning: string,
  words: Words,
  fallback: Words[number],
) {
  const expected = `one of ${words.join(', ')}`;
  return z
    .enum(words, { error: expected })
    .default(fallback as never)
    .describe(meaning)
    .register(facts, { kind: 'choice', expected, isSecret: false });
}

const MIB = 2 ** 20;
/** A text that can travel in an HTTP header. */
const SECRET = {
  isSecret: true,
  pattern: /^([!-~]([ -~]*[!-~])?)?$/,
  expected: 'printable ASCII, without blanks around it',
} as const;

export const memberSchema = z.strictObject({
  name: text(
    "The member's name; a restarted member comes back under the same name, and holds nothing. Default: host:port.",
    '',
  ),
  zone: text('Members of one zone fail together. Default: the host name.', ''),
  spin: choice(
    'Whether the member keeps its event loop turning for a moment between key-value calls that follow each other closely, where there is a core for it that nobody else wants (auto), or never (off).',
    ['auto', 'off'],
    'auto',
  ),
  grpc: z
    .strictObject({
      host: text('Address of the gRPC door.', '127.0.0.1'),
      port: count('Port of the gRPC door; 0 takes a free one.', 7710, 0, 65535),
      advertise: text(
        'host:port under which clients and members reach this one; port 0 is the one that the door listens on. Default: host and port.',
        '',
        { pattern: new RegExp(`^$|${ADDRESS.source}`), expected: 'host:port' },
      ),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: text('Address of the HTTP door (metrics, health).', '127.0.0.1'),
      port: count('Port of the HTTP door; 0 takes a free one.', 7711, 0, 65535),
      metricsEveryMs: duration(
        'The page of metrics is made at most once in so long; who asks meanwhile waits for the next one, and shares it.',
        1000,
        1,
      ),
    })
    .prefault({}),
  memory: z
    .strictObject({
      maxBytes: size('Grid memory: entries, keys, indexes, columns and logs together.', 512 * MIB, 16 * MIB),
      queryMaxBytes: size('Memory of one query on one member.', 256 * MIB, MIB),
      statementsMaxBytes: size('Memory of all statements and jobs together on one member.', 256 * MIB, 4 * MIB),
      answersMaxBytes: size(
        'Memory for what calls were answered, for those that are sent again after a broken link; beyond it the logs answer.',
        256 * MIB,
        0,
      ),
      logBytesPerPartition: size(
        'Most that the log of a partition keeps of what nobody has to read. All logs share an eighth of memory.maxBytes; by default that alone bounds them.',
        1024 * 1024 * MIB,
        64 * 1024,
      ),
    })
    .prefault({}),
  cluster: z
    .strictObject({
      join: addresses(
        'Addresses (host:port) at which the member that holds the coordinator may be: all are tried. Empty: this member holds it.',
      ),
      expectedMembers: count(
        'Members the partition table waits for. A member that joins takes it from the grid.',
        1,
        1,
        64,
      ),
      partitionCount: count(
        'Partitions of the grid, fixed for its life. A member that joins takes it from the grid.',
        256,
        1,
        4096,
      ),
      backups: count(
        'Copies of each partition beside the primary; at most one less than cluster.expectedMembers. A member that joins takes it from the grid.',
        0,
        0,
        3,
      ),
      minInSync: count(
        'Copies, the primary counted, without which a partition takes no writes. 0: one, and two where there are two backups or more. A member that joins takes it from the grid.',
        0,
        0,
        4,
      ),
      dataDirectory: text(
        'Where the coordinator keeps table and catalog, to go on with them when it is started again. Empty: nowhere; it goes on with what living members hold. Required on that member where there are backups.',
        '',
      ),
      joinTimeoutMs: duration('How long to wait for the coordinator and for the expected members.', 30_000, 100),
    })
    .prefault({}),
  workers: z
    .strictObject({
      queryThreads: count('Threads for SQL, jobs and columns. 0: one a core, at most 4.', 0, 0, 32),
      userThreads: count('Threads for processors, listeners and jobs. 0: one a core, at most 4.', 0, 0, 32),
      userHeapBytes: size('Heap of a call into a module that sets no limit of its own.', 256 * MIB, 16 * MIB),
      userWallMs: duration('Wall clock of a processor or listener call of a module that sets none.', 1000, 10),
      queueMax: count('Tasks that may wait for a thread before callers are refused.', 4096, 1, 1_000_000),
    })
    .prefault({}),
  limits: z
    .strictObject({
      keyBytes: size('Longest key, encoded.', 64 * 1024, 16, 64 * 1024),
      valueBytes: size('Longest value.', 16 * MIB, 1024),
      messageBytes: size('Longest message between processes.', 64 * MIB, 64 * 1024, 1024 * MIB),
      sessionTtlMs: duration('A session that is silent for this long is forgotten, with its answers.', 60_000, 1000),
      snapshotMaxAgeMs: duration(
        'A snapshot, or a result, that is not read for so long is given up (SNAPSHOT_EXPIRED).',
        60_000,
        100,
      ),
      maxClockAheadMs: duration('Clocks of other processes that are further ahead are refused.', 500, 1),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: choice('Lowest level that is logged.', ['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'info'),
      pretty: flag('Readable lines instead of JSON.'),
    })
    .prefault({}),
  testing: z
    .strictObject({
      commitDelayMs: duration(
        'Commits come late, each by a time of its own up to this one: behind the acknowledgements of backups, where there are any. 0: at once.',
        0,
      ),
      commitDropPerMille: count(
        'Late commits that are lost, of a thousand, with all behind them in the partition. In a grid without backups only.',
        0,
        0,
        1000,
      ),
      seed: count('Seed of the delays and losses.', 1, 0, 2 ** 31),
    })
    .prefault({}),
  security: z
    .strictObject({
      insecure: flag('Allow a bind wider than loopback without TLS and token.'),
      token: text('Clients must bring this bearer token.', '', SECRET),
      tokenFile: text('File that holds security.token; what surrounds it, such as a line end, is left out.', ''),
      memberToken: text(
        'What members show each other. Default: ASHLAR_MEMBER_SECRET, else the file ~/.ashlar/member-secret.',
        '',
        SECRET,
      ),
      memberTokenFile: text('File that holds security.memberToken.', ''),
      memberSubject: text(
        'Common name of the certificates by which members are known, in place of a token. Wants clientAuth request or require.',
        '',
      ),
      certFile: text('PEM certificate chain of this member. With it, the gRPC door speaks TLS.', ''),
      keyFile: text('PEM private key of this member.', ''),
      caFile: text(
        'PEM certificates of the authorities that sign those of members and clients. Default: the authorities of the system.',
        '',
      ),
      clientAuth: choice(
        'Whether callers show a certificate that caFile signed: they are not asked for one (none), they may (request), they must (require).',
        ['none', 'request', 'require'],
        'none',
      ),
    })
    .prefault({}),
});

export type MemberConfig = z.output<typeof memberSchema>;

/** One leaf of the schema, as file, environment and flags name it. */
export interface Setting extends SettingFacts {
  /** memory.maxBytes */
  readonly path: readonly string[];
  /** memory.maxBytes, as one word. */
  readonly name: string;
  /** ASHLAR_MEMORY_MAX_BYTES */
  readonly env: string;
  readonly meaning: string;
  readonly fallback: unknown;
}

/** Every setting, in the schema's order. */
export const SETTINGS: readonly Setting[] = collect(memberSchema, []);

function collect(schema: z.ZodType, path: readonly string[]): Setting[] {
  const object = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
  if (object instanceof z.ZodObject) {
    return Object.entries(object.shape).flatMap(([name, child]) => collect(child as z.ZodType, [...path, name]));
  }
  const words = path.flatMap((name) => name.split(/(?=[A-Z])/)).map((word) => word.toUpperCase());
  return [
    {
      ...facts.get(schema)!,
      path,
      name: path.join('.'),
      env: `ASHLAR_${words.join('_')}`,
      meaning: schema.description ?? '',
      fallback: (schema as z.ZodDefault).def.defaultValue,
    },
  ];
}

/** A setting's value as people write it: 512MiB, 30s. */
export function settingText({ kind, isSecret }: Setting, value: unknown): string {
  if (isSecret) return value === '' ? '' : '***';
  if (kind === 'size') return formatSize(value as number);
  if (kind === 'time') return formatDuration(value as number);
  return String(value);
}

interface SchemaNode {
  type?: string | readonly string[];
  default?: unknown;
  properties?: Record<string, SchemaNode>;
}

/** JSON schema of `ashlar.yaml`, for editors: `# yaml-language-server: $schema=ashlar.schema.json`. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(memberSchema, { io: 'input' });
  const root = schema as SchemaNode;
  for (const group of Object.values(root.properties ?? {})) {
    if (group.properties === undefined) continue;
    // A group all of whose lines are comments is null to YAML.
    group.type = ['object', 'null'];
    delete group.default;
  }
  for (const setting of SETTINGS) {
    const node = setting.path.reduce<SchemaNode>((parent, name) => parent.properties![name]!, root);
    const isAmount = setting.kind === 'size' || setting.kind === 'time';
    node.default = isAmount ? settingText(setting, setting.fallback) : setting.fallback;
  }
  return { $schema, title: 'ashlar.yaml: settings of an Ashlar member', ...root };
}
