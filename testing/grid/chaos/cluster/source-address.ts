/**
 * Loaded before anything else in a member of a chaos run (`--import`): its connections come from an address of their own on
 * loopback, so that who takes them knows which member calls.
 */
import { Socket } from 'node:net';

/** Address that the connections of this process come from. */
export const SOURCE_VARIABLE = 'CHAOS_SOURCE_ADDRESS';

type Connect = (this: Socket, ...args: unknown[]) => Socket;

const localAddress = process.env[SOURCE_VARIABLE];
if (localAddress !== undefined) {
  const connect = Socket.prototype.connect as Connect;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
    // net.connect() hands over its arguments as a list, options first; others give the options themselves.
    const [first] = args;
    const options: unknown = Array.isArray(first) ? first[0] : first;
    if (typeof options === 'object' && options !== null && 'port' in options) Object.assign(options, { localAddress });
    return connect.apply(this, args);
  } as typeof Socket.prototype.connect;
}
