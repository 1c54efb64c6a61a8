/**
 * Messages between the nodes of a simulated grid: lost, late, doubled, reordered; links cut one way or both, slow, healed.
 *
 *   send(from, to, message) -> cut? lost? -> copies, each with a delay of its own -> deliver(from, to, message)
 *
 * Each copy has a delay of its own, so messages overtake each other unless a link is asked to keep their order, which
 * connections do: then only a link that was cut loses some.
 *
 * network N1  A message that arrives is one that was sent on this link, at most `copiesMax` times.
 * network N2  After `heal` every message arrives once and within `delayMaxMs`.
 * network N3  Messages are data that nobody changes: one object is sent to several nodes and kept by all of them.
 */
import type { Random } from '@ashlar/core';
import type { Kernel } from './kernel.ts';

/** How a network treats messages. Probabilities lie in [0, 1]. */
export interface NetworkQuality {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  readonly loss: number;
  readonly doubling: number;
  /** A message that is held for up to `lateMaxMs` on its way. */
  readonly lateness: number;
  readonly lateMaxMs: number;
  /** Whether messages of one link arrive in the order in which they were sent, as in a connection. */
  readonly keepsOrder: boolean;
}

export const SOUND_NETWORK: NetworkQuality = {
  delayMinMs: 0.2,
  delayMaxMs: 2,
  loss: 0,
  doubling: 0,
  lateness: 0,
  lateMaxMs: 0,
  keepsOrder: true,
};

type Meant<Node, Message> = (from: Node, to: Node, message: Message) => boolean;

interface Link {
  isCut: boolean;
  slowMs: number;
  /** When the last message arrives that was sent in order. */
  lastArrivalMs: number;
}

export interface NetworkCounts {
  sent: number;
  lost: number;
  doubled: number;
  cut: number;
}

export class Network<Node, Message> {
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly #deliver: (from: Node, to: Node, message: Message) => void;
  readonly #mayDouble: (message: Message) => boolean;
  /** Which messages are lost, held, or come again, whatever the quality of the network. */
  readonly #losers = new Set<Meant<Node, Message>>();
  readonly #delays = new Map<Meant<Node, Message>, number>();
  readonly #echoes = new Map<Meant<Node, Message>, number>();
  readonly #links = new Map<Node, Map<Node, Link>>();
  #quality: NetworkQuality;
  readonly counts: NetworkCounts = { sent: 0, lost: 0, doubled: 0, cut: 0 };

  constructor(
    kernel: Kernel,
    random: Random,
    quality: NetworkQuality,
    deliver: (from: Node, to: Node, message: Message) => void,
    mayDouble: (message: Message) => boolean = () => true,
  ) {
    this.#mayDouble = mayDouble;
    this.#kernel = kernel;
    this.#random = random;
    this.#quality = quality;
    this.#deliver = deliver;
  }

  send(from: Node, to: Node, message: Message): void {
    const { counts } = this;
    counts.sent += 1;
    const link = this.#link(from, to);
    if (link.isCut) {
      counts.cut += 1;
      return;
    }
    if (this.#happens(this.#quality.loss) || this.#isLost(from, to, message)) {
      counts.lost += 1;
      return;
    }
    for (const [isMeant, withinMs] of this.#echoes)
      if (isMeant(from, to, message)) this.#deliverIn(this.#random.next() * withinMs, from, to, message);
    for (const [isMeant, byMs] of this.#delays) {
      if (!isMeant(from, to, message)) continue;
      this.#deliverIn(byMs, from, to, message);
      return;
    }
    this.#carry(link, from, to, message);
    if (!this.#mayDouble(message) || !this.#happens(this.#quality.doubling)) return;
    counts.doubled += 1;
    this.#carry(link, from, to, message);
  }

  setQuality(quality: NetworkQuality): void {
    this.#quality = quality;
  }

  /** One way; what is on its way arrives. */
  cut(from: Node, to: Node): void {
    this.#link(from, to).isCut = true;
  }

  join(from: Node, to: Node): void {
    this.#link(from, to).isCut = false;
  }

  slow(from: Node, to: Node, byMs: number): void {
    this.#link(from, to).slowMs = byMs;
  }

  /** Loses the messages that are meant, until the function that it gives is called. */
  lose(isMeant: Meant<Node, Message>): () => void {
    this.#losers.add(isMeant);
    return () => this.#losers.delete(isMeant);
  }

  /** Holds them for so long, past all that is sent behind them. */
  delay(isMeant: Meant<Node, Message>, byMs: number): () => void {
    this.#delays.set(isMeant, byMs);
    return () => this.#delays.delete(isMeant);
  }

  /** They come once more, up to so much later, past all that is sent behind them. */
  echo(isMeant: Meant<Node, Message>, withinMs: number): () => void {
    this.#echoes.set(isMeant, withinMs);
    return () => this.#echoes.delete(isMeant);
  }

  /** network N2 */
  heal(): void {
    this.#quality = SOUND_NETWORK;
    this.#losers.clear();
    this.#delays.clear();
    this.#echoes.clear();
    for (const links of this.#links.values()) {
      for (const link of links.values()) {
        link.isCut = false;
        link.slowMs = 0;
      }
    }
  }

  #carry(link: Link, from: Node, to: Node, message: Message): void {
    const { delayMinMs, delayMaxMs, lateness, lateMaxMs, keepsOrder } = this.#quality;
    let delayMs = link.slowMs + delayMinMs + this.#random.next() * (delayMaxMs - delayMinMs);
    if (this.#happens(lateness)) delayMs += this.#random.next() * lateMaxMs;
    let arrivalMs = this.#kernel.nowMs + delayMs;
    if (keepsOrder) {
      // A hair later than the one before: events of one time run in any order (kernel K2).
      arrivalMs = Math.max(arrivalMs, link.lastArrivalMs + 1e-6);
      link.lastArrivalMs = arrivalMs;
    }
    this.#kernel.at(arrivalMs, () => this.#deliver(from, to, message));
  }

  #deliverIn(delayMs: number, from: Node, to: Node, message: Message): void {
    this.#kernel.after(delayMs, () => this.#deliver(from, to, message));
  }

  #isLost(from: Node, to: Node, message: Message): boolean {
    for (const isMeant of this.#losers) if (isMeant(from, to, message)) return true;
    return false;
  }

  #happens(probability: number): boolean {
    return probability > 0 && this.#random.next() < probability;
  }

  #link(from: Node, to: Node): Link {
    let links = this.#links.get(from);
    if (links === undefined) this.#links.set(from, (links = new Map()));
    let link = links.get(to);
    if (link === undefined) links.set(to, (link = { isCut: false, slowMs: 0, lastArrivalMs: 0 }));
    return link;
  }
}
