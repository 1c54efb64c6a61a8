/**
 * Messages between replicas to frames and back, by hand: a turn's message has hundreds of payloads, each a few records long.
 *
 *   frame: [5 bytes: flag, length] [from, to: the same in all messages of a link] [head] [tag, length, payload] ...
 *
 * replica-codec C1  Short payloads are copied into the frame's own memory; a long one is a piece of the frame by itself, and
 *                   nothing is copied. What lies in shared memory is copied always: a socket does not take it.
 * replica-codec C2  What came is read as views of its message.
 */
import { FRAME_HEADER_BYTES } from './data-frames.ts';
import { takeMessage } from './message-buffers.ts';
import type { ReplicaMessage } from './services.ts';
import { malformed, varintBytes, WIRE_TYPE, WireReader } from './wire.ts';

const FIELD = { FROM: 1, TO: 2, HEAD: 3, PAYLOAD: 4 } as const;
const HEAD_TAG = FIELD.HEAD * 8 + WIRE_TYPE.DELIMITED;
const PAYLOAD_TAG = FIELD.PAYLOAD * 8 + WIRE_TYPE.DELIMITED;
/** Bytes up to which a copy costs less than a write of its own. */
const COPIED_BYTES = 4096;
/** Bytes up to which a loop is faster than a copy by the library. */
const SHORT_BYTES = 32;
/** A payload costs its reader a view, however short it is. */
const PAYLOADS_MAX = 1 << 17;
const REPLICA_ID_BYTES_MAX = 1024;

/** A message as it is written to a stream. */
export interface ReplicaFrame {
  /** FRAME_HEADER_BYTES, then the message. */
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  /** What the pieces that were copied lie in: to be given back when all of it has left. */
  readonly memory: Buffer;
}

/** Writes the messages of one link: from one replica to one replica. */
export class ReplicaFrameWriter {
  readonly #ends: Buffer;
  #memory: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(from: string, to: string) {
    this.#ends = Buffer.concat([textField(FIELD.FROM, from), textField(FIELD.TO, to)]);
  }

  frame(head: Uint8Array, payloads: readonly Uint8Array[]): ReplicaFrame {
    let messageBytes = this.#ends.length + fieldBytes(head.length);
    let ownBytes = messageBytes;
    for (const payload of payloads) {
      const bytes = fieldBytes(payload.length);
      messageBytes += bytes;
      ownBytes += isOfItsOwn(payload) ? bytes - payload.length : bytes;
    }
    const memory = takeMessage(FRAME_HEADER_BYTES + ownBytes);
    this.#memory = memory;
    this.#begin(messageBytes, head);
    return { pieces: this.#pieces(payloads), bytes: FRAME_HEADER_BYTES + messageBytes, memory };
  }

  #begin(messageBytes: number, head: Uint8Array): void {
    this.#memory[0] = 0;
    this.#memory.writeUInt32BE(messageBytes, 1);
    this.#memory.set(this.#ends, FRAME_HEADER_BYTES);
    this.#at = FRAME_HEADER_BYTES + this.#ends.length;
    this.#tag(HEAD_TAG, head.length);
    this.#copy(head);
  }

  #pieces(payloads: readonly Uint8Array[]): readonly Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let start = 0;
    for (const payload of payloads) {
      this.#tag(PAYLOAD_TAG, payload.length);
      if (!isOfItsOwn(payload)) this.#copy(payload);
      else {
        pieces.push(this.#memory.subarray(start, this.#at), payload);
        start = this.#at;
      }
    }
    if (start < this.#at) pieces.push(this.#memory.subarray(start, this.#at));
    return pieces;
  }

  #tag(tag: number, length: number): void {
    this.#memory[this.#at++] = tag;
    let rest = length;
    while (rest > 0x7f) {
      this.#memory[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#memory[this.#at++] = rest;
  }

  #copy(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length > SHORT_BYTES) this.#memory.set(bytes, this.#at);
    else for (let index = 0; index < length; index++) this.#memory[this.#at + index] = bytes[index]!;
    this.#at += length;
  }
}

function isOfItsOwn(payload: Uint8Array): boolean {
  return payload.length > COPIED_BYTES && !(payload.buffer instanceof SharedArrayBuffer);
}

/** With its tag and length. */
function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function textField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const head = [field * 8 + WIRE_TYPE.DELIMITED];
  let rest = bytes.length;
  for (; rest > 0x7f; rest >>= 7) head.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, rest]), bytes]);
}

/** Reads the messages of one caller, whose ends are the same in most. */
export class ReplicaMessageReader {
  #from = NO_END;
  #to = NO_END;

  /** @throws GridError INVALID_ARGUMENT */
  read(message: Buffer): ReplicaMessage {
    const reader = new WireReader(message);
    const payloads: Uint8Array[] = [];
    let head: Uint8Array | undefined;
    let from = '';
    let to = '';
    while (reader.next()) {
      if (reader.field === FIELD.PAYLOAD) payloads.push(reader.bytes());
      else if (reader.field === FIELD.HEAD) head = reader.bytes();
      else if (reader.field === FIELD.FROM) from = (this.#from = endOf(reader.bytes(), this.#from)).text;
      else if (reader.field === FIELD.TO) to = (this.#to = endOf(reader.bytes(), this.#to)).text;
      else reader.skip();
      if (payloads.length > PAYLOADS_MAX) throw malformed(`more than ${PAYLOADS_MAX} payloads`);
    }
    if (head === undefined) throw malformed('a message of replicas has no head');
    return { from, to, head, payloads };
  }
}

/** One end of a link, as it was written last. */
interface End {
  readonly bytes: Buffer;
  readonly text: string;
}

const NO_END: End = { bytes: Buffer.alloc(0), text: '' };

function endOf(bytes: Uint8Array, before: End): End {
  if (before.bytes.equals(bytes)) return before;
  if (bytes.length > REPLICA_ID_BYTES_MAX) throw malformed(`the id of a replica has ${bytes.length} bytes`);
  const own = Buffer.from(bytes);
  return { bytes: own, text: own.toString('utf8') };
}
