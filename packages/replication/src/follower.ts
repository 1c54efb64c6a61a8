/**
 * A replica to which a primary sends one partition's log: how far it has it, and what is under way to it.
 *
 * follower W1  held <= sent: what was acknowledged was sent, or was there before.
 * follower W2  What is not acknowledged in time is sent again from `held` on (go back n): an append says from where it counts,
 *              so what comes twice is passed over.
 * follower W3  Bytes under way are those of runs behind `held`; they are charged to the peer, whose credit bounds them.
 */
import { assert, type Sequence } from '@ashlar/core';
import type { Peer } from './peer.ts';

interface Run {
  readonly last: Sequence;
  readonly bytes: number;
}

export class Follower {
  readonly peer: Peer;
  /** Which of the replica's copies its acknowledgements must speak of. */
  readonly copy: number;
  /** It belongs to the set; else it catches up. */
  isInSync: boolean;
  /** It said that it has no copy. */
  isLost = false;
  held: Sequence;
  sent: Sequence;
  /** When it got on last, or was sent something having had nothing under way. */
  progressAtMs: number;
  rewoundAtMs = Number.NEGATIVE_INFINITY;
  #runs: Run[] = [];
  /** A sequence that it lacked, and since when: an in-sync follower that still lacks it after lagMs is lagging. */
  #lagSequence = 0;
  #lagSinceMs = 0;

  constructor(peer: Peer, copy: number, held: Sequence, isInSync: boolean, nowMs: number) {
    this.peer = peer;
    this.copy = copy;
    this.held = held;
    this.sent = held;
    this.isInSync = isInSync;
    this.progressAtMs = nowMs;
  }

  /** A run has left for it. */
  sentRun(last: Sequence, bytes: number, nowMs: number): void {
    assert(last > this.sent, 'follower W1: runs follow each other');
    if (this.#runs.length === 0) this.progressAtMs = nowMs;
    this.#runs.push({ last, bytes });
    this.peer.inFlightBytes += bytes;
    this.sent = last;
  }

  /** @returns whether it holds more than was known */
  acknowledged(held: Sequence, nowMs: number): boolean {
    if (held <= this.held) return false;
    this.held = held;
    this.progressAtMs = nowMs;
    if (held > this.sent) this.sent = held;
    let done = 0;
    for (; done < this.#runs.length && this.#runs[done]!.last <= held; done++) {
      this.peer.inFlightBytes -= this.#runs[done]!.bytes;
    }
    if (done > 0) this.#runs.splice(0, done);
    return true;
  }

  /** follower W2 */
  rewind(nowMs: number): void {
    this.release();
    this.sent = this.held;
    this.progressAtMs = nowMs;
    this.rewoundAtMs = nowMs;
  }

  /** Nothing is under way to it any more. */
  release(): void {
    for (const { bytes } of this.#runs) this.peer.inFlightBytes -= bytes;
    this.#runs = [];
  }

  get hasUnacknowledged(): boolean {
    return this.sent > this.held;
  }

  /** For how long it has lacked something that the log has. */
  lagMs(last: Sequence, nowMs: number): number {
    if (this.held >= last) {
      this.#lagSequence = 0;
      return 0;
    }
    if (this.#lagSequence === 0 || this.held >= this.#lagSequence) {
      this.#lagSequence = last;
      this.#lagSinceMs = nowMs;
    }
    return nowMs - this.#lagSinceMs;
  }

  /** A pause of ours is none of its lag. */
  forgetLag(): void {
    this.#lagSequence = 0;
  }
}
