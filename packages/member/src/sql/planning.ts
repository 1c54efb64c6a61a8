/**
 * Plans: made in a query worker under a deadline, cached as long as the catalog stays.
 *
 *   text -> planned before? -> its shape planned before, and proven? -> a query worker
 *
 * A plan stands for other statements of its shape (sql-plan/statement-shape.ts) as far as it has foretold the plan of
 * one that differs in the same numbers; a shape whose plans depend on its numbers is found out so.
 *
 * Where a name can only be judged with the paths of a map's documents (a star, a name in another case, a name that may be
 * misspelled), the worker says so; the paths are looked for over the whole grid, once until they may have changed.
 */

import { isDeepStrictEqual } from 'node:util';
import { GridError, type MapId } from '@ashlar/core';
import { type CatalogView, type Plan, rebound, type StatementShape, statementShape } from '@ashlar/sql-plan';
import type { WorkerPool } from '@ashlar/workers';
import type { GridControl } from '../control/grid-control.ts';
import type { PlanTask } from './query-tasks.ts';

/**
 * Guard and grammar together take well below a millisecond; what takes much longer is meant to. On a machine with fewer
 * cores than busy threads a thread may stand still for some hundred milliseconds, and that is no fault of the statement.
 */
const PLAN_WALL_MS = 2000;
/** A thread that just started also loads the planner. */
const FIRST_PLAN_WALL_MS = 5000;
const PLANS_MAX = 1000;
/** Rounds of looking for paths: one a map of the statement. */
const ROUNDS_MAX = 16;

export type DocumentPaths = readonly (readonly string[])[];

export interface PlanningDependencies {
  readonly control: GridControl;
  readonly pool: WorkerPool;
  readonly entryCount: (mapId: MapId) => number;
  /** The paths that documents of a map have now, over the whole grid. */
  readonly findPaths: (
    map: { readonly id: MapId; readonly name: string },
    signal: AbortSignal,
  ) => Promise<DocumentPaths>;
}

interface CachedPlan {
  readonly plan: Plan;
  /** Of the catalog it was made from; plans that rest on the paths of documents are not kept. */
  readonly catalogVersion: number;
}

/** What is known of a shape. */
interface ShapePlan extends CachedPlan {
  readonly shape: StatementShape;
  /** By number: whether statements that differ in it have this plan. Undefined: a plan depends on more than its shape. */
  readonly proven: readonly boolean[] | undefined;
}

export class Planning {
  readonly #deps: PlanningDependencies;
  /** By text. */
  readonly #plans = new Map<string, CachedPlan>();
  /** By the key of the shape. */
  readonly #shapes = new Map<string, ShapePlan>();
  readonly #paths = new Map<MapId, DocumentPaths>();
  #isWarm = false;

  constructor(deps: PlanningDependencies) {
    this.#deps = deps;
  }

  /**
   * @throws GridError with its place in the text; DEADLINE_EXCEEDED when planning itself took too long
   */
  async plan(text: string, signal: AbortSignal): Promise<Plan> {
    const { control } = this.#deps;
    const cached = this.#plans.get(text);
    const { catalogVersion } = control.state;
    if (cached !== undefined && cached.catalogVersion === catalogVersion) return cached.plan;
    const shape = statementShape(text);
    const known = shape === undefined ? undefined : this.#shapes.get(shape.key);
    if (shape !== undefined && known?.catalogVersion === catalogVersion && isProven(known, shape)) {
      const plan = rebound(known.plan, known.shape, shape);
      if (plan !== undefined) return plan;
    }
    const fresh = new Set<string>();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const planned = await this.#ask(text, fresh, signal);
      if ('plan' in planned) {
        if (fresh.size === 0) this.#keep(text, shape, planned.plan);
        return planned.plan;
      }
      await this.#lookForPaths(planned.wantsPathsOf, signal);
      fresh.add(planned.wantsPathsOf);
    }
    throw new GridError('INTERNAL', 'planning did not come to an end');
  }

  /** The catalog as the planner sees it. */
  view(): CatalogView {
    const { control, entryCount } = this.#deps;
    return {
      catalogVersion: control.state.catalogVersion,
      maps: control.state.maps.map(({ id, name, affinityParts }) => ({
        name,
        mapId: id,
        affinityParts,
        paths: this.#paths.get(id),
        entries: entryCount(id),
      })),
    };
  }

  async #ask(
    text: string,
    fresh: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<{ plan: Plan } | { wantsPathsOf: string }> {
    const task: PlanTask = { text, catalog: this.view(), freshPaths: [...fresh] };
    const wallMs = this.#isWarm ? PLAN_WALL_MS : FIRST_PLAN_WALL_MS;
    try {
      return await this.#deps.pool.run<{ plan: Plan } | { wantsPathsOf: string }>('plan', task, { signal, wallMs })
        .result;
    } catch (error) {
      if (!GridError.is(error, 'UNKNOWN_MAP') || fresh.size > 0) throw error;
      // It may have been created elsewhere a moment ago; the news may have come while the worker looked for it.
      const { control } = this.#deps;
      await control.refresh().catch(() => undefined);
      if (control.state.catalogVersion === task.catalog.catalogVersion) throw error;
      return this.#deps.pool.run<{ plan: Plan }>('plan', { ...task, catalog: this.view() }, { signal, wallMs }).result;
    } finally {
      this.#isWarm = true;
    }
  }

  async #lookForPaths(name: string, signal: AbortSignal): Promise<void> {
    const map = this.#deps.control.maps.get(name);
    if (map === undefined) return;
    this.#paths.set(map.id, await this.#deps.findPaths(map, signal));
  }

  #keep(text: string, shape: StatementShape | undefined, plan: Plan): void {
    const { catalogVersion } = plan;
    keepIn(this.#plans, text, { plan, catalogVersion });
    if (shape === undefined) return;
    const known = this.#shapes.get(shape.key);
    const isCurrent = known !== undefined && known.catalogVersion === catalogVersion;
    const proven = isCurrent ? provenBy(known, shape, plan) : shape.numbers.map(() => false);
    keepIn(this.#shapes, shape.key, { plan, shape, proven, catalogVersion });
  }
}

function isProven({ shape: { numbers }, proven }: ShapePlan, shape: StatementShape): boolean {
  return proven?.every((isFree, index) => isFree || isSameNumber(numbers, shape.numbers, index)) ?? false;
}

/** What a second plan of a shape proves of the first. */
function provenBy(known: ShapePlan, shape: StatementShape, plan: Plan): ShapePlan['proven'] {
  if (known.proven === undefined || !isDeepStrictEqual(rebound(known.plan, known.shape, shape), plan)) return undefined;
  return known.proven.map((isFree, index) => isFree || !isSameNumber(known.shape.numbers, shape.numbers, index));
}

type Numbers = StatementShape['numbers'];

function isSameNumber(some: Numbers, others: Numbers, index: number): boolean {
  return isDeepStrictEqual(some[index]!.value, others[index]!.value);
}

/** The one that came first goes. */
function keepIn<T>(cache: Map<string, T>, key: string, value: T): void {
  cache.delete(key);
  if (cache.size >= PLANS_MAX) cache.delete(cache.keys().next().value!);
  cache.set(key, value);
}
