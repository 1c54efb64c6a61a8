/** Connections to the other members: one each, made when first needed, kept until the member's address changes. */
import { GridError, type MemberId, type PartitionTable } from '@ashlar/core';
import { type ConnectionOptions, connectMember, type MemberConnection } from '@ashlar/transport';

export class Peers {
  readonly #options: ConnectionOptions;
  readonly #connections = new Map<string, MemberConnection>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** @throws GridError CONNECTION_LOST when the table has no such member */
  to(id: MemberId, table: PartitionTable): MemberConnection {
    const member = table.members.find((candidate) => candidate.id === id);
    if (member === undefined) throw new GridError('CONNECTION_LOST', `no member '${id}' in the table`);
    return this.at(member.address);
  }

  at(address: string): MemberConnection {
    const known = this.#connections.get(address);
    if (known !== undefined) return known;
    const connection = connectMember(address, this.#options);
    this.#connections.set(address, connection);
    return connection;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
}
