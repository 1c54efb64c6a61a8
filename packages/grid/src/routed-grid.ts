/** Maps, statements, modules, jobs: the verbs of `Grid`, for whoever has a router. */
import type {
  Call,
  ClusterState,
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
  SpinFigures,
  SqlOptions,
  SqlResult,
  SqlTag,
} from '@ashlar/api';
import { type CallScope, GridError, type MemberAddress, MemberUnreachableError } from '@ashlar/core';
import type { Router } from '@ashlar/routing';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import {
  type CallOptions,
  type MemberConnection,
  type SpinMode,
  spinFigures,
  type Figure as WireFigure,
} from '@ashlar/transport';
import { CallTurns } from './call-turns.ts';
import { checkMapName, checkMapOptions, checkPartitions, checkStatement } from './checks.ts';
import { DefinitionNames } from './definition-names.ts';
import { MemberFaults } from './member-faults.ts';
import { type MapContext, RoutedMap } from './routed-map.ts';
import { type TimedLimits, timed } from './scoped-limits.ts';
import { ShortStatements } from './short-statements.ts';
import { GridSqlResult } from './sql-result.ts';
import { ADMIN_TIMEOUT_MS, DEFAULT_SQL_TIMEOUT_MS, NO_TIMEOUT_MS } from './time-outs.ts';

/**
 * The grid over a router: what applications have of it by their connection, and a member by its own.
 *
 * routed-grid R1  What is made within a call (`within`) shares connections, session and turns with the rest, and ends with
 *                 that call. Closing it ends nothing else.
 */
export class RoutedGrid implements Grid {
  readonly sql: SqlTag;
  readonly #router: Router;
  readonly #names: DefinitionNames;
  readonly #faults: MemberFaults;
  readonly #context: MapContext;
  readonly #spin: SpinMode;

  /**
   * @param sqlTimeoutMs  of statements that name no time
   * @param spin          the router's
   */
  static over(router: Router, sqlTimeoutMs = DEFAULT_SQL_TIMEOUT_MS, spin: SpinMode = 'off'): RoutedGrid {
    const parts = { router, turns: new CallTurns(router), shorts: new ShortStatements(router) };
    const context = { ...parts, names: new DefinitionNames(), sqlTimeoutMs };
    return new RoutedGrid({ ...context, scope: undefined }, new MemberFaults(), spin);
  }

  private constructor(context: MapContext, faults: MemberFaults, spin: SpinMode) {
    this.#spin = spin;
    this.#router = context.router;
    this.#names = context.names;
    this.#faults = faults;
    this.#context = context;
    this.sql = ((text: TemplateStringsArray | string, ...rest: unknown[]) => {
      checkStatement(text);
      return typeof text === 'string'
        ? this.#statement(text, (rest[0] as readonly unknown[] | undefined) ?? [], rest[1] as SqlOptions | undefined)
        : this.#statement(templateText(text), rest, undefined);
    }) as SqlTag;
  }

  /** The grid for what is asked within a call (routed-grid R1, scoped-limits.ts). */
  within(scope: CallScope): Grid {
    return new RoutedGrid({ ...this.#context, scope }, this.#faults, this.#spin);
  }

  map<V = unknown>(name: string): GridMap<GridKey, V>;
  map<K extends GridKey, V>(definition: MapDefinition<K, V> | string): GridMap<K, V>;
  map(definition: MapDefinition | string): GridMap<GridKey, unknown> {
    const { name, options } = isDefinition(definition) ? definition : { name: definition, options: {} };
    checkMapName(name);
    checkMapOptions(options);
    const declared = Object.keys(options).length === 0 ? undefined : options;
    return new RoutedMap<GridKey, unknown>(this.#context, this.#router.map(name, declared));
  }

  async maps(call: Call = {}): Promise<readonly MapSummary[]> {
    const { maps } = await this.#context.turns.ask(this.#timed(call), (member, options) =>
      member.admin.listMaps(undefined, options),
    );
    const summaries = maps.map(({ name, entries, bytes }) => ({ name, entries, bytes }));
    return summaries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async drop(map: string, call: Call = {}): Promise<boolean> {
    checkMapName(map);
    const { existed, mapId } = await this.#context.turns.ask(this.#timed(call), (member, options) =>
      member.admin.dropMap({ map }, options),
    );
    this.#router.dropped(map, mapId);
    return existed;
  }

  #statement<Row>(text: string, parameters: readonly unknown[], options: SqlOptions | undefined): SqlResult<Row> {
    return new GridSqlResult<Row>(this.#router, this.#context.turns, this.#context.shorts, {
      text,
      parameters,
      limits: () => timed(this.#context.scope, options, this.#context.sqlTimeoutMs),
      strict: options?.strict ?? false,
    });
  }

  async deploy(file: string | URL, options: DeployOptions = {}): Promise<DeployedModule> {
    // Loaded only when something is deployed: it brings a bundler.
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
    const deployed = await this.#context.turns.ask(this.#timed(options), (member, call) =>
      member.compute.deploy(request, call),
    );
    await this.#names.learn(path, deployed.module);
    return { module: deployed.module, hash: deployed.hash };
  }

