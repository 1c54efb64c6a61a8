/** What listeners need of the member they run on. */
import type { GridView } from '@ashlar/cluster';
import type { HybridClock } from '@ashlar/core';
import type { EventHub } from '@ashlar/events';
import type { MemberMetrics, Tracing } from '@ashlar/observe';
import type { Ownership, WritePath } from '@ashlar/partitions';
import type { MemberStore } from '@ashlar/storage';

/** Where their states and failures are reported. */
export interface ListenerLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface ListenerParts {
  readonly clock: HybridClock;
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly control: GridView;
  readonly ownership: Pick<Ownership, 'stamp' | 'checkAll'>;
  readonly hub: EventHub;
  readonly metrics: MemberMetrics;
  readonly tracing: Tracing;
  readonly log: ListenerLog;
}
