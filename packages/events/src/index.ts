/** events: log to subscriptions: filter, order, resume, drop the slow. Main thread; no I/O, no timers. */
export { EVENT_TYPE, type EventColumns, EventColumnsWriter } from './event-columns.ts';
export { EventHub } from './event-hub.ts';
export { type LogSource, type OnSlow, type Pulled, Subscription, type SubscriptionOptions } from './subscription.ts';
