/**
 * Errors of the world: what went wrong, where, and what to do. They cross gRPC and worker threads, where `instanceof`
 * is lost and `code` survives; `toWire` and `GridError.from` carry them over.
 */
import { ERROR_CODES, type ErrorCode, isErrorCode } from './error-codes.ts';
import { shortText } from './short-text.ts';

/** Where in a SQL text an error lies. */
export interface TextPosition {
  /** Characters (UTF-16 units) before the place, from 0. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

export interface ErrorExtras {
  /** What to do about it: one sentence. */
  readonly hint?: string | undefined;
  readonly position?: TextPosition | undefined;
  /** Facts for programs: names, numbers, limits. Plain data only. */
  readonly details?: Readonly<Record<string, string | number | boolean | readonly string[]>> | undefined;
  /** What was refused, for PROCESSOR_REFUSED and for a PARTIAL whose first failure was one. */
  readonly refusal?: RefusalFacts | undefined;
  /** For a call over many keys: the keys that were refused. */
  readonly refusals?: readonly KeyRefusal[] | undefined;
  /** For PARTIAL_COMMIT, and a PARTIAL over several members: what became of it on each. */
  readonly outcomes?: readonly MemberOutcome[] | undefined;
  readonly cause?: unknown;
}

/** What user code refused a call with: `throw new Refusal(code, details)`. */
export interface RefusalFacts {
  /** The application's own word for why. */
  readonly code: string;
  /** As it was given: whatever can be stored in a map. */
  readonly details: unknown;
}

/** The refusal of one call among many. */
export interface KeyRefusal extends RefusalFacts {
  readonly key: string | number | bigint | Uint8Array | readonly unknown[];
}

/**
 * What became of a statement or call on one member. `applied`: all of it; `inPart`: the rows that are counted, and no others;
 * `notApplied`: nothing; `unknown`: nobody can tell.
 */
export interface MemberOutcome {
  /** Its name. */
  readonly member: string;
  readonly outcome: 'applied' | 'inPart' | 'notApplied' | 'unknown';
  /** Entries that were changed; that were not; that may have been. Undefined: they were not counted. */
  readonly rows: number | undefined;
}

/** A GridError as plain data, for gRPC, worker messages and `--json`. */
export interface WireError extends Omit<ErrorExtras, 'cause' | 'refusals'> {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Its texts have at most ERROR_TEXT_MAX characters: an error holds what a caller handed in, and must not grow with it. */
export class GridError extends Error {
  override readonly name: string = 'GridError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly position: TextPosition | undefined;
  readonly details: ErrorExtras['details'];
  /** Code and details that user code refused with. Undefined: it did not refuse, or they were not kept. */
  readonly refusal: RefusalFacts | undefined;
  /** The keys that `processAll` was refused for, each with its refusal: the first 1,000 in the order of their answers. */
  readonly refusals: readonly KeyRefusal[] | undefined;
  /** What became of it on each member, of a statement or call that was done in part: at most 64 of them. */
  readonly outcomes: readonly MemberOutcome[] | undefined;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(shortText(message), extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.hint = extras.hint === undefined ? undefined : shortText(extras.hint);
    this.position = extras.position;
    this.details = extras.details === undefined ? undefined : shortDetails(extras.details);
    this.refusal = extras.refusal;
    this.refusals = extras.refusals;
    this.outcomes = extras.outcomes;
  }

  /** True only if nothing was applied, so that sending the request again is safe. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  /** Whether `error` is a GridError (of `code`, if given), also when it came from another realm or thread. */
  static is<Code extends ErrorCode>(error: unknown, code?: Code): error is GridError & { readonly code: Code } {
    if (typeof error !== 'object' || error === null || !('code' in error)) return false;
    return isErrorCode(error.code) && (code === undefined || error.code === code);
  }

  toWire(): WireError {
    const { code, message, hint, position, details, refusal, outcomes } = this;
    return { code, message, hint, position, details, refusal, outcomes };
  }

  static from(wire: WireError): GridError {
    return new GridError(isErrorCode(wire.code) ? wire.code : 'INTERNAL', wire.message, wire);
  }

