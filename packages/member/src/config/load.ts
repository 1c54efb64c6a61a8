/**
 * One configuration out of flags > ASHLAR_* > file > defaults, with where each value came from.
 */
import { GridError } from '@ashlar/core';
import { closest } from 'fastest-levenshtein';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { type MemberConfig, memberSchema, SETTINGS, type Setting } from './schema.ts';

export type Origin = 'default' | 'file' | 'environment' | 'flag';

export interface ConfigSources {
  /** Text of ashlar.yaml, and its name for errors. */
  readonly file?: { readonly name: string; readonly text: string } | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By dotted path: `{ 'memory.maxBytes': '1GiB' }`. */
  readonly flags?: Readonly<Record<string, string | number | boolean | undefined>>;
}

export interface LoadedConfig {
  readonly config: MemberConfig;
  /** By dotted path. */
  readonly origins: ReadonlyMap<string, { readonly origin: Origin; readonly name: string }>;
}

interface Given {
  readonly value: unknown;
  readonly origin: Origin;
  /** How the user wrote it: a flag, a variable, a line of the file. */
  readonly name: string;
}

/**
 * @throws GridError INVALID_CONFIG naming the setting, where it was given, and the nearest name of an unknown one
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const given = new Map<string, Given>();
  if (sources.file !== undefined) readFile(sources.file, given);
  readEnvironment(sources.env ?? {}, given);
  readFlags(sources.flags ?? {}, given);

  const input: Record<string, unknown> = {};
  for (const [path, { value }] of given) assign(input, path.split('.'), value);
  const parsed = memberSchema.safeParse(input);
  if (!parsed.success) throw invalid(parsed.error, given);

  const origins = new Map<string, { origin: Origin; name: string }>();
  for (const { path } of SETTINGS) {
    const key = path.join('.');
    const from = given.get(key);
    origins.set(key, from === undefined ? { origin: 'default', name: '' } : { origin: from.origin, name: from.name });
  }
  return { config: parsed.data, origins };
}

/** The value of a setting by its path. */
export function settingOf(config: MemberConfig, setting: Setting): unknown {
  return setting.path.reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config);
}

/** What a key of a settings file can mean: memory, memory.maxBytes ... */
const SETTINGS_AND_GROUPS: readonly string[] = [
  ...new Set(SETTINGS.flatMap(({ path }) => path.map((_, depth) => path.slice(0, depth + 1).join('.')))),
];

function readFile(file: { name: string; text: string }, given: Map<string, Given>): void {
  let root: unknown;
  try {
    root = parseYaml(file.text, { prettyErrors: true });
  } catch (error) {
    throw new GridError('INVALID_CONFIG', `${file.name}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  if (root === null || root === undefined) return;
  visit(root, []);

  function visit(node: unknown, path: readonly string[]): void {
    const key = path.join('.');
    if (SETTINGS.some((setting) => setting.path.join('.') === key)) {
      given.set(key, { value: node, origin: 'file', name: `${file.name}: ${key}` });
      return;
    }
    const isGroup = path.length === 0 || SETTINGS.some((setting) => setting.path.join('.').startsWith(`${key}.`));
    if (!isGroup) throw unknown(key, SETTINGS_AND_GROUPS, `${file.name}: unknown setting '${key}'`);
    if (typeof node !== 'object' || node === null || Array.isArray(node)) {
      throw new GridError('INVALID_CONFIG', `${file.name}: '${key || 'the file'}' is a group of settings, not a value`);
    }
    for (const [name, child] of Object.entries(node)) visit(child, [...path, name]);
  }
}

/** Variables that are not settings of a member, but ours. */
const OTHER_VARIABLES = new Set(['ASHLAR_ADDRESS', 'ASHLAR_CONFIG', 'ASHLAR_REQUIRE_SERVERS', 'ASHLAR_TOKEN']);

function readEnvironment(env: Readonly<Record<string, string | undefined>>, given: Map<string, Given>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('ASHLAR_') || value === undefined || OTHER_VARIABLES.has(name)) continue;
    const setting = SETTINGS.find((candidate) => candidate.env === name);
    if (setting === undefined) {
      throw unknown(
        name,
        SETTINGS.map((candidate) => candidate.env),
        `unknown environment variable ${name}`,
      );
    }
    given.set(setting.path.join('.'), { value, origin: 'environment', name });
  }
}

function readFlags(
  flags: Readonly<Record<string, string | number | boolean | undefined>>,
  given: Map<string, Given>,
): void {
  for (const [path, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const setting = SETTINGS.find((candidate) => candidate.path.join('.') === path);
    if (setting === undefined)
      throw unknown(
        path,
        SETTINGS.map((candidate) => candidate.path.join('.')),
        `unknown setting '${path}'`,
      );
    given.set(path, { value, origin: 'flag', name: path });
  }
}

function assign(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node = target;
  for (const name of path.slice(0, -1)) node = (node[name] ??= {}) as Record<string, unknown>;
  node[path.at(-1)!] = value;
}

function unknown(name: string, known: readonly string[], message: string): GridError {
  return new GridError('INVALID_CONFIG', message, { hint: `did you mean '${closest(name, known)}'?` });
}

function invalid(error: z.ZodError, given: ReadonlyMap<string, Given>): GridError {
  const issue = error.issues[0]!;
  const path = issue.path.join('.');
  const where = given.get(path)?.name ?? path;
  const setting = SETTINGS.find((candidate) => candidate.path.join('.') === path);
  return new GridError('INVALID_CONFIG', `${where} is ${JSON.stringify(given.get(path)?.value)}: ${issue.message}`, {
    hint: setting?.meaning,
    details: { setting: path },
  });
}
