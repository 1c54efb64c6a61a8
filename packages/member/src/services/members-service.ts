/** What members ask of each other: control, snapshots, parts of statements and jobs. */
import {
  type CatalogCommand,
  type ControlState,
  checkedCommand,
  checkedTransaction,
  type GridView,
  missingBundle,
} from '@ashlar/cluster';
import {
  type CallScope,
  GridError,
  type MapId,
  type MemberId,
  type PartitionId,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTransaction,
  type Version,
} from '@ashlar/core';
import { type TracedWork, type Tracing, tracedStream } from '@ashlar/observe';
import type { LocalSnapshots, Ownership } from '@ashlar/partitions';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import type { DocumentPaths } from '@ashlar/sql-executor';
import {
  buildTablesOf,
  type ChangeOutcome,
  type ChangePart,
  type ChangeRequest,
  changeRequestOf,
  type FragmentRunnerDependencies,
  type FragmentStats,
  fragmentBodyOf,
  PART_LEASE_MS,
  type RowChange,
  runLocalFragment,
  servePart,
} from '@ashlar/sql-runtime';
import {
  type JobPartOutput,
  LOCAL_PEER,
  type MembersService,
  type RenewResponse,
  type RunJobPartRequest,
} from '@ashlar/transport';
import { heldOf, newerThan, tableBytes, updateOf, updatesOf } from '../control/control-values.ts';
import { type JoinGuardDependencies, joinerOf, refuseTakenName } from '../control/join-guard.ts';
import { checkProtocol } from './admin-service.ts';
import { StateFeed } from './state-feed.ts';

export interface MembersDependencies {
  readonly control: GridView;
  readonly ownership: Ownership;
  /** Whether the coordinator is in this member. */
  readonly holdsCoordinator: boolean;
  readonly snapshots: LocalSnapshots;
  readonly hello: JoinGuardDependencies['hello'];
  readonly clock: { now(): Version; observe(version: Version): void };
  readonly fragments: FragmentRunnerDependencies;
  readonly findPaths: (mapId: MapId, signal: AbortSignal) => Promise<DocumentPaths>;
  readonly change: (request: ChangeRequest, call: CallScope) => Promise<ChangeOutcome>;
  readonly changePart: (rows: RowChange, leaseMs: number) => ChangePart;
  readonly jobPart: (request: RunJobPartRequest, call: CallScope) => AsyncIterable<JobPartOutput>;
  /** Writes of other members' listeners, as compute-runtime's listener-records.ts has them. */
  readonly deliver: (body: Uint8Array) => Promise<Uint8Array>;
  readonly tracing: Tracing;
}

const LEASE_MS = 10_000;

