/**
 * The coordinator of this member, whose answers hold everywhere: a change of the catalog is answered when every live
 * member follows it.
 *
 *   submit -> step -> every member: "do you follow version v?" -- yes --> answered
 *                                        \-- it asks for the state, if it is behind, and follows it first
 *
 * To follow is to have taken the state and to have done what it asks for: listeners have their first checkpoints.
 *
 * spreading-coordinator A1  After the answer to a drop no live member takes a write for the dropped map, and none shows it.
 * spreading-coordinator A2  A member that cannot be reached for `goneMs` is taken for dead. Should it live all the same,
 *                           mutations that name a later map are not applied by it before it has caught up
 *                           (kv/src/batch-maps.ts).
 * spreading-coordinator A3  A member that can be reached and does not confirm in time fails the change (DEADLINE_EXCEEDED;
 *                           the change itself stands). Only a map that is made waits for nobody longer than `createWaitMs`:
 *                           a member that is asked for an unknown map asks the coordinator.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CatalogCommand,
  type CatalogState,
  type ControlCommand,
  type ControlState,
  type Coordinator,
  isTableCommand,
  type JoinedMember,
  type Recovered,
  type TableState,
} from '@ashlar/cluster';
import { GridError, type MemberId, type ReplicaTransaction } from '@ashlar/core';
import type { FollowCatalogRequest } from '@ashlar/transport';
import type { Logger } from 'pino';

export interface SpreadingWaits {
  /** Below the time that members give a change (remote-coordinator.ts). */
  readonly waitMs: number;
  readonly createWaitMs: number;
  readonly goneMs: number;
  readonly retryMs: number;
}

const WAITS: SpreadingWaits = { waitMs: 3000, createWaitMs: 500, goneMs: 1000, retryMs: 20 };
/** Errors of calls to a member that is not there, or is leaving. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'CONNECTION_LOST',
  'CONNECT_TIMEOUT',
  'MEMBER_UNREACHABLE',
  'SHUTTING_DOWN',
]);

export interface SpreadingOptions {
  readonly self: MemberId;
  /** Resolves when the member follows the catalog at that version or a later one, and has the bundle that is named. */
  readonly askToFollow: (member: JoinedMember, request: FollowCatalogRequest, timeoutMs: number) => Promise<unknown>;
  /** Resolves when this member, which has taken the change already, does what it asks of it. */
  readonly standHere?: () => Promise<void>;
  readonly log: Pick<Logger, 'warn'>;
  readonly waits?: SpreadingWaits;
}

export class SpreadingCoordinator implements Coordinator {
  readonly #inner: Coordinator;
  readonly #options: SpreadingOptions;
  readonly #waits: SpreadingWaits;

  constructor(inner: Coordinator, options: SpreadingOptions) {
    this.#inner = inner;
    this.#options = options;
    this.#waits = options.waits ?? WAITS;
  }

  get state(): ControlState {
    return this.#inner.state;
  }

  refresh(): Promise<ControlState> {
    return this.#inner.refresh();
  }

  transact(transaction: ReplicaTransaction): Promise<TableState> {
    return this.#inner.transact(transaction);
  }

  renew(...asked: Parameters<Coordinator['renew']>): ReturnType<Coordinator['renew']> {
    return this.#inner.renew(...asked);
  }

  recover(partitions: readonly number[]): Promise<Recovered> {
    return this.#inner.recover(partitions);
  }

  watchTable(listener: (table: TableState) => void): () => void {
    return this.#inner.watchTable(listener);
  }

  watchCatalog(listener: (catalog: CatalogState) => void): () => void {
    return this.#inner.watchCatalog(listener);
  }

  bundleAtHand(hash: string): string | undefined {
    return this.#inner.bundleAtHand(hash);
  }

  bundle(hash: string): Promise<string> {
    return this.#inner.bundle(hash);
  }

  /** @throws GridError as `step` does; DEADLINE_EXCEEDED when a member does not confirm: the change stands */
  async submit(command: ControlCommand): Promise<ControlState> {
    const state = await this.#inner.submit(command);
    // Also where nothing changed: whoever asks again wants it to hold everywhere, too.
    if (!isTableCommand(command)) await this.#spread(state, command);
    return state;
  }

  async #spread({ table, catalog }: ControlState, command: CatalogCommand): Promise<void> {
    const { self, log } = this.#options;
    const waitMs = command.kind === 'createMap' ? this.#waits.createWaitMs : this.#waits.waitMs;
    const { catalogVersion } = catalog;
    const request = { catalogVersion, bundleHash: command.kind === 'putModule' ? command.module.hash : '' };
    const asked = await Promise.all(
      table.members.map(async (member) => {
        const isSelf = member.id === self;
        return { member, failure: await (isSelf ? this.#standHere(waitMs) : this.#reach(member, request, waitMs)) };
      }),
    );
    const missing = asked.filter(({ failure }) => failure !== undefined);
    if (missing.length === 0) return;
    const ids = missing.map(({ member }) => member.id);
    const what = `${command.kind} of '${command.kind === 'putModule' ? command.module.name : command.name}'`;
    const { failure } = missing[0]!;
    log.warn({ err: failure, members: ids }, `${what} is not confirmed by every member`);
    if (command.kind === 'createMap') return;
    throw new GridError(
      'DEADLINE_EXCEEDED',
      `${what} is done, but ${ids.join(', ')} did not confirm it within ${waitMs} ms`,
      {
        hint: 'ask again: it is answered when every live member follows it',
        details: { members: ids },
        cause: failure,
      },
    );
  }

  async #standHere(waitMs: number): Promise<GridError | undefined> {
    const { standHere } = this.#options;
    if (standHere === undefined) return undefined;
    const ended = new AbortController();
    const late = sleep(waitMs, true, { signal: ended.signal, ref: false }).catch(() => false);
    const isLate = await Promise.race([standHere().then(() => false), late]);
    ended.abort();
    if (!isLate) return undefined;
    return new GridError('LEASE_EXPIRED', `what the change asks of this member does not stand after ${waitMs} ms`);
  }

  /** Resolves with undefined when the member follows, or is gone (spreading-coordinator A2). */
  async #reach(member: JoinedMember, request: FollowCatalogRequest, waitMs: number): Promise<GridError | undefined> {
    const deadlineMs = performance.now() + waitMs;
    const { goneMs, retryMs } = this.#waits;
    let failedSinceMs: number | undefined;
    for (;;) {
      const nowMs = performance.now();
      try {
        await this.#options.askToFollow(member, request, Math.max(1, deadlineMs - nowMs));
        return undefined;
      } catch (error) {
        const failure = GridError.wrap(error);
        if (!UNREACHABLE.has(failure.code)) failedSinceMs = undefined;
        else if (Math.max(downMs(failure), performance.now() - (failedSinceMs ??= nowMs)) >= goneMs) return undefined;
        if (performance.now() + retryMs >= deadlineMs) return failure;
        await sleep(retryMs);
      }
    }
  }
}

/** How long the link to the member has been down without a break: one that is gone is not waited for with every change anew. */
function downMs({ details }: GridError): number {
  const since = Date.parse(String(details?.['since']));
  return Number.isNaN(since) ? 0 : Date.now() - since;
}
