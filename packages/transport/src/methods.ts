/**
 * Every method with its codec, for both ends: plain data of services.ts <-> bytes of `protos/ashlar/v1`.
 *
 * Messages whose fields have the same names and shapes pass through protobufjs as they are; the others name a
 * conversion. Schemas are loaded at the first message, not at import.
 */
import { GridError, type PartitionTable } from '@ashlar/core';
import type { StatementOutput } from '@ashlar/serialization';
import {
  type Conversion,
  creditInput,
  deployRequest,
  fragmentOutput,
  helloResponse,
  jobOutput,
  jobPartOutput,
  partInput,
  partOutput,
  replicas,
  sqlOutput,
  subscribeRequest,
  table,
} from './conversions.ts';
import { decodeSubscribeOutput, encodeSubscribeOutput } from './event-codec.ts';
import { Guard } from './request-guard.ts';
import { type SchemaMethod, serviceMethods } from './schema.ts';
import type * as s from './services.ts';
import { malformed } from './wire.ts';

export type Encode<T> = (value: T) => Buffer;
export type Decode<T> = (bytes: Buffer) => T;

/** What a call may have done when its link breaks: a 'write' may have been applied, one with 'none' may be sent again. */
export type Effect = 'none' | 'write';

export interface Method<Request, Response> {
  readonly path: string;
  readonly service: string;
  readonly name: string;
  readonly effect: Effect;
  /** Whether it is about what the catalog holds: the caller's version of it travels with it (known-catalog.ts). */
  readonly namesCatalog: boolean;
  /** Whether its stream tells of changes for as long as somebody listens: a door that drains ends it at once. */
  readonly isWatch: boolean;
  readonly encodeRequest: Encode<Request>;
  readonly decodeRequest: Decode<Request>;
  readonly encodeResponse: Encode<Response>;
  readonly decodeResponse: Decode<Response>;
}

/** What the caller of a method with credit sends: the request, then grants. */
export type CreditInput<Request> =
  | { readonly request: Request; readonly creditBytes: number }
  | { readonly request?: undefined; readonly creditBytes: number };

interface Codecs<Request, Response> {
  readonly request?: Conversion<Request>;
  readonly response?: Conversion<Response>;
  readonly effect?: Effect;
  readonly namesCatalog?: boolean;
  readonly isWatch?: boolean;
}

function method<Request, Response>(
  service: string,
  name: string,
  codecs: Codecs<Request, Response> = {},
): Method<Request, Response> {
  let known: SchemaMethod | undefined;
  const schema = (): SchemaMethod => {
    known ??= serviceMethods(service)[name];
    if (known === undefined) throw new TypeError(`no method ${service}/${name}`);
    return known;
  };
  const { request, response } = codecs;
  let guard: Guard | undefined;
  const checked = (bytes: Buffer): Buffer => {
    guard ??= Guard.of(schema().request.type);
    guard.check(bytes);
    return bytes;
  };
  return {
    path: `/ashlar.v1.${service}/${name}`,
    service,
    name,
    effect: codecs.effect ?? 'none',
    namesCatalog: codecs.namesCatalog ?? false,
    isWatch: codecs.isWatch ?? false,
    encodeRequest: (value) => schema().request.serialize(request === undefined ? (value ?? {}) : request.out(value)),
    decodeRequest: (bytes) => converted(parsed(schema().request.deserialize, checked(bytes)), request),
    encodeResponse: (value) =>
      schema().response.serialize(response === undefined ? (value ?? {}) : response.out(value)),
    decodeResponse: (bytes) => converted(schema().response.deserialize(bytes), response),
  };
}

/** Decodes; bytes that the guard let through and the library refuses are the caller's fault all the same. */
function parsed(deserialize: (bytes: Buffer) => object, bytes: Buffer): object {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw GridError.is(error) ? error : malformed(error instanceof Error ? error.message : 'it cannot be read');
  }
}

function converted<T>(message: object, conversion: Conversion<T> | undefined): T {
  return conversion === undefined ? (message as T) : conversion.in(message);
}

/** The bytes of an answer that many callers share are made once: it is the same object, and never changes. */
function shared<Request, Response extends object>(method: Method<Request, Response>): Method<Request, Response> {
  const made = new WeakMap<Response, Buffer>();
  const encodeResponse = (response: Response): Buffer => {
    let bytes = made.get(response);
    if (bytes === undefined) made.set(response, (bytes = method.encodeResponse(response)));
    return bytes;
  };
  return { ...method, encodeResponse };
}

type Nothing = undefined;

export const KV_BATCH_PATH = '/ashlar.v1.Kv/Batch';
export const EXCHANGE_PATH = '/ashlar.v1.Replication/Exchange';
/** Metadata of Kv/Batch: which of its caller's streams to this member it is (kv.proto). */
export const STREAM_GENERATION = 'ashlar-stream-generation';

