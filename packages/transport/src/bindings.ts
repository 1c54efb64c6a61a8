/** Services to grpc-js: every method of every service with its kind and handler. */
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { subscribeCreditBytes } from './event-codec.ts';
import { messageBuffers } from './message-buffers.ts';
import { KV_BATCH_PATH, METHODS } from './methods.ts';
import { creditCall, type ServerState, streamCall, unaryCall } from './server-calls.ts';
import { conversationCall } from './server-conversation.ts';
import { exchangeCall } from './server-exchange.ts';
import { kvBatchCall, type ServerKvStream, type StreamBounds } from './server-kv-stream.ts';
import type { GridServices } from './services.ts';

export const SERVICE_NAMES = ['Kv', 'Sql', 'Compute', 'Events', 'Admin', 'Members', 'Replication'] as const;
type ServiceName = (typeof SERVICE_NAMES)[number];

const m = METHODS;

/** Methods whose answers are encoded into memory that is used again. */
const POOLED_PATHS: ReadonlySet<string> = new Set([KV_BATCH_PATH, m.subscribe.path]);

/** Bytes of a result's message that cost credit: only its batches do. */
function batchBytes(output: { readonly kind: string; readonly bytes?: Uint8Array }): number {
  return output.kind === 'batch' ? (output.bytes?.length ?? 0) : 0;
}

export function bind(
  services: GridServices,
  state: ServerState,
  bounds: StreamBounds,
  streams: Set<ServerKvStream>,
): Record<ServiceName, UntypedServiceImplementation> {
  const { kv, sql, compute, events } = services;
  return {
    Kv: {
      Batch: kvBatchCall(kv, state, bounds, streams),
      OpenSession: unaryCall(m.openSession, (request, context) => kv.openSession(request, context), state),
      RenewSession: unaryCall(m.renewSession, (request, context) => kv.renewSession(request, context), state),
      CloseSession: unaryCall(
        m.closeSession,
        nothing((request, context) => kv.closeSession(request, context)),
        state,
      ),
      Get: unaryCall(m.get, (request, context) => kv.get(request, context), state),
      Put: unaryCall(m.put, (request, context) => kv.put(request, context), state),
      Remove: unaryCall(m.remove, (request, context) => kv.remove(request, context), state),
    },
    Sql: {
      Execute: creditCall(m.execute, batchBytes, (request, context) => sql.execute(request, context), state),
      Query: unaryCall(m.query, (request, context) => sql.query(request, context), state),
    },
    Compute: {
      Deploy: unaryCall(m.deploy, (request, context) => compute.deploy(request, context), state),
      Undeploy: unaryCall(m.undeploy, (request, context) => compute.undeploy(request, context), state),
      ListModules: unaryCall(m.listModules, (_, context) => compute.listModules(context), state),
      RunJob: streamCall(m.runJob, (request, context) => compute.runJob(request, context), state),
      ProcessWhere: unaryCall(m.processWhere, (request, context) => compute.processWhere(request, context), state),
    },
    Events: {
      Subscribe: creditCall(
        m.subscribe,
        subscribeCreditBytes,
        (request, context) => events.subscribe(request, context),
        state,
      ),
    },
    Admin: bindAdmin(services, state),
    Members: bindMembers(services, state),
    Replication: { Exchange: exchangeCall(services.replication, state) },
  };
}

function bindAdmin({ admin }: GridServices, state: ServerState): UntypedServiceImplementation {
  return {
    Hello: unaryCall(m.hello, (request, context) => admin.hello(request, context), state),
    GetTable: unaryCall(m.getTable, (_, context) => admin.getTable(context), state),
    WatchTable: streamCall(m.watchTable, (_, context) => admin.watchTable(context), state),
    Ping: unaryCall(m.ping, (_, context) => admin.ping(context), state),
    ListMaps: unaryCall(m.listMaps, (_, context) => admin.listMaps(context), state),
    MapSize: unaryCall(m.mapSize, (request, context) => admin.mapSize(request, context), state),
    Clear: unaryCall(m.clear, (request, context) => admin.clear(request, context), state),
    DropMap: unaryCall(m.dropMap, (request, context) => admin.dropMap(request, context), state),
    DropColumns: unaryCall(
      m.dropColumns,
      nothing((request, context) => admin.dropColumns(request, context)),
      state,
    ),
    Stats: unaryCall(m.stats, (_, context) => admin.stats(context), state),
    GetReplicas: unaryCall(m.getReplicas, (_, context) => admin.getReplicas(context), state),
    Recover: unaryCall(m.recoverPartitions, (request, context) => admin.recover(request, context), state),
  };
}

