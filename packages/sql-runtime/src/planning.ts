/**
 * Plans: made in a query worker under a deadline, cached as long as the catalog stays.
 *
 *   text -> planned before? -> its shape planned before, and proven? -> a query worker
 *
 * A plan stands for other statements of its shape (sql-plan/statement-shape.ts) as far as it has predicted the plan of
 * one that differs in the same numbers: that is how a shape whose plans depend on its numbers is found out.
 *
 * Where a name can only be judged with the paths of a map's documents (a star, a name in another case, a name that may be
 * misspelled), or a number by the kinds that a path holds, the worker says so; they are looked for over the whole grid, all maps
 * of the statement at once. Such a plan is kept with what it rests on, and used as long as that is still so: looking again costs
 * a member nothing while its part of the map stays.
 */

import { isDeepStrictEqual } from 'node:util';
import type { GridView } from '@ashlar/cluster';
import { assert, GridError, type MapId } from '@ashlar/core';
import type { DocumentPaths, PlanTask } from '@ashlar/sql-executor';
import { type CatalogView, type Plan, rebound, type StatementShape, statementShape } from '@ashlar/sql-plan';
import type { WorkerPool } from '@ashlar/workers';

/**
 * Guard and grammar together take well below a millisecond; what takes much longer was written to. On a machine with fewer
 * cores than busy threads a thread may stand still for some hundred milliseconds, and that is no fault of the statement.
 */
const PLAN_WALL_MS = 2000;
/** A thread that just started also loads the planner. */
const FIRST_PLAN_WALL_MS = 5000;
const PLANS_MAX = 1000;
const NOTHING: DocumentPaths = { paths: [], valueKinds: [] };

export interface PlanningDependencies {
  readonly control: GridView;
  readonly pool: WorkerPool;
  readonly entryCount: (mapId: MapId) => number;
  /** The paths that documents of a map have now, over the whole grid. */
  readonly findPaths: (map: MapName, signal: AbortSignal) => Promise<DocumentPaths>;
  /** The same where it is known without asking anybody; default: it never is. */
  readonly knownPaths?: ((map: MapName) => DocumentPaths | undefined) | undefined;
}

interface CachedPlan {
  readonly plan: Plan;
  /** The version of the catalog that it was made from. */
  readonly catalogVersion: number;
  /** What was found in the documents of the maps that it depends on. */
  readonly restsOn: readonly Basis[];
}

interface Basis {
  readonly map: MapName;
  readonly found: DocumentPaths;
}

/** What the documents of a map have. */
interface FoundPaths {
  /** What plans rest on: the same object while it says the same. */
  readonly found: DocumentPaths;
  /** The same for the same paths and kinds in any order. */
  readonly signature: string;
  /** What was found last, which says what `found` says. */
  latest: DocumentPaths;
}

interface MapName {
  readonly id: MapId;
  readonly name: string;
}

