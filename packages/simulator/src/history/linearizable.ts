/**
 * Whether a history is linearizable: whether each operation can be given one moment between its call and its return so that, done
 * in that order, each answers what it did. Keys are judged one by one (linearizability is local).
 *
 * The history is walked once in the order of time, with all configurations that are still possible: what the key holds, and
 * which of the operations under way have already been done. An operation is done as late as possible, when some operation
 * returns (just-in-time linearization), so memory goes by what is under way at once, not by the length of the history.
 *
 *   call    it takes a place among those under way
 *   return  configurations in which it is done stay; others are extended by operations under way until it is done
 *
 * linearizable L1  An unknown operation keeps its place for ever. Of configurations that differ only in these, one that used
 *                  fewer of them can do no less, so the others are dropped.
 * linearizable L2  An unknown operation without an effect that somebody may have seen is left out: a put whose value no answer
 *                  shows, on a key that nobody counts on; a get.
 * linearizable L3  What is not decided within the bounds is 'undecided', never passed for right.
 *
 * @see Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for linearizability", 2017
 */
import { ABSENT, applied, type KeyValue, type Operation } from './operation.ts';

export type Verdict =
  | { readonly kind: 'linearizable' }
  /** `operation` is the first whose answer nothing explains; `values` what the key may have held before it. */
  | {
      readonly kind: 'violation';
      readonly key: string;
      readonly operation: Operation;
      readonly values: readonly KeyValue[];
      readonly around: readonly Operation[];
    }
  | { readonly kind: 'undecided'; readonly key: string };

const CONFIGURATIONS_MAX = 50_000;
/** Bits of a mask: what is under way at once on one key, unknown operations included. */
const PLACES_MAX = 30;
const SHOWN = 14;

export function judge(history: readonly Operation[]): Verdict {
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const verdict = new KeySearch(key, operations).verdict();
    if (verdict.kind !== 'linearizable') return verdict;
  }
  return { kind: 'linearizable' };
}

/** `done` has a bit for each place whose operation has taken effect. */
interface Configuration {
  readonly value: KeyValue;
  readonly done: number;
}

interface Mark {
  readonly timeMs: number;
  readonly isReturn: boolean;
  readonly operation: Operation;
}

class KeySearch {
  readonly #key: string;
  readonly #operations: readonly Operation[];
  readonly #places: (Operation | undefined)[] = [];
  /** Places of unknown operations. */
  #unknown = 0;
  #configurations: readonly Configuration[] = [{ value: ABSENT, done: 0 }];

  constructor(key: string, operations: readonly Operation[]) {
    this.#key = key;
    this.#operations = operations;
  }

  verdict(): Verdict {
    for (const { isReturn, operation } of marksOf(withoutUnseen(this.#operations))) {
      const isDecided = isReturn ? this.#returned(operation) : this.#called(operation);
      if (!isDecided) return { kind: 'undecided', key: this.#key };
      if (this.#configurations.length === 0) return this.#violation(operation);
      if (isReturn) this.#before = this.#configurations;
    }
    return { kind: 'linearizable' };
  }

  /** What was possible before the return that is looked at. */
  #before: readonly Configuration[] = this.#configurations;

  #called(operation: Operation): boolean {
    const free = this.#places.indexOf(undefined);
    const place = free >= 0 ? free : this.#places.length;
    if (place >= PLACES_MAX) return false;
    this.#places[place] = operation;
    if (operation.returnMs === Infinity) this.#unknown |= 1 << place;
    return true;
  }

  /** @returns whether it was decided within the bounds */
  #returned(operation: Operation): boolean {
    const bit = 1 << this.#places.indexOf(operation);
    const reached = new Map<string, Configuration>();
    const seen = new Set<string>();
    const stack = [...this.#configurations];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if ((next.done & bit) !== 0) {
        const after = { value: next.value, done: next.done & ~bit };
        reached.set(nameOf(after), after);
        continue;
      }
      const name = nameOf(next);
      if (seen.has(name)) continue;
      if (seen.size === CONFIGURATIONS_MAX) return false;
      seen.add(name);
      for (const [place, other] of this.#places.entries()) {
        if (other === undefined || (next.done & (1 << place)) !== 0) continue;
        const value = applied(other, next.value);
        if (value !== undefined) stack.push({ value, done: next.done | (1 << place) });
      }
    }
    this.#configurations = this.#withoutDominated([...reached.values()]);
    this.#places[this.#places.indexOf(operation)] = undefined;
    return true;
  }

  /** linearizable L1 */
  #withoutDominated(given: readonly Configuration[]): readonly Configuration[] {
    if (given.length < 2 || this.#unknown === 0) return given;
    const groups = Map.groupBy(given, ({ value, done }) => `${value}|${done & ~this.#unknown}`);
    return [...groups.values()].flatMap((group) =>
      group.filter((one) => !group.some((other) => other !== one && (other.done & ~one.done) === 0)),
    );
  }

  #violation(operation: Operation): Verdict {
    const values = [...new Set(this.#before.map(({ value }) => value))];
    const around = this.#operations
      .filter(({ callMs }) => callMs <= operation.returnMs)
      .sort((a, b) => a.callMs - b.callMs)
      .slice(-SHOWN);
    return { kind: 'violation', key: this.#key, operation, values, around };
  }
}

function nameOf({ value, done }: Configuration): string {
  return `${value}|${done}`;
}

/** Calls and returns by time; at one moment calls come first: such operations overlap. */
function marksOf(operations: readonly Operation[]): Mark[] {
  const marks = operations.flatMap((operation) => {
    const call: Mark = { timeMs: operation.callMs, isReturn: false, operation };
    if (operation.returnMs === Infinity) return [call];
    return [call, { timeMs: operation.returnMs, isReturn: true, operation }];
  });
  return marks.sort((a, b) => a.timeMs - b.timeMs || Number(a.isReturn) - Number(b.isReturn));
}

/** linearizable L2 */
function withoutUnseen(operations: readonly Operation[]): readonly Operation[] {
  const isCounted = operations.some(({ kind }) => kind === 'increment');
  const seen = new Set(operations.map(({ answer }) => answer));
  return operations.filter(({ kind, given, returnMs }) => {
    if (returnMs !== Infinity) return true;
    return kind === 'increment' || (kind === 'put' && (isCounted || seen.has(given)));
  });
}
