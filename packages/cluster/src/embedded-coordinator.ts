/**
 * The coordinator inside one member: the same contract, no high availability. When its member dies nothing can change
 * until it is back; what the grid holds is served on. Grid id, epoch floor and map id floor outlive it where a
 * keeper is given, so that no epoch and no map id is ever given twice.
 */
import { type ControlCommand, type ControlState, emptyState, step } from './control-state.ts';
import type { Coordinator } from './coordinator.ts';

/** What must outlive the process. Saved before the state that needs it is shown to anyone. */
export interface KeptControl {
  readonly gridId: string;
  readonly epochFloor: number;
  readonly mapIdFloor: number;
}

export interface ControlKeeper {
  load(): KeptControl | undefined;
  save(kept: KeptControl): void;
}

export interface EmbeddedOptions {
  readonly partitionCount: number;
  readonly expectedMembers: number;
  /** Names the grid when the keeper has nothing. */
  readonly newGridId: () => string;
  readonly keeper: ControlKeeper;
}

export class EmbeddedCoordinator implements Coordinator {
  readonly #keeper: ControlKeeper;
  readonly #listeners = new Set<(state: ControlState) => void>();
  #state: ControlState;

  constructor(options: EmbeddedOptions) {
    const { partitionCount, expectedMembers, keeper } = options;
    const kept = keeper.load() ?? { gridId: options.newGridId(), epochFloor: 0, mapIdFloor: 0 };
    keeper.save(kept);
    this.#keeper = keeper;
    this.#state = emptyState({ ...kept, partitionCount, expectedMembers });
  }

  get state(): ControlState {
    return this.#state;
  }

  async submit(command: ControlCommand): Promise<ControlState> {
    const before = this.#state;
    const after = step(before, command);
    if (after === before) return before;
    const { gridId, epochFloor, mapIdFloor } = after;
    if (epochFloor !== before.epochFloor || mapIdFloor !== before.mapIdFloor) {
      this.#keeper.save({ gridId, epochFloor, mapIdFloor });
    }
    this.#state = after;
    for (const listener of this.#listeners) listener(after);
    return after;
  }

  watch(listener: (state: ControlState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
