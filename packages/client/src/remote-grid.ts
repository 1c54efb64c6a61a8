/** The grid over the network: maps, statements, modules, jobs. */
import type {
  Call,
  DeployedModule,
  DeployOptions,
  Figure,
  Grid,
  GridKey,
  GridMap,
  Job,
  JobArguments,
  MapDefinition,
  MapSummary,
  MemberStats,
  PingResult,
  RunOptions,
  SqlOptions,
  SqlResult,
  SqlTag,
} from '@ashlar/api';
import { GridError, type MemberAddress, MemberUnreachableError } from '@ashlar/core';
import { Router } from '@ashlar/routing';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import type { CallOptions, MemberConnection, Figure as WireFigure } from '@ashlar/transport';
import { checkMapName, checkMapOptions, checkSeeds, checkStatement } from './checks.ts';
import { ClientTurns } from './client-turns.ts';
import { DefinitionNames } from './definition-names.ts';
import { type MapContext, RemoteMap } from './grid-map.ts';
import { MemberFaults } from './member-faults.ts';
import { ADMIN_TIMEOUT_MS, type ConnectOptions, DEFAULT_SEEDS, DEFAULT_SQL_TIMEOUT_MS } from './options.ts';
import { checkedToken, clientTls } from './security.ts';
import { GridSqlResult } from './sql-result.ts';
import { presentTrace } from './tracing.ts';

/** Timeout of a job that names none: as good as no limit. */
const NO_TIMEOUT_MS = 0x7fff_ffff;

/**
 * Finds the grid and opens a session.
 *
 * @throws (rejects with) GridError INVALID_ARGUMENT; CONNECT_TIMEOUT, GRID_INCOMPLETE within the time; at once CONNECTION_REFUSED,
 *   UNKNOWN_HOST, NOT_A_MEMBER, TLS_MISMATCH, UNTRUSTED_CERTIFICATE, CLIENT_CERTIFICATE_REFUSED, UNAUTHENTICATED,
 *   UNSUPPORTED_PROTOCOL
 * @example const grid = await connect({ seeds: ['127.0.0.1:7710'] })
 */
export async function connect(options: ConnectOptions = {}): Promise<Grid> {
  const { seeds = DEFAULT_SEEDS, sqlTimeoutMs, tls, token, ...rest } = options;
  checkSeeds(seeds);
  const shown = { tls: clientTls(tls), token: checkedToken(token) };
  const router = await Router.connect({ ...rest, ...shown, seeds, trace: await presentTrace() });
  return new RemoteGrid(router, sqlTimeoutMs ?? DEFAULT_SQL_TIMEOUT_MS);
}

class RemoteGrid implements Grid {
  readonly sql: SqlTag;
  readonly #router: Router;
  readonly #names = new DefinitionNames();
  readonly #faults = new MemberFaults();
  readonly #context: MapContext;

  constructor(router: Router, sqlTimeoutMs: number) {
    this.#router = router;
    this.#context = { router, turns: new ClientTurns(router), names: this.#names, sqlTimeoutMs };
    this.sql = ((text: TemplateStringsArray | string, ...rest: unknown[]) => {
      checkStatement(text);
      return typeof text === 'string'
        ? this.#statement(text, (rest[0] as readonly unknown[] | undefined) ?? [], rest[1] as SqlOptions | undefined)
        : this.#statement(templateText(text), rest, undefined);
    }) as SqlTag;
  }

  map<V = unknown>(name: string): GridMap<GridKey, V>;
  map<K extends GridKey, V>(definition: MapDefinition<K, V> | string): GridMap<K, V>;
  map(definition: MapDefinition | string): GridMap<GridKey, unknown> {
    const { name, options } = isDefinition(definition) ? definition : { name: definition, options: {} };
    checkMapName(name);
    checkMapOptions(options);
    const declared = Object.keys(options).length === 0 ? undefined : options;
    return new RemoteMap<GridKey, unknown>(this.#context, this.#router.map(name, declared));
  }

  async maps(call: Call = {}): Promise<readonly MapSummary[]> {
    const { maps } = await this.#context.turns.ask(withTimeout(call), (member, options) =>
      member.admin.listMaps(undefined, options),
    );
    const summaries = maps.map(({ name, entries, bytes }) => ({ name, entries, bytes }));
    return summaries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async drop(map: string, call: Call = {}): Promise<boolean> {
    checkMapName(map);
    const { existed, mapId } = await this.#context.turns.ask(withTimeout(call), (member, options) =>
      member.admin.dropMap({ map }, options),
    );
    this.#router.dropped(map, mapId);
    return existed;
  }

