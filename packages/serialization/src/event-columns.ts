/**
 * Committed changes of entries as parallel columns: element i of each column belongs to event i. What subscriptions read from
 * logs, and members send (EventBatch of `protos/ashlar/v1/events.proto`).
 */
export interface EventColumns {
  readonly count: number;
  /** Index into EVENT_TYPES. */
  readonly types: Uint8Array;
  readonly partitions: Uint32Array;
  readonly sequences: Float64Array;
  readonly versions: Float64Array;
  /** Where each key ends in `keys`; it begins where the one before ends. */
  readonly keyEnds: Uint32Array;
  readonly keys: Uint8Array;
  readonly valueEnds: Uint32Array;
  /** MessagePack. */
  readonly values: Uint8Array;
  readonly oldValueEnds: Uint32Array;
  readonly oldValues: Uint8Array;
}
