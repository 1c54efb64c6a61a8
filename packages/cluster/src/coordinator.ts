/**
 * The coordinator's contract: one ordered history of control states, whoever keeps it.
 */
import type { ControlCommand, ControlState } from './control-state.ts';

export interface Coordinator {
  /** The newest state known here. */
  readonly state: ControlState;
  /** Applies a command to the one history and answers the state that holds it. @throws GridError as `step` does */
  submit(command: ControlCommand): Promise<ControlState>;
  /** Calls back after every change, in order, never with an older state. Returns the way to stop. */
  watch(listener: (state: ControlState) => void): () => void;
}
