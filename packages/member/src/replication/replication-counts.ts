/** What a member's replication has gone through, counted: for metrics. */
import type { Note } from '@ashlar/replication';

/** Counts what the core notes. */
export class ReplicationCounts {
  /** By kind of failure. */
  readonly failures = new Map<string, number>();
  /** Copies that left a set of this member's partitions, by why; and that joined one. */
  readonly left = new Map<string, number>();
  joined = 0;

  noted(note: Note): void {
    switch (note.kind) {
      case 'shrinking':
        count(this.left, note.why);
        break;
      case 'grown':
        this.joined++;
        break;
      case 'refusedEpoch':
        count(this.failures, 'old-epoch');
        break;
      case 'transferCut':
        count(this.failures, 'transfer-cut');
        break;
      case 'fault':
        count(this.failures, 'contradiction');
        break;
      case 'clockGap':
        count(this.failures, 'clock-gap');
        break;
      case 'suspended':
        if (note.isSuspended) count(this.failures, 'expired');
        break;
      default:
        break;
    }
  }
}

export function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
