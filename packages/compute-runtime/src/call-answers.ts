/**
 * The answers of calls, kept beside their changes in the log for callers who send them again (answer-window.ts).
 *
 *   calls of one entry:  1 set   2 look   3 set, its result      its record: number 3
 *                                                                answers:    of 3 its result, of 1 that it was applied
 *
 * call-answers N1  Every call that changed its entry has left something under its session and number: the last of them the
 *                  record of the change, and its result unless that is undefined; the others an answer each.
 * call-answers N2  Calls that changed nothing have left nothing: they may be carried out again.
 */
import type { EntryOutcome, ProcessorOutcomes } from '@ashlar/compute';
import type { WriteBatch } from '@ashlar/storage';
import type { ProcessorCall } from './processor-call.ts';

/** What is staged next belongs to the call. */
export function numberAs(batch: WriteBatch, { session, requestNumber }: ProcessorCall): void {
  batch.requestSession = session;
  batch.requestNumber = requestNumber;
}

/** The call among those on one entry that changed it last, whose record the change is. */
export function lastChanger(first: ProcessorCall, firstCall: number, { lastChange }: EntryOutcome): ProcessorCall {
  let call = first;
  for (let index = firstCall; index < lastChange; index++) call = call.next ?? call;
  return call;
}

/**
 * @param firstCall  index of the entry's first call in its task
 * @param isStaged   the change that they left is in the batch; else there was none in the end (of a call that ran alone: it has
 *                   changed nothing)
 * @returns whether anything is staged
 */
export function stageAnswers(
  batch: WriteBatch,
  first: ProcessorCall,
  firstCall: number,
  lastChange: number,
  outcomes: ProcessorOutcomes,
  isStaged: boolean,
): boolean {
  if (first.count === 1) return isStaged && stageAnswer(batch, first, firstCall, lastChange, outcomes);
  let hasAnswers = false;
  let index = firstCall;
  for (let call: ProcessorCall | undefined = first; call !== undefined; call = call.next, index++) {
    if (stageAnswer(batch, call, index, isStaged ? lastChange : -1, outcomes)) hasAnswers = true;
  }
  return hasAnswers;
}

/** @param recorded  the call whose record the change is; -1: there is none */
function stageAnswer(
  batch: WriteBatch,
  call: ProcessorCall,
  index: number,
  recorded: number,
  outcomes: ProcessorOutcomes,
): boolean {
  if (call.requestNumber === 0 || !outcomes.hasChanged(index)) return false;
  const { bytes, start, end } = outcomes.result(index);
  if (index === recorded && start === end) return false;
  numberAs(batch, call);
  batch.answer(call.map.id, call.partition, bytes, start, end);
  return true;
}