  async undeploy(module: string, call: Call = {}): Promise<boolean> {
    const { existed } = await this.#context.turns.ask(this.#timed(call), (member, options) =>
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
    const limits = timed(this.#context.scope, options, NO_TIMEOUT_MS);
    return this.#runJob(limits, async (member, call): Promise<Awaited<Result>> => {
      for await (const output of member.compute.runJob(request, call)) {
        if (output.kind === 'result') return resultOf<Awaited<Result>>(output.bytes);
        options.onProgress?.(output.share);
      }
      throw new GridError('INTERNAL', 'the job ended without a result');
    });
  }

  /** A job only reads: where its snapshot ends, as it does when a partition changes its primary, it runs once more. */
  async #runJob<T>(
    limits: TimedLimits,
    ask: (member: MemberConnection, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const isTimed = limits.timeoutMs !== NO_TIMEOUT_MS;
    const startedMs = performance.now();
    const run = (left: TimedLimits): Promise<T> =>
      this.#context.turns.runJob(left, (member, call) =>
        ask(member, isTimed ? call : { ...call, timeoutMs: undefined }),
      );
    try {
      return await run(limits);
    } catch (error) {
      const leftMs = isTimed ? limits.timeoutMs - (performance.now() - startedMs) : NO_TIMEOUT_MS;
      if (!GridError.is(error, 'SNAPSHOT_EXPIRED') || leftMs < 1) throw error;
      return await run({ ...limits, timeoutMs: leftMs });
    }
  }

  ping(call: Call = {}): Promise<readonly PingResult[]> {
    return this.#ofEvery(call, async (connection, { id, address }, options) => {
      const startMs = performance.now();
      const outcome = await answerOf(connection.admin.ping(undefined, options));
      const { error } = outcome;
      return { member: id, address, roundTripMs: error === undefined ? performance.now() - startMs : undefined, error };
    });
  }

  async cluster(call: Call = {}): Promise<ClusterState> {
    const { memberId, members, partitions, ...rest } = await this.#context.turns.ask(
      this.#timed(call),
      (member, options) => member.admin.getReplicas(undefined, options),
    );
    return {
      ...{ member: memberId, tableVersion: rest.tableVersion, backups: rest.backups, minInSync: rest.minInSync },
      members: members.map(({ id, address, zone, alive }) => ({ member: id, address, zone, alive })),
      partitions: partitions.map((row) => ({ ...row, primary: row.primary === '' ? undefined : row.primary })),
    };
  }

  async recover(partitions: readonly number[] | 'all', call: Call = {}): Promise<readonly number[]> {
    checkPartitions(partitions);
    // To the wire none stands for all of them.
    if (partitions.length === 0) return [];
    const request = { partitions: partitions === 'all' ? [] : partitions };
    const { recovered } = await this.#context.turns.ask(this.#timed(call), (member, options) =>
      member.admin.recover(request, options),
    );
    // The calls that follow find the partitions: by the table of before they would be told of the loss once more.
    await this.#router.refresh();
    return recovered;
  }

  get spin(): SpinFigures {
    return spinFigures(this.#spin);
  }

  stats(call: Call = {}): Promise<readonly MemberStats[]> {
    return this.#ofEvery(call, async (connection, { id, address }, options) => {
      const { answer, error } = await answerOf(connection.admin.stats(undefined, options));
      return { member: id, address, figures: answer?.figures.map(figureOf) ?? [], error };
    });
  }

  /** One answer a member of the table, in its order; a member that cannot be asked is listed as such, by name. */
  async #ofEvery<T extends { readonly error: GridError | undefined }>(
    call: Call,
    ask: (connection: MemberConnection, member: MemberAddress, options: CallOptions) => Promise<T>,
  ): Promise<T[]> {
    const options = this.#timed(call);
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

  async close(): Promise<void> {
    if (this.#context.scope === undefined) await this.#router.close();
  }

  #timed(call: Call): TimedLimits {
    return timed(this.#context.scope, call, ADMIN_TIMEOUT_MS);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The outcome of a call: its answer, or why there is none. */
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
