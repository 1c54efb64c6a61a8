/**
 * What listeners keep in the grid, in the map `sys.listeners`. A record lies in the partition that it is about, not in the
 * one that its key would have, so that it commits, and moves, with the data of that partition.
 *
 *   checkpoint  [module, export, map id]          in the source partition: how far the listener came, and its outbox
 *   mark        [module, export, map id, source]  in a target partition: what was taken there from the source's outboxes
 *
 * listener-records R1  A step is named by the log it came from (incarnation) and the sequence of its last event. Steps of
 *                      one source follow each other: incarnations rise, and sequences within one.
 * listener-records R2  A step's writes for one target are numbered from 0; a mark says how many of its last step were taken.
 */
import { GridError, type MapId, type PartitionId } from '@ashlar/core';
import { decodeKey, decodeMessage, encodeKey, encodeMessage } from '@ashlar/serialization';

/** The map of these records. */
export const LISTENER_MAP = 'sys.listeners';

/** A listener belongs to one map, not to a name. */
export interface ListenerId {
  readonly module: string;
  readonly exportName: string;
  readonly mapId: MapId;
}

/** Names what a listener did with the events of one partition up to a sequence. */
export interface Step {
  /** Names the log that the events are in. */
  readonly incarnation: number;
  /** The last event's. */
  readonly sequence: number;
}

/** A write whose map and partition are known. */
export interface PlacedWrite {
  readonly map: string;
  readonly mapId: MapId;
  /** Canonical bytes. */
  readonly key: Uint8Array;
  /** MessagePack; undefined: remove. */
  readonly value: Uint8Array | undefined;
  /** As of core's time-to-live.ts; undefined: the map's default. */
  readonly ttlMs: number | undefined;
}

/** The writes of a step for one target partition, in their order. */
export interface OutboxPart {
  readonly partition: PartitionId;
  readonly writes: readonly PlacedWrite[];
}

/** Writes of a step for other partitions than the source: to be delivered before the next step commits. */
export interface Outbox extends Step {
  readonly parts: readonly OutboxPart[];
}

export interface Checkpoint extends Step {
  /** Undefined: nothing is to be delivered. */
  readonly outbox: Outbox | undefined;
}

export interface Mark extends Step {
  /** Writes of the step that were taken. */
  readonly taken: number;
}

/** Part of a step's writes on its way to their partition. */
export interface Delivery extends Step {
  readonly listener: ListenerId;
  readonly source: PartitionId;
  readonly partition: PartitionId;
  /** The number of the first of these writes among those of the step for this partition. */
  readonly first: number;
  readonly writes: readonly PlacedWrite[];
}

export function checkpointKey({ module, exportName, mapId }: ListenerId): Uint8Array {
  return encodeKey([module, exportName, mapId]);
}

export function markKey({ module, exportName, mapId }: ListenerId, source: PartitionId): Uint8Array {
  return encodeKey([module, exportName, mapId, source]);
}

/** The listener that a record of the map belongs to; undefined: it is none of ours. */
export function listenerOfKey(key: Uint8Array): ListenerId | undefined {
  const elements = decodeKey(key);
  if (!Array.isArray(elements) || elements.length < 3 || elements.length > 4) return undefined;
  const [module, exportName, mapId] = elements as readonly unknown[];
  if (typeof module !== 'string' || typeof exportName !== 'string' || typeof mapId !== 'number') return undefined;
  return { module, exportName, mapId: mapId as MapId };
}

/** One text for each listener. */
export function listenerText({ module, exportName, mapId }: ListenerId): string {
  return `${module}.${exportName} ${mapId}`;
}

type WireWrite = readonly [string, number, Uint8Array, Uint8Array | null, number | null];

function toWire({ map, mapId, key, value, ttlMs }: PlacedWrite): WireWrite {
  return [map, mapId, key, value ?? null, ttlMs ?? null];
}

function fromWire([map, mapId, key, value, ttlMs]: WireWrite): PlacedWrite {
  return { map, mapId: mapId as MapId, key, value: value ?? undefined, ttlMs: ttlMs ?? undefined };
}

interface WireCheckpoint extends Step {
  readonly outbox: readonly [number, number, readonly (readonly [number, readonly WireWrite[]])[]] | null;
}

