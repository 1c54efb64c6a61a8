/** The sender's side of one replication stream: frames out, nothing back but its end. */
import type { GridError } from '@ashlar/core';
import { type Caller, metadataOf } from './client-calls.ts';
import { ClientFramedCall } from './client-framed-call.ts';
import { EXCHANGE_PATH } from './methods.ts';

export interface ExchangeListener {
  /** The member takes what is sent. */
  onAccepted(): void;
  /** It is over, whichever side ended it: nothing that has not left will. */
  onEnd(error: GridError): void;
}

export interface ExchangeStream {
  /**
   * @param pieces  of one frame (ReplicaFrame); none may change until it has left
   * @param left  called when all of it has left; never, where it does not
   */
  sendFrame(pieces: readonly Uint8Array[], left: () => void): void;
  /** Ends it; `onEnd` follows. */
  fail(error: GridError): void;
}

export function openExchange(caller: Caller, listener: ExchangeListener): ExchangeStream {
  return new ClientFramedCall(caller, EXCHANGE_PATH, 'the replication stream', metadataOf(caller, {}), {
    onMessage: () => undefined,
    onAccepted: () => listener.onAccepted(),
    onEnd: (error) => {
      if (error.code === 'CONNECTION_LOST' && !caller.isClosed) caller.onLinkFailure?.('Replication', error);
      listener.onEnd(error);
    },
  });
}
