/**
 * processWhere on one member: the entries that meet a condition, and a processor on each of them.
 *
 * process-where X1  Each call is a mutation of its own: whether its entry still meets the condition is checked again, and a
 *                   refusal concerns its own entry alone.
 * process-where X2  What a full log refuses is called again once there is room: nothing of it was applied.
 * process-where X3  An entry that is gone with its partition is not one that no longer meets the condition: the call ends with
 *                   STALE_EPOCH.
 * process-where X4  That an entry no longer meets the condition counts once the change behind that is committed.
 * process-where X5  A call that was sealed and lost has no number under which it could be asked for again: its outcome is
 *                   unknown.
 */
import type { CatalogedMap } from '@ashlar/cluster';
import { CALL_DEPTH } from '@ashlar/compute';
import { ProcessorCall, type ProcessorCaller, type ProcessorCalls } from '@ashlar/compute-runtime';
import {
  type CallScope,
  CancelledError,
  GridError,
  MapDroppedError,
  OutcomeUnknownError,
  type PartitionId,
  type TraceContext,
  type Version,
} from '@ashlar/core';
import { keyText } from '@ashlar/expressions';
import { decided, LackOfRoom, LogWait, type Ownership, type OwnershipStamp } from '@ashlar/partitions';
import { decodeKey, decodeRefusal } from '@ashlar/serialization';
import { type ChangedRows, ChangeRule, type ChangeTask } from '@ashlar/sql-executor';
import type { MemberStore, WriteBatch } from '@ashlar/storage';
import type { ChangeOutcome, ProcessorRequest } from './change-request.ts';
import { oddOf } from './change-runner.ts';
import { RefusedCalls } from './refused-calls.ts';

/** Calls under way at once. */
const PROCESS_WINDOW = 1024;

export interface ProcessWhereDependencies {
  readonly store: MemberStore;
  readonly processors: ProcessorCalls;
  readonly clock: { now(): Version };
  readonly ownership: Pick<Ownership, 'stamp' | 'check'>;
  /** The entries that meet the condition at the snapshot. */
  readonly scan: (task: ChangeTask, signal: AbortSignal) => Promise<readonly ChangedRows[]>;
}

export class ProcessWhere {
  readonly #deps: ProcessWhereDependencies;

  constructor(deps: ProcessWhereDependencies) {
    this.#deps = deps;
  }