  #statement<Row>(text: string, parameters: readonly unknown[], options: SqlOptions | undefined): SqlResult<Row> {
    return new GridSqlResult<Row>(this.#router, this.#context.turns, {
      text,
      parameters,
      signal: options?.signal,
      timeoutMs: options?.timeoutMs ?? this.#context.sqlTimeoutMs,
      strict: options?.strict ?? false,
    });
  }

  async deploy(file: string | URL, options: DeployOptions = {}): Promise<DeployedModule> {
    // Loaded only by who deploys: it brings a bundler.
    const { bundleModule, moduleFile } = await import('@ashlar/modules');
    const path = moduleFile(file);
    const bundle = await bundleModule(path);
    const name = options.name ?? bundle.defaultName;
    const { wallMs = 0, heapBytes = 0 } = options.limits ?? {};
    const request = {
      name,
      hash: bundle.hash,
      bundle: Buffer.from(bundle.text, 'utf8'),
      limits: { wallMs, heapBytes },
      exports: bundle.exports.map((exported) => {
        const { name: exportName, kind } = exported;
        return { name: exportName, kind, map: kind === 'listener' ? exported.map : '' };
      }),
    };
    const deployed = await this.#context.turns.ask(withTimeout(options), (member, call) =>
      member.compute.deploy(request, call),
    );
    await this.#names.learn(path, deployed.module);
    return { module: deployed.module, hash: deployed.hash };
  }

  async undeploy(module: string, call: Call = {}): Promise<boolean> {
    const { existed } = await this.#context.turns.ask(withTimeout(call), (member, options) =>
      member.compute.undeploy({ name: module }, options),
    );
    return existed;
  }

  async run<Args, Partial, Result, V, K extends GridKey>(
    job: Job<Args, Partial, Result, V, K>,
    args: JobArguments<Args, V, K>,
    options: RunOptions = {},
  ): Promise<Awaited<Result>> {
    const { module, exportName } = this.#names.of(job);
    const { map, ...rest } = args as { readonly map: MapDefinition | string };
    const request = {
      module,
      exportName,
      map: typeof map === 'string' ? map : map.name,
      arguments: encodeValue(rest),
      sessionVersion: this.#router.sessionVersion,
    };
    const limits = { signal: options.signal, timeoutMs: options.timeoutMs ?? NO_TIMEOUT_MS };
    return this.#context.turns.runJob(limits, async (member, call): Promise<Awaited<Result>> => {
      const grpcCall = options.timeoutMs === undefined ? { signal: options.signal } : call;
      for await (const output of member.compute.runJob(request, grpcCall)) {
        if (output.kind === 'result') return resultOf<Awaited<Result>>(output.bytes);
        options.onProgress?.(output.share);
      }
      throw new GridError('INTERNAL', 'the job ended without a result');
    });
  }

  ping(call: Call = {}): Promise<readonly PingResult[]> {
    return this.#ofEvery(call, async (connection, { id, address }, options) => {
      const startMs = performance.now();
      const outcome = await answerOf(connection.admin.ping(undefined, options));
      const { error } = outcome;
      return { member: id, address, roundTripMs: error === undefined ? performance.now() - startMs : undefined, error };
    });
  }

  stats(call: Call = {}): Promise<readonly MemberStats[]> {
    return this.#ofEvery(call, async (connection, { id, address }, options) => {
      const { answer, error } = await answerOf(connection.admin.stats(undefined, options));
      return { member: id, address, figures: answer?.figures.map(figureOf) ?? [], error };
    });
  }

  /** One answer a member of the table, in its order; a member that cannot be asked is told as such, by name. */
  async #ofEvery<T extends { readonly error: GridError | undefined }>(
    call: Call,
    ask: (connection: MemberConnection, member: MemberAddress, options: CallOptions) => Promise<T>,
  ): Promise<T[]> {
    const options = withTimeout(call);
    return Promise.all(
      this.#router.table.members.map(async (member) => {
        const connection = this.#router.connectionTo(member);
        const told = await ask(connection, member, options);
        const { error } = told;
        if (error !== undefined && (options.signal?.aborted === true || this.#router.isClosed)) throw error;
        if (!GridError.is(error, 'CONNECTION_LOST')) return told;
        const fault = await this.#faults.lasting(connection);
        if (fault !== undefined) return { ...told, error: fault };
        const sinceMs = connection.down?.sinceMs ?? Date.now();
        return { ...told, error: new MemberUnreachableError(member.id, member.address, sinceMs) };
      }),
    );
  }

  close(): Promise<void> {
    return this.#router.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What a call came to: its answer, or why there is none. */
async function answerOf<T>(call: Promise<T>): Promise<{ readonly answer?: T; readonly error: GridError | undefined }> {
  try {
    return { answer: await call, error: undefined };
  } catch (error) {
    return { error: GridError.wrap(error) };
  }
}

function isDefinition(given: MapDefinition | string): given is MapDefinition {
  return typeof given === 'object' && given !== null;
}

function figureOf({ name, labels, value }: WireFigure): Figure {
  return { name, labels: Object.fromEntries(labels.map((label) => [label.name, label.value])), value };
}

/** The texts with $1, $2 ... between them. */
function templateText(texts: TemplateStringsArray): string {
  return texts.reduce((before, text, index) => `${before}$${index}${text}`);
}

function resultOf<Result>(bytes: Uint8Array): Result {
  return (bytes.length === 0 ? undefined : decodeValue(bytes)) as Result;
}

function withTimeout(call: Call): { readonly signal: AbortSignal | undefined; readonly timeoutMs: number } {
  return { signal: call.signal, timeoutMs: call.timeoutMs ?? ADMIN_TIMEOUT_MS };
}