function bindMembers({ members }: GridServices, state: ServerState): UntypedServiceImplementation {
  return {
    Join: unaryCall(m.join, (request, context) => members.join(request, context), state),
    Leave: unaryCall(
      m.leave,
      nothing((request, context) => members.leave(request, context)),
      state,
    ),
    Heartbeat: unaryCall(m.heartbeat, (request, context) => members.heartbeat(request, context), state),
    WatchControl: streamCall(m.watchControl, (request, context) => members.watchControl(request, context), state),
    FollowCatalog: unaryCall(m.followCatalog, (request, context) => members.followCatalog(request, context), state),
    FetchBundle: unaryCall(m.fetchBundle, (request, context) => members.fetchBundle(request, context), state),
    ReadControl: unaryCall(m.readControl, (request, context) => members.readControl(request, context), state),
    Transact: unaryCall(m.transact, (request, context) => members.transact(request, context), state),
    Renew: unaryCall(m.renew, (request, context) => members.renew(request, context), state),
    Recover: unaryCall(m.recover, (request, context) => members.recover(request, context), state),
    ChangeCatalog: unaryCall(m.changeCatalog, (request, context) => members.changeCatalog(request, context), state),
    PinSnapshot: unaryCall(m.pinSnapshot, (request, context) => members.pinSnapshot(request, context), state),
    OpenSnapshot: unaryCall(m.openSnapshot, (request, context) => members.openSnapshot(request, context), state),
    ReleaseSnapshot: unaryCall(
      m.releaseSnapshot,
      nothing((request, context) => members.releaseSnapshot(request, context)),
      state,
    ),
    FindPaths: unaryCall(m.findPaths, (request, context) => members.findPaths(request, context), state),
    RunFragment: creditCall(
      m.runFragment,
      batchBytes,
      (request, context) => members.runFragment(request, context),
      state,
    ),
    RunJobPart: streamCall(m.runJobPart, (request, context) => members.runJobPart(request, context), state),
    ModifyRows: unaryCall(m.modifyRows, (request, context) => members.modifyRows(request, context), state),
    ChangePart: conversationCall(m.changePart, (inputs, context) => members.changePart(inputs, context), state),
    DeliverWrites: unaryCall(m.deliverWrites, (request, context) => members.deliverWrites(request, context), state),
  };
}

function nothing<Request, Context>(
  handler: (request: Request, context: Context) => Promise<void>,
): (request: Request, context: Context) => Promise<undefined> {
  return async (request, context) => {
    await handler(request, context);
    return undefined;
  };
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}

/** Methods that stream, as the schemas say it: a door is opened before these are read. */
const STREAMS_BOTH: ReadonlySet<string> = new Set([
  'Kv/Batch',
  'Sql/Execute',
  'Events/Subscribe',
  'Members/RunFragment',
  'Members/ChangePart',
  'Replication/Exchange',
]);
const STREAMS_ANSWERS: ReadonlySet<string> = new Set([
  'Compute/RunJob',
  'Admin/WatchTable',
  'Members/WatchControl',
  'Members/RunJobPart',
]);

/** The definition of a service whose messages stay bytes: handlers decode, so that their failures are theirs to name. */
export function rawDefinition(service: ServiceName, names: readonly string[]): ServiceDefinition {
  const methods = names.map((name) => {
    const method = `${service}/${name}`;
    const path = `/ashlar.v1.${method}`;
    const isBoth = STREAMS_BOTH.has(method);
    const definition = {
      path,
      requestStream: isBoth,
      responseStream: isBoth || STREAMS_ANSWERS.has(method),
      requestSerialize: sameBytes,
      requestDeserialize: sameBytes,
      responseSerialize: POOLED_PATHS.has(path) ? messageBuffers.serialize : sameBytes,
      responseDeserialize: sameBytes,
    };
    return [name, definition];
  });
  return Object.fromEntries(methods) as ServiceDefinition;
}
