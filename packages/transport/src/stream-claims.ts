/**
 * The HTTP/2 streams of kv and replication streams, for whoever reads and writes their DATA frames without the library: Node
 * publishes every stream that it makes, and a key in its headers says whose call it belongs to.
 *
 *   caller: key in the metadata -> library -> stream (published, key in its headers) -> ClientStreams.onStream
 *   door:   stream (published) <- key into its headers -> library -> call with the key in its metadata -> DoorStreams.claim
 *
 * stream-claims S1  It uses what Node publishes and the metadata of calls, and nothing that is private to grpc-js. Where
 *                   nothing is published, or no key comes through, there is no stream, and calls go on by the library.
 * stream-claims S2  At a door a key is ours alone: what callers send under its name is removed.
 * stream-claims S3  A stream that says its messages may be compressed is left to the library.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Metadata } from '@grpc/grpc-js';
import { EXCHANGE_PATH, KV_BATCH_PATH } from './methods.ts';

/** Channels on which Node announces every stream of HTTP/2 that is made in this process. */
const SERVER_STREAM_CREATED = 'http2.server.stream.created';
const CLIENT_STREAM_CREATED = 'http2.client.stream.created';
/** Metadata of such calls: which of its process's calls it is. Means nothing to others. */
const CALLER_KEY = 'ashlar-caller-stream';
/** The same at a door; it does not travel. */
const DOOR_KEY = 'ashlar-door-stream';

const CLAIMED_PATHS: ReadonlySet<unknown> = new Set([KV_BATCH_PATH, EXCHANGE_PATH]);

/** Whether messages under these headers come as they are. */
export function isPlain(headers: IncomingHttpHeaders): boolean {
  const encoding = headers['grpc-encoding'];
  return encoding === undefined || encoding === 'identity';
}

/** Whether streams are claimed at all: tests look at both ways. */
let isOn = true;

export function claimStreams(on: boolean): void {
  isOn = on;
}

/** Streams that callers asked a door of this process for. */
export class DoorStreams {
  readonly #unclaimed = new Map<string, ServerHttp2Stream>();
  #last = 0;

  /** @returns the way to stop */
  watch(port: number): () => void {
    const onStream = (message: unknown): void => {
      const { stream, headers } = message as { stream: ServerHttp2Stream; headers: IncomingHttpHeaders };
      if (CLAIMED_PATHS.has(headers[':path']) && stream.session?.socket.localPort === port) this.#add(stream, headers);
    };
    subscribe(SERVER_STREAM_CREATED, onStream);
    return () => unsubscribe(SERVER_STREAM_CREATED, onStream);
  }

  #add(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    delete headers[DOOR_KEY];
    if (!isOn || !isPlain(headers)) return;
    const key = String(++this.#last);
    headers[DOOR_KEY] = key;
    this.#unclaimed.set(key, stream);
    stream.once('close', () => this.#unclaimed.delete(key));
  }

  /** The stream of a call; undefined: not known, the library has it. */
  claim(metadata: Metadata): ServerHttp2Stream | undefined {
    const key = String(metadata.get(DOOR_KEY)[0]);
    const stream = this.#unclaimed.get(key);
    this.#unclaimed.delete(key);
    return stream;
  }
}

type OnStream = (stream: ClientHttp2Stream) => void;

/** Callers that wait for their streams, or may get another one, by key. */
const callers = new Map<string, OnStream>();
let lastKey = 0;

function onClientStream(message: unknown): void {
  const { stream, headers } = message as { stream: ClientHttp2Stream; headers?: OutgoingHttpHeaders };
  const key = headers?.[CALLER_KEY];
  if (key !== undefined) callers.get(String(key))?.(stream);
}

/**
 * Calls back with the stream of the call that is made with `metadata`, before the library has touched it; again, if the
 * library makes the call anew.
 *
 * @returns the way to stop
 */
export function onStreamOf(metadata: Metadata, onStream: OnStream): () => void {
  if (!isOn) return () => undefined;
  const key = String(++lastKey);
  metadata.set(CALLER_KEY, key);
  if (callers.size === 0) subscribe(CLIENT_STREAM_CREATED, onClientStream);
  callers.set(key, onStream);
  return () => {
    if (callers.delete(key) && callers.size === 0) unsubscribe(CLIENT_STREAM_CREATED, onClientStream);
  };
}
