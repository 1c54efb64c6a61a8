/**
 * The coordinator inside one member: the same contract, no high availability. When its member dies nothing can change
 * until it is back; what the grid holds is served on. Started again, it goes on with what a keeper has (the whole state);
 * without, with what the members that live hold (rebuild.ts).
 */
import { type ControlCommand, type ControlState, emptyState, step } from './control-state.ts';
import type { Coordinator } from './coordinator.ts';
import { restored } from './rebuild.ts';

/** What files of the first releases have: the grid's name, and what must never be given twice. */
export interface GridFloors {
  readonly gridId: string;
  readonly epochFloor: number;
  readonly mapIdFloor: number;
}

export interface ControlKeeper {
  load(): ControlState | GridFloors | undefined;
  /** Keeps a state before it is shown to anyone. */
  save(state: ControlState): void;
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

  constructor({ partitionCount, expectedMembers, newGridId, keeper }: EmbeddedOptions) {
    const kept = keeper.load();
    if (kept !== undefined && 'owners' in kept && kept.owners.length > 0) this.#state = restored(kept);
    else {
      const { gridId, epochFloor, mapIdFloor } = kept ?? { gridId: newGridId(), epochFloor: 0, mapIdFloor: 0 };
      this.#state = emptyState({ gridId, epochFloor, mapIdFloor, partitionCount, expectedMembers });
    }
    keeper.save(this.#state);
    this.#keeper = keeper;
  }

  get state(): ControlState {
    return this.#state;
  }

  async submit(command: ControlCommand): Promise<ControlState> {
    const before = this.#state;
    const after = step(before, command);
    if (after === before) return before;
    this.#keeper.save(after);
    this.#state = after;
    for (const listener of this.#listeners) listener(after);
    return after;
  }

  watch(listener: (state: ControlState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
