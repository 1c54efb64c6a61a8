/**
 * Whether a history is linearizable: whether each operation can be given one moment between its call and its return so that,
 * done in that order, each answers what it did. Keys are judged one by one (linearizability is local).
 *
 * Search by Wing and Gong with Lowe's memory: operations that may come next are tried in the order of their calls; what leads
 * to a set of done operations and a state that was met before is not tried again. An operation may come next when it is
 * called before the first return of those that are left. Unknown operations never return: they may come at any time, or
 * never.
 *
 * @see Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for linearizability", 2017
 */
import { applied, fits, type Operation, type Value } from './history.ts';

export type Verdict =
  | { readonly kind: 'linearizable' }
  /** `operations` are those of the key from the last one on that could be done in some order. */
  | { readonly kind: 'violation'; readonly key: string; readonly operations: readonly Operation[] }
  /** The search took too long. */
  | { readonly kind: 'undecided'; readonly key: string };

const STEPS_MAX = 5_000_000;
const SHOWN = 12;

/** @param stepsMax  of the search of one key */
export function judge(history: readonly Operation[], stepsMax: number = STEPS_MAX): Verdict {
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const verdict = judgeKey(key, operations, stepsMax);
    if (verdict.kind !== 'linearizable') return verdict;
  }
  return { kind: 'linearizable' };
}

/** A call or a return in the list of what is left to be done, in the order of time. */
interface Mark {
  /** Its number; those that returned come first. */
  readonly operation: number;
  readonly isCall: boolean;
  readonly time: number;
  /** For a call whose operation returned: the mark of its return. */
  end: Mark | undefined;
  next: Mark | undefined;
  previous: Mark | undefined;
}

function judgeKey(key: string, given: readonly Operation[], stepsMax: number): Verdict {
  const returned = given.filter(({ ok }) => ok === true).sort((a, b) => a.call - b.call);
  const operations = [...returned, ...given.filter(({ ok }) => ok !== true)];
  const head = listOf(operations);
  const seen = new Set<string>();
  const done = new DoneSet(operations.length, returned.length);
  const stack: { readonly mark: Mark; readonly state: Value }[] = [];
  let state: Value = null;
  let left = returned.length;
  let fewestLeft = left;
  let mark = head.next;
  for (let steps = 0; left > 0; steps++) {
    if (steps === stepsMax) return { kind: 'undecided', key };
    if (mark?.isCall === true) {
      const operation = operations[mark.operation]!;
      const { state: next, out } = applied(state, operation);
      if (fits(operation, out)) {
        done.add(mark.operation);
        const place = `${done.key}|${next}`;
        if (!seen.has(place)) {
          seen.add(place);
          stack.push({ mark, state });
          state = next;
          lift(mark);
          if (operation.ok === true) left--;
          fewestLeft = Math.min(fewestLeft, left);
          mark = head.next;
          continue;
        }
        done.delete(mark.operation);
      }
      mark = mark.next;
      continue;
    }
    // A return whose operation is not done, or the end: what was done last has to come later.
    const last = stack.pop();
    if (last === undefined) return { kind: 'violation', key, operations: around(returned, fewestLeft) };
    state = last.state;
    done.delete(last.mark.operation);
    unlift(last.mark);
    if (operations[last.mark.operation]!.ok === true) left++;
    mark = last.mark.next;
  }
  return { kind: 'linearizable' };
}

function around(returned: readonly Operation[], fewestLeft: number): readonly Operation[] {
  const reached = returned.length - fewestLeft;
  return returned.slice(Math.max(0, reached - SHOWN), reached + SHOWN);
}

/** Calls and returns by time, behind a head of no meaning. */
function listOf(operations: readonly Operation[]): Mark {
  const marks = operations.flatMap((operation, index) => {
    const link = { operation: index, end: undefined, next: undefined, previous: undefined };
    const call: Mark = { ...link, isCall: true, time: operation.call };
    if (operation.ok !== true) return [call];
    const end: Mark = { ...link, isCall: false, time: operation.return! };
    call.end = end;
    return [call, end];
  });
  // At one moment calls come first: such operations overlap.
  marks.sort((a, b) => a.time - b.time || Number(b.isCall) - Number(a.isCall));
  const head: Mark = { operation: -1, isCall: true, time: 0, end: undefined, next: undefined, previous: undefined };
  let last = head;
  for (const mark of marks) {
    last.next = mark;
    mark.previous = last;
    last = mark;
  }
  return head;
}

function unlink(mark: Mark): void {
  mark.previous!.next = mark.next;
  if (mark.next !== undefined) mark.next.previous = mark.previous;
}

function relink(mark: Mark): void {
  mark.previous!.next = mark;
  if (mark.next !== undefined) mark.next.previous = mark;
}

/** Takes an operation out of what is left. */
function lift(call: Mark): void {
  unlink(call);
  if (call.end !== undefined) unlink(call.end);
}

function unlift(call: Mark): void {
  if (call.end !== undefined) relink(call.end);
  relink(call);
}

/** Which operations are done. Its key is short: most are done in the order of their calls. */
class DoneSet {
  readonly #isDone: Uint8Array;
  readonly #returned: number;
  /** The first of those that returned which is not done: [0, first) are. */
  #first = 0;
  /** Done, and at or above `first`. */
  readonly #others = new Set<number>();

  /** @param returned  operations [0, returned) are those that returned */
  constructor(count: number, returned: number) {
    this.#isDone = new Uint8Array(count);
    this.#returned = returned;
  }

  get key(): string {
    return `${this.#first} ${[...this.#others].sort((a, b) => a - b).join()}`;
  }

  add(operation: number): void {
    this.#isDone[operation] = 1;
    this.#others.add(operation);
    while (this.#first < this.#returned && this.#isDone[this.#first] === 1) this.#others.delete(this.#first++);
  }

  delete(operation: number): void {
    this.#isDone[operation] = 0;
    this.#others.delete(operation);
    if (operation >= this.#first) return;
    for (let behind = operation + 1; behind < this.#first; behind++) this.#others.add(behind);
    this.#first = operation;
  }
}
