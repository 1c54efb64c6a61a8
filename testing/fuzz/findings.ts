/** The findings of a run: each kind once, with its count and the input that showed it first. */

export type FindingKind = 'crash' | 'hang' | 'internal';

export interface Finding {
  readonly kind: FindingKind;
  /** Which kind of input, and what it met. */
  readonly what: string;
  /** The input, as text. */
  readonly input: string;
  times: number;
}

const INPUT_SHOWN = 2000;

export class Findings {
  readonly #found = new Map<string, Finding>();
  /** Inputs, by area. */
  readonly inputs = new Map<string, number>();

  count(area: string): void {
    this.inputs.set(area, (this.inputs.get(area) ?? 0) + 1);
  }

  add(kind: FindingKind, what: string, input: string): void {
    const known = this.#found.get(`${kind} ${what}`);
    if (known !== undefined) known.times++;
    else this.#found.set(`${kind} ${what}`, { kind, what, input: input.slice(0, INPUT_SHOWN), times: 1 });
  }

  /** An answer of a door, by the code of its error. */
  answered(area: string, code: string | undefined, message: string, input: () => string): void {
    this.count(area);
    if (code === 'INTERNAL') this.add('internal', `${area}: ${message.slice(0, 200)}`, input());
  }

  get all(): readonly Finding[] {
    return [...this.#found.values()];
  }
}