export function encodeCheckpoint({ incarnation, sequence, outbox }: Checkpoint): Uint8Array {
  const parts = outbox?.parts.map(({ partition, writes }) => [partition, writes.map(toWire)]);
  const wire = { incarnation, sequence, outbox: outbox && [outbox.incarnation, outbox.sequence, parts] };
  return encodeMessage({ ...wire, outbox: wire.outbox ?? null });
}

/** @param bytes  of its own */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { incarnation, sequence, outbox } = decodeMessage(bytes) as WireCheckpoint;
  if (outbox === null) return { incarnation, sequence, outbox: undefined };
  const [outIncarnation, outSequence, wireParts] = outbox;
  const parts = wireParts.map(([partition, writes]) => ({
    partition: partition as PartitionId,
    writes: writes.map(fromWire),
  }));
  return { incarnation, sequence, outbox: { incarnation: outIncarnation, sequence: outSequence, parts } };
}

export function encodeMark({ incarnation, sequence, taken }: Mark): Uint8Array {
  return encodeMessage([incarnation, sequence, taken]);
}

export function decodeMark(bytes: Uint8Array): Mark {
  const [incarnation, sequence, taken] = decodeMessage(bytes) as readonly [number, number, number];
  return { incarnation, sequence, taken };
}

type WireDelivery = readonly [
  readonly [string, string, number],
  ...(readonly [source: number, partition: number, incarnation: number, sequence: number, first: number]),
  readonly WireWrite[],
];

export function encodeDeliveries(deliveries: readonly Delivery[]): Uint8Array {
  return encodeMessage(
    deliveries.map(
      ({ listener, source, partition, incarnation, sequence, first, writes }): WireDelivery => [
        [listener.module, listener.exportName, listener.mapId],
        ...([source, partition, incarnation, sequence, first] as const),
        writes.map(toWire),
      ],
    ),
  );
}

/** @throws GridError CORRUPT_DATA, INVALID_ARGUMENT: the message is not a list of deliveries */
export function decodeDeliveries(bytes: Uint8Array): readonly Delivery[] {
  const told = decodeMessage(bytes);
  if (!Array.isArray(told)) throw notDeliveries();
  return told.map((wire: WireDelivery): Delivery => {
    if (!isDelivery(wire)) throw notDeliveries();
    const [[module, exportName, mapId], source, partition, incarnation, sequence, first, writes] = wire;
    return {
      listener: { module, exportName, mapId: mapId as MapId },
      source: source as PartitionId,
      partition: partition as PartitionId,
      ...{ incarnation, sequence, first },
      writes: writes.map(fromWire),
    };
  });
}

function isDelivery(wire: unknown): boolean {
  if (!Array.isArray(wire) || wire.length !== 7) return false;
  const [listener, source, partition, incarnation, sequence, first, writes] = wire as unknown[];
  if (!Array.isArray(listener) || typeof listener[0] !== 'string' || typeof listener[1] !== 'string') return false;
  if (![listener[2], source, partition, incarnation, sequence, first].every(Number.isSafeInteger)) return false;
  return Array.isArray(writes) && writes.every(isWrite);
}

function isWrite(write: unknown): boolean {
  if (!Array.isArray(write) || write.length !== 5) return false;
  const [map, mapId, key, value, ttlMs] = write as unknown[];
  if (typeof map !== 'string' || !Number.isSafeInteger(mapId) || !(key instanceof Uint8Array)) return false;
  return (value === null || value instanceof Uint8Array) && (ttlMs === null || typeof ttlMs === 'number');
}

function notDeliveries(): GridError {
  return new GridError('INVALID_ARGUMENT', 'the message is not a list of deliveries', {
    hint: 'members send it to each other; it is nothing that a client calls',
  });
}

/** How many of a delivery's writes a mark says were taken already. */
export function takenOf({ incarnation, sequence, first, writes }: Delivery, mark: Mark | undefined): number {
  if (mark === undefined || mark.incarnation < incarnation) return 0;
  if (mark.incarnation > incarnation || mark.sequence > sequence) return writes.length;
  if (mark.sequence < sequence) return 0;
  return Math.min(writes.length, Math.max(0, mark.taken - first));
}
