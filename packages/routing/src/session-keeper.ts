/** The router's session: its numbers, and how it goes on when the grid forgot it. */
import { RequestNumbers } from './request-numbers.ts';

export class SessionKeeper {
  readonly #open: () => Promise<number>;
  /** Sessions of grids that are gone: what was sent in them stays in doubt. */
  readonly #lost = new Set<number>();
  #numbers: RequestNumbers;
  #renewing: Promise<void> | undefined;

  /** @param open  asks the grid for a new session */
  constructor(session: number, open: () => Promise<number>) {
    this.#numbers = new RequestNumbers(session);
    this.#open = open;
  }

  get numbers(): RequestNumbers {
    return this.#numbers;
  }

  /** The grid is gone, and with it what it knew of the session. */
  giveUp(): void {
    this.#lost.add(this.#numbers.session);
  }

  isLost(session: number): boolean {
    return this.#lost.has(session);
  }

  /** The grid forgot session `forgotten`: mutations go on under a new one. One question at a time. */
  renew(forgotten: number): void {
    if (forgotten !== this.#numbers.session) return;
    this.#renewing ??= this.#open()
      .then((session) => {
        this.#numbers = new RequestNumbers(session);
      })
      // The next batch that finds the session forgotten asks again.
      .catch(() => undefined)
      .finally(() => {
        this.#renewing = undefined;
      });
  }
}
