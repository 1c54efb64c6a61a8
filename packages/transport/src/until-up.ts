/**
 * Waiting for the link to a member to be up.
 *
 * until-up U1  The wait ends with its connection, at once. (grpc's own waitForReady wakes a channel that is closed meanwhile: it
 *              connects again, and the time-out of the wait holds the process.)
 * until-up U2  No timer outlives the wait.
 */

import { GridError } from '@ashlar/core';
import { connectivityState } from '@grpc/grpc-js';
import type { Caller } from './client-calls.ts';
import { connectionLost } from './link-errors.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * @param givesUp  whether a link that cannot be made now ends the wait; else it is tried again, for `timeoutMs`
 * @throws (rejects with) GridError CONNECT_TIMEOUT; CONNECTION_LOST when the connection is closed, or the wait gives up
 */
export function untilUp(caller: Caller, timeoutMs: number, givesUp: boolean): Promise<void> {
  const { client, link, address } = caller;
  const channel = client.getChannel();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isOver = false;
  const end = (error?: GridError): void => {
    isOver = true;
    clearTimeout(timer);
    if (error === undefined) resolve();
    else reject(error);
  };
  const timer = setTimeout(() => end(connectTimeout(address, timeoutMs)), Math.min(timeoutMs, TIMER_MAX_MS));
  const look = (): void => {
    if (isOver) return;
    const state = caller.isClosed ? connectivityState.SHUTDOWN : channel.getConnectivityState(true);
    if (state === connectivityState.READY) end();
    else if (state === connectivityState.SHUTDOWN) end(connectionLost(address, 'the connection is closed'));
    else if (givesUp && state === connectivityState.TRANSIENT_FAILURE) {
      end(connectionLost(address, 'No connection established'));
    } else channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
  };
  link.want();
  look();
  return promise;
}

function connectTimeout(address: string, timeoutMs: number): GridError {
  return new GridError('CONNECT_TIMEOUT', `no member answered at ${address} within ${Math.ceil(timeoutMs)} ms`, {
    hint: 'is a member running there?',
    details: { address, timeoutMs },
  });
}
