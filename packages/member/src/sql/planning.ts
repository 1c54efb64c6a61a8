/**
 * Plans: made in a query worker under a deadline, cached by text as long as the catalog stays.
 *
 * Where a name can only be judged with the paths of a map's documents (a star, a name in another case, a name that may be
 * misspelled), the worker says so; the paths are looked for over the whole grid, once until they may have changed.
 */
import { GridError, type MapId } from '@ashlar/core';
import type { CatalogView, Plan } from '@ashlar/sql-plan';
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

export class Planning {
  readonly #deps: PlanningDependencies;
  readonly #plans = new Map<string, CachedPlan>();
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
    if (cached !== undefined && cached.catalogVersion === control.state.catalogVersion) return cached.plan;
    const fresh = new Set<string>();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const planned = await this.#ask(text, fresh, signal);
      if ('plan' in planned) {
        if (fresh.size === 0) this.#keep(text, planned.plan);
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

  #keep(text: string, plan: Plan): void {
    if (this.#plans.size >= PLANS_MAX) this.#plans.delete(this.#plans.keys().next().value!);
    this.#plans.delete(text);
    this.#plans.set(text, { plan, catalogVersion: plan.catalogVersion });
  }
}
