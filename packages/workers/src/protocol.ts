/** What main and worker say to each other. Plain data; everything else about a task is the handler's own. */

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
  /** 1 .. 2^31 - 1; unique among the pool's running tasks. */
  readonly task: number;
  readonly kind: string;
  readonly body: unknown;
  attachment: Attachment | undefined;
}

/** A task's end. A worker that can still speak never answers in another way; silence and exit are the pool's to explain. */
export type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: WireError };

/** A message of a running task, in either direction. */
export interface TaskMessage {
  readonly task: number;
  readonly body: unknown;
}

/** Messages with this number are the worker's own: an error that no task awaited. */
export const STRAY_TASK = 0;
