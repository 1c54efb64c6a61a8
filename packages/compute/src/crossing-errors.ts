/**
 * Errors of user code on their way between threads. Refusals cross as MessagePack, because structuredClone makes a plain
 * object of a Decimal.
 */
import { GridError, type WireError } from '@ashlar/core';
import { decodeRefusal, encodeRefusal } from '@ashlar/serialization';

/** A job's answer, or what its code refused with. */
export type OrRefused<T> = T | { readonly refusal: Uint8Array };

/** For a worker: a refusal is an answer, other errors are errors. */
export async function answeredOrRefused<T>(answer: Promise<T>): Promise<OrRefused<T>> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof GridError && error.refusal !== undefined) return { refusal: encodeRefusal(error) };
    throw error;
  }
}

/** For the main thread. @throws GridError PROCESSOR_REFUSED */
export function jobAnswer<T>(answer: OrRefused<T>): T {
  if (typeof answer === 'object' && answer !== null && 'refusal' in answer) throw decodeRefusal(answer.refusal);
  return answer;
}

/** An error as a message carries it. */
export interface CrossingError {
  readonly error: WireError;
  /** Undefined: user code did not refuse. */
  readonly refusal: Uint8Array | undefined;
}

export function crossing(error: GridError): CrossingError {
  const isRefusal = error.refusal !== undefined;
  return {
    error: { ...error.toWire(), refusal: undefined },
    refusal: isRefusal ? encodeRefusal(error) : undefined,
  };
}

export function crossed({ error, refusal }: CrossingError): GridError {
  if (refusal === undefined) return GridError.from(error);
  return GridError.from({ ...error, refusal: decodeRefusal(refusal).refusal });
}
