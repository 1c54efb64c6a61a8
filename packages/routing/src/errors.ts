/** Errors that several files of this package throw. */
import { GridError } from '@ashlar/core';

export function clientClosed(): GridError {
  return new GridError('CLIENT_CLOSED', 'the client was closed');
}

export function noOwner(): GridError {
  return new GridError('STALE_EPOCH', 'no member owns the partition at the moment');
}
