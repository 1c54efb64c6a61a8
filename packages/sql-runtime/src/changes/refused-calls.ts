/**
 * Refusals of a processor that runs on many entries: each concerns its own entry and stops no other. What the caller gets in
 * the end counts them, names their keys and has the first of them.
 */
import { GridError } from '@ashlar/core';

/** Keys that an error names. */
const KEYS_MAX = 1000;

export class RefusedCalls {
  count = 0;
  readonly #keys: string[] = [];
  #first: GridError | undefined;

  /** @param key  as text; known only where it is going to be named */
  add(refusal: GridError, key: () => string): void {
    this.#first ??= refusal;
    this.count++;
    if (this.#keys.length < KEYS_MAX) this.#keys.push(key());
  }

  /** Takes over the refusals that another member reports. @returns whether there are any */
  addTold(failure: GridError): boolean {
    const { refused, refusedKeys } = failure.details ?? {};
    if (typeof refused !== 'number' || failure.refusal === undefined) return false;
    this.#first ??= failure;
    this.count += refused;
    const room = KEYS_MAX - this.#keys.length;
    if (Array.isArray(refusedKeys)) this.#keys.push(...(refusedKeys as readonly string[]).slice(0, room));
    return true;
  }

  /** Facts for the details of an error; empty where nothing was refused. */
  get facts(): Readonly<Record<string, number | readonly string[]>> {
    return this.count === 0 ? {} : { refused: this.count, refusedKeys: this.#keys };
  }

  /** PROCESSOR_REFUSED when nothing was changed, else PARTIAL; something must have been refused. */
  error(affected: number, applied: readonly string[] = []): GridError {
    const { module = '', exportName = '' } = this.#first?.details ?? {};
    const { refusal } = this.#first ?? {};
    const told = `${module}.${exportName} refused ${this.count} entries, the first with ${refusal?.code}`;
    const facts = { module, exportName, refusalCode: refusal?.code ?? '', affected, ...this.facts };
    if (affected === 0) {
      return new GridError('PROCESSOR_REFUSED', `${told}; nothing was changed`, { details: facts, refusal });
    }
    return new GridError('PARTIAL', `${affected} entries were changed; ${told}`, {
      hint: 'what was refused is refused again unless its entry changes; the others are done',
      details: { cause: 'PROCESSOR_REFUSED', ...(applied.length === 0 ? {} : { applied }), ...facts },
      refusal,
    });
  }
}