  /**
   * A processor on every entry that meets the condition. A refusal concerns its own entry; another failure ends it.
   *
   * @throws GridError PARTIAL when a call failed or was refused and others were applied; the first call's error when none was
   */
  async run(
    task: ChangeTask,
    map: CatalogedMap,
    processor: ProcessorRequest,
    { signal, trace }: CallScope,
  ): Promise<ChangeOutcome> {
    const { stamp } = this.#deps.ownership;
    const found = await this.#deps.scan(task, signal);
    const rule = new ChangeRule(task);
    const wait = new LogWait(() => this.#deps.store.logRoom(), task.waitMs);
    const refused = new RefusedCalls();
    let affected = 0;
    for (const part of found) {
      for (let from = 0; from < part.count; from += PROCESS_WINDOW) {
        if (signal.aborted) throw new CancelledError('processWhere');
        const window = rowIndexes(part).slice(from, from + PROCESS_WINDOW);
        const settled = await Promise.allSettled(
          window.map((index) =>
            this.#whenRoom(wait, signal, () =>
              this.#processRow(map, part, index, rule, { ...processor, trace, stamp }),
            ),
          ),
        );
        affected += settled.filter((call) => call.status === 'fulfilled' && call.value).length;
        settled.forEach((call, at) => {
          if (isRefused(call)) refused.add(call.reason, () => keyTextOf(part, window[at]!));
        });
        const failed = settled.find((call) => call.status === 'rejected' && !isRefused(call));
        if (failed?.status === 'rejected') {
          throw processedInPart(affected, GridError.wrap(failed.reason), refused);
        }
      }
    }
    if (refused.count > 0) throw refused.error(affected);
    return { affected, version: this.#deps.clock.now(), odd: oddOf(found) };
  }

  /** Calls again what a full log refused: nothing of it was applied. */
  async #whenRoom<T>(wait: LogWait, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!GridError.is(error, 'LOG_FULL')) throw error;
        await wait.until(new LackOfRoom(error, 0, 0, 1), signal);
      }
    }
  }

  /** @returns whether the processor ran: not where the entry changed and does not meet the condition any more */
  #processRow(
    map: CatalogedMap,
    part: ChangedRows,
    index: number,
    rule: ChangeRule,
    processor: ProcessorRequest & { readonly trace: TraceContext | undefined; readonly stamp: OwnershipStamp },
  ): Promise<boolean> {
    const { processors, store, ownership } = this.#deps;
    const partition = part.partitions[index]! as PartitionId;
    const key = part.keys.subarray(index === 0 ? 0 : part.keyEnds[index - 1]!, part.keyEnds[index]!);
    let seen: WriteBatch | undefined;
    const isWanted = (): boolean => {
      if (!store.hasMap(map.id)) throw new MapDroppedError(map.name, { mapId: map.id });
      ownership.check(partition, processor.stamp);
      const isThere = store.findNewest(map.id, partition, key, 0, key.length);
      const { found } = store;
      seen = found.undecided;
      if (!isThere) return false;
      if (found.version === part.versions[index]) return true;
      const { valueBytes, valueStart, valueEnd, version, expiresAt } = found;
      rule.row.key(key, 0, key.length).document(valueBytes, valueStart, valueEnd, version, expiresAt);
      return rule.matches();
    };
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const submit = (): void => {
      const caller: ProcessorCaller = {
        onResult: () => resolve(true),
        onSkipped: () => void this.#skipped(seen, resolve, submit),
        onError: (_, error) => reject(asTold(error)),
        onRefused: (_, bytes, start, end) => reject(decodeRefusal(bytes, start, end)),
      };
      const { module, exportName, args, trace } = processor;
      const name = { module, exportName, depth: CALL_DEPTH.processor };
      const { length } = args;
      const call = new ProcessorCall(map, partition, key, 0, key.length, name, caller, 0).with(args, 0, length);
      call.isWanted = isWanted;
      call.trace = trace;
      processors.submitWhenFree(call);
    };
    submit();
    return promise;
  }

  /** An entry that is as it is because of what is undecided is looked at again if that does not stay (process-where X4). */
  async #skipped(seen: WriteBatch | undefined, resolve: (ran: false) => void, again: () => void): Promise<void> {
    if (seen === undefined || (await decided(seen))) resolve(false);
    else again();
  }
}

/** process-where X5 */
function asTold(error: unknown): unknown {
  if (!GridError.is(error, 'IN_DOUBT')) return error;
  return new OutcomeUnknownError('a call of the processor', error, 'then its partition was lost');
}

function isRefused(
  call: PromiseSettledResult<unknown>,
): call is PromiseRejectedResult & { readonly reason: GridError } {
  return call.status === 'rejected' && GridError.is(call.reason, 'PROCESSOR_REFUSED');
}

function keyTextOf({ keys, keyEnds }: ChangedRows, index: number): string {
  return keyText(decodeKey(keys, index === 0 ? 0 : keyEnds[index - 1]!, keyEnds[index]!));
}

function processedInPart(affected: number, failure: GridError, refused: RefusedCalls): GridError {
  if (affected === 0) return failure;
  return new GridError('PARTIAL', `the processor ran on ${affected} entries, then failed: ${failure.message}`, {
    hint: failure.hint,
    details: { ...failure.details, affected, cause: failure.code, ...refused.facts },
    cause: failure,
  });
}

function rowIndexes(part: ChangedRows): number[] {
  return Array.from({ length: part.count }, (_, index) => index);
}
