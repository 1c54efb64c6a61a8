/** The statements of one row as they are written, and what they need from outside. */
import type { Tag } from '../types.ts';

/**
 * `time`, `number`: a text that is read as a time, in milliseconds, or a number. Of a numeric or bigint: `double` the
 * nearest double, `atLeast` and `atMost` the nearest on one side, `equal` the double of the same value, or NaN.
 */
export type ConstantForm = 'value' | 'time' | 'number' | 'double' | 'atLeast' | 'atMost' | 'equal';

/** Inputs that the kernel needs beside the source: the parts of the program that fill them. */
export interface KernelNeeds {
  /** Positions in Program.columns, by lane. */
  readonly numbers: number[];
  readonly tags: number[];
  readonly codes: number[];
  readonly texts: number[];
  /** Constants by position in Program.constants. */
  readonly constants: { readonly constant: number; readonly as: ConstantForm }[];
  /** Tables by code of a dictionary: a node's value for every text. */
  readonly tables: { readonly node: number; readonly column: number; readonly result: 'truth' | 'number' }[];
  /** Node numbers that the interpreter evaluates. */
  readonly closures: number[];
  /** Node numbers of IN whose constants are looked up in a set. */
  readonly sets: number[];
  /** Node numbers of calls that are applied to the number lane, with the tag of what they are applied to. */
  readonly functions: { readonly node: number; readonly argument: Tag }[];
}

export class RowLines {
  readonly needs: KernelNeeds = {
    numbers: [],
    tags: [],
    codes: [],
    texts: [],
    constants: [],
    tables: [],
    closures: [],
    sets: [],
    functions: [],
  };
  #lines: string[] = [];
  /** Names of lanes' values, loaded at the top of the row. */
  readonly #loads = new Map<string, string>();
  #names = 0;

  /** All statements, loads first. */
  get text(): string {
    const loads = [...this.#loads].map(([load, name]) => `const ${name} = ${load};`);
    return [...loads, ...this.#lines].join('\n');
  }

  /** Whether some statement hands the row to the interpreter. */
  get mayGiveUp(): boolean {
    return this.#lines.some((line) => line.includes('break row'));
  }

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** A name that no other statement has. */
  name(): string {
    return `v${this.#names++}`;
  }

  /** The value of an expression under a name. */
  define(code: string): string {
    const name = this.name();
    this.add(`const ${name} = ${code};`);
    return name;
  }

  /** A bit, under a name unless it is one already. */
  bit(code: string): string {
    return /^\w+$/.test(code) ? code : this.define(code);
  }

  /** The row's value in a lane of a column. */
  load(lane: 'numbers' | 'tags' | 'codes' | 'texts', column: number): string {
    const load = `${lane}${positionIn(this.needs[lane], column)}[i]`;
    const known = this.#loads.get(load);
    if (known !== undefined) return known;
    const name = this.name();
    this.#loads.set(load, name);
    return name;
  }

  /** The statements that `write` adds, kept apart. */
  captured<Value>(write: () => Value): readonly [readonly string[], Value] {
    const outer = this.#lines;
    this.#lines = [];
    const value = write();
    const lines = this.#lines;
    this.#lines = outer;
    return [lines, value];
  }

  /** The result of `write`; when that is undefined, no statement and no need are left behind. */
  attempt<Value>(write: () => Value | undefined): Value | undefined {
    const marks = Object.values(this.needs).map((list) => list.length);
    const lineCount = this.#lines.length;
    const loads = new Set(this.#loads.keys());
    const value = write();
    if (value !== undefined) return value;
    this.#lines.length = lineCount;
    for (const [index, list] of Object.values(this.needs).entries()) list.length = marks[index]!;
    for (const load of this.#loads.keys()) if (!loads.has(load)) this.#loads.delete(load);
    return undefined;
  }
}

/** Whether statements may give up the row or call a closure. */
export function isCostly(lines: readonly string[]): boolean {
  return lines.some((line) => line.includes('break row') || line.includes('closures['));
}

/** Appends, and gives the position. */
export function push<Item>(list: Item[], item: Item): number {
  return list.push(item) - 1;
}

/** The position of `item` in `list`, appended if it is not there. */
export function positionIn(list: number[], item: number): number {
  const known = list.indexOf(item);
  return known >= 0 ? known : push(list, item);
}
