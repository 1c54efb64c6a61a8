/**
 * A request's bytes, looked at before anything is made of them: whether they are a message of their schema at all, and
 * whether its texts, lists and fields keep to their bounds. One pass over the fields, nothing is copied.
 *
 *   bytes -> guard (this file) -> decode -> authorize -> handler
 *
 * request-guard Q1  Every field has the wire type of its schema and lies within its message; unknown fields are passed over.
 * request-guard Q2  A text is as long as its use allows (TEXT_BOUNDS), any other at most TEXT_BYTES_MAX: a name of 30 MB
 *                   costs nothing.
 * request-guard Q3  Integers of a schema are below 2^53, so none changes on its way to a number.
 * request-guard Q4  A message has at most FIELDS_MAX fields, and lists what LIST_BOUNDS say.
 */
import { GridError, NAME_BYTES_MAX, NAME_LENGTH_MAX } from '@ashlar/core';
import protobuf from 'protobufjs';
import { malformed, WIRE_TYPE, WireReader } from './wire.ts';

const TEXT_BYTES_MAX = 1024;
const FIELDS_MAX = 1 << 16;
/** Longest statement that the planner takes, in characters, and the most bytes that these can have. */
const STATEMENT_LENGTH_MAX = 1 << 20;
const STATEMENT_BYTES_MAX = STATEMENT_LENGTH_MAX * 3;
const KEY_BYTES_MAX = 1 << 16;
/** Holds a sequence of each of 4096 partitions. */
const TOKEN_BYTES_MAX = 256 << 10;
const PARTITIONS_MAX = 4096;
export const EXPORTS_MAX = 1000;

interface Bound {
  readonly bytesMax: number;
  refuse(bytes: number): GridError;
}

const NAME: Bound = {
  bytesMax: NAME_BYTES_MAX,
  refuse: (bytes) =>
    new GridError('INVALID_NAME', `a name of ${bytes} bytes cannot be used`, {
      hint: `letters, digits, _ - . $ and at most ${NAME_LENGTH_MAX} characters`,
    }),
};
const STATEMENT: Bound = {
  bytesMax: STATEMENT_BYTES_MAX,
  refuse: (bytes) =>
    new GridError(
      'STATEMENT_TOO_LARGE',
      `the statement has ${bytes} bytes, at most ${STATEMENT_LENGTH_MAX} characters are taken`,
      { hint: 'hand data in as parameters', details: { limit: STATEMENT_LENGTH_MAX } },
    ),
};
const KEY: Bound = {
  bytesMax: KEY_BYTES_MAX,
  refuse: (bytes) =>
    new GridError('KEY_TOO_LARGE', `a key has at most ${KEY_BYTES_MAX} bytes, not ${bytes}`, {
      details: { limitBytes: KEY_BYTES_MAX },
    }),
};
const TOKEN: Bound = {
  bytesMax: TOKEN_BYTES_MAX,
  refuse: (bytes) => new GridError('INVALID_TOKEN', `a token of ${bytes} bytes does not belong to this grid`),
};
/** No bound: the member that handles it knows how long a value may be. */
const VALUE: Bound = { bytesMax: Number.MAX_SAFE_INTEGER, refuse: () => malformed('an endless text') };

/** By message and field. */
const TEXT_BOUNDS: Readonly<Record<string, Bound>> = {
  'SqlRequest.text': STATEMENT,
  'ProcessWhereRequest.where': STATEMENT,
  'SubscribeRequest.where': STATEMENT,
  'SubscribeRequest.from': TOKEN,
  'Key.text': KEY,
  'PutRequest.json': VALUE,
};
const NAME_FIELDS: ReadonlySet<string> = new Set(['map', 'name', 'module', 'exportName', 'kind']);

/** Elements, by the field's name; other lists are bounded by FIELDS_MAX and the message's length. */
const LIST_BOUNDS: Readonly<Record<string, number>> = { partitions: PARTITIONS_MAX, types: 16, exports: EXPORTS_MAX };
/** Bytes of an element of a packed list, at least. */
const PACKED_WIDTHS: Readonly<Record<string, number>> = { fixed32: 4, double: 8 };

