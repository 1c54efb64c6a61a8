/** What tests of services begin with: a grid in memory as one of its members sees it, and the context of a call. */
import { EmbeddedCoordinator, GridView, type TableState } from '@ashlar/cluster';
import { creates, joins, ManualControl, MemoryKeeper } from '@ashlar/cluster/testing';
import { ModuleRegistry } from '@ashlar/compute';
import { type Epoch, HybridClock, type MapId, type MemberId, type PartitionId } from '@ashlar/core';
import { encodeKey, encodeValue } from '@ashlar/serialization';
import { MemberStore } from '@ashlar/storage';
import type { CallContext } from '@ashlar/transport';
import { pino } from 'pino';
import { CatalogFollower } from '../catalog-follower.ts';

export const SELF = 'a' as MemberId;

export interface TestGridOptions {
  readonly partitionCount?: number;
  /** All that the grid expects; the first is this member. */
  readonly members?: readonly string[];
  /** How many of them have joined. Default: all. */
  readonly joined?: number;
  /** Default: 0. */
  readonly backups?: number;
}

/** A coordinator, the view that member `a` has of it, and its store, which follows the view. */
export async function testGrid({
  partitionCount = 4,
  members = [SELF],
  joined = members.length,
  backups = 0,
}: TestGridOptions = {}) {
  const time = new ManualControl();
  const coordinator = new EmbeddedCoordinator({
    ...{ partitionCount, expectedMembers: members.length, backups, newGridId: () => 'grid', control: time },
    keeper: new MemoryKeeper(),
  });
  const tell: ((table: TableState) => void)[] = [];
  const watchTable = coordinator.watchTable.bind(coordinator);
  coordinator.watchTable = (listener) => {
    tell.push(listener);
    return watchTable(listener);
  };
  const control = new GridView(SELF, coordinator);
  const clock = new HybridClock();
  const store = MemberStore.create({ maxBytes: 8 << 20, partitionCount, maxWorkers: 0, hashSeed: 1, clock });
  const log = pino({ level: 'silent' });
  const follower = new CatalogFollower({ store, control, modules: new ModuleRegistry(), log });
  for (const name of members.slice(0, joined)) await coordinator.submit(joins(name));
  const createMap = async (name: string): Promise<MapId> => {
    await coordinator.submit(creates(name));
    return control.maps.get(name)!.id;
  };
  /** The grid hears that a partition had another primary, and is this member's again. */
  const loseAndRegain = (partition: number): void => {
    const { table } = control;
    const epochs = table.epochs.map((epoch, index) => (index === partition ? epoch + 1 : epoch) as Epoch);
    for (const one of tell) one({ ...table, epochs, tableVersion: table.tableVersion + 1 });
  };
  /** Commits one entry a key. */
  const put = (mapId: MapId, partition: number, ...keys: readonly (string | number)[]): void => {
    for (const key of keys) {
      const [bytes, value] = [encodeKey(key), encodeValue({ of: key })];
      const batch = store.begin();
      batch.put(mapId, partition as PartitionId, bytes, 0, bytes.length, batch.value(value, 0, value.length));
      batch.commit();
    }
  };
  return {
    coordinator,
    time,
    control,
    clock,
    store,
    log,
    createMap,
    loseAndRegain,
    put,
    close: () => follower.close(),
  };
}

/** A caller that may do everything, has no deadline, and leaves when `abort` says so. */
export function callContext(changes: Partial<CallContext> = {}): CallContext {
  return {
    ...{ signal: new AbortController().signal, deadlineMs: undefined, trace: undefined, peer: '127.0.0.1:9' },
    principal: { name: 'tester', roles: [] },
    require: () => undefined,
    ...changes,
  };
}
