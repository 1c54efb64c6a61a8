/** How user code says no: a processor, a job or a listener refuses, and its caller learns why in the application's words. */
import { GridError } from '@ashlar/core';

/** Longest code of a refusal, in UTF-16 units. */
export const REFUSAL_CODE_LENGTH_MAX = 128;
/** Most bytes of a refusal's details as they are stored (MessagePack). */
export const REFUSAL_DETAILS_BYTES_MAX = 3072;

/** Shared by all realms and all copies of this file in a process: a bundled module brings its own. */
const BRAND = Symbol.for('ashlar.Refusal');

/**
 * Thrown by user code to refuse a call: nothing of it is applied, it is not tried again, and whoever called gets a GridError
 * PROCESSOR_REFUSED whose `refusal` has this code and these details.
 *
 * @example if (balance < amount) throw new Refusal('INSUFFICIENT_FUNDS', { balance, missing: amount - balance });
 */
export class Refusal<Code extends string = string, Details = unknown> extends Error {
  override readonly name = 'Refusal';
  readonly code: Code;
  /** Whatever can be stored in a map, at most REFUSAL_DETAILS_BYTES_MAX bytes. */
  readonly details: Details | undefined;

  /**
   * @param code  the application's own word for why: 1 to REFUSAL_CODE_LENGTH_MAX characters
   * @throws GridError INVALID_ARGUMENT when it is no such text
   */
  constructor(code: Code, details?: Details) {
    checkCode(code);
    super(code);
    this.code = code;
    this.details = details;
  }

  /** Whether `thrown` is a Refusal, also one made by another copy of this package. Anything can be asked. */
  static is(thrown: unknown): thrown is Refusal {
    if (typeof thrown !== 'object' || thrown === null) return false;
    try {
      const { [BRAND]: brand, code } = thrown as { [BRAND]?: unknown; code?: unknown };
      return brand === true && typeof code === 'string';
    } catch {
      return false;
    }
  }

  /** What `Refusal.is` looks for. */
  get [BRAND](): true {
    return true;
  }
}

function checkCode(code: unknown): void {
  if (typeof code === 'string' && code.length > 0 && code.length <= REFUSAL_CODE_LENGTH_MAX) return;
  throw new GridError(
    'INVALID_ARGUMENT',
    `the code of a refusal is a text of 1 to ${REFUSAL_CODE_LENGTH_MAX} characters`,
    {
      hint: "new Refusal('INSUFFICIENT_FUNDS', { missing: 5 })",
    },
  );
}
