/**
 * What clients of a simulated grid did and saw: the record by which a run is judged.
 *
 * operation O1  `callMs` is before the request left, `returnMs` after its answer came, on the kernel's clock.
 * operation O2  An operation of which nobody knows whether it happened returns at Infinity: it may take effect at any time after
 *               its call, or never. One that certainly did not happen is no operation.
 */

/** What a key holds: absent, or a number. */
export type KeyValue = number;
/** No value is negative. */
export const ABSENT: KeyValue = -1;

export interface Operation {
  readonly client: number;
  readonly key: string;
  readonly callMs: number;
  readonly returnMs: number;
  readonly kind: 'get' | 'put' | 'increment';
  /** What is put or added; 0 for a get. */
  readonly given: number;
  /** What was read, or the sum afterwards; undefined: not known (operation O2), or nothing is answered (put). */
  readonly answer: KeyValue | undefined;
}

/** What a key holds after the operation, or undefined where it cannot have answered what it did. */
export function applied(operation: Operation, value: KeyValue): KeyValue | undefined {
  const { kind, given, answer } = operation;
  if (kind === 'put') return given;
  if (kind === 'get') return answer === undefined || answer === value ? value : undefined;
  const sum = (value === ABSENT ? 0 : value) + given;
  return answer === undefined || answer === sum ? sum : undefined;
}

export function operationText({ client, key, callMs, returnMs, kind, given, answer }: Operation): string {
  const times = `${callMs.toFixed(1)}..${returnMs === Infinity ? 'unknown' : returnMs.toFixed(1)}`;
  const what = kind === 'get' ? `get ${key}` : `${kind} ${key} ${given}`;
  const seen = answer === undefined ? '' : ` -> ${answer === ABSENT ? 'absent' : answer}`;
  return `${times} client ${client}: ${what}${seen}`;
}
