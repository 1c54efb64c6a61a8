/**
 * Connections to the other members of the table: one each, kept up, so that a member that is lost is known to be before
 * anybody asks for it. Who is lost and who is back is logged, once each.
 *
 *   up --- lost -------------> down    its calls fail at once, until the link is back
 *    '---- silent, by the table ->     so they do, until a table has it back: a process that stands still keeps its links
 *
 * peers P1  Who waits for a member that is taken for dead is told so when the table is: nothing waits for a time-out of its own.
 */
import {
  GridError,
  isSilent,
  type MemberAddress,
  type MemberId,
  MemberUnreachableError,
  type PartitionTable,
} from '@ashlar/core';
import { type ConnectionOptions, connectMember, type MemberConnection } from './connection.ts';
import type { LinkDown } from './link-watch.ts';

/** Where losses and returns are reported. */
export interface PeerLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** A member, and which process of it. */
export type PeerMember = MemberAddress & { readonly incarnation: string };

interface Peer {
  readonly address: string;
  readonly connection: MemberConnection;
  /** Undefined: not known yet. */
  incarnation: string | undefined;
  /** Since when it is lost: milliseconds since 1970. */
  lostMs: number | undefined;
  /** Since when it is taken for dead, by the table: milliseconds since 1970. */
  silentMs: number | undefined;
}

/** What a table says of the members besides who they are. */
export interface PeersFacts extends Pick<PartitionTable, 'silent'> {
  /** Others hold what a member holds: who does not answer is not waited for long. */
  readonly hasCopies?: boolean;
}

/** A link between members that hold copies for each other is given up after twice as long without a sign of life. */
const COPIES_KEEPALIVE_MS = 1_000;

export class Peers {
  readonly #options: ConnectionOptions;
  readonly #log: PeerLog;
  readonly #peers = new Map<MemberId, Peer>();
  readonly #others: MemberConnection[] = [];
  #hasCopies = false;

  constructor(options: ConnectionOptions, log: PeerLog) {
    this.#options = options;
    this.#log = log;
  }

  /**
   * Calls over it that do not reach the member fail with MEMBER_UNREACHABLE, at once while its link is known to be down.
   *
   * @throws GridError STALE_EPOCH when the table has no such member; MEMBER_UNREACHABLE when it is taken for dead (peers P1)
   */
  to(id: MemberId, table: Pick<PartitionTable, 'members' | 'silent'>): MemberConnection {
    const member = table.members.find((candidate) => candidate.id === id);
    if (member === undefined) throw new GridError('STALE_EPOCH', `no member '${id}' in the table`);
    const peer = this.#peer(member);
    if (!isSilent(table, id)) return peer.connection;
    throw new MemberUnreachableError(id, member.address, peer.silentMs ?? Date.now());
  }

  /** Keeps links to all of these members but this one, and to nobody else. */
  follow(members: readonly PeerMember[], self: MemberId, facts: PeersFacts = {}): void {
    this.#hasCopies = facts.hasCopies === true;
    for (const [id, { connection }] of this.#peers) {
      if (members.some((member) => member.id === id)) continue;
      connection.abandon();
      this.#peers.delete(id);
    }
    for (const member of members) {
      if (member.id === self) continue;
      this.#keepUp(member);
      this.#hear(member.id, isSilent(facts, member.id));
    }
  }

  /** peers P1 */
  #hear(id: MemberId, isSilentNow: boolean): void {
    const peer = this.#peers.get(id)!;
    if (!isSilentNow) peer.silentMs = undefined;
    else if (peer.silentMs === undefined) {
      peer.silentMs = Date.now();
      peer.connection.giveUp();
    }
  }

  #keepUp(member: PeerMember): void {
    const known = this.#peers.get(member.id);
    // It joined anew, so its process is there, however long the link would still wait for its next attempt.
    const isNew = known?.incarnation !== undefined && known.incarnation !== member.incarnation;
    if (isNew && known.connection.down !== undefined) this.#drop(member, known);
    const peer = this.#peer(member);
    peer.incarnation = member.incarnation;
    peer.connection.keepUp();
  }

  #drop({ id, address }: MemberAddress, peer: Peer): void {
    peer.connection.abandon();
    this.#peers.delete(id);
    if (peer.lostMs !== undefined) this.#tellBack(id, address, peer.lostMs);
  }

  /** A connection of its own to whoever answers at an address. @param nameOf  what to call it */
  at(address: string, nameOf: () => string): MemberConnection {
    const connection = connectMember(address, { ...this.#options, peer: nameOf });
    this.#others.push(connection);
    return connection;
  }

  #peer(member: MemberAddress): Peer {
    const { id, address } = member;
    const known = this.#peers.get(id);
    if (known !== undefined && known.address === address) return known;
    if (known !== undefined) this.#drop(member, known);
    const onLink = (down: LinkDown | undefined): void => this.#onLink(id, peer, down);
    const keepalive = this.#hasCopies ? { keepaliveMs: COPIES_KEEPALIVE_MS } : {};
    const connection = connectMember(address, { ...this.#options, ...keepalive, peer: id, onLink });
    const peer: Peer = { address, connection, incarnation: undefined, lostMs: undefined, silentMs: undefined };
    this.#peers.set(id, peer);
    return peer;
  }

  #onLink(id: MemberId, peer: Peer, down: LinkDown | undefined): void {
    if (down === undefined) this.#tellBack(id, peer.address, peer.lostMs ?? Date.now());
    else {
      const since = new Date(down.sinceMs).toISOString();
      this.#log.warn({ member: id, address: peer.address, since }, 'member is lost');
      void this.#tellFault(id, peer);
    }
    peer.lostMs = down?.sinceMs;
  }

  /** Logs what waiting does not cure, such as a certificate that does not name its address. */
  async #tellFault(id: MemberId, { address, connection }: Peer): Promise<void> {
    const fault = await connection.findFault();
    if (fault === undefined || fault.retryable || this.#peers.get(id)?.connection !== connection) return;
    const { code, message: why, hint } = fault;
    this.#log.error({ member: id, address, code, why, hint }, 'member cannot be talked to');
  }

  #tellBack(id: MemberId, address: string, lostMs: number): void {
    this.#log.info({ member: id, address, awayMs: Date.now() - lostMs }, 'member is back');
  }

  close(): void {
    for (const { connection } of this.#peers.values()) connection.close();
    for (const connection of this.#others) connection.close();
    this.#peers.clear();
  }
}
