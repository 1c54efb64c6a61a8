/**
 * One configuration from flags > ASHLAR_* > file > defaults, with the origin of each value.
 *
 *   file -> one value a setting, with its line -.
 *   ASHLAR_* variables --------------------------+-> schema -> checks over several settings -> configuration, origins
 *   flags --------------------------------------'
 */
import { GridError } from '@ashlar/core';
import { closest } from 'fastest-levenshtein';
import { isAlias, isMap, isScalar, LineCounter, type Pair, parseDocument } from 'yaml';
import type { z } from 'zod';
import { checkTogether } from './interplay.ts';
import { type MemberConfig, memberSchema, SETTINGS, type Setting } from './schema.ts';

export type Origin = 'default' | 'file' | 'environment' | 'flag';

export interface ConfigSources {
  /** Text of ashlar.yaml, and its name for errors. */
  readonly file?: { readonly name: string; readonly text: string } | undefined;
  /** An empty variable counts as none, as in compose files; `--set setting=` empties a setting. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By dotted path: `{ 'memory.maxBytes': '1GiB' }`. */
  readonly flags?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** By dotted path, how flags were typed: `--memory`. Default: `--set memory.maxBytes`. */
  readonly flagNames?: Readonly<Record<string, string>>;
}

export interface LoadedConfig {
  readonly config: MemberConfig;
  /** By dotted path. */
  readonly origins: ReadonlyMap<string, SettingOrigin>;
}

export interface SettingOrigin {
  readonly origin: Origin;
  /** `ashlar.yaml:3`, `ASHLAR_MEMORY_MAX_BYTES`, `--memory`; of a default: empty. */
  readonly name: string;
}

interface Given extends SettingOrigin {
  readonly value: unknown;
}

/**
 * @throws GridError INVALID_CONFIG naming the setting, where it was given, what is expected, and the nearest name of an
 *   unknown one
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const given = new Map<string, Given>();
  if (sources.file !== undefined) readFile(sources.file, given);
  readEnvironment(sources.env ?? {}, given);
  readFlags(sources.flags ?? {}, sources.flagNames ?? {}, given);

  const input: Record<string, unknown> = {};
  for (const [path, { value }] of given) assign(input, path.split('.'), value);
  const parsed = memberSchema.safeParse(input);
  if (!parsed.success) throw invalid(parsed.error, given);

  const origins = new Map<string, SettingOrigin>();
  for (const { name: setting } of SETTINGS) {
    const { origin, name } = given.get(setting) ?? { origin: 'default' as const, name: '' };
    origins.set(setting, { origin, name });
  }
  const loaded = { config: parsed.data, origins };
  checkTogether(loaded);
  return loaded;
}

/** The value of a setting by its path. */
export function settingOf(config: MemberConfig, setting: Setting): unknown {
  return setting.path.reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config);
}

/* ---- File --------------------------------------------------------------------------------------------------------- */

const BY_NAME = new Map(SETTINGS.map((setting) => [setting.name, setting]));
const GROUPS = new Set(
  SETTINGS.flatMap(({ path }) => path.slice(0, -1).map((_, end) => path.slice(0, end + 1).join('.'))),
);

function readFile(file: { readonly name: string; readonly text: string }, given: Map<string, Given>): void {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const place = (node: unknown): string => {
    const offset = (node as { readonly range?: readonly number[] | null } | null)?.range?.[0];
    return offset === undefined ? file.name : `${file.name}:${lines.linePos(offset).line}`;
  };
  const [fault] = document.errors;
  if (fault !== undefined) {
    throw refused(`${file.name}:${lines.linePos(fault.pos[0]).line}: ${fault.message}`, YAML_HINTS[fault.code]);
  }
  readGroup(document.contents, '', file.name);

  function readGroup(node: unknown, group: string, at: string): void {
    const found = isAlias(node) ? node.resolve(document) : node;
    if (isNothing(found)) return;
    if (!isMap(found)) {
      const what = group === '' ? 'a file of settings holds' : `'${group}' is`;
      throw refused(`${at}: ${what} a group of settings (setting: value), not ${kindOf(found)}`);
    }
    for (const pair of found.items) readPair(pair, group);
  }

  function readPair({ key, value }: Pair, group: string): void {
    const name = `${group === '' ? '' : `${group}.`}${isScalar(key) ? String(key.value) : ''}`;
    const at = place(key);
    if (GROUPS.has(name)) {
      readGroup(value, name, at);
      return;
    }
    if (!BY_NAME.has(name)) throw unknown(name, [...GROUPS, ...BY_NAME.keys()], `${at}: unknown setting '${name}'`);
    const node = isAlias(value) ? value.resolve(document) : value;
    if (isNothing(node)) {
      throw refused(`${at}: ${name} has no value`, `write one, '' for an empty text, or take the line out`);
    }
    given.set(name, {
      value: (node as { toJS(of: typeof document): unknown }).toJS(document),
      origin: 'file',
      name: at,
    });
  }
}

