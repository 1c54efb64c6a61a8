/** The permissions that a plan needs. */
import { type Plan, scanUnder } from '@ashlar/sql-plan';
import type { MapPermission } from './statement-types.ts';

export function permissionsOf(plan: Plan): readonly MapPermission[] {
  switch (plan.kind) {
    case 'query':
      return plan.stages.map(({ fragment }) => ({ permission: 'read', map: scanUnder(fragment)?.map ?? '' }));
    case 'get':
      return [{ permission: 'read', map: plan.scan.map }];
    case 'insert':
    case 'truncate':
      return [{ permission: 'write', map: plan.map }];
    case 'update':
    case 'delete':
      return [
        { permission: 'read', map: plan.map },
        { permission: 'write', map: plan.map },
      ];
    case 'explain':
      return permissionsOf(plan.target);
  }
}
