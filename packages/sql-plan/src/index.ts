/** sql-plan: plan nodes, types, their text form. Data only. */
export { aggregateText, exprText } from './expr-text.ts';
export type {
  CatalogMap,
  CatalogView,
  ExplainPlan,
  FragmentNode,
  GetPlan,
  InsertPlan,
  MergeNode,
  ModifyPlan,
  PartitionChoice,
  Plan,
  PlanColumn,
  QueryPlan,
  ScanColumn,
  SortKey,
  Stage,
  TruncatePlan,
} from './plan.ts';
export { VALUE_KIND } from './plan.ts';
export { scanUnder } from './plan-parts.ts';
export { type PlanTextOptions, planText, type StageActual, type StageMember } from './plan-text.ts';
export { rebound, type StatementShape, statementShape } from './statement-shape.ts';
export { positionAt, withPosition } from './text-position.ts';
