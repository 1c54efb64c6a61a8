/**
 * How much callers may send before the member has taken it. grpc-js opens windows of the configured size on the calling
 * side only; on the serving side those of HTTP/2's default stay, 64 KiB, and a caller with large values waits for the network
 * instead of the member (grpc-node pull request 3058).
 *
 * upload-window W1  A session's window, and those of its streams, are opened with its first stream: before any of its bytes
 *                   were read.
 * upload-window W2  It uses what Node publishes of every HTTP/2 server of the process, and nothing that is private to
 *                   grpc-js.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';

/** Channel on which Node announces every stream that a server of this process is asked for. */
const STREAM_CREATED = 'http2.server.stream.created';

/**
 * Opens the windows of all sessions at a port of this process.
 *
 * @param bytes  of a session, and of each of its streams, that may be under way unread
 * @returns the way to stop
 */
export function openUploadWindows(port: number, bytes: number): () => void {
  const opened = new WeakSet<ServerHttp2Session>();
  const onStream = (message: unknown): void => {
    const { session } = (message as { readonly stream: ServerHttp2Stream }).stream;
    if (session === undefined || session.socket.localPort !== port || opened.has(session as ServerHttp2Session)) return;
    opened.add(session as ServerHttp2Session);
    (session as ServerHttp2Session).setLocalWindowSize(bytes);
    session.settings({ initialWindowSize: bytes });
  };
  subscribe(STREAM_CREATED, onStream);
  return () => unsubscribe(STREAM_CREATED, onStream);
}
