/** Makes store and modules what the grid's control state says: maps, partitions at their epochs, deployed code. */
import type { CatalogedModule, ControlState } from '@ashlar/cluster';
import type { Epoch, PartitionId } from '@ashlar/core';
import type { ModuleExport } from '@ashlar/modules';
import type { MemberParts } from './member-parts.ts';

export function followCatalog(parts: MemberParts): void {
  parts.control.onChange((state, before) => {
    applyMaps(state, before, parts);
    applyPartitions(state, parts);
    applyModules(state, before, parts);
  });
}

function applyMaps(state: ControlState, before: ControlState | undefined, { store, log }: MemberParts): void {
  for (const { id, affinityParts, ttlMs, maxIdleMs } of state.maps) {
    if (!store.hasMap(id)) store.openMap(id, { affinityParts, ttlMs, maxIdleMs });
  }
  for (const { id, name } of before?.maps ?? []) {
    if (state.maps.some((map) => map.id === id) || !store.hasMap(id)) continue;
    store.dropMap(id);
    log.info({ map: name }, 'map dropped');
  }
}

function applyPartitions(state: ControlState, { store, control }: MemberParts): void {
  state.owners.forEach((_owners, partition) => {
    if (control.isMine(partition)) store.openPartition(partition as PartitionId, state.epochs[partition] as Epoch);
    else if (store.isPartitionOpen(partition as PartitionId)) store.closePartition(partition as PartitionId);
  });
}

function applyModules(state: ControlState, before: ControlState | undefined, { modules, log }: MemberParts): void {
  for (const module of state.modules) {
    const known = before?.modules.find(({ name }) => name === module.name);
    if (known?.generation === module.generation) continue;
    const { name, hash, bundle, exports, wallMs, heapBytes } = module;
    const limits = { ...(wallMs > 0 ? { wallMs } : {}), ...(heapBytes > 0 ? { heapBytes } : {}) };
    modules.add({ name, hash, text: bundle, exports: exports.map(exportOf), limits });
    log.info({ module: name, hash }, 'module deployed');
  }
  for (const { name } of before?.modules ?? []) {
    if (!state.modules.some((module) => module.name === name)) modules.remove(name);
  }
}

function exportOf({ name, kind, map }: CatalogedModule['exports'][number]): ModuleExport {
  return kind === 'listener' ? { name, kind, on: 'after', map } : { name, kind: kind === 'job' ? 'job' : 'processor' };
}
