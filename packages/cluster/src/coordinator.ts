/**
 * The coordinator's contract: one ordered history each of a grid's table and of its catalog, whoever keeps them, and the
 * bundles that the catalog refers to, by hash. `testing/coordinator-suite.ts` is the contract as tests; every engine passes it.
 *
 *   submit(command) -> step over the newest pair -> compare-and-set of the values that differ, bundles with it -> the pair
 *
 * An engine that many may change at once reads the pair, steps, and sets what differs provided that both values are still
 * those it read, with the new bundle in the same transaction; otherwise it reads and steps again.
 *
 * coordinator O1  A handle knows what its `submit` or `refresh` answered from then on; it never goes back to an older value of
 *                 the same grid.
 * coordinator O2  `refresh` is as new as every change that was answered, to anybody, before it was asked.
 * coordinator O3  A watch delivers values that are newer than the last, in order, and nothing twice; it may pass over some.
 *                 A change of one value is not delivered to those who watch the other.
 * coordinator O4  A bundle that the catalog refers to can be fetched by its hash while anybody who is asked holds it; one that
 *                 it no longer refers to is let go.
 */
import type { ReplicaId, ReplicaTransaction } from '@ashlar/core';
import type { CatalogState } from './catalog-state.ts';
import type { MembershipAsk, Recovered } from './replicas/replica-control.ts';
import type { MembershipGrant } from './replicas/replica-controller.ts';
import type { ControlCommand, ControlState } from './step.ts';
import type { TableState } from './table-state.ts';

export interface Coordinator {
  /** The newest pair known here. */
  readonly state: ControlState;
  /**
   * Applies a command to the one history and answers the pair that holds it.
   *
   * @throws GridError as `step` does; MEMBER_UNREACHABLE, OUTCOME_UNKNOWN when the history cannot be reached
   */
  submit(command: ControlCommand): Promise<ControlState>;
  /** Asks for the newest pair (coordinator O2). @throws GridError MEMBER_UNREACHABLE, DEADLINE_EXCEEDED: none can be asked */
  refresh(): Promise<ControlState>;
  /**
   * Applies changes of the rows of a grid with copies, each by itself: what does not fit any more is passed over, and whoever
   * proposed it finds out in the table. In a grid without copies nothing changes.
   *
   * @returns the table in which they were applied, or a later one
   * @throws GridError GRID_CONFLICT; MEMBER_UNREACHABLE, OUTCOME_UNKNOWN when the history cannot be reached, or awaits the member
   */
  transact(transaction: ReplicaTransaction): Promise<TableState>;
  /**
   * A member shows that it lives, and asks for its lease.
   *
   * @returns undefined: none is given, it registers first
   * @throws GridError as `transact`
   */
  renew(replica: ReplicaId, asked: MembershipAsk): Promise<MembershipGrant | undefined>;
  /**
   * An operator accepts the loss of partitions: they begin anew, empty.
   *
   * @param partitions  none: all that are lost
   * @throws GridError INVALID_ARGUMENT: they are not lost; LEASE_HELD: not yet, `waitMs` more; as `transact`
   */
  recover(partitions: readonly number[]): Promise<Recovered>;
  /** Calls back after every change of the table (coordinator O3). Returns the way to stop. */
  watchTable(listener: (table: TableState) => void): () => void;
  /** The same for the catalog. */
  watchCatalog(listener: (catalog: CatalogState) => void): () => void;
  /** The text of a bundle that is at hand; undefined: it is not, and `bundle` may find it. */
  bundleAtHand(hash: string): string | undefined;
  /** The text of a bundle that the catalog refers to. @throws GridError BUNDLE_MISSING: nobody who was asked has it */
  bundle(hash: string): Promise<string>;
}
