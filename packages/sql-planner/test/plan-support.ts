/** The catalog of the planner's tests, and planning against it as a member does. */
import { GridError } from '@ashlar/core';
import type { CatalogMap, CatalogView, Plan } from '@ashlar/sql-plan';
import { planStatement } from '../src/plan/planner.ts';

function map(mapId: number, name: string, entries: number, paths: readonly string[] | undefined): CatalogMap {
  return { name, mapId, entries, affinityParts: 0, paths: paths?.map((path) => path.split('.')) };
}

export const CATALOG: CatalogView = {
  catalogVersion: 1,
  maps: [
    map(1, 'accounts', 1000, ['brand', 'balance', 'opened', 'owner', 'owner.id', 'owner.fullName', 'tags', 'Status']),
    map(2, 'orders', 50_000, ['account', 'total', 'placed', 'item', 'item.sku']),
    map(3, 'brands', 10, ['brand', 'country']),
    map(4, 'brand', 500, ['account', 'account.id', 'account.brand', 'balance']),
    map(5, 'Mixed', 5, ['name', 'Name', 'only']),
    map(6, 'blank', 0, undefined),
    map(7, 'hr.staff', 20, ['id', 'boss']),
  ],
};

/** Plans, and looks for paths as often as it is asked to: the catalog has them all. */
export function plan(text: string, catalog: CatalogView = CATALOG): Plan {
  const fresh = new Set<string>();
  for (;;) {
    const planned = planStatement(text, catalog, fresh);
    if ('plan' in planned) return planned.plan;
    for (const map of planned.wantsPathsOf) {
      if (fresh.has(map)) throw new Error(`asked twice for the paths of ${map}`);
      fresh.add(map);
    }
  }
}

/** The GridError that planning ends in. */
export function refusalOf(work: () => unknown): GridError {
  try {
    work();
  } catch (error) {
    if (error instanceof GridError) return error;
    throw error;
  }
  throw new Error('it was planned');
}
