/**
 * The first answer of a mutation, from the records of the log.
 *
 * log-answers L1  Only what was applied has an answer here. A condition that failed, a remove of what was not there, a processor
 *                 that changed or refused: nothing of them is in the log, and they may be carried out again.
 * log-answers L2  Where the log does not hold what was answered (the old value, a result too long to keep) the outcome is
 *                 unknown: that it was applied is no answer.
 */
import { READY_MODULE } from '@ashlar/api';
import { readyResult } from '@ashlar/compute-runtime';
import type { EarlierOutcome } from '@ashlar/partitions';
import { OPCODE, STATUS } from '@ashlar/transport';
import { sparse, valueStartOf } from './batch-columns.ts';
import type { BatchScope } from './batch-scope.ts';
import { unknownOutcome } from './sessions.ts';

/** A mutation that was applied, as the log knows it. */
export type Applied = Extract<EarlierOutcome, { readonly kind: 'applied' }>;

/** Whether the value that a mutation replaced is needed to answer it: it is told, or a ready-made processor saw it. */
export function isAnsweredWithOldValue(opcode: number): boolean {
  return opcode === OPCODE.GET_AND_PUT || opcode === OPCODE.GET_AND_REMOVE || opcode === OPCODE.PROCESS;
}

/** @throws GridError OUTCOME_UNKNOWN (log-answers L2): nothing is answered */
export function answerAsApplied(scope: BatchScope, operation: number, applied: Applied): void {
  const { batch, answers } = scope;
  switch (batch.opcodes[operation]) {
    case OPCODE.GET_AND_PUT:
    case OPCODE.GET_AND_REMOVE:
      answerOldValue(scope, operation, applied);
      return;
    case OPCODE.PROCESS: {
      const result = applied.result ?? readyResultOf(scope, operation, applied);
      answers.statuses[operation] = STATUS.TRUE;
      if (result !== undefined && result.length > 0) answers.value(operation, result, 0, result.length);
      return;
    }
    default:
      answers.statuses[operation] = STATUS.TRUE;
  }
}

/** Where a key was written before in the same step, the answer is a state that no record holds: it lies beside. */
function answerOldValue({ answers }: BatchScope, operation: number, applied: Applied): void {
  const { result, oldVersion } = applied;
  const value = result ?? applied.oldValue;
  const wasThere = result === undefined ? oldVersion !== 0 : result.length > 0;
  if (wasThere && value === undefined) throw unknownOutcome('it was applied, but the log does not hold the old value');
  answers.statuses[operation] = wasThere ? STATUS.TRUE : STATUS.FALSE;
  if (wasThere) answers.value(operation, value!, 0, value!.length);
}

/** Ready-made processors are pure; undefined: it is none. */
function readyResultOf(
  { batch }: BatchScope,
  operation: number,
  { change, oldValue }: Applied,
): Uint8Array | undefined {
  const index = sparse(batch.processorOperations, batch.processorIndexes, operation);
  const processor = index === undefined ? undefined : batch.processors[index];
  if (processor?.module !== READY_MODULE) return undefined;
  if (change === 'rewritten') throw unknownOutcome('it was applied, but the log does not hold what it saw');
  const start = valueStartOf(batch, operation);
  return readyResult(processor.exportName, oldValue, batch.values, start, batch.valueEnds?.[operation] ?? start);
}