  /** Any thrown thing as a GridError: ours as it is, everything else as INTERNAL with its cause. */
  static wrap(error: unknown): GridError {
    if (error instanceof GridError) return error;
    if (GridError.is(error)) return GridError.from(error as unknown as WireError);
    return new GridError('INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

type Details = NonNullable<ErrorExtras['details']>;

function shortDetails(details: Details): Details {
  const values = Object.values(details);
  if (values.every((value) => shortDetail(value) === value)) return details;
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [shortText(name), shortDetail(value)]));
}

function shortDetail<T extends Details[string]>(value: T): T | string | readonly string[] {
  if (typeof value === 'string') return shortText(value);
  if (typeof value !== 'object' || value.every((text) => shortText(text) === text)) return value;
  return value.map((text) => shortText(text));
}

/** The caller routed with an old partition table. Refresh it and try again. */
export class StaleEpochError extends GridError {
  override readonly name = 'StaleEpochError';
  constructor(partitionId: number, callerEpoch: number, ownerEpoch: number) {
    super('STALE_EPOCH', `partition ${partitionId}: caller has epoch ${callerEpoch}, owner has ${ownerEpoch}`, {
      details: { partitionId, callerEpoch, ownerEpoch },
    });
  }
}

/** Sent, and no answer came: the write may have happened. Only the caller knows whether repeating is safe. */
export class OutcomeUnknownError extends GridError {
  override readonly name = 'OutcomeUnknownError';
  /** @param why  why no answer came; default: the link broke */
  constructor(what: string, cause?: unknown, why = 'then the connection was lost') {
    super('OUTCOME_UNKNOWN', `${what}: sent, ${why}; it may or may not have been applied`, {
      hint: 'read the entry again before you repeat the write',
      cause,
    });
  }
}

/** The link to a member is known to be down. Nothing was applied; the link is tried again in the background. */
export class MemberUnreachableError extends GridError {
  override readonly name = 'MemberUnreachableError';
  /** @param sinceMs  when the link was lost, milliseconds since 1970 */
  constructor(member: string, address: string, sinceMs: number) {
    const since = new Date(sinceMs).toISOString();
    super('MEMBER_UNREACHABLE', `member '${member}' at ${address} cannot be reached since ${since}`, {
      hint: 'it is retried in the background: repeat the call, or check that the member is running',
      details: { member, address, since },
    });
  }
}

const LOST_SHOWN_MAX = 8;

/**
 * Every copy of these partitions is gone, with what was acknowledged in them. Nothing was applied; they are answered so until an
 * operator accepts the loss.
 */
export class PartitionLostError extends GridError {
  override readonly name = 'PartitionLostError';
  constructor(partitions: readonly number[]) {
    const shown = partitions.slice(0, LOST_SHOWN_MAX).join(', ');
    const more = partitions.length > LOST_SHOWN_MAX ? ` and ${partitions.length - LOST_SHOWN_MAX} more` : '';
    const [what, has] = partitions.length === 1 ? ['partition', 'has'] : ['partitions', 'have'];
    super('PARTITION_LOST', `${what} ${shown}${more} ${has} lost all copies: what was written there is gone`, {
      hint: 'an operator decides whether the loss is accepted (ashlar recover --accept-loss); then it begins anew, empty',
      details: { partitions: partitions.map(String) },
    });
  }
}

/** Nobody serves the partition at this moment: another member is taking over. Nothing was applied. */
export class NoPrimaryError extends GridError {
  override readonly name = 'NoPrimaryError';
  constructor(partition: number) {
    super('MEMBER_UNREACHABLE', `partition ${partition} has no primary at this moment`, {
      hint: 'another member is taking over, or the members that hold it are away: repeat the call',
      details: { partition },
    });
  }
}

/** Who is in a grid, as far as it matters for who is missing. */
export interface GridAttendance {
  readonly members: readonly { readonly id: string }[];
  /** Members that the partition table waits for. */
  readonly expectedMembers: number;
}

/** The grid still awaits members: no partition has an owner. Nothing was applied. */
export class GridIncompleteError extends GridError {
  override readonly name = 'GridIncompleteError';
  constructor({ members, expectedMembers }: GridAttendance) {
    const joined = members.map(({ id }) => id);
    const missing = Math.max(1, expectedMembers - joined.length);
    super(
      'GRID_INCOMPLETE',
      `the grid awaits ${missing} more of ${expectedMembers} members; joined so far: ${joined.join(', ') || 'none'}`,
      {
        hint: 'start the missing members (ashlar start --join ...), or expect fewer (--members-expected)',
        details: { joined, expected: expectedMembers, missing },
      },
    );
  }
}

/** What is free of a member's grid memory, and how. */
export interface FreeMemory {
  readonly freeBytes: number;
  /** What fits in one piece. */
  readonly largestFreeBytes: number;
  /** The longest value that fits, in as many pieces as it takes. */
  readonly valueBytesMax: number;
  /** The part of the free bytes that is kept for removes, expiry and the log. */
  readonly reservedBytes: number;
  readonly maxBytes: number;
}

/**
 * The arena has no room for this write. Nothing was applied; reads and removes go on.
 *
 * A long value takes whatever is free; keys, tables and indexes lie in one piece, so what is free in many may not hold them
 * (`isInPieces`).
 */
export class OutOfMemoryError extends GridError {
  override readonly name = 'OutOfMemoryError';
  constructor(bytesWanted: number, free: FreeMemory) {
    const { freeBytes, largestFreeBytes, valueBytesMax, reservedBytes, maxBytes } = free;
    const isInPieces = valueBytesMax > 0 && valueBytesMax >= bytesWanted;
    super(
      'OUT_OF_MEMORY',
      isInPieces
        ? `no free block in the member's grid memory for an entry's key, its tables or a short value: ${valueBytesMax} of ${maxBytes} bytes are free, but in pieces; largest free block: ${largestFreeBytes} bytes`
        : `the member's ${maxBytes} bytes of grid memory are full: ${bytesWanted} wanted, ${freeBytes} free, ${reservedBytes} of them kept for removes and expiry; the longest value that fits has ${valueBytesMax} bytes, largest free block: ${largestFreeBytes} bytes`,
      {
        hint: isInPieces
          ? 'remove entries so that neighbouring memory becomes free, or raise memory.maxBytes'
          : 'remove entries, let them expire, or raise memory.maxBytes',
        details: {
          bytesWanted,
          bytesFree: freeBytes,
          largestFreeBytes,
          valueBytesMax,
          reservedBytes,
          bytesMax: maxBytes,
          isInPieces,
        },
      },
    );
  }
}

export class UnknownMapError extends GridError {
  override readonly name = 'UnknownMapError';
  constructor(map: string, nearest?: string, position?: TextPosition) {
    super('UNKNOWN_MAP', `unknown map '${map}'`, {
      hint: nearest === undefined ? 'the first put creates a map' : `did you mean '${nearest}'?`,
      details: nearest === undefined ? { map } : { map, nearest },
      position,
    });
  }
}

/**
 * The map that was meant is gone: it was dropped, whatever is there under its name by now. A mutation that is answered
 * so was not applied; what was read or followed until then is all there is of it.
 */
export class MapDroppedError extends GridError {
  override readonly name = 'MapDroppedError';
  /** @param mapId  of the map that was meant, 0: not known; `now`: of the one that has its name today, 0: there is none */
  constructor(map: string, { mapId = 0, now = 0 }: { readonly mapId?: number; readonly now?: number } = {}) {
    super('MAP_DROPPED', `map '${map}' was dropped`, {
      hint:
        now === 0
          ? 'the first put makes a new map of that name'
          : 'another map has its name by now: read it, or subscribe to it, from its beginning',
      details: { map, mapId, now },
    });
  }
}

/** The caller's AbortSignal fired. */
export class CancelledError extends GridError {
  override readonly name = 'CancelledError';
  constructor(what: string) {
    super('CANCELLED', `${what} was cancelled`);
  }
}

/** Its time is over, and nothing was changed: it only read, or was never sent. A write that was sent is OUTCOME_UNKNOWN. */
export class DeadlineExceededError extends GridError {
  override readonly name = 'DeadlineExceededError';
  constructor(what: string, timeoutMs: number) {
    super('DEADLINE_EXCEEDED', `${what} did not finish within ${timeoutMs} ms`, { details: { timeoutMs } });
  }
}
