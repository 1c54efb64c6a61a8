/**
 * Checks a replica table, or changes of one, from a file or a wire field by field before anybody relies on them.
 *
 * replica-check V1  A table that comes out could have come about by steps: sets are of different members, primaries of their sets,
 *                   epochs and revisions no newer than the table.
 * replica-check V2  Changes that come out have the shape of changes; whether they apply is the step's to say.
 */
import {
  type Epoch,
  type MemberId,
  memberOfReplica,
  type PartitionPhase,
  type PartitionReplicas,
  type PlacedCopies,
  type Renunciation,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaMember,
  type ReplicaTable,
  type ReplicaTransaction,
  type RowReference,
  type Sequence,
  type Version,
} from '@ashlar/core';
import { countOf, damaged, type Fields, fieldsOf, listOf, PARTITIONS_MAX, textOf, unique } from '../checked-fields.ts';

const MEMBERS_MAX = 64;
/** A member changes each of its partitions at most a few times in a turn. */
const CHANGES_MAX = 4 * PARTITIONS_MAX;
const PHASES: readonly unknown[] = ['unassigned', 'promoting', 'serving', 'lost'] satisfies PartitionPhase[];

/** @throws GridError CORRUPT_DATA with what is wrong */
export function checkedReplicaTable(value: unknown): ReplicaTable {
  const fields = fieldsOf(value, 'the replica table');
  const version = countOf('version of the replica table', fields['version']);
  const members = listOf('members', fields['members'], MEMBERS_MAX).map(memberOf);
  unique(
    'members',
    members.map(({ replica }) => memberOfReplica(replica)),
  );
  const partitions = listOf('partitions', fields['partitions']).map((row) => rowOf(row, version));
  return { version, members, partitions };
}

/** @throws GridError CORRUPT_DATA with what is wrong */
export function checkedTransaction(value: unknown): ReplicaTransaction {
  const fields = fieldsOf(value, 'a transaction');
  const changes = listOf('changes', fields['changes'], CHANGES_MAX).map(changeOf);
  return { id: countOf('id of a transaction', fields['id']), changes };
}

/* ---- Tables ----------------------------------------------------------------------------------------------------------- */

function memberOf(value: unknown): ReplicaMember {
  const { replica, isAlive } = fieldsOf(value, 'a member');
  return { replica: replicaOf(replica), isAlive: flagOf('isAlive', isAlive) };
}

/** replica-check V1 */
function rowOf(value: unknown, version: number): PartitionReplicas {
  const fields = fieldsOf(value, 'a partition');
  const { phase } = fields;
  if (!PHASES.includes(phase)) throw damaged('a partition is in no phase');
  const epoch = countOf('an epoch', fields['epoch'], version) as Epoch;
  const row: PartitionReplicas = {
    ...{ phase: phase as PartitionPhase, epoch, inSync: setOf(fields['inSync']), wanted: wantedOf(fields['wanted']) },
    revision: countOf('a revision', fields['revision'], version),
    primary: isAbsent(fields['primary']) ? undefined : replicaOf(fields['primary']),
    isFresh: flagOf('isFresh', fields['isFresh']),
    logEpoch: countOf('the epoch of a log', fields['logEpoch'], epoch) as Epoch,
    renounced: isAbsent(fields['renounced']) ? undefined : renunciationOf(fields['renounced'], epoch),
    versionFloor: countOf('a floor of versions', fields['versionFloor']) as Version,
  };
  if (row.revision < row.epoch) throw damaged('a partition has a revision below its epoch');
  const isHeld = phase === 'serving' || phase === 'promoting';
  if (isHeld && (row.primary === undefined || !row.inSync.includes(row.primary))) {
    throw damaged('a primary is not of its set');
  }
  if (!isHeld && row.inSync.length > 0) throw damaged('a partition that nobody holds has a set');
  return row;
}

function renunciationOf(value: unknown, epoch: Epoch): Renunciation {
  const fields = fieldsOf(value, 'a renunciation');
  return {
    by: replicaOf(fields['by']),
    epoch: countOf('the epoch of a renunciation', fields['epoch'], epoch) as Epoch,
    lastSequence: countOf('a sequence', fields['lastSequence']) as Sequence,
    clock: countOf('a version', fields['clock']) as Version,
  };
}

/* ---- Changes ----------------------------------------------------------------------------------------------------------- */

/** replica-check V2 */
function changeOf(value: unknown): ReplicaChange {
  const fields = fieldsOf(value, 'a change');
  const { kind } = fields;
  switch (kind) {
    case 'register':
      return {
        ...{ kind, replica: replicaOf(fields['replica']) },
        replaces: isAbsent(fields['replaces']) ? undefined : replicaOf(fields['replaces']),
      };
    case 'expire':
      return { kind, replica: replicaOf(fields['replica']) };
    case 'create':
      return { kind, ...referenceOf(fields), ...placedOf(fields) };
    case 'recover': {
      const versionFloor = countOf('a floor of versions', fields['versionFloor']) as Version;
      return { kind, ...referenceOf(fields), ...placedOf(fields), versionFloor };
    }
    case 'want':
      return { kind, ...referenceOf(fields), wanted: wantedOf(fields['wanted']) };
    case 'setInSync':
    case 'complete':
      return { kind, ...referenceOf(fields), by: replicaOf(fields['by']), inSync: setOf(fields['inSync']) };
    case 'leaveSet':
      return { kind, ...referenceOf(fields), by: replicaOf(fields['by']) };
    case 'nominate':
      return { kind, ...referenceOf(fields), primary: replicaOf(fields['primary']) };
    case 'declareLost':
      return { kind, ...referenceOf(fields) };
    case 'renounce':
      return {
        ...{ kind, ...referenceOf(fields), by: replicaOf(fields['by']), successor: replicaOf(fields['successor']) },
        lastSequence: countOf('a sequence', fields['lastSequence']) as Sequence,
        clock: countOf('a version', fields['clock']) as Version,
      };
    default:
      throw damaged('a change is of no kind that is known');
  }
}

function referenceOf(fields: Fields): RowReference {
  return {
    partition: countOf('a partition', fields['partition'], PARTITIONS_MAX - 1),
    epoch: countOf('an epoch', fields['epoch']) as Epoch,
    revision: countOf('a revision', fields['revision']),
  };
}

function placedOf(fields: Fields): PlacedCopies {
  return {
    ...{ primary: replicaOf(fields['primary']), inSync: setOf(fields['inSync']), wanted: wantedOf(fields['wanted']) },
  };
}

/* ---- Names ------------------------------------------------------------------------------------------------------------- */

/** `member#incarnation`, neither of them empty. */
function replicaOf(value: unknown): ReplicaId {
  const text = textOf('a replica', value);
  const at = text.lastIndexOf('#');
  if (at <= 0 || at === text.length - 1) throw damaged('a replica names no member, or no incarnation');
  return text as ReplicaId;
}

function setOf(value: unknown): ReplicaId[] {
  const set = listOf('a set', value, MEMBERS_MAX).map(replicaOf);
  unique('members of a set', set.map(memberOfReplica));
  return set;
}

function wantedOf(value: unknown): MemberId[] {
  const wanted = listOf('where copies are wanted', value, MEMBERS_MAX).map(
    (one) => textOf('a member', one) as MemberId,
  );
  unique('members where a copy is wanted', wanted);
  return wanted;
}

/** As files and wires have it. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function flagOf(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw damaged(`${what} is neither true nor false`);
}
