/**
 * The one table of what a caller may ask for: rpc -> permission. What is not in it is refused.
 *
 * The permission of a kv batch is that of each of its operations; a statement's handler asks once it knows the maps.
 */

export type Permission =
  /** Connect, hello, table, ping. */
  | 'connect'
  | 'read'
  | 'write'
  /** Run processors and jobs that are deployed. */
  | 'execute'
  /** Put code on members. */
  | 'deploy'
  | 'subscribe'
  /** Create and drop maps; accept the loss of partitions. */
  | 'define'
  /** List maps, modules, sizes. */
  | 'inspect'
  /** Be a member. */
  | 'member';

export interface Operation {
  readonly permission: Permission;
  /** The request's field that names the map; undefined: the operation is not about one map. */
  readonly mapField: 'map' | undefined;
}

function about(permission: Permission, mapField?: 'map'): Operation {
  return { permission, mapField };
}

/** By full method path. */
export const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ['/ashlar.v1.Kv/Batch', about('connect')],
  ['/ashlar.v1.Kv/OpenSession', about('connect')],
  ['/ashlar.v1.Kv/RenewSession', about('connect')],
  ['/ashlar.v1.Kv/CloseSession', about('connect')],
  ['/ashlar.v1.Kv/Get', about('read', 'map')],
  ['/ashlar.v1.Kv/Put', about('write', 'map')],
  ['/ashlar.v1.Kv/Remove', about('write', 'map')],
  ['/ashlar.v1.Sql/Execute', about('connect')],
  ['/ashlar.v1.Sql/Query', about('connect')],
  ['/ashlar.v1.Compute/Deploy', about('deploy')],
  ['/ashlar.v1.Compute/Undeploy', about('deploy')],
  ['/ashlar.v1.Compute/ListModules', about('inspect')],
  ['/ashlar.v1.Compute/RunJob', about('execute', 'map')],
  ['/ashlar.v1.Compute/ProcessWhere', about('execute', 'map')],
  ['/ashlar.v1.Events/Subscribe', about('subscribe', 'map')],
  ['/ashlar.v1.Admin/Hello', about('connect')],
  ['/ashlar.v1.Admin/GetTable', about('connect')],
  ['/ashlar.v1.Admin/WatchTable', about('connect')],
  ['/ashlar.v1.Admin/Ping', about('connect')],
  ['/ashlar.v1.Admin/ListMaps', about('inspect')],
  ['/ashlar.v1.Admin/MapSize', about('read', 'map')],
  ['/ashlar.v1.Admin/Clear', about('write', 'map')],
  ['/ashlar.v1.Admin/DropMap', about('define', 'map')],
  ['/ashlar.v1.Admin/DropColumns', about('define', 'map')],
  ['/ashlar.v1.Admin/Stats', about('inspect')],
  ['/ashlar.v1.Admin/GetReplicas', about('inspect')],
  ['/ashlar.v1.Admin/Recover', about('define')],
  ['/ashlar.v1.Members/Join', about('member')],
  ['/ashlar.v1.Members/Leave', about('member')],
  ['/ashlar.v1.Members/Heartbeat', about('member')],
  ['/ashlar.v1.Members/WatchControl', about('member')],
  ['/ashlar.v1.Members/ChangeCatalog', about('member')],
  ['/ashlar.v1.Members/ReadControl', about('member')],
  ['/ashlar.v1.Members/Transact', about('member')],
  ['/ashlar.v1.Members/Renew', about('member')],
  ['/ashlar.v1.Members/Recover', about('member')],
  ['/ashlar.v1.Members/FollowCatalog', about('member')],
  ['/ashlar.v1.Members/FetchBundle', about('member')],
  ['/ashlar.v1.Members/PinSnapshot', about('member')],
  ['/ashlar.v1.Members/OpenSnapshot', about('member')],
  ['/ashlar.v1.Members/ReleaseSnapshot', about('member')],
  ['/ashlar.v1.Members/FindPaths', about('member')],
  ['/ashlar.v1.Members/RunFragment', about('member')],
  ['/ashlar.v1.Members/RunJobPart', about('member')],
  ['/ashlar.v1.Members/ModifyRows', about('member')],
  ['/ashlar.v1.Members/ChangePart', about('member')],
  ['/ashlar.v1.Members/DeliverWrites', about('member')],
  ['/ashlar.v1.Replication/Exchange', about('member')],
]);
