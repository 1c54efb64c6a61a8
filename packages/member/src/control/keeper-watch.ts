/**
 * A keeper whose failures are told once: a coordinator that cannot keep what it changes (a full disk, a folder that is gone) tries it
 * again many times a second, and meanwhile the grid is as it was: nobody takes over, nobody joins.
 */
import type { ControlKeeper, ControlState } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import type { Logger } from 'pino';

export class KeeperWatch implements ControlKeeper {
  readonly load: ControlKeeper['load'];
  readonly loadBundle: ControlKeeper['loadBundle'];
  readonly saveBundle: ControlKeeper['saveBundle'];
  readonly keepBundles: ControlKeeper['keepBundles'];
  readonly #keeper: ControlKeeper;
  readonly #log: Pick<Logger, 'error' | 'info'>;
  #trouble: GridError | undefined;

  constructor(keeper: ControlKeeper, log: Pick<Logger, 'error' | 'info'>) {
    this.#keeper = keeper;
    this.#log = log;
    this.load = keeper.load;
    this.loadBundle = keeper.loadBundle;
    this.saveBundle = keeper.saveBundle;
    this.keepBundles = keeper.keepBundles;
  }

  /** @throws GridError as the keeper does */
  save(state: ControlState): void {
    try {
      this.#keeper.save(state);
    } catch (cause) {
      const error = GridError.wrap(cause);
      const isNews = this.#trouble?.message !== error.message;
      this.#trouble = error;
      if (isNews) this.#log.error({ err: error }, 'what the coordinator changes cannot be kept: the grid is as it was');
      throw error;
    }
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#log.info('what the coordinator changes can be kept again');
  }

  /** Whether it was told. */
  hasTold(error: unknown): boolean {
    return error === this.#trouble;
  }

  /** What an operator should know; none: the last change was kept. */
  notices(): readonly string[] {
    return this.#trouble === undefined
      ? []
      : [`nothing of the grid can change, for the coordinator cannot keep it: ${this.#trouble.message}`];
  }
}
