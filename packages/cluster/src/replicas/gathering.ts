/**
 * A grid with copies whose coordinator lost what it kept: what its members hold is gathered, and the newest of it goes on.
 *
 *   fresh coordinator <- joins, each with the table that the member holds -> all of them are there -> that grid, at versions above
 *
 * A member that is not there may hold a newer table than all others, by which it alone has what was acknowledged last. So while
 * one is missing nothing is taken over: who serves goes on serving, nothing changes hands, and an operator may say that the
 * missing ones are given up.
 *
 * gathering G1  A grid is taken over when every member of the newest table found has joined, with what it holds or as a new
 *               process, which holds nothing. Of table and catalog the newest found each go on, above what may have been given.
 * gathering G2  Members are given up by an operator only, who names every partition of which one of them holds, or was to hold, a
 *               copy. What the others hold goes on; partitions of which nobody is left are lost.
 */
import {
  type Epoch,
  GridError,
  type MemberId,
  memberOfReplica,
  type PartitionReplicas,
  type ReplicaId,
} from '@ashlar/core';
import { above, checkTaken } from '../rebuild.ts';
import type { ControlState } from '../step.ts';
import { type JoinedMember, type TableState, withMember } from '../table-state.ts';
import { isReplicated, type ReplicatedTable, withReplicas } from './replicated-table.ts';

interface Offer {
  readonly member: JoinedMember;
  readonly held: ControlState;
}

export class Gathering {
  /** What those hold who have joined with something: the last of each. */
  readonly #offers = new Map<MemberId, Offer>();

  /** Whether something was found that waits to be taken over. */
  get isUnderWay(): boolean {
    return this.#offers.size > 0;
  }

  /**
   * A member joins, and holds a grid that the coordinator has lost.
   *
   * @param state  of the coordinator: a grid that never was complete
   * @throws GridError GRID_CONFLICT: it holds another grid than those before
   */
  offer(state: ControlState, member: JoinedMember, held: ControlState): void {
    const [known] = this.#offers.values();
    if (known !== undefined && known.held.table.gridId !== held.table.gridId) {
      throw new GridError(
        'GRID_CONFLICT',
        `member '${member.id}' holds grid ${held.table.gridId}, '${known.member.id}' holds grid ${known.held.table.gridId}`,
        { hint: 'stop the member that does not belong here and start it again: it joins empty' },
      );
    }
    checkTaken(state.table, held.table, member.id);
    this.#offers.set(member.id, { member, held });
  }

  /** A member joins that holds nothing. @throws GridError GRID_CONFLICT: it does not belong to the grid that was found */
  check({ id }: JoinedMember): void {
    if (!this.isUnderWay) return;
    const { members } = this.#newest().table;
    if (members.some((member) => member.id === id)) return;
    const names = members.map((member) => member.id).join(', ');
    throw new GridError('GRID_CONFLICT', `'${id}' does not belong to the grid of ${names}, which is being taken over`, {
      hint: 'start the member under the name that it had (--name)',
    });
  }

  /** Members of the newest table found that have not come yet. */
  missing(state: ControlState): readonly MemberId[] {
    const here = new Set<MemberId>([...this.#offers.keys(), ...state.table.members.map(({ id }) => id)]);
    return this.#newest()
      .table.members.map(({ id }) => id)
      .filter((id) => !here.has(id));
  }

  /** Partitions of which a missing member holds, or was to hold, a copy (gathering G2). */
  concerned(missing: readonly MemberId[]): readonly number[] {
    const { replicas } = this.#newest().table;
    return replicas.partitions.flatMap(({ inSync, wanted }, partition) =>
      [...inSync.map(memberOfReplica), ...wanted].some((member) => missing.includes(member)) ? [partition] : [],
    );
  }

  /** The grid that was found, with everybody in it who has joined (gathering G1), without those who are given up (G2). */
  takeOver({ table, catalog }: ControlState, givenUp: readonly MemberId[], run: string): ControlState {
    const { table: held, catalog: heldCatalog } = this.#newest();
    const tableVersion = above(held.tableVersion, table.tableVersion);
    const replicas = { ...held.replicas, version: tableVersion };
    const found = withReplicas({ ...held, awaited: [], run }, replicas) as ReplicatedTable;
    const joined = [...[...this.#offers.values()].map(({ member }) => member), ...table.members];
    const next = joined.reduce<TableState>(withMember, givenUp.length === 0 ? found : without(found, givenUp));
    this.#offers.clear();
    return {
      table: next,
      catalog: {
        ...heldCatalog,
        catalogVersion: above(heldCatalog.catalogVersion, catalog.catalogVersion),
        mapIdFloor: above(heldCatalog.mapIdFloor, catalog.mapIdFloor),
      },
    };
  }

  #newest(): { readonly table: ReplicatedTable; readonly catalog: ControlState['catalog'] } {
    const all = [...this.#offers.values()].map(({ held }) => held);
    const table = all
      .map((held) => held.table)
      .reduce((one, other) => (other.tableVersion > one.tableVersion ? other : one));
    const catalog = all
      .map((held) => held.catalog)
      .reduce((one, other) => (other.catalogVersion > one.catalogVersion ? other : one));
    if (!isReplicated(table)) throw new GridError('INTERNAL', 'gathering: what was found has no rows');
    return { table, catalog };
  }
}

/** Why a member that holds something has to wait. */
export function stillMissing(missing: readonly MemberId[]): GridError {
  return new GridError(
    'MEMBER_UNREACHABLE',
    `the coordinator has lost what it kept, and takes the grid over from its members when all are there: it awaits ${missing.join(', ')}`,
    {
      hint: 'start them; what is gone for good is given up by ashlar recover --accept-loss all',
      details: { members: missing },
    },
  );
}

/** The table without some members, whose copies are given up (gathering G2). */
function without(table: ReplicatedTable, givenUp: readonly MemberId[]): ReplicatedTable {
  const isGone = (replica: ReplicaId): boolean => givenUp.includes(memberOfReplica(replica));
  const { replicas } = table;
  const version = replicas.version + 1;
  const partitions = replicas.partitions.map((row) => rowWithout(row, isGone, version));
  const members = replicas.members.filter(({ replica }) => !isGone(replica));
  return withReplicas(table, { version, members, partitions }) as ReplicatedTable;
}

function rowWithout(
  row: PartitionReplicas,
  isGone: (replica: ReplicaId) => boolean,
  version: number,
): PartitionReplicas {
  if (!row.inSync.some(isGone)) return row;
  const inSync = row.inSync.filter((replica) => !isGone(replica));
  const next = { ...row, inSync, revision: version, renounced: undefined };
  const [first] = inSync;
  if (first === undefined) return { ...next, phase: 'lost', isFresh: false };
  if (inSync.includes(row.primary!)) return next;
  return { ...next, phase: 'promoting', primary: first, epoch: version as Epoch };
}
