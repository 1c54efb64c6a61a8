/** Messages between main and worker, as plain data; everything else about a task is up to its handler. */

import type { MessagePort } from 'node:worker_threads';
import type { WireError } from '@ashlar/core';

/** Given to a worker with its first task, before any user code is there; kept in a module-private variable. */
export interface Attachment {
  /** What the entry file's `attach` makes the reader from: a StoreHandle. */
  readonly store: unknown;
  readonly workerIndex: number;
  readonly control: SharedArrayBuffer;
  /** Messages of running tasks, both ways. */
  readonly port: MessagePort;
}

export interface Envelope {
  /** 1 .. TASK_NUMBER_MAX; unique among the pool's running tasks. */
  readonly task: number;
  readonly kind: string;
  readonly body: unknown;
  attachment: Attachment | undefined;
}

/** A task's end. A worker that can still speak never answers in another way; silence and exit are for the pool to interpret. */
export type Answer = (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: WireError }
) & {
  /** Messages that the task posted: all of them have to be there before it counts as ended. */
  readonly posted: number;
};

/** Task numbers lie in 1 .. TASK_NUMBER_MAX, then begin again. */
export const TASK_NUMBER_MAX = 0x7fff_ffff;

/** Whether task `a` was made after task `b`, the two being less than half the numbers apart. */
export function isLaterTask(a: number, b: number): boolean {
  const ahead = a - b;
  return ahead > 0 ? ahead < TASK_NUMBER_MAX / 2 : ahead < -TASK_NUMBER_MAX / 2;
}

/** A message of a running task, in either direction. */
export interface TaskMessage {
  readonly task: number;
  readonly body: unknown;
}

/** Messages with this number are the worker's own: an error that no task awaited. */
export const STRAY_TASK = 0;
