/**
 * A call of questions and answers: the caller's inputs are read one by one, and the next one only when the handler asks for
 * it.
 *
 *   context (who) -> first input: decode -> authorize -> handler: one output an input -> end
 *
 * server-conversation V1  Nothing of a caller is kept but the input at hand: what it sends ahead stays in the stream's
 *                         window.
 * server-conversation V2  When the caller leaves, the handler's wait for its next input ends with CANCELLED, and its signal
 *                         fires.
 */
import { GridError } from '@ashlar/core';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { authorizeCall, openContext } from './call-context.ts';
import { CallerLeaves } from './caller-leaves.ts';
import type { Method } from './methods.ts';
import { caughtUp, finish, outgoingOf, refuseWhenDraining, type ServerState, sendAll } from './server-calls.ts';
import type { CallContext } from './services.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

export function conversationCall<Input, Output>(
  method: Method<Input, Output>,
  handler: (inputs: AsyncIterable<Input>, context: CallContext) => AsyncIterable<Output>,
  state: ServerState,
): (call: Call) => void {
  return (call) => {
    const abort = new AbortController();
    const run = async (): Promise<void> => {
      refuseWhenDraining(state);
      const context = await openContext(call, state.access, abort);
      const caller = new CallerLeaves(context.signal);
      const messages = (call as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      const next = async (): Promise<Input | undefined> => {
        const message = await caller.orElse(messages.next());
        if (message.done === true) return undefined;
        state.traffic.bytesIn += message.value.length;
        return method.decodeRequest(message.value);
      };
      const first = await next();
      if (first === undefined) throw new GridError('INVALID_ARGUMENT', 'no request was sent');
      authorizeCall(method.path, first, context);
      await caughtUp(call, method, state, context);
      const outgoing = outgoingOf(call, context, state);
      const outputs = handler(inputsFrom(first, next), { ...context, answers: outgoing });
      await sendAll({ call, method, context, state, credit: undefined, outgoing }, outputs);
    };
    finish(call, method, state, state.active.track(method.name, method.effect, abort, run()));
  };
}

async function* inputsFrom<Input>(
  first: Input,
  next: () => Promise<Input | undefined>,
): AsyncGenerator<Input, void, undefined> {
  for (let input: Input | undefined = first; input !== undefined; input = await next()) yield input;
}
