/**
 * Bytes of answers that were written and not taken by their sockets yet: grpc-js and HTTP/2 keep them on the heap for as
 * long as the caller does not read.
 *
 *   write --> unsent of this call --> unsent of the door <= bytesMax --flushed--> 0
 *
 * outgoing O1  A call has at most CALL_BYTES unsent and one message: then its producer stops (a stream of results) or is not
 *              read any further (a stream of batches).
 * outgoing O2  Beyond `bytesMax` of the door no producer goes on until something was flushed.
 * outgoing O3  A caller that takes nothing for STALLED_MS, or for a second while the door has no room, loses its link:
 *              nothing else gives the memory back. The one that has taken nothing for longest goes first.
 */

/** Bytes that a call may have unsent before it stops. */
const CALL_BYTES = 1 << 20;
const STALLED_MS = 60_000;
const STALLED_LEAST_MS = 1000;
const LOOK_EVERY_MS = 500;

/** Writes a message and calls back when it has left. */
export interface Writable {
  write(bytes: Buffer, flushed: () => void): boolean;
}

/** The link that a call came by. */
export interface Link {
  /** Bytes that its socket has taken so far: a large message is sent bit by bit. */
  readonly bytesTaken: number;
  cut(): void;
}

export class Outgoing {
  readonly bytesMax: number;
  readonly #nowMs: () => number;
  readonly #calls = new Set<OutgoingCall>();
  #bytes = 0;
  #bytesMost = 0;
  #cut = 0;
  #waiting: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(bytesMax: number, nowMs: () => number = () => performance.now()) {
    this.bytesMax = bytesMax;
    this.#nowMs = nowMs;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** The door is closed. */
  close(): void {
    clearInterval(this.#timer);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The most that was unsent at once so far. */
  get bytesMost(): number {
    return this.#bytesMost;
  }

  /** Links that were cut because their callers did not read. */
  get cutCount(): number {
    return this.#cut;
  }

  get isFull(): boolean {
    return this.#bytes >= this.bytesMax;
  }

  open(link: Link): OutgoingCall {
    const call = new OutgoingCall(this, link);
    this.#calls.add(call);
    return call;
  }

  /** Resolves when something was flushed, or a call is over. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** outgoing O3. Called now and then. */
  look(): void {
    const nowMs = this.#nowMs();
    if (this.#bytes === 0) return;
    const unsent = [...this.#calls].filter(({ bytes }) => bytes > 0);
    for (const call of unsent) call.lookAtLink(nowMs);
    const stalled = unsent.sort((a, b) => a.sinceMs - b.sinceMs);
    for (const call of stalled) {
      const ms = nowMs - call.sinceMs;
      if (ms < STALLED_LEAST_MS || (ms < STALLED_MS && !this.isFull)) return;
      this.#cut += 1;
      call.link.cut();
      call.close();
    }
  }

  /** @internal */
  added(bytes: number): number {
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMost) this.#bytesMost = this.#bytes;
    return this.#nowMs();
  }

  /** @internal */
  flushed(bytes: number): number {
    this.#bytes -= bytes;
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
    return this.#nowMs();
  }

  /** @internal */
  forget(call: OutgoingCall): void {
    this.#calls.delete(call);
  }
}

/** What one call has unsent. */
export class OutgoingCall {
  readonly link: Link;
  #linkTaken = 0;
  readonly #outgoing: Outgoing;
  #bytes = 0;
  #heldBytes = 0;
  #isClosed = false;
  #isDone = false;
  /** When it began to wait, or last took something. */
  sinceMs = 0;

  constructor(outgoing: Outgoing, link: Link) {
    this.#outgoing = outgoing;
    this.link = link;
  }

  /** @internal What the link takes counts as progress of all its calls. */
  lookAtLink(nowMs: number): void {
    const { bytesTaken } = this.link;
    if (bytesTaken !== this.#linkTaken) this.sinceMs = nowMs;
    this.#linkTaken = bytesTaken;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether what follows should wait (outgoing O1, O2). */
  get isCongested(): boolean {
    return this.#bytes >= CALL_BYTES || (this.#bytes > 0 && this.#outgoing.isFull);
  }

  /** Bytes of an answer that is being made: counted as unsent until it is written, which counts it anew. */
  hold(bytes: number): void {
    if (this.#isClosed) return;
    if (this.#bytes === 0) this.sinceMs = this.#outgoing.added(bytes);
    else this.#outgoing.added(bytes);
    this.#bytes += bytes;
    this.#heldBytes += bytes;
  }

  write(call: Writable, bytes: Buffer, onFlushed?: () => void): void {
    const { length } = bytes;
    if (!this.#isClosed) {
      if (this.#heldBytes > 0) this.#unhold();
      const nowMs = this.#outgoing.added(length);
      if (this.#bytes === 0) this.sinceMs = nowMs;
      this.#bytes += length;
    }
    call.write(bytes, () => {
      if (this.#isClosed) return;
      this.#bytes -= length;
      this.sinceMs = this.#outgoing.flushed(length);
      if (this.#isDone && this.#bytes === 0) this.close();
      onFlushed?.();
    });
  }

  #unhold(): void {
    this.#bytes -= this.#heldBytes;
    this.#outgoing.flushed(this.#heldBytes);
    this.#heldBytes = 0;
  }

  /** Waits until it is not congested and the door has room. All who wait wake at once: look again before taking it. */
  async room(): Promise<void> {
    while (!this.hasRoom) await this.#outgoing.changed();
  }

  get hasRoom(): boolean {
    return this.#isClosed || !(this.isCongested || this.#outgoing.isFull);
  }

  /** The producer is done; what it has written counts until it has left, or the link is gone. */
  closeWhenFlushed(): void {
    this.#isDone = true;
    if (this.#heldBytes > 0) this.#unhold();
    if (this.#bytes === 0) this.close();
  }

  /** The call is over: what it had unsent is gone with it. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#outgoing.forget(this);
    this.#outgoing.flushed(bytes);
  }
}
