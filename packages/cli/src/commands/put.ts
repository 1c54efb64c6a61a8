/** `ashlar put`: stores one entry. */
import type { Grid, GridKey, TimeToLive } from '@ashlar/api';
import { keyJson, keyText, parseKey, parseValue } from '@ashlar/terminal';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CliContext, type CommonOptions, gridCommand, guarded, withGrid } from '../context.ts';
import type { InputStream } from '../io.ts';
import { parseDuration } from '../values/duration.ts';

interface PutOptions extends CommonOptions {
  readonly text?: boolean;
  readonly ttl?: TimeToLive;
  readonly ifAbsent?: boolean;
  readonly ifVersion?: number;
}

export function putCommand(context: CliContext): Command {
  return gridCommand(context, 'put', 'store an entry', `ashlar put accounts a1 '{"balance": 100}' --ttl 30s`, [
    'ashlar put pages index - < index.html',
  ])
    .argument('<map>', 'the map; created if it does not exist')
    .argument('<key>', 'JSON where it is JSON ("5" is text, 5 a number), else text')
    .argument('<value>', 'likewise; - reads it from standard input')
    .option('--text', 'take key and value as text, whatever they look like')
    .option('--ttl <time>', 'when the entry expires: after 500ms, 30s, 5m, 2h, 7d; or keep, default, never', parseTtl)
    .option('--if-absent', 'only if the key does not exist yet')
    .addOption(
      new Option('--if-version <version>', 'only if the entry has this version (see get --json)')
        .argParser(parseVersion)
        .conflicts('ifAbsent'),
    )
    .action((map: string, key: string, value: string, options: PutOptions) =>
      guarded(context, options, () => put(context, map, key, value, options)),
    );
}

/** A put that a condition prevents is reported, and makes the exit code 1. */
async function put(
  context: CliContext,
  map: string,
  keyGiven: string,
  given: string,
  options: PutOptions,
): Promise<void> {
  const { io, out, err } = context;
  const key = parseKey(keyGiven, options.text);
  const text = given === '-' ? await readAll(io.stdin) : given;
  const value = parseValue(text, options.text);
  await withGrid(context, options, async (grid) => {
    const stored = await store(grid, map, key, value, { signal: io.signal, ...options });
    if (!stored) context.exitCode = 1;
    if (options.json) out.line(`{"map":${JSON.stringify(map)},"key":${keyJson(key)},"stored":${stored}}`);
    else if (!stored) err.line(`not stored: ${whyNot(map, keyText(key), options)}`);
    if (stored && typeof value === 'string' && value === text && looksLikeJson(value, options)) {
      err.line(
        `${err.colours.yellow('notice:')} stored as text: the value begins as JSON, but is none (--text says that it is meant)`,
      );
    }
  });
}

/** A quote or a brace that the shell took away makes text of what was meant as a document. */
function looksLikeJson(value: string, { text }: PutOptions): boolean {
  return !text && /^\s*[{[]/.test(value);
}

async function store(
  grid: Grid,
  map: string,
  key: GridKey,
  value: unknown,
  { signal, ttl, ifAbsent, ifVersion }: PutOptions & { readonly signal: AbortSignal },
): Promise<boolean> {
  const call = { signal, ...(ttl === undefined ? {} : { ttlMs: ttl }) };
  const entries = grid.map(map);
  if (ifAbsent) return entries.putIfAbsent(key, value, call);
  if (ifVersion !== undefined) return entries.replace(key, value, { ...call, ifVersion });
  await entries.put(key, value, call);
  return true;
}

function whyNot(map: string, key: string, { ifVersion }: PutOptions): string {
  return ifVersion === undefined ? `${map} has ${key} already` : `${map} has no ${key} of version ${ifVersion}`;
}

/** Without the line end that editors and echo put behind a text. */
async function readAll(input: InputStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

function parseTtl(text: string): TimeToLive {
  return text === 'keep' || text === 'default' || text === 'never' ? text : parseDuration(text);
}

function parseVersion(text: string): number {
  const version = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(version)) return version;
  throw new InvalidArgumentError('a version is a whole number: get --json shows it.');
}