export const METHODS = {
  openSession: method<s.SessionRequest, s.SessionLease>('Kv', 'OpenSession'),
  renewSession: method<{ session: number; lowestUnanswered: number }, s.SessionLease>('Kv', 'RenewSession'),
  closeSession: method<{ session: number }, Nothing>('Kv', 'CloseSession'),
  get: method<{ map: string; key: s.KeyText }, s.GetResponse>('Kv', 'Get', { namesCatalog: true }),
  put: method<s.PutRequest, { version: number }>('Kv', 'Put', { effect: 'write', namesCatalog: true }),
  remove: method<{ map: string; key: s.KeyText }, { removed: boolean }>('Kv', 'Remove', {
    effect: 'write',
    namesCatalog: true,
  }),

  execute: method<CreditInput<s.SqlRequest>, StatementOutput>('Sql', 'Execute', {
    request: creditInput<s.SqlRequest>(),
    response: sqlOutput,
    effect: 'write',
    namesCatalog: true,
  }),
  query: method<s.SqlRequest, s.QueryResponse>('Sql', 'Query', { effect: 'write', namesCatalog: true }),

  deploy: method<s.DeployRequest, { module: string; hash: string }>('Compute', 'Deploy', {
    request: deployRequest,
    namesCatalog: true,
  }),
  undeploy: method<{ name: string }, { existed: boolean }>('Compute', 'Undeploy', { namesCatalog: true }),
  listModules: method<Nothing, { modules: readonly s.ModuleInfo[] }>('Compute', 'ListModules', { namesCatalog: true }),
  runJob: method<s.RunJobRequest, s.JobOutput>('Compute', 'RunJob', { response: jobOutput, namesCatalog: true }),
  processWhere: method<s.ProcessWhereRequest, s.ProcessWhereResponse>('Compute', 'ProcessWhere', {
    effect: 'write',
    namesCatalog: true,
  }),

  /** Its events take the fast codec. */
  subscribe: {
    ...method<CreditInput<s.SubscribeRequest>, s.SubscribeOutput>('Events', 'Subscribe', {
      request: creditInput(subscribeRequest),
      namesCatalog: true,
    }),
    encodeResponse: encodeSubscribeOutput,
    decodeResponse: decodeSubscribeOutput,
  },

  hello: method<s.HelloRequest, s.HelloResponse>('Admin', 'Hello', { response: helloResponse }),
  getTable: method<Nothing, PartitionTable>('Admin', 'GetTable', { response: table }),
  watchTable: method<Nothing, PartitionTable>('Admin', 'WatchTable', { response: table, isWatch: true }),
  ping: method<Nothing, { memberId: string; address: string; version: number }>('Admin', 'Ping'),
  listMaps: shared(method<Nothing, { maps: readonly s.MapInfo[] }>('Admin', 'ListMaps', { namesCatalog: true })),
  mapSize: method<s.MapSizeRequest, { entries: number; bytes: number }>('Admin', 'MapSize', { namesCatalog: true }),
  clear: method<{ map: string }, { removed: number; version: number }>('Admin', 'Clear', {
    effect: 'write',
    namesCatalog: true,
  }),
  dropMap: method<{ map: string }, { existed: boolean; mapId: number }>('Admin', 'DropMap', {
    effect: 'write',
    namesCatalog: true,
  }),
  dropColumns: method<{ map: string }, Nothing>('Admin', 'DropColumns'),
  stats: shared(method<Nothing, s.StatsResponse>('Admin', 'Stats')),
  getReplicas: method<Nothing, s.GetReplicasResponse>('Admin', 'GetReplicas', { response: replicas }),
  recoverPartitions: method<s.RecoverRequest, { recovered: readonly number[] }>('Admin', 'Recover', {
    effect: 'write',
  }),

  join: method<s.JoinRequest, s.JoinResponse>('Members', 'Join'),
  leave: method<{ memberId: string; incarnation: string }, Nothing>('Members', 'Leave'),
  heartbeat: method<s.HeartbeatRequest, { leaseMs: number; version: number }>('Members', 'Heartbeat'),
  watchControl: method<{ memberId: string }, s.ControlUpdate>('Members', 'WatchControl', { isWatch: true }),
  changeCatalog: method<{ body: Uint8Array }, { catalogVersion: number; body: Uint8Array }>(
    'Members',
    'ChangeCatalog',
    { effect: 'write' },
  ),
  readControl: method<s.ReadControlRequest, s.ControlUpdate>('Members', 'ReadControl'),
  /** Applied twice it changes nothing twice, so it may be sent again. */
  transact: method<{ body: Uint8Array }, { table: Uint8Array }>('Members', 'Transact'),
  renew: method<s.RenewRequest, s.RenewResponse>('Members', 'Renew'),
  recover: method<s.RecoverRequest, s.RecoverResponse>('Members', 'Recover', { effect: 'write' }),
  followCatalog: method<s.FollowCatalogRequest, { catalogVersion: number }>('Members', 'FollowCatalog'),
  fetchBundle: method<{ hash: string }, { text: Uint8Array }>('Members', 'FetchBundle'),
  pinSnapshot: method<{ version: number; memberId: string }, { pinId: number; version: number }>(
    'Members',
    'PinSnapshot',
  ),
  openSnapshot: method<s.OpenSnapshotRequest, { snapshotId: number }>('Members', 'OpenSnapshot'),
  releaseSnapshot: method<{ snapshotId: number }, Nothing>('Members', 'ReleaseSnapshot'),
  findPaths: method<{ mapId: number }, { body: Uint8Array }>('Members', 'FindPaths', { namesCatalog: true }),
  runFragment: method<CreditInput<s.FragmentRequest>, s.FragmentOutput>('Members', 'RunFragment', {
    request: creditInput<s.FragmentRequest>(),
    response: fragmentOutput,
    namesCatalog: true,
  }),
  runJobPart: method<s.RunJobPartRequest, s.JobPartOutput>('Members', 'RunJobPart', {
    response: jobPartOutput,
    namesCatalog: true,
  }),
  modifyRows: method<{ body: Uint8Array; tableVersion: number }, s.ModifyRowsResponse>('Members', 'ModifyRows', {
    effect: 'write',
    namesCatalog: true,
  }),
  /** Each input says whether it has an effect: only a commit does. */
  changePart: method<s.PartInput, s.PartOutput>('Members', 'ChangePart', {
    request: partInput,
    response: partOutput,
    namesCatalog: true,
  }),
  deliverWrites: method<{ body: Uint8Array }, { body: Uint8Array }>('Members', 'DeliverWrites', {
    effect: 'write',
    namesCatalog: true,
  }),
} as const;
