/** What the nodes of a simulated grid have around them. */
import type { Note } from '@ashlar/replication';
import type { GridWatch } from '../judges/grid-watch.ts';
import type { Truth } from '../judges/truth.ts';
import type { GridMessage, Host } from './messages.ts';
import type { KnownRecords } from './real-store.ts';
import type { SimMember } from './sim-member.ts';

export interface World {
  readonly truth: Truth;
  readonly watch: GridWatch;
  /** Records as real stores have them, each once (sim-store I1). */
  readonly records: KnownRecords;
  send(from: Host, to: Host, message: GridMessage): void;
  /** An orderly stop has ended: the process ends. */
  left(member: SimMember): void;
  noted(note: Note): void;
  /** Whether the partition began anew, after an operator had accepted a loss. */
  hasBeenLost(partition: number): boolean;
  /** A line of the trace, made only where somebody reads it. */
  trace(line: () => string): void;
}
