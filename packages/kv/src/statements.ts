/**
 * Statements of a batch: operations whose value is a statement that reads (serialization's short-statements.ts). Their key only
 * says who is asked.
 *
 * statements T1  What cannot be answered in a moment is answered FALSE: nothing was read, and the caller takes the stream of
 *                statements. So no statement keeps a batch open for long.
 */
import type { TraceContext } from '@ashlar/core';
import { decodeShortRequest, type ShortRequest } from '@ashlar/serialization';
import { type CallContext, STATUS } from '@ashlar/transport';
import { valueStartOf } from './batch-columns.ts';
import type { BatchScope } from './batch-scope.ts';

/** Text and parameters that are decoded in one go. */
const REQUEST_BYTES_MAX = 1 << 20;

/** What a statement comes with. */
export interface StatementCall {
  readonly require: CallContext['require'];
  /** performance.now() when its caller gives up; undefined: it did not say. */
  readonly deadlineMs: number | undefined;
  readonly trace: TraceContext | undefined;
}

/** bytes[start, end), good until the next statement is answered. */
interface WrittenAnswer {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Who answers statements. */
export interface StatementDoor {
  /**
   * @returns undefined: it takes the stream
   * @throws (or rejects with) GridError: the statement's own
   */
  answer(request: ShortRequest, call: StatementCall): WrittenAnswer | undefined | Promise<WrittenAnswer | undefined>;
}

/** Answers a statement now, or later. @throws GridError: nothing was read */
export function answerStatement(scope: BatchScope, operation: number): void {
  const { batch, deps, progress, targets, answers } = scope;
  targets.checkServed(operation);
  if (deps.statements === undefined) return;
  const start = valueStartOf(batch, operation);
  const end = batch.valueEnds?.[operation] ?? 0;
  if (end - start > REQUEST_BYTES_MAX) return;
  const request = decodeShortRequest(batch.values, start, end);
  const answer = deps.statements.answer(request, callOf(scope, operation));
  if (answer === undefined || 'bytes' in answer) {
    take(scope, operation, answer);
    return;
  }
  progress.openLate(operation);
  // Others of the batch are not held up by it.
  progress.tellsSoon = true;
  const settle = (work: () => void): void =>
    progress.guard(() => {
      work();
      progress.settleLate(operation);
    });
  answer.then(
    (found) => settle(() => take(scope, operation, found)),
    (error: unknown) => settle(() => answers.fail(operation, error)),
  );
}

function callOf({ batch, arrivedMs, caller, traceOf }: BatchScope, operation: number): StatementCall {
  const deadlineMs = batch.deadlineMs === 0 ? undefined : arrivedMs + batch.deadlineMs;
  return {
    require: (permission, map) => caller.require(permission, map),
    deadlineMs,
    trace: traceOf?.(operation),
  };
}

function take({ answers }: BatchScope, operation: number, answer: WrittenAnswer | undefined): void {
  if (answer === undefined) return;
  answers.statuses[operation] = STATUS.TRUE;
  answers.value(operation, answer.bytes, answer.start, answer.end);
}
