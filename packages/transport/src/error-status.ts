/**
 * GridError <-> gRPC status.
 *
 * Out: the status code of the nearest kind, the message with its hint, and grpc-status-details-bin with the whole error,
 * which grpcurl and other tools show. In: the whole error from there; a status that is not ours (a broken link, a proxy)
 * becomes the code that fits.
 *
 * error-status E1  Headers and trailers of one answer stay below 8 KiB, which every HTTP/2 peer takes: a longer block ends
 *                  the whole link, with all calls on it. So the texts of a status are bounded in bytes, whatever the error
 *                  says; beside a refusal, which has up to 4 KiB, they are shorter.
 */
import {
  ERROR_CODES,
  type ErrorCode,
  GridError,
  isErrorCode,
  type MemberOutcome,
  shortTextBytes,
  type WireError,
} from '@ashlar/core';
import { decodeRefusal, encodeRefusal } from '@ashlar/serialization';
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { connectionLost } from './link-errors.ts';
import { enumNumbers, messageType } from './schema.ts';
import { fieldsBound, textBound, WireReader, WireWriter } from './wire.ts';

const DETAILS_KEY = 'grpc-status-details-bin';
const ERROR_TYPE_URL = 'type.googleapis.com/ashlar.v1.Error';

/** The gRPC status of each code; those not listed are FAILED_PRECONDITION (a state of the grid). */
const STATUS_OF: Partial<Record<ErrorCode, status>> = {
  INTERNAL: status.INTERNAL,
  CANCELLED: status.CANCELLED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  OUTCOME_UNKNOWN: status.UNKNOWN,
  MESSAGE_TOO_LARGE: status.RESOURCE_EXHAUSTED,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  UNSUPPORTED_PROTOCOL: status.UNIMPLEMENTED,
  UNSUPPORTED_SQL: status.UNIMPLEMENTED,
  CONNECT_TIMEOUT: status.UNAVAILABLE,
  CONNECTION_LOST: status.UNAVAILABLE,
  MEMBER_UNREACHABLE: status.UNAVAILABLE,
  GRID_INCOMPLETE: status.UNAVAILABLE,
  SHUTTING_DOWN: status.UNAVAILABLE,
  STALE_EPOCH: status.ABORTED,
  LEASE_EXPIRED: status.ABORTED,
  STALE_PLAN: status.ABORTED,
  SNAPSHOT_EXPIRED: status.ABORTED,
  PARTIAL: status.ABORTED,
  PARTIAL_COMMIT: status.ABORTED,
  WORKER_LOST: status.ABORTED,
  BUNDLE_MISSING: status.ABORTED,
  MAP_DROPPED: status.NOT_FOUND,
  UNKNOWN_MAP: status.NOT_FOUND,
  UNKNOWN_MODULE: status.NOT_FOUND,
  UNKNOWN_EXPORT: status.NOT_FOUND,
  DUPLICATE_KEY: status.ALREADY_EXISTS,
  MAP_CONFLICT: status.ALREADY_EXISTS,
  CORRUPT_DATA: status.DATA_LOSS,
  OUT_OF_MEMORY: status.RESOURCE_EXHAUSTED,
  LOG_FULL: status.RESOURCE_EXHAUSTED,
  QUERY_MEMORY_EXCEEDED: status.RESOURCE_EXHAUSTED,
  USER_CODE_TIMEOUT: status.DEADLINE_EXCEEDED,
  USER_CODE_OUT_OF_MEMORY: status.RESOURCE_EXHAUSTED,
  SEQUENCE_GONE: status.OUT_OF_RANGE,
  SLOW_CONSUMER: status.RESOURCE_EXHAUSTED,
  NUMERIC_OVERFLOW: status.OUT_OF_RANGE,
};

const INVALID_ARGUMENTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'INVALID_NAME',
  'INVALID_KEY',
  'KEY_TOO_LARGE',
  'INVALID_VALUE',
  'VALUE_TOO_LARGE',
  'SYNTAX_ERROR',
  'STATEMENT_TOO_LARGE',
  'UNKNOWN_COLUMN',
  'AMBIGUOUS_COLUMN',
  'UNKNOWN_FUNCTION',
  'TYPE_MISMATCH',
  'INVALID_CAST',
  'DIVISION_BY_ZERO',
  'INVALID_PARAMETER',
  'GROUPING_ERROR',
  'INVALID_TOKEN',
]);

