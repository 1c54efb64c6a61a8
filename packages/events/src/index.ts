/** events: log to subscriptions: filter, order, resume, drop the slow. Main thread; no I/O. */
export { EventColumnsWriter } from './event-columns.ts';
export { EventHub, type EventHubOptions } from './event-hub.ts';
export type { FilterCounts } from './filter.ts';
export type { LogSource } from './log-source.ts';
export {
  type OnSlow,
  type Positions,
  type Pulled,
  Subscription,
  type SubscriptionOptions,
} from './subscription.ts';
