/**
 * A subscription's position as text (`protos/ashlar/v1/events.proto`):
 *
 *   base64url of MessagePack [2, map, mapId, incarnations, sequences]
 */
import { GridError } from '@ashlar/core';
import { decodeValue, encodeValue } from '@ashlar/serialization';

const FORMAT = 2;
/** The format of the first release: it does not say which map of its name it means. */
const FORMAT_WITHOUT_ID = 1;

export interface Position {
  readonly map: string;
  /** Id of the map that had the name; 0: there was none. */
  readonly mapId: number;
  /** By partition. */
  readonly incarnations: Float64Array;
  /** By partition: the last sequence seen. */
  readonly sequences: Float64Array;
}

export function encodeToken({ map, mapId, incarnations, sequences }: Position): string {
  const first = incarnations[0] ?? 0;
  const shared = incarnations.every((incarnation) => incarnation === first);
  const bytes = encodeValue([FORMAT, map, mapId, shared ? first : [...incarnations], [...sequences]]);
  return Buffer.from(bytes).toString('base64url');
}

/** @throws GridError INVALID_TOKEN */
export function decodeToken(token: string, map: string, partitionCount: number): Position {
  const fields = fieldsOf(token);
  if (!Array.isArray(fields)) throw invalidToken('it was not made by this grid');
  const [format, ofMap, mapId, incarnations, sequences] = fields as readonly unknown[];
  if (format === FORMAT_WITHOUT_ID) throw invalidToken('an older release made it');
  if (format !== FORMAT || !isCount(mapId)) throw invalidToken('it was not made by this grid');
  if (ofMap !== map) throw invalidToken(`it belongs to map '${String(ofMap)}'`);
  const position = {
    map,
    mapId,
    incarnations: column(incarnations, partitionCount),
    sequences: column(sequences, partitionCount),
  };
  return position;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fieldsOf(token: string): unknown {
  try {
    return decodeValue(Buffer.from(token, 'base64url'));
  } catch (error) {
    throw invalidToken('it is cut off or changed', error);
  }
}

function column(value: unknown, partitionCount: number): Float64Array {
  if (typeof value === 'number') return new Float64Array(partitionCount).fill(value);
  if (!Array.isArray(value) || value.length !== partitionCount || value.some((one) => typeof one !== 'number')) {
    throw invalidToken('it belongs to another grid');
  }
  return Float64Array.from(value as number[]);
}

function invalidToken(reason: string, cause?: unknown): GridError {
  return new GridError('INVALID_TOKEN', `the token is not valid here: ${reason}`, {
    hint: "subscribe from the token of an event of this map, or from 'now'",
    cause,
  });
}