function statusOf(code: ErrorCode): status {
  return STATUS_OF[code] ?? (INVALID_ARGUMENTS.has(code) ? status.INVALID_ARGUMENT : status.FAILED_PRECONDITION);
}

/** The number of every code in errors.proto, read from the schema itself. */
export function errorNumbers(): ReadonlyMap<string, number> {
  return new Map(Object.entries(enumNumbers('ErrorCode')));
}

let numberOf: ReadonlyMap<string, number> | undefined;
let codeOf: ReadonlyMap<number, string> | undefined;

const NO_BYTES = Buffer.alloc(0);

interface DetailMessage {
  readonly name: string;
  readonly value?: 'text' | 'number' | 'flag' | 'list';
  readonly text?: string;
  readonly number?: number;
  readonly flag?: boolean;
  readonly list?: { readonly items: readonly string[] };
}

interface ErrorMessage {
  readonly code: number;
  readonly message: string;
  readonly hint: string;
  readonly position: WireError['position'] | null;
  readonly details: readonly DetailMessage[];
  /** Empty: none. */
  readonly refusal: Uint8Array;
  readonly outcomes: readonly OutcomeMessage[];
}

interface OutcomeMessage {
  readonly member: string;
  readonly outcome: number;
  readonly rows?: number | undefined;
}

/** By their number on the wire. */
const OUTCOMES = [undefined, 'applied', 'inPart', 'notApplied', 'unknown'] as const;

type DetailValue = string | number | boolean | readonly string[];

/** The bytes of ashlar.v1.Error. */
export function encodeError(error: WireError): Buffer {
  numberOf ??= errorNumbers();
  const message: ErrorMessage = {
    code: numberOf.get(error.code) ?? 0,
    message: error.message,
    hint: error.hint ?? '',
    position: error.position ?? null,
    details: Object.entries(error.details ?? {}).map(([name, value]) => detailMessage(name, value)),
    refusal: error.refusal === undefined ? NO_BYTES : encodeRefusal(error),
    outcomes: (error.outcomes ?? []).map(outcomeMessage),
  };
  return messageType('Error').serialize(message);
}

function detailMessage(name: string, value: DetailValue): DetailMessage {
  if (typeof value === 'string') return { name, text: value };
  if (typeof value === 'number') return { name, number: value };
  if (typeof value === 'boolean') return { name, flag: value };
  return { name, list: { items: value } };
}

function outcomeMessage({ member, outcome, rows }: MemberOutcome): OutcomeMessage {
  const kind = OUTCOMES.indexOf(outcome);
  return rows === undefined ? { member, outcome: kind } : { member, outcome: kind, rows };
}

/** A kind of outcome that a later member sends is one that nobody here can tell. */
function outcomeOf({ member, outcome, rows }: OutcomeMessage): MemberOutcome {
  return { member, outcome: OUTCOMES[outcome] ?? 'unknown', rows };
}

export function decodeError(bytes: Uint8Array): WireError {
  codeOf ??= new Map([...errorNumbers()].map(([name, number]) => [number, name]));
  const message = messageType('Error').deserialize(Buffer.from(bytes)) as ErrorMessage;
  const code = codeOf.get(message.code);
  const details: Record<string, DetailValue> = Object.create(null);
  for (const detail of message.details) {
    details[detail.name] = detail.text ?? detail.number ?? detail.flag ?? detail.list?.items ?? '';
  }
  return {
    code: isErrorCode(code) ? code : 'INTERNAL',
    message: message.message,
    hint: message.hint === '' ? undefined : message.hint,
    position: message.position ?? undefined,
    details: message.details.length === 0 ? undefined : details,
    refusal: message.refusal.length === 0 ? undefined : decodeRefusal(message.refusal).refusal,
    outcomes: message.outcomes.length === 0 ? undefined : message.outcomes.map(outcomeOf),
  };
}

