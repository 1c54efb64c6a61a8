/** The option `spin`, looked at before anything is sent. */
import { GridError } from '@ashlar/core';
import { SPIN_MODES, type SpinMode } from '@ashlar/transport';

/** @throws GridError INVALID_ARGUMENT */
export function checkSpin(spin: unknown): asserts spin is SpinMode {
  if (SPIN_MODES.includes(spin as SpinMode)) return;
  throw new GridError('INVALID_ARGUMENT', `spin is ${JSON.stringify(spin)}: it can be 'auto' or 'off'`, {
    hint: "spin: 'off' never keeps the event loop turning",
  });
}
