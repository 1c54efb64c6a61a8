/** The operations of clients and their answers: one record for each operation, every key a register of its own. */

/** Null: absent. Every write has another value, so that a value shows its write. */
export type Value = number | null;

interface Timed {
  readonly client: number;
  readonly key: string;
  /** Nanoseconds of one monotonic clock: `call` before the call was made, `return` after its answer came. */
  readonly call: number;
  /** Null: nothing came back. */
  readonly return: number | null;
  /**
   * True: it returned, and `out` holds. 'unknown': it may take effect at any time after the call, or never. What certainly
   * had no effect is not recorded.
   */
  readonly ok: true | 'unknown';
}

export type Operation = Timed &
  (
    | { readonly op: 'get'; readonly out?: Value }
    | { readonly op: 'put'; readonly in: number }
    /** `out`: the value before. */
    | { readonly op: 'getAndPut'; readonly in: number; readonly out?: Value }
    /** `out`: whether it was put. */
    | { readonly op: 'putIfAbsent'; readonly in: number; readonly out?: boolean }
    /** [expected, new]; `out`: whether it was put. */
    | { readonly op: 'cas'; readonly in: readonly [Value, number]; readonly out?: boolean }
    /** `out`: whether there was one. */
    | { readonly op: 'remove'; readonly out?: boolean }
    /** `out`: the number afterwards; an absent one counts as 0. */
    | { readonly op: 'incr'; readonly in: number; readonly out?: number }
  );

/** One register: what an operation makes of a state, and what it then answers. */
export function applied(state: Value, operation: Operation): { readonly state: Value; readonly out: Value | boolean } {
  switch (operation.op) {
    case 'get':
      return { state, out: state };
    case 'put':
      return { state: operation.in, out: null };
    case 'getAndPut':
      return { state: operation.in, out: state };
    case 'putIfAbsent':
      return { state: state ?? operation.in, out: state === null };
    case 'cas': {
      const [expected, wanted] = operation.in;
      return { state: state === expected ? wanted : state, out: state === expected };
    }
    case 'remove':
      return { state: null, out: state !== null };
    case 'incr': {
      const sum = (state ?? 0) + operation.in;
      return { state: sum, out: sum };
    }
  }
}

/** Whether the operation may have answered this; parts that the answer does not hold are not judged. */
export function fits(operation: Operation, out: Value | boolean): boolean {
  return operation.ok !== true || operation.op === 'put' || operation.out === undefined || operation.out === out;
}