/** What a caller learns of a handler's failure: within bounds (error-status E1), and nothing of errors that are not ours. */
export function wireErrorOf(thrown: unknown): WireError {
  const wire = GridError.wrap(thrown).toWire();
  return boundedError(isOurs(thrown) ? wire : { ...wire, message: 'internal error of the member' });
}

/** What a handler's failure looks like on the wire. */
export function toStatus(thrown: unknown): StatusObject {
  const wire = wireErrorOf(thrown);
  const text = statusText(wire);
  const code = statusOf(wire.code);
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, statusDetails(code, text, encodeError(wire)));
  return { code, details: text, metadata };
}

/** Bytes of the parts of a status (error-status E1). The text is also written percent-encoded, three bytes for some of its bytes. */
const ROOM = { message: 1024, hint: 512, details: 1024, text: 768 } as const;
/** Beside a refusal or outcomes. */
const ROOM_BESIDE_MORE = { message: 256, hint: 128, details: 512, text: 256 } as const;

/** Outcomes of members that an error lists, and bytes of all their names. */
const OUTCOMES_MAX = 64;
const OUTCOME_NAMES_BYTES = 2048;

function roomOf({ refusal, outcomes }: WireError): typeof ROOM | typeof ROOM_BESIDE_MORE {
  return refusal === undefined && outcomes === undefined ? ROOM : ROOM_BESIDE_MORE;
}

function statusText(error: WireError): string {
  const { message, hint } = error;
  return shortTextBytes(hint === undefined ? message : `${message} (hint: ${hint})`, roomOf(error).text);
}

function boundedError(error: WireError): WireError {
  const { code, message, hint, position, details, refusal, outcomes } = error;
  const room = roomOf(error);
  return {
    code,
    message: shortTextBytes(message, room.message),
    hint: hint === undefined ? undefined : shortTextBytes(hint, room.hint),
    position,
    details: details === undefined ? undefined : boundedDetails(details, room.details),
    refusal,
    outcomes: outcomes === undefined ? undefined : boundedOutcomes(outcomes),
  };
}

/** What was not applied, or is not known, is what its reader has to look at: it comes first where there are too many. */
function boundedOutcomes(outcomes: readonly MemberOutcome[]): readonly MemberOutcome[] {
  const isApplied = ({ outcome }: MemberOutcome): number => (outcome === 'applied' ? 1 : 0);
  const isLong = outcomes.length > OUTCOMES_MAX;
  const told = isLong ? outcomes.toSorted((a, b) => isApplied(a) - isApplied(b)).slice(0, OUTCOMES_MAX) : outcomes;
  const nameBytes = Math.floor(OUTCOME_NAMES_BYTES / told.length);
  return told.map((one) => ({ ...one, member: shortTextBytes(one.member, nameBytes) }));
}

/** As many of the details as there is room for, the first ones; a list that is cut says so. */
function boundedDetails(
  details: NonNullable<WireError['details']>,
  bytesMax: number,
): NonNullable<WireError['details']> {
  const bounded: Record<string, DetailValue> = Object.create(null);
  let room = bytesMax;
  for (const [name, value] of Object.entries(details)) {
    room -= Buffer.byteLength(name) + 16;
    if (room <= 0) break;
    const kept = boundedValue(value, room);
    room -= bytesOf(kept);
    bounded[name] = kept;
  }
  return bounded;
}

function boundedValue(value: DetailValue, room: number): DetailValue {
  if (typeof value === 'string') return shortTextBytes(value, Math.max(room, 4));
  if (typeof value !== 'object' || bytesOf(value) <= room) return value;
  const kept: string[] = [];
  let left = room - 24;
  for (const text of value) {
    left -= Buffer.byteLength(text) + 2;
    if (left < 0) break;
    kept.push(text);
  }
  return [...kept, `… and ${value.length - kept.length} more`];
}

function bytesOf(value: DetailValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  return typeof value === 'object' ? value.reduce((sum, text) => sum + Buffer.byteLength(text) + 2, 0) : 8;
}

/** Whether an error is ours: messages of other exceptions may hold what nobody outside should read. */
function isOurs(thrown: unknown): boolean {
  return GridError.is(thrown) && Object.hasOwn(ERROR_CODES, thrown.code);
}