export function membersService(deps: MembersDependencies): MembersService {
  const { control, ownership, snapshots, clock } = deps;
  const states = new StateFeed<ControlState>();
  const now = (): ControlState => ({ table: control.table, catalog: control.catalog });
  control.onTable(() => states.publish(now()));
  control.onCatalog(() => states.publish(now()));
  const mustCoordinate = (): void => {
    if (deps.holdsCoordinator) return;
    throw new GridError('INVALID_ARGUMENT', 'the coordinator is not in this member', {
      hint: `join ${control.table.members[0]?.address ?? 'the first member'}`,
    });
  };
  /** A grid that is put together again has neither its maps nor its partitions yet. */
  const whenComplete = <T>(run: () => T): T => {
    control.requireComplete();
    return run();
  };
  /**
   * That this member has the partitions which a caller's table gives it: behind that table it catches up before it judges.
   *
   * @throws (rejects with) GridError STALE_EPOCH, LEASE_EXPIRED: nothing was done
   */
  const routed = async (partitions: readonly number[], tableVersion: number, call: CallScope): Promise<void> => {
    await control.waitForTable(tableVersion, call);
    ownership.checkRouted(partitions, tableVersion);
  };
  return {
    async join({ member, incarnation, version, protocolMin, protocolMax, held }) {
      mustCoordinate();
      checkProtocol('the joining member', protocolMin, protocolMax);
      clock.observe(version as Version);
      const joined = joinerOf({ member, incarnation });
      await refuseTakenName(joined, { self: control.self, members: control.table.members, hello: deps.hello });
      const state = await control.submit({ kind: 'join', member: joined, held: heldOf(held) });
      return { ...updateOf(state, undefined), version: clock.now(), leaseMs: LEASE_MS };
    },
    // The table is fixed: a member that leaves keeps its partitions, and takes them back when it returns.
    leave: async () => undefined,
    async heartbeat({ version }) {
      clock.observe(version as Version);
      return { leaseMs: LEASE_MS, version: clock.now() };
    },
    watchControl: (_request, { signal }) => updatesOf(states.follow(signal)),
    async changeCatalog({ body }) {
      mustCoordinate();
      const { table, catalog } = await control.submit(commandOf(body));
      return { catalogVersion: catalog.catalogVersion, body: updateOf({ table, catalog }, undefined).catalog };
    },
    async transact({ body }) {
      mustCoordinate();
      const table = await control.transact(transactionOf(body));
      return { table: tableBytes(table) };
    },
    async renew({ replica, number, ceiling }) {
      mustCoordinate();
      const grant = await control.renew(replica as ReplicaId, { number, ceiling: ceiling as Version });
      return grant === undefined ? NO_LEASE : { granted: true, ...grant };
    },
    async recover({ partitions }) {
      mustCoordinate();
      const { recovered, table } = await control.recover(partitions);
      return { recovered, table: tableBytes(table) };
    },
    async readControl(has) {
      mustCoordinate();
      return newerThan(now(), has);
    },
    async followCatalog({ catalogVersion, bundleHash = '' }, { signal, deadlineMs }) {
      await control.waitForCatalog(catalogVersion, { signal, deadlineMs });
      const isWanted = control.catalog.modules.some(({ hash }) => hash === bundleHash);
      if (isWanted) await control.bundle(bundleHash);
      await control.stands();
      return { catalogVersion: control.catalog.catalogVersion };
    },
    async fetchBundle({ hash }) {
      const text = control.bundleAtHand(hash);
      if (text === undefined) throw missingBundle(hash);
      return { text: Buffer.from(text, 'utf8') };
    },
    pinSnapshot: async ({ version, memberId }, { peer }) => {
      const owner = peer === LOCAL_PEER ? undefined : knownMember(memberId, control);
      return whenComplete(() => snapshots.pin(version as Version, owner));
    },
    async openSnapshot({ pinId, version, partitions, tableVersion }, call) {
      await routed(partitions, tableVersion, call);
      return { snapshotId: await snapshots.open(pinId, version as Version, readIn(partitions), call.signal) };
    },
    releaseSnapshot: async ({ snapshotId }) => snapshots.release(snapshotId),
    findPaths: async ({ mapId }, { signal }) => ({
      body: encodeValue(await whenComplete(() => deps.findPaths(mapId as MapId, signal))),
    }),
    async *runFragment(request, call) {
      const { signal, trace } = call;
      const { fragment, mapId, clockMs, strict, buildStages } = fragmentBodyOf(request.plan);
      const partitions = request.partitions as readonly PartitionId[];
      await routed(partitions, request.tableVersion, call);
      const stats: FragmentStats = { rowsScanned: 0, rowsOut: 0, tasks: 0, odd: [] };
      let isScanned = false;
      let isTold = false;
      const job = {
        fragment,
        mapId,
        partitions,
        snapshotId: request.snapshotId,
        snapshotVersion: request.version as Version,
        parameters: new Uint8Array(request.parameters),
        buildTables: buildTablesOf(buildStages, request.buildTables),
        memoryBytes: request.memoryBytes,
        clockMs,
        strict,
        signal,
        onScanned: () => {
          isScanned = true;
        },
      };
      const begin = (): TracedWork =>
        deps.tracing.begin('ashlar.sql.fragment', trace, { 'ashlar.partitions': partitions.length });
      const batches = tracedStream(begin, () => runLocalFragment(job, deps.fragments, stats));
      let sent = 0;
      for await (const bytes of batches) {
        if (isScanned && !isTold) {
          isTold = true;
          yield { kind: 'scanned' };
        }
        sent += 1;
        yield { kind: 'batch', bytes };
      }
      yield { kind: 'end', rows: stats.rowsOut, body: encodeValue(stats), batches: sent };
    },
    runJobPart: (request, context) => whenComplete(() => deps.jobPart(request, context)),
    deliverWrites: async ({ body }) => ({ body: await whenComplete(() => deps.deliver(body)) }),
    async modifyRows({ body, tableVersion }, context) {
      const request = changeRequestOf(body);
      await routed(partitionsOf(request), tableVersion, context);
      const { affected, version, odd, keysFound = [] } = await whenComplete(() => deps.change(request, context));
      return { affected, version, body: encodeValue({ odd, keysFound }) };
    },
    changePart(inputs, call) {
      const { signal, trace } = call;
      const open = async (rows: RowChange, tableVersion: number): Promise<ChangePart> => {
        await routed(partitionsOf(rows), tableVersion, call);
        return whenComplete(() => deps.changePart(rows, PART_LEASE_MS));
      };
      const begin = (): TracedWork => deps.tracing.begin('ashlar.sql.change', trace, {});
      return tracedStream(begin, () => servePart(inputs, open, signal));
    },
  };
}

