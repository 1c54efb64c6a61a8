/**
 * The network of a chaos run: a proxy before the door of each member, which knows by the address of a connection who opened it.
 *
 *   a, b, c, the clients --connect--> proxy of b --connect--> door of b
 *
 * links L1  What is sent from X to Y is cut or delayed by one rule, whichever of them opened the connection: one that is cut one
 *           way still carries what comes the other way, as far as bytes on their way fit into buffers.
 * links L2  Nothing is thrown away. What a cut link carries is held, and arrives when it heals, as TCP would have it: late.
 * links L3  A connection is made only where both ways are open. One that is asked for across a cut waits, and does not fail.
 * links L4  A way holds at most HELD_BYTES_MAX; then its sender finds its socket full.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A member by its name, or 'client' for all others. */
export type Party = string;
export const CLIENT: Party = 'client';

/** What becomes of what `from` sends to `to`. */
export interface LinkRule {
  readonly from: Party;
  readonly to: Party;
  readonly isCut: boolean;
  readonly delayMs: number;
}

/** Door of a member, and the address that its own connections come from. */
export interface LinkedMember {
  readonly name: Party;
  readonly port: number;
  readonly sourceAddress: string;
}

const HOST = '127.0.0.1';
const HELD_BYTES_MAX = 1024 * 1024;

export class Links {
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  readonly #partyByAddress: ReadonlyMap<string, Party>;
  #rules: readonly LinkRule[] = [];

  private constructor(members: readonly LinkedMember[]) {
    this.#partyByAddress = new Map(members.map(({ name, sourceAddress }) => [sourceAddress, name]));
  }

  /** @returns the links, all whole, and the proxies' ports in the order of the members */
  static async listen(members: readonly LinkedMember[]): Promise<{ links: Links; ports: number[] }> {
    const links = new Links(members);
    const ports: number[] = [];
    for (const member of members) ports.push(await links.#listenFor(member));
    return { links, ports };
  }

  /** All rules that count from now on: links without one are whole. */
  set(rules: readonly LinkRule[]): void {
    this.#rules = rules;
    for (const connection of this.#connections) connection.changed();
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #listenFor({ name, port }: LinkedMember): Promise<number> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, HOST);
    await once(server, 'listening');
    this.#servers.push(server);
    server.on('connection', (caller) => {
      const from = this.#partyByAddress.get(caller.remoteAddress ?? '') ?? CLIENT;
      const connection = new Connection(caller, port, {
        ...{ there: () => this.#rule(from, name), back: () => this.#rule(name, from) },
        onGone: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
      connection.changed();
    });
    return (server.address() as AddressInfo).port;
  }

  #rule(from: Party, to: Party): LinkRule | undefined {
    return this.#rules.find((rule) => rule.from === from && rule.to === to);
  }
}

type RuleNow = () => LinkRule | undefined;

interface ConnectionRules {
  readonly there: RuleNow;
  readonly back: RuleNow;
  readonly onGone: () => void;
}

/** One connection to a member, and the one that the proxy makes for it (links L3). */
class Connection {
  readonly #caller: Socket;
  readonly #port: number;
  readonly #rules: ConnectionRules;
  #ways: readonly Way[] = [];
  #door: Socket | undefined;

  constructor(caller: Socket, port: number, rules: ConnectionRules) {
    this.#caller = caller;
    this.#port = port;
    this.#rules = rules;
    caller.setNoDelay(true);
    caller.on('error', () => caller.destroy());
    caller.on('close', () => {
      if (this.#door === undefined) rules.onGone();
    });
  }

  /** The rules are others. */
  changed(): void {
    const { there, back } = this.#rules;
    if (this.#door === undefined && there()?.isCut !== true && back()?.isCut !== true && !this.#caller.destroyed) {
      this.#open();
    }
    for (const way of this.#ways) way.move();
  }

  destroy(): void {
    this.#caller.destroy();
    this.#door?.destroy();
  }

  #open(): void {
    const { there, back, onGone } = this.#rules;
    const door = connect({ port: this.#port, host: HOST, allowHalfOpen: true });
    this.#door = door;
    door.setNoDelay(true);
    door.on('error', () => door.destroy());
    let open = 2;
    for (const socket of [door, this.#caller]) {
      if (socket.destroyed) open--;
      socket.on('close', () => {
        if (--open === 0) onGone();
      });
    }
    this.#ways = [new Way(this.#caller, door, there), new Way(door, this.#caller, back)];
  }
}

/** Bytes with the time at which they are due, or the end of the connection. */
interface Piece {
  readonly dueMs: number;
  readonly bytes: Buffer | undefined;
}

/** One way of a connection (links L1, L2). */
class Way {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #rule: RuleNow;
  readonly #pieces: Piece[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: Socket, sink: Socket, rule: RuleNow) {
    this.#source = source;
    this.#sink = sink;
    this.#rule = rule;
    source.on('data', (bytes: Buffer) => this.#take(bytes));
    source.on('end', () => this.#take(undefined));
    source.on('close', () => this.#take(undefined));
    sink.on('drain', () => this.move());
    sink.on('close', () => clearTimeout(this.#timer));
    source.resume();
  }

  /** Hands on what is due. */
  move(): void {
    clearTimeout(this.#timer);
    if (this.#rule()?.isCut === true || this.#sink.destroyed) return;
    const nowMs = performance.now();
    while (this.#pieces.length > 0 && this.#pieces[0]!.dueMs <= nowMs && !this.#sink.writableNeedDrain) {
      this.#hand(this.#pieces.shift()!);
    }
    const [next] = this.#pieces;
    if (next !== undefined && next.dueMs > nowMs) {
      this.#timer = setTimeout(() => this.move(), Math.ceil(next.dueMs - nowMs));
    }
    if (this.#heldBytes < HELD_BYTES_MAX && this.#source.isPaused()) this.#source.resume();
  }

  #take(bytes: Buffer | undefined): void {
    this.#pieces.push({ dueMs: performance.now() + (this.#rule()?.delayMs ?? 0), bytes });
    this.#heldBytes += bytes?.length ?? 0;
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#source.pause();
    this.move();
  }

  #hand({ bytes }: Piece): void {
    this.#heldBytes -= bytes?.length ?? 0;
    if (bytes !== undefined) this.#sink.write(bytes);
    else if (this.#source.destroyed) this.#sink.destroySoon();
    else this.#sink.end();
  }
}