/** google.rpc.Status { code = 1, message = 2, details = 3 } with one Any { type_url = 1, value = 2 }. */
function statusDetails(code: number, text: string, error: Buffer): Buffer {
  const any = new WireWriter(fieldsBound(2) + textBound(ERROR_TYPE_URL) + error.length);
  any.text(1, ERROR_TYPE_URL);
  any.bytes(2, error);
  const detail = any.finish();
  const writer = new WireWriter(fieldsBound(3) + textBound(text) + detail.length);
  writer.uint(1, code);
  writer.text(2, text);
  writer.bytes(3, detail);
  return writer.finish();
}

/**
 * The library's own words for a link that broke under the call, or before it, where it does not say UNAVAILABLE. A member
 * of ours ends a stream with a status that names the error: a reset without one comes from between.
 */
const BROKEN_LINK =
  /Received RST_STREAM|Failed to start HTTP\/2 stream|Session closed|ended without gRPC status|ECONNRESET|EPIPE|ETIMEDOUT/;
const TOO_LARGE = /message larger than max \((\d+) vs\.? (\d+)\)/;

/** The error of a failed call, as a GridError. */
export function fromStatus(error: ServiceError | StatusObject, what: string): GridError {
  const details = error.metadata?.get(DETAILS_KEY)[0];
  const wire = details instanceof Uint8Array ? errorOfDetails(details) : undefined;
  return wire === undefined ? foreignError(error, what) : GridError.from(wire);
}

/** A status that no member of ours made: the library's, a proxy's. Its text is kept in the cause alone. */
function foreignError(error: ServiceError | StatusObject, what: string): GridError {
  const cause = error instanceof Error ? error : undefined;
  switch (error.code) {
    case status.CANCELLED:
      return new GridError('CANCELLED', `${what} was cancelled`, { cause });
    case status.DEADLINE_EXCEEDED:
      return new GridError('DEADLINE_EXCEEDED', `${what} did not finish within its time`, { cause });
    case status.UNAUTHENTICATED:
      return new GridError('UNAUTHENTICATED', `${what}: who calls is not known`, { cause });
    case status.PERMISSION_DENIED:
      return new GridError('PERMISSION_DENIED', `${what}: the caller may not`, { cause });
    case status.RESOURCE_EXHAUSTED:
      return tooMuch(error.details, what);
    case status.UNIMPLEMENTED:
      return new GridError('UNSUPPORTED_PROTOCOL', `${what} is not known at the other end`, {
        hint: 'use a client and a member of the same release',
        cause,
      });
    case status.UNAVAILABLE:
      return connectionLost(what, error.details);
    default:
      if (BROKEN_LINK.test(error.details)) return connectionLost(what, error.details);
      return new GridError('INTERNAL', `${what} failed on its way (gRPC status ${error.code})`, { cause });
  }
}

function tooMuch(text: string, what: string): GridError {
  if (!/larger than/.test(text)) {
    return new GridError('OVERLOADED', `${what}: the other end accepts no more at the moment`, {
      hint: 'ask for less at a time, and try again a little later',
    });
  }
  const [, bytes, limit] = TOO_LARGE.exec(text) ?? [];
  const size = bytes === undefined ? 'is too large' : `has ${bytes} bytes, more than the ${limit} of a message`;
  return new GridError('MESSAGE_TOO_LARGE', `an answer of ${what} ${size}`, { hint: 'ask for less at a time' });
}

function errorOfDetails(bytes: Uint8Array): WireError | undefined {
  try {
    const outer = new WireReader(bytes);
    while (outer.next()) {
      if (outer.field !== 3) outer.skip();
      else {
        const error = errorOfAny(outer.bytes());
        if (error !== undefined) return error;
      }
    }
  } catch {
    // A proxy's or another service's details: the plain status is all there is.
  }
  return undefined;
}

function errorOfAny(bytes: Uint8Array): WireError | undefined {
  const any = new WireReader(bytes);
  let isError = false;
  let value: Uint8Array | undefined;
  while (any.next()) {
    if (any.field === 1) isError = any.text() === ERROR_TYPE_URL;
    else if (any.field === 2) value = any.bytes();
    else any.skip();
  }
  return isError && value !== undefined ? decodeError(value) : undefined;
}