/** Changes of the catalog only: a member joins by `join`. @throws GridError INVALID_ARGUMENT, INVALID_NAME */
function commandOf(body: Uint8Array): CatalogCommand {
  let command: unknown;
  try {
    command = decodeValue(body);
  } catch (error) {
    throw new GridError('INVALID_ARGUMENT', 'a change of the catalog could not be read', { cause: error });
  }
  return checkedCommand(command);
}

/** What a member may change in the table; all else is the controller's, or an operator's. */
const CHANGES_OF_MEMBERS: ReadonlySet<ReplicaChange['kind']> = new Set([
  ...(['register', 'setInSync', 'leaveSet', 'complete', 'renounce'] as const),
]);
const NO_LEASE: RenewResponse = { granted: false, number: 0, tableVersion: 0 };

/** @throws GridError INVALID_ARGUMENT */
function transactionOf(body: Uint8Array): ReplicaTransaction {
  let transaction: ReplicaTransaction;
  try {
    transaction = checkedTransaction(decodeValue(body));
  } catch (error) {
    const cause = GridError.wrap(error);
    throw new GridError('INVALID_ARGUMENT', `a change of copies could not be read: ${cause.message}`, { cause });
  }
  const other = transaction.changes.find(({ kind }) => !CHANGES_OF_MEMBERS.has(kind));
  if (other === undefined) return transaction;
  throw new GridError('INVALID_ARGUMENT', `'${other.kind}' is no change that a member makes`);
}

/** @throws GridError INVALID_ARGUMENT */
function knownMember(id: string, { table, self }: GridView): MemberId {
  if (id !== self && table.members.some((member) => member.id === id)) return id as MemberId;
  throw new GridError('INVALID_ARGUMENT', `'${id}' is not another member of this grid: it has no pins here`);
}

/** The partitions that a snapshot reads; undefined: all that are here. */
function readIn(partitions: readonly number[]): readonly PartitionId[] | undefined {
  return partitions.length === 0 ? undefined : (partitions as readonly PartitionId[]);
}

function partitionsOf(request: ChangeRequest): readonly PartitionId[] {
  return (request.kind === 'insert' ? request.rows : request.task).partitions as readonly PartitionId[];
}