interface Field {
  readonly name: string;
  readonly wireType: number;
  readonly isRepeated: boolean;
  readonly isUnsigned: boolean;
  readonly text: Bound | undefined;
  /** Elements at most, and bytes of each where it is packed. */
  readonly countMax: number;
  readonly width: number;
  readonly message: Guard | undefined;
}

export class Guard {
  readonly #fields: ReadonlyMap<number, Field>;

  private constructor(fields: ReadonlyMap<number, Field>) {
    this.#fields = fields;
  }

  static of({ name, fieldsArray }: protobuf.Type): Guard {
    return new Guard(new Map(fieldsArray.map((field) => [field.id, fieldOf(name, field)])));
  }

  /** @throws GridError INVALID_ARGUMENT, INVALID_NAME, STATEMENT_TOO_LARGE, KEY_TOO_LARGE, INVALID_TOKEN */
  check(bytes: Uint8Array): void {
    this.#walk(new WireReader(bytes), { fields: 0 });
  }

  #walk(reader: WireReader, total: { fields: number }): void {
    const counts = new Map<Field, number>();
    while (reader.next()) {
      if (++total.fields > FIELDS_MAX) throw malformed(`more than ${FIELDS_MAX} fields`);
      const field = this.#fields.get(reader.field);
      if (field === undefined) reader.skip();
      else passField(reader, field, counts, (nested) => field.message!.#walk(nested, total));
    }
  }
}

function fieldOf(message: string, { name, type, repeated, resolvedType }: protobuf.Field): Field {
  const isText = type === 'string';
  return {
    name,
    wireType: resolvedType instanceof protobuf.Type ? WIRE_TYPE.DELIMITED : wireTypeOf(type),
    isRepeated: repeated,
    isUnsigned: UNSIGNED.has(type) || resolvedType instanceof protobuf.Enum,
    text: isText ? (TEXT_BOUNDS[`${message}.${name}`] ?? (NAME_FIELDS.has(name) ? NAME : otherText(name))) : undefined,
    countMax: LIST_BOUNDS[name] ?? Number.MAX_SAFE_INTEGER,
    width: PACKED_WIDTHS[type] ?? 1,
    message: resolvedType instanceof protobuf.Type ? Guard.of(resolvedType) : undefined,
  };
}

function otherText(name: string): Bound {
  return {
    bytesMax: TEXT_BYTES_MAX,
    refuse: (bytes) => malformed(`${name} has ${bytes} bytes, at most ${TEXT_BYTES_MAX} are taken`),
  };
}

/** Types of a schema whose numbers are never below zero. */
const UNSIGNED: ReadonlySet<string> = new Set(['uint32', 'uint64', 'bool']);

/** Of a number, a text or bytes; enums are numbers. */
function wireTypeOf(type: string): number {
  if (type === 'string' || type === 'bytes') return WIRE_TYPE.DELIMITED;
  if (type === 'double') return WIRE_TYPE.FIXED64;
  return type === 'fixed32' ? WIRE_TYPE.FIXED32 : WIRE_TYPE.VARINT;
}

function passField(
  reader: WireReader,
  field: Field,
  counts: Map<Field, number>,
  walk: (nested: WireReader) => void,
): void {
  const isPacked =
    field.isRepeated && reader.wireType === WIRE_TYPE.DELIMITED && field.wireType !== WIRE_TYPE.DELIMITED;
  if (isPacked) {
    const { length } = reader.bytes();
    if (length % field.width !== 0) throw malformed(`${field.name} ends within an element`);
    count(field, length / field.width, counts);
    return;
  }
  if (reader.wireType !== field.wireType) throw malformed(`${field.name} has wire type ${reader.wireType}`);
  if (field.isRepeated) count(field, 1, counts);
  if (field.isUnsigned) reader.uint();
  else if (field.wireType !== WIRE_TYPE.DELIMITED) reader.skip();
  else {
    const bytes = reader.bytes();
    if (field.text !== undefined && bytes.length > field.text.bytesMax) throw field.text.refuse(bytes.length);
    if (field.message !== undefined) walk(new WireReader(bytes));
  }
}

function count(field: Field, more: number, counts: Map<Field, number>): void {
  if (field.countMax === Number.MAX_SAFE_INTEGER) return;
  const sum = (counts.get(field) ?? 0) + more;
  if (sum > field.countMax) throw malformed(`${field.name} has more than ${field.countMax} elements`);
  counts.set(field, sum);
}
