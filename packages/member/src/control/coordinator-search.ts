/**
 * Finds the coordinator among the addresses of `cluster.join`.
 *
 *   addresses in turn -> holds it -> found
 *                     '-> does not answer, or not now -> asked again in the next round, after a pause that doubles
 *                     '-> refuses (another secret, not the coordinator's member) -> not asked again
 *
 * It ends when one is found, when all have refused, or when the time is over; the error names each with its reason.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GridError } from '@ashlar/core';

const PAUSE_FIRST_MS = 100;
const PAUSE_MAX_MS = 2000;
/** Time for one address while others wait to be asked; it doubles with each further round. */
const ATTEMPT_FIRST_MS = 1000;

/** Codes of refusals that asking again would only repeat. */
const REFUSALS: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'UNSUPPORTED_PROTOCOL',
  'CORRUPT_DATA',
  'NOT_A_MEMBER',
  'TLS_MISMATCH',
  'UNTRUSTED_CERTIFICATE',
  'CLIENT_CERTIFICATE_REFUSED',
]);

/**
 * @param ask  asks the member at an address for at most so long
 * @throws GridError with the reason of each address, once all have refused or `timeoutMs` are over
 */
export async function firstCoordinator<T>(
  addresses: readonly string[],
  timeoutMs: number,
  ask: (address: string, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  const reasons = new Map<string, GridError>();
  let left = [...new Set(addresses)];
  let attemptMs = ATTEMPT_FIRST_MS;
  let pauseMs = PAUSE_FIRST_MS;
  for (;;) {
    for (const [index, address] of left.entries()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      // Each is asked at least once, however short the time.
      const shareMs = leftMs / (left.length - index);
      try {
        return await ask(address, left.length === 1 ? leftMs : Math.min(shareMs, attemptMs));
      } catch (error) {
        reasons.set(address, GridError.wrap(error));
      }
    }
    left = left.filter((address) => !REFUSALS.has(reasons.get(address)?.code ?? ''));
    if (left.length === 0 || performance.now() + pauseMs >= endMs) throw failure(reasons, timeoutMs);
    await sleep(pauseMs);
    attemptMs *= 2;
    pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
  }
}

function failure(reasons: ReadonlyMap<string, GridError>, timeoutMs: number): GridError {
  const errors = [...reasons.values()];
  const [first] = errors;
  if (first !== undefined && errors.length === 1) return first;
  const texts = [...reasons].map(([address, { message }]) => `${address}: ${message}`);
  const isRefused = errors.every(({ code }) => REFUSALS.has(code));
  const why = isRefused ? 'nobody' : `nobody within ${timeoutMs} ms`;
  return new GridError(
    isRefused ? first!.code : 'CONNECT_TIMEOUT',
    `${why} of those to join is the coordinator: ${texts.join('; ')}`,
    {
      hint: first?.hint ?? 'cluster.join names the member that holds the coordinator: is it running?',
      details: { addresses: [...reasons.keys()], reasons: texts, timeoutMs },
    },
  );
}
