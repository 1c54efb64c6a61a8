/**
 * The numbers and names every room speaks of. Each is its own kind, so that a partition is never taken for a sequence;
 * at run time all of them are plain numbers and strings.
 */
declare const kind: unique symbol;
export type Kind<T, Name extends string> = T & { readonly [kind]: Name };

/** Names a member process; unique among the living and the dead. */
export type MemberId = Kind<string, 'MemberId'>;
/** 0 .. partitionCount - 1. */
export type PartitionId = Kind<number, 'PartitionId'>;
/** Fences old owners: grows at every change of owner of a partition, never reused. */
export type Epoch = Kind<number, 'Epoch'>;
/** Position in a partition's log: 1, 2, 3 ... without gaps; a safe integer. */
export type Sequence = Kind<number, 'Sequence'>;
/** What snapshots compare: hybrid logical clock, integer microseconds since 1970, below 2^53. 0 is "before everything". */
export type Version = Kind<number, 'Version'>;
/** A map's number in the catalog, 1 .. ; the same on every member, never reused in a grid's life. */
export type MapId = Kind<number, 'MapId'>;

/** Partitions of a grid, fixed for its life. */
export const DEFAULT_PARTITION_COUNT = 256;
