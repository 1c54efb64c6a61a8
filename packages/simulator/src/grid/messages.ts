/** What travels between the hosts of a simulated grid. Data that nobody changes (network N3). */
import type { ReplicaId, ReplicaTable, ReplicaTransaction } from '@ashlar/core';
import type { Envelope, LeaseRequest, Renewal, TransactionAnswer } from '@ashlar/replication';
import type { KeyValue } from '../history/operation.ts';

/** A machine: members have one each, and keep it over restarts; the coordinator shares one with a member, or has its own. */
export type Host = string;

export const COORDINATOR_HOST: Host = 'k';

/** One attempt of a client's operation on one key. */
export interface KeyRequest {
  readonly kind: 'request';
  readonly client: Host;
  readonly session: number;
  /** Numbers the operations of a session; attempts of one have the same. */
  readonly request: number;
  readonly attempt: number;
  /** The session's version when the operation was first sent. */
  readonly sentVersion: number;
  readonly sessionVersion: number;
  readonly tableVersion: number;
  readonly partition: number;
  readonly key: string;
  readonly verb: 'get' | 'put' | 'increment';
  readonly given: number;
}

/** Step 1 of a snapshot: every member concerned pins its clock. */
export interface PinRequest {
  readonly kind: 'pin';
  readonly client: Host;
  readonly request: number;
  readonly partition: number;
  readonly sessionVersion: number;
}

/** Step 2: each opens at the highest. */
export interface OpenRequest {
  readonly kind: 'open';
  readonly client: Host;
  readonly request: number;
  readonly partition: number;
  readonly version: number;
}

export type RefusalCode =
  | 'NOT_PRIMARY'
  | 'NOT_SERVING'
  | 'NO_CEILING'
  | 'CLOCK_AHEAD'
  | 'SNAPSHOT_EXPIRED'
  /** The log does not know any more whether it was applied. */
  | 'FORGOTTEN';

export interface Answer {
  readonly kind: 'answer';
  readonly client: Host;
  readonly request: number;
  readonly attempt: number;
  readonly partition: number;
  /** undefined: it was done. Otherwise this attempt has changed nothing, and never will. */
  readonly refusal: RefusalCode | undefined;
  readonly value: KeyValue;
  readonly version: number;
  readonly values: ReadonlyMap<string, KeyValue> | undefined;
  readonly table: ReplicaTable | undefined;
}

export type GridMessage =
  | { readonly kind: 'replica'; readonly envelope: Envelope }
  | { readonly kind: 'transact'; readonly from: ReplicaId; readonly transaction: ReplicaTransaction }
  | { readonly kind: 'transacted'; readonly to: ReplicaId; readonly answer: TransactionAnswer }
  | { readonly kind: 'renew'; readonly from: ReplicaId; readonly lease: LeaseRequest }
  | { readonly kind: 'renewed'; readonly to: ReplicaId; readonly renewal: Renewal }
  | { readonly kind: 'table'; readonly table: ReplicaTable }
  | { readonly kind: 'askTable'; readonly from: Host }
  | KeyRequest
  | PinRequest
  | OpenRequest
  | Answer;