type Planned =
  | { readonly plan: Plan; readonly restsOn: readonly string[] }
  | { readonly wantsPathsOf: readonly string[] };

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
  /** By map. */
  readonly #paths = new Map<MapId, FoundPaths>();
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
    const { catalogVersion } = control.catalog;
    if (cached?.catalogVersion === catalogVersion && (await this.#stillHolds(cached, signal))) return cached.plan;
    const shape = statementShape(text);
    const known = shape === undefined ? undefined : this.#shapes.get(shape.key);
    if (shape !== undefined && known?.catalogVersion === catalogVersion && isProven(known, shape)) {
      const plan = rebound(known.plan, known.shape, shape);
      if (plan !== undefined && (await this.#stillHolds(known, signal))) return plan;
    }
    const fresh = new Map<string, Basis>();
    for (;;) {
      const planned = await this.#ask(text, fresh, signal);
      if ('plan' in planned) {
        this.#keep(
          text,
          shape,
          planned.plan,
          planned.restsOn.flatMap((name) => fresh.get(name) ?? []),
        );
        return planned.plan;
      }
      const wanted = planned.wantsPathsOf.filter((name) => !fresh.has(name));
      assert(wanted.length > 0, 'a plan asks for the paths of a map once');
      await Promise.all(wanted.map((name) => this.#lookForPaths(name, fresh, signal)));
    }
  }

  /**
   * The plan of a statement that was planned before, where nobody has to be asked whether it still holds.
   *
   * @returns undefined: plan() tells
   */
  planNow(text: string): Plan | undefined {
    const { catalogVersion } = this.#deps.control.catalog;
    const cached = this.#plans.get(text);
    if (cached?.catalogVersion === catalogVersion) return this.#holdsNow(cached) ? cached.plan : undefined;
    const shape = this.#shapes.size === 0 ? undefined : statementShape(text);
    const known = shape === undefined ? undefined : this.#shapes.get(shape.key);
    if (shape === undefined || known?.catalogVersion !== catalogVersion || !isProven(known, shape)) return undefined;
    return this.#holdsNow(known) ? rebound(known.plan, known.shape, shape) : undefined;
  }

  #holdsNow({ restsOn }: CachedPlan): boolean {
    for (const { map, found } of restsOn) {
      const now = this.#deps.knownPaths?.(map);
      if (now === undefined || this.#known(map, now) !== found) return false;
    }
    return true;
  }

  /**
   * Whether the documents of all maps are as they were when the plan was made. Those of a member that cannot be reached count as
   * they were: a statement that needs them fails on its own, and one that does not goes on.
   */
  async #stillHolds({ restsOn }: CachedPlan, signal: AbortSignal): Promise<boolean> {
    if (restsOn.length === 0) return true;
    const found = await Promise.all(
      restsOn.map(({ map, found: before }) =>
        this.#find(map, signal).catch((error: unknown) => {
          if (GridError.is(error, 'MEMBER_UNREACHABLE')) return before;
          throw error;
        }),
      ),
    );
    return restsOn.every((basis, index) => found[index] === basis.found);
  }

  /**
   * The catalog as the planner sees it.
   *
   * @param fresh  what was found for the statement at hand: others may have looked since
   */
  view(fresh: ReadonlyMap<string, Basis> = new Map()): CatalogView {
    const { control, entryCount } = this.#deps;
    return {
      catalogVersion: control.catalog.catalogVersion,
      maps: control.catalog.maps.map(({ id, name, affinityParts }) => {
        const found = fresh.get(name)?.found ?? this.#paths.get(id)?.found;
        const { paths, valueKinds } = found ?? { paths: undefined, valueKinds: undefined };
        return { name, mapId: id, affinityParts, paths, valueKinds, entries: entryCount(id) };
      }),
    };
  }

  async #ask(text: string, fresh: ReadonlyMap<string, Basis>, signal: AbortSignal): Promise<Planned> {
    const task: PlanTask = { text, catalog: this.view(fresh), freshPaths: [...fresh.keys()] };
    const wallMs = this.#isWarm ? PLAN_WALL_MS : FIRST_PLAN_WALL_MS;
    try {
      return await this.#deps.pool.run<Planned>('plan', task, { signal, wallMs }).result;
    } catch (error) {
      if (!GridError.is(error, 'UNKNOWN_MAP') || fresh.size > 0) throw error;
      // It may have been created elsewhere a moment ago; the news may have come while the worker looked for it.
      const { control } = this.#deps;
      await control.confirm(`map '${error.details?.['map'] ?? 'of the statement'}'`);
      if (control.catalog.catalogVersion === task.catalog.catalogVersion) throw error;
      return this.#deps.pool.run<Planned>('plan', { ...task, catalog: this.view() }, { signal, wallMs }).result;
    } finally {
      this.#isWarm = true;
    }
  }

  async #lookForPaths(name: string, fresh: Map<string, Basis>, signal: AbortSignal): Promise<void> {
    const known = this.#deps.control.maps.get(name);
    // A map that was dropped meanwhile has no paths; the plan is refused by the one who runs it.
    const map = known ?? { id: 0 as MapId, name };
    fresh.set(name, { map, found: known === undefined ? NOTHING : await this.#find(map, signal) });
  }

  async #find(map: MapName, signal: AbortSignal): Promise<DocumentPaths> {
    return this.#known(map, await this.#deps.findPaths(map, signal));
  }

  /** What was found in the documents of a map: the same object as before while it says the same. */
  #known({ id }: MapName, found: DocumentPaths): DocumentPaths {
    const known = this.#paths.get(id);
    if (known?.latest === found) return known.found;
    const signature = signatureOf(found);
    if (known?.signature === signature) {
      known.latest = found;
      return known.found;
    }
    this.#paths.set(id, { found, signature, latest: found });
    return found;
  }

  #keep(text: string, shape: StatementShape | undefined, plan: Plan, restsOn: readonly Basis[]): void {
    const { catalogVersion } = plan;
    keepIn(this.#plans, text, { plan, catalogVersion, restsOn });
    if (shape === undefined) return;
    const known = this.#shapes.get(shape.key);
    const isCurrent = known !== undefined && known.catalogVersion === catalogVersion;
    const proven = isCurrent ? provenBy(known, shape, plan) : shape.numbers.map(() => false);
    keepIn(this.#shapes, shape.key, { plan, shape, proven, catalogVersion, restsOn });
  }
}

/** Members and threads meet documents in orders of their own. */
function signatureOf({ paths, valueKinds }: DocumentPaths): string {
  const parts = paths.map((path, index) => JSON.stringify([path, valueKinds[index]]));
  return parts.sort().join();
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
