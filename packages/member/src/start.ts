/** Starting a member from what a command line was given. */
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { GridError } from '@ashlar/core';
import { type DestinationStream, pino } from 'pino';
import { type LoadedConfig, loadConfig } from './config/load.ts';
import { Member } from './member.ts';

const DEFAULT_FILE = 'ashlar.yaml';
/** Memory of Node, its threads and their heaps, beside the grid memory. */
const PROCESS_BYTES = 160 * 2 ** 20;

export interface StartRequest {
  /** By dotted path of the setting: `{ 'grpc.port': '7720' }`. */
  readonly flags: Readonly<Record<string, string | number | boolean | undefined>>;
  /** How they were typed, for errors and origins: `{ 'grpc.port': '--port' }`. Default: `--set grpc.port`. */
  readonly flagNames?: Readonly<Record<string, string>>;
  /** Default: ashlar.yaml in the working folder, if it is there. */
  readonly configFile?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface StartedMember {
  readonly name: string;
  /** host:port of the gRPC door. */
  readonly address: string;
  /** host:port of the HTTP door. */
  readonly httpAddress: string;
  readonly httpScheme: 'http' | 'https';
  /** Stops the member in order, within 5 seconds. Idempotent. */
  stop(): Promise<void>;
}

/** @throws GridError INVALID_CONFIG, INSUFFICIENT_MEMORY, PORT_IN_USE, INSECURE_BIND, CONNECT_TIMEOUT ... */
export async function startMember(request: StartRequest): Promise<StartedMember> {
  const { config, origins } = configOf(request);
  checkMemory(config.memory.maxBytes);
  const log = pino({ name: 'ashlar', level: config.log.level }, await logDestination(config.log.pretty));
  const isGiven = (setting: string): boolean => origins.get(setting)?.origin !== 'default';
  const member = await Member.start(config, isGiven, log, request.env);
  const { name, address, httpAddress, httpScheme } = member;
  return { name, address, httpAddress, httpScheme, stop: () => member.stop() };
}

const STDERR = 2;

async function logDestination(pretty: boolean): Promise<DestinationStream> {
  if (!pretty) return pino.destination({ dest: STDERR, sync: true });
  const { default: prettyLines } = await import('pino-pretty');
  const colorize = process.stderr.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  return prettyLines({ destination: STDERR, sync: true, colorize, ignore: 'pid,hostname,name' });
}

/** Configuration from flags, environment and file. @throws GridError INVALID_CONFIG */
export function configOf({ flags, flagNames, configFile, env }: StartRequest): LoadedConfig {
  return loadConfig({ flags, flagNames, env, file: readConfig(configFile || env['ASHLAR_CONFIG'] || undefined) });
}

function readConfig(name: string | undefined): { name: string; text: string } | undefined {
  try {
    return { name: name ?? DEFAULT_FILE, text: readFileSync(name ?? DEFAULT_FILE, 'utf8') };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isMissing && name === undefined) return undefined;
    throw new GridError('INVALID_CONFIG', `${name ?? DEFAULT_FILE} cannot be read: ${(error as Error).message}`);
  }
}

function checkMemory(maxBytes: number): void {
  const free = Math.max(freemem(), process.availableMemory());
  if (maxBytes + PROCESS_BYTES <= free) return;
  throw new GridError(
    'INSUFFICIENT_MEMORY',
    `the machine has ${free} bytes of memory left, the member wants ${maxBytes} and some ${PROCESS_BYTES} for itself`,
    {
      hint: 'lower memory.maxBytes (--memory)',
      details: { free, wanted: maxBytes },
    },
  );
}
