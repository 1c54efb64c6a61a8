/**
 * Where the grid is and what is shown to it, by flags or environment: the same for every command that connects.
 *
 * connection-options O1  A flag comes before a variable; a variable that is empty counts as none.
 * connection-options O2  Any of the TLS options switches TLS on; nothing else does.
 * connection-options O3  No error holds a token or a key.
 */
import { readFileSync } from 'node:fs';
import { GridError } from '@ashlar/api';
import type { Command } from 'commander';
import type { ConnectRequest } from './io.ts';

const DEFAULT_ADDRESS = '127.0.0.1:7710';

export interface ConnectionFlags {
  readonly address?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Adds the options to a command; its help shows the address that counts. */
export function connectionOptions(command: Command, env: Env): Command {
  return command
    .optionsGroup('Connecting:')
    .option('-a, --address <host:port,...>', 'members to connect to (ASHLAR_ADDRESS)', addressOf({}, env))
    .option('--token <token>', 'token of clients (ASHLAR_TOKEN, which no list of processes shows)')
    .option('--token-file <file>', 'the file that holds it (ASHLAR_TOKEN_FILE)')
    .option('--tls', 'TLS, with the authorities of the system (ASHLAR_TLS=true)')
    .option('--tls-ca <file>', 'TLS, with the authorities of this PEM file (ASHLAR_TLS_CA)')
    .option('--tls-cert <file>', 'PEM certificate to show to members (ASHLAR_TLS_CERT)')
    .option('--tls-key <file>', 'PEM private key of it (ASHLAR_TLS_KEY)')
    .option('--tls-server-name <name>', "name that members' certificates must have (ASHLAR_TLS_SERVER_NAME)")
    .optionsGroup('Options:');
}

/** Something given, and what to call it in errors. */
interface Given {
  readonly value: string;
  /** `--tls-ca`, `ASHLAR_TLS_CA` */
  readonly name: string;
}

/** host:port of members, separated by commas. */
export function addressOf({ address }: ConnectionFlags, env: Env): string {
  return address ?? (env['ASHLAR_ADDRESS'] || DEFAULT_ADDRESS);
}

/** Options of `connect` from flags and environment. @throws GridError INVALID_ARGUMENT: a file that cannot be read, two tokens */
export function connectRequest(flags: ConnectionFlags, env: Env): ConnectRequest {
  const seeds = addressOf(flags, env)
    .split(',')
    .map((seed) => seed.trim())
    .filter((seed) => seed !== '');
  const token = tokenOf(flags, env);
  const files = tlsFiles(flags, env);
  return { seeds, ...(token !== undefined && { token }), ...(files !== undefined && { tls: files.tls }) };
}

/**
 * An error about a PEM text of `connect`, with the names under which it was given here.
 *
 * @param error  whatever `connect` threw; all others come back as they are
 */
export function withFlagNames(error: unknown, flags: ConnectionFlags, env: Env): unknown {
  if (!GridError.is(error, 'INVALID_ARGUMENT')) return error;
  const source = error.details?.['source'];
  if (typeof source !== 'string' || !source.startsWith('tls.')) return error;
  let { message } = error;
  for (const [option, name] of Object.entries(tlsFiles(flags, env)?.names ?? {})) {
    message = message.replaceAll(option, name);
  }
  return new GridError('INVALID_ARGUMENT', message, { hint: error.hint });
}

function given(flag: string | undefined, name: string, env: Env, variable: string): Given | undefined {
  if (flag !== undefined) return { value: flag, name };
  const value = env[variable];
  return value === undefined || value === '' ? undefined : { value, name: variable };
}

function tokenOf(flags: ConnectionFlags, env: Env): string | undefined {
  if (flags.token !== undefined && flags.tokenFile !== undefined) {
    throw new GridError('INVALID_ARGUMENT', '--token and --token-file are given: one of them is wanted');
  }
  if (flags.token !== undefined) return flags.token;
  const byFile = (file: Given): string => readText(file).trim();
  if (flags.tokenFile !== undefined) return byFile({ value: flags.tokenFile, name: '--token-file' });
  const [token, file] = ['ASHLAR_TOKEN', 'ASHLAR_TOKEN_FILE'].map((variable) => given(undefined, '', env, variable));
  return token?.value ?? (file && byFile(file));
}

interface TlsFiles {
  readonly tls: NonNullable<ConnectRequest['tls']>;
  /** By the option of `connect`: `tls.ca` is `--tls-ca certs/ca.pem`. */
  readonly names: Readonly<Record<string, string>>;
}

/** Undefined: no TLS (connection-options O2). */
function tlsFiles(flags: ConnectionFlags, env: Env): TlsFiles | undefined {
  const ca = given(flags.tlsCa, '--tls-ca', env, 'ASHLAR_TLS_CA');
  const cert = given(flags.tlsCert, '--tls-cert', env, 'ASHLAR_TLS_CERT');
  const key = given(flags.tlsKey, '--tls-key', env, 'ASHLAR_TLS_KEY');
  const serverName = given(flags.tlsServerName, '--tls-server-name', env, 'ASHLAR_TLS_SERVER_NAME');
  if (!flags.tls && !isSwitchedOn(env) && (ca ?? cert ?? key ?? serverName) === undefined) return undefined;
  const files = { ca, cert, key };
  const read = Object.entries(files).flatMap(([option, file]) => (file ? [[option, readText(file)] as const] : []));
  const names = Object.entries(files).map(([option, file]) => {
    const unknown = `--tls-${option}`;
    return [`tls.${option}`, file ? `${file.name} ${file.value}` : unknown] as const;
  });
  return {
    tls: { ...Object.fromEntries(read), ...(serverName && { serverName: serverName.value }) },
    names: Object.fromEntries(names),
  };
}

/** @throws GridError INVALID_ARGUMENT */
function isSwitchedOn({ ASHLAR_TLS: word = '' }: Env): boolean {
  if (['', 'false', '0'].includes(word)) return false;
  if (['true', '1'].includes(word)) return true;
  throw new GridError('INVALID_ARGUMENT', `ASHLAR_TLS is ${JSON.stringify(word)}: true or false is wanted`, {
    hint: 'the file of an authority is given by ASHLAR_TLS_CA',
  });
}

function readText({ value: file, name }: Given): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new GridError('INVALID_ARGUMENT', `${name} ${file} cannot be read: ${why}`);
  }
}
