/** The members that an application names, looked at before they are asked. */
import { GridError } from '@ashlar/core';

const PORT_MAX = 0xffff;

/** @throws GridError INVALID_ARGUMENT */
export function checkSeeds(seeds: readonly string[]): void {
  if (!Array.isArray(seeds) || seeds.length === 0) {
    throw new GridError('INVALID_ARGUMENT', 'seeds is a list of at least one host:port');
  }
  for (const seed of seeds) {
    const port = typeof seed === 'string' ? /^[^\s:].*:(\d{1,5})$/.exec(seed)?.[1] : undefined;
    if (port !== undefined && Number(port) <= PORT_MAX) continue;
    throw new GridError('INVALID_ARGUMENT', `the seed ${JSON.stringify(seed)} is not host:port`, {
      hint: '127.0.0.1:7710, or [::1]:7710',
    });
  }
}
