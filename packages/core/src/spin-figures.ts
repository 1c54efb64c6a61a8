/**
 * What one side of key-value calls did to be there when bytes come: it keeps its event loop turning, for at most 0.5 ms, while a
 * few calls are out (a client) or calls come close together (a member). Counted for all connections of the thread.
 */
export interface SpinFigures {
  /** Whether it may: the option `spin` says so, and there is a core to do it on. */
  readonly allowed: boolean;
  /** Why not; empty where it may. */
  readonly reason: string;
  /** Whether it stands still because others wanted the core. */
  readonly still: boolean;
  /** Times it began. */
  readonly spins: number;
  /** Times bytes came meanwhile. */
  readonly hits: number;
  /** Times it gave up. */
  readonly misses: number;
  /** Times it was found to be in the way of others, and stood still. */
  readonly preempted: number;
  /** Time it turned, milliseconds. */
  readonly spunMs: number;
}
