/** `ashlar start`: a bare member, until Ctrl-C or SIGTERM. What its settings mean is the member's business. */
import { GridError } from '@ashlar/api';
import { type Command, InvalidArgumentError } from 'commander';
import { type CliContext, guarded, plainCommand } from '../context.ts';
import type { MemberRequest, RunningMember } from '../io.ts';

/** An orderly shutdown takes no longer; with the parent gone, nobody is left to be polite to. */
const STOP_TIMEOUT_MS = 5000;
const ORPHAN_STOP_TIMEOUT_MS = 1000;

/** Options that settingOptions adds to a command. */
export interface SettingOptions {
  readonly config?: string;
  readonly set: readonly string[];
}

interface StartOptions extends SettingOptions {
  readonly readyJson?: boolean;
  readonly exitWithParent?: boolean;
}

/** Short flags of ours, and the settings they stand for; all others are reached by --set. */
const SHORT_FLAGS: Readonly<Record<string, readonly string[]>> = {
  name: ['name'],
  host: ['grpc.host', 'http.host'],
  port: ['grpc.port'],
  httpPort: ['http.port'],
  memory: ['memory.maxBytes'],
  membersExpected: ['cluster.expectedMembers'],
  join: ['cluster.join'],
  logLevel: ['log.level'],
  advertise: ['grpc.advertise'],
  tlsCert: ['security.certFile'],
  tlsKey: ['security.keyFile'],
  tlsCa: ['security.caFile'],
  clientAuth: ['security.clientAuth'],
  insecure: ['security.insecure'],
  spin: ['spin'],
};

export function startCommand(context: CliContext): Command {
  const command = plainCommand('start', 'start a member', 'ashlar start --port 7710 --memory 1GiB');
  return settingOptions(command)
    .option('--ready-json', 'print one JSON line on stdout when ready')
    .option('--exit-with-parent', 'stop when the other end of stdin closes')
    .action((options: StartOptions) => start(context, options));
}

/** The options by which a command line gives settings of a member. */
export function settingOptions(command: Command): Command {
  return command
    .option('--config <file>', 'settings file (ASHLAR_CONFIG; default: ashlar.yaml if there is one)')
    .option('--name <name>', "the member's name")
    .option('--host <host>', 'address to bind')
    .option('--port <port>', 'gRPC port')
    .option('--http-port <port>', 'HTTP port: metrics and health')
    .option('--memory <size>', 'grid memory, e.g. 512MiB')
    .option('--members-expected <count>', 'wait for this many members before partitions are handed out')
    .option('--join <host:port,...>', 'join the grid of these members')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .option('--advertise <host:port>', 'address under which others reach the member (default: the one it binds)')
    .option('--tls-cert <file>', 'PEM certificate of the member; with it, the gRPC door speaks TLS')
    .option('--tls-key <file>', 'PEM private key of it')
    .option('--tls-ca <file>', 'PEM certificates of the authorities that sign those of members and clients')
    .option('--client-auth <mode>', 'whether callers show a certificate: none, request or require')
    .option('--insecure', 'allow a bind beyond loopback without TLS and token')
    .option('--spin <mode>', 'whether it keeps its event loop turning between calls that follow closely: auto or off')
    .option('--set <setting=value>', 'any other setting, e.g. workers.userThreads=2', collectSetting, []);
}

/**
 * Runs until it is stopped, by a signal or by the parent's end. A start that is still under way then is given up, and a
 * shutdown that takes too long is cut short: the process ends when this returns.
 */
async function start(context: CliContext, options: StartOptions): Promise<void> {
  const { readyJson = false, exitWithParent = false, ...given } = options;
  const { io } = context;
  const stopped = Promise.withResolvers<void>();
  if (io.signal.aborted) stopped.resolve();
  io.signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  let stopTimeoutMs = STOP_TIMEOUT_MS;
  if (exitWithParent) {
    io.onParentGone(() => {
      stopTimeoutMs = ORPHAN_STOP_TIMEOUT_MS;
      stopped.resolve();
    });
  }
  await guarded(context, {}, async () => {
    const starting = startOrTell(context, readyJson, memberRequest(given, io.env));
    const member = await Promise.race([starting, stopped.promise]);
    if (member === undefined) {
      starting.catch(() => {});
      return;
    }
    tellReady(context, readyJson, member);
    await stopped.promise;
    if (!(await within(member.stop(), stopTimeoutMs))) {
      throw new GridError('DEADLINE_EXCEEDED', `${member.name} did not shut down within ${stopTimeoutMs / 1000} s`);
    }
  });
}

/** Whether `work` ended in time. */
async function within(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(late.resolve, timeoutMs, false);
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Settings of the command line. One given by --set comes before one given by a short flag. */
export function memberRequest({ config, set, ...short }: SettingOptions, env: MemberRequest['env']): MemberRequest {
  const flags: Record<string, string | boolean> = {};
  const flagNames: Record<string, string> = {};
  for (const [flag, value] of Object.entries(short as Readonly<Record<string, string | boolean>>)) {
    for (const path of SHORT_FLAGS[flag] ?? []) {
      flags[path] = value;
      flagNames[path] = `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    }
  }
  for (const text of set) {
    const path = text.slice(0, text.indexOf('='));
    flags[path] = text.slice(text.indexOf('=') + 1);
    delete flagNames[path];
  }
  return { flags, flagNames, configFile: config, env };
}

function collectSetting(text: string, before: readonly string[]): string[] {
  if (!/^[\w.]+=/.test(text)) throw new InvalidArgumentError('setting=value is expected, e.g. workers.userThreads=2.');
  return [...before, text];
}

async function startOrTell(context: CliContext, readyJson: boolean, request: MemberRequest): Promise<RunningMember> {
  try {
    return await context.io.startMember(request);
  } catch (error) {
    if (readyJson) {
      const { code, message, hint } = GridError.wrap(error);
      context.out.line(JSON.stringify({ event: 'failed', code, message, hint }));
    }
    throw error;
  }
}

function tellReady(context: CliContext, readyJson: boolean, member: RunningMember): void {
  const { name, address, httpAddress, httpScheme = 'http' } = member;
  if (readyJson) {
    context.out.line(JSON.stringify({ event: 'listening', pid: process.pid, name, address, httpAddress }));
    return;
  }
  const { bold, dim } = context.err.colours;
  context.err.line(`${bold(`ashlar member ${name}`)} is ready`);
  context.err.line(`  gRPC     ${address}`);
  context.err.line(
    `  metrics  ${httpScheme}://${httpAddress}/metrics   health  ${httpScheme}://${httpAddress}/healthz`,
  );
  context.err.line(dim(`  try      npx ashlar sql --address ${address} "SELECT 1 + 1 AS two"      stop: Ctrl-C`));
}
