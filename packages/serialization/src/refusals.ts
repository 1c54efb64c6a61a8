/**
 * Refusals of user code on their way to who called: MessagePack of [module, export, code] or, with details, of
 * [module, export, code, details].
 *
 * refusals X1  All of it has less than 4 KiB: the details are bounded before anything is sent, so that a refusal fits
 *              wherever an error does.
 */
import { REFUSAL_CODE_LENGTH_MAX, REFUSAL_DETAILS_BYTES_MAX, type Refusal } from '@ashlar/api';
import { GridError, type RefusalFacts, shortText, shortTextBytes, type WireError } from '@ashlar/core';
import { decodeValue } from './value-decoder.ts';
import { encodeValue, ValueWriter } from './value-writer.ts';

/** The export that refused. */
export interface RefusingCode {
  readonly module: string;
  readonly exportName: string;
}

/** Most bytes that the names of a module and an export take together. */
const NAME_BYTES_MAX = 256;
/** Takes details to measure their length. */
const measured = new ValueWriter();

/**
 * The error that the caller of a refusing function gets.
 *
 * @throws GridError INVALID_VALUE, VALUE_TOO_LARGE when its details cannot be sent; both name the refusal's code
 */
export function refusedBy(refusal: Refusal, place: RefusingCode): GridError {
  const code = shortText(refusal.code, REFUSAL_CODE_LENGTH_MAX);
  checkDetails(refusal.details, code, place);
  return refusedError({ code, details: refusal.details }, place);
}

function checkDetails(given: unknown, code: string, { module, exportName }: RefusingCode): void {
  if (given === undefined) return;
  const facts = { module, exportName, refusalCode: code };
  measured.reset();
  let bytes: number;
  try {
    bytes = measured.write(given);
  } catch (error) {
    const reason = GridError.wrap(error);
    throw new GridError(reason.code, `the details of the refusal '${code}' cannot be sent: ${reason.message}`, {
      hint: reason.hint,
      details: { ...reason.details, ...facts },
      cause: error,
    });
  }
  if (bytes <= REFUSAL_DETAILS_BYTES_MAX) return;
  throw new GridError('VALUE_TOO_LARGE', `the details of the refusal '${code}' have ${bytes} bytes`, {
    hint: `at most ${REFUSAL_DETAILS_BYTES_MAX} bytes: tell what the caller needs to decide, and a key to read the rest`,
    details: { ...facts, bytes, limitBytes: REFUSAL_DETAILS_BYTES_MAX },
  });
}

function refusedError(refusal: RefusalFacts, { module, exportName }: RefusingCode): GridError {
  return new GridError('PROCESSOR_REFUSED', `${module}.${exportName} refused: ${refusal.code}`, {
    hint: 'nothing was applied; error.refusal says why, in the words of the application',
    details: { module, exportName, refusalCode: refusal.code },
    refusal,
  });
}

/** Bytes of the refusal that an error carries. */
export function encodeRefusal({ refusal, details }: Pick<WireError, 'refusal' | 'details'>): Uint8Array {
  const { module = '', exportName = '' } = details ?? {};
  const names = [module, exportName].map((name) => shortTextBytes(String(name), NAME_BYTES_MAX));
  const told = [...names, refusal?.code ?? ''];
  return encodeValue(refusal?.details === undefined ? told : [...told, refusal.details]);
}

/** The error that `encodeRefusal` was given, from bytes[start, end). */
export function decodeRefusal(bytes: Uint8Array, start = 0, end = bytes.length): GridError {
  const decoded = decodeValue(bytes, start, end);
  const [module, exportName, code, told] = Array.isArray(decoded) ? (decoded as unknown[]) : [];
  const refusal = { code: String(code), details: told };
  return refusedError(refusal, { module: String(module), exportName: String(exportName) });
}
