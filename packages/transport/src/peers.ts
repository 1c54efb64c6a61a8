/**
 * Connections to the other members of the table: one each, kept up, so that a member that is lost is known to be before
 * anybody asks for it. Who is lost and who is back is logged, once each.
 */
import { GridError, type MemberAddress, type MemberId, type PartitionTable } from '@ashlar/core';
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
}

export class Peers {
  readonly #options: ConnectionOptions;
  readonly #log: PeerLog;
  readonly #peers = new Map<MemberId, Peer>();
  readonly #others: MemberConnection[] = [];

  constructor(options: ConnectionOptions, log: PeerLog) {
    this.#options = options;
    this.#log = log;
  }

  /**
   * Calls over it that do not reach the member fail with MEMBER_UNREACHABLE, at once while its link is known to be down.
   *
   * @throws GridError STALE_EPOCH when the table has no such member
   */
  to(id: MemberId, table: Pick<PartitionTable, 'members'>): MemberConnection {
    const member = table.members.find((candidate) => candidate.id === id);
    if (member === undefined) throw new GridError('STALE_EPOCH', `no member '${id}' in the table`);
    return this.#peer(member).connection;
  }

  /** Keeps links to all of these members but this one, and to nobody else. */
  follow(members: readonly PeerMember[], self: MemberId): void {
    for (const [id, { connection }] of this.#peers) {
      if (members.some((member) => member.id === id)) continue;
      connection.abandon();
      this.#peers.delete(id);
    }
    for (const member of members) if (member.id !== self) this.#keepUp(member);
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
    const connection = connectMember(address, { ...this.#options, peer: id, onLink });
    const peer: Peer = { address, connection, incarnation: undefined, lostMs: undefined };
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