const YAML_HINTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces: YAML takes no tabs',
  DUPLICATE_KEY: 'a setting is given once: remove one of the lines',
};

function isNothing(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

function kindOf(node: unknown): string {
  return isScalar(node) ? `the value ${JSON.stringify(node.value)}` : 'a list';
}

/* ---- Environment and flags -------------------------------------------------------------------------------------- */

/** Variables that are not settings of a member, but ours. */
const OTHER_VARIABLES = new Set([
  'ASHLAR_ADDRESS',
  'ASHLAR_CONFIG',
  'ASHLAR_HISTORY',
  'ASHLAR_MEMBER_SECRET',
  'ASHLAR_REQUIRE_SERVERS',
  'ASHLAR_TLS',
  'ASHLAR_TLS_CA',
  'ASHLAR_TLS_CERT',
  'ASHLAR_TLS_KEY',
  'ASHLAR_TLS_SERVER_NAME',
  'ASHLAR_TOKEN',
  'ASHLAR_TOKEN_FILE',
]);

function readEnvironment(env: Readonly<Record<string, string | undefined>>, given: Map<string, Given>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('ASHLAR_') || value === undefined || OTHER_VARIABLES.has(name)) continue;
    const setting = SETTINGS.find(({ env }) => env === name);
    if (setting === undefined) {
      const known = SETTINGS.map(({ env }) => env);
      throw unknown(name, known, `unknown environment variable ${name}`);
    }
    if (value !== '') given.set(setting.name, { value, origin: 'environment', name });
  }
}

function readFlags(
  flags: Readonly<Record<string, string | number | boolean | undefined>>,
  names: Readonly<Record<string, string>>,
  given: Map<string, Given>,
): void {
  for (const [path, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const name = names[path] ?? `--set ${path}`;
    if (!BY_NAME.has(path)) throw unknown(path, [...BY_NAME.keys()], `${name}: unknown setting '${path}'`);
    given.set(path, { value, origin: 'flag', name });
  }
}

/* ---- Refusals ----------------------------------------------------------------------------------------------------- */

function assign(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node = target;
  for (const name of path.slice(0, -1)) node = (node[name] ??= {}) as Record<string, unknown>;
  node[path.at(-1)!] = value;
}

function refused(message: string, hint?: string): GridError {
  return new GridError('INVALID_CONFIG', message, { hint });
}

/** The error for an unknown name, with the nearest known one; for a setting given without its group, the one in its group. */
function unknown(name: string, known: readonly string[], message: string): GridError {
  const last = name.slice(name.lastIndexOf('.') + 1);
  const inGroup = known.find((candidate) => candidate.endsWith(`.${last}`));
  return refused(message, `did you mean '${inGroup ?? closest(name, known)}'?`);
}

function invalid(error: z.ZodError, given: ReadonlyMap<string, Given>): GridError {
  const issue = error.issues[0]!;
  // Within a list the path goes on below the setting.
  const setting = SETTINGS.find(({ path }) => path.every((name, depth) => issue.path[depth] === name))!;
  const { name, value } = given.get(setting.name)!;
  const hidden = typeof value === 'string' ? 'a text that is not shown' : 'not a text';
  const shown = setting.isSecret ? hidden : JSON.stringify(value);
  const quote = setting.kind === 'text' && typeof value !== 'string' ? ' (in quotes where it looks like a number)' : '';
  const where = name.endsWith(setting.name) ? name : `${name}: ${setting.name}`;
  return new GridError('INVALID_CONFIG', `${where} is ${shown}: expected ${setting.expected}${quote}`, {
    hint: setting.meaning,
    details: { setting: setting.name },
  });
}
