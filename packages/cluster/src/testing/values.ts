/** What tests of the cluster begin with. */
import type { MemberId } from '@ashlar/core';
import { bundleHash } from '../bundles.ts';
import { DEFAULT_MAP_SETTINGS } from '../catalog-state.ts';
import type { ModuleCommand } from '../command-check.ts';
import type { ControlKeeper } from '../embedded-coordinator.ts';
import { type ControlCommand, type ControlState, emptyState, step } from '../step.ts';
import type { JoinedMember } from '../table-state.ts';

export const BUNDLE = 'export const watch = 1;';

export function memberNamed(name: string, incarnation = 'one'): JoinedMember {
  return { id: name as MemberId, address: '127.0.0.1:1', httpAddress: '127.0.0.1:2', zone: 'host', incarnation };
}

export function joins(name: string, incarnation = 'one', held?: ControlState): ControlCommand {
  return { kind: 'join', member: memberNamed(name, incarnation), held };
}

export function creates(name: string, options: object = {}): ControlCommand {
  return { kind: 'createMap', name, options: { ...DEFAULT_MAP_SETTINGS, ...options } };
}

export function drops(name: string, mapId?: number): ControlCommand {
  return { kind: 'dropMap', name, mapId };
}

/** A module with one listener, of the bundle that is given. */
export function moduleOf(changes: Partial<Record<keyof ModuleCommand, unknown>> = {}): ModuleCommand {
  const bundle = typeof changes.bundle === 'string' ? changes.bundle : BUNDLE;
  return {
    ...{ name: 'audit', hash: bundleHash(bundle), bundle, wallMs: 0, heapBytes: 0 },
    exports: [{ name: 'watch', kind: 'listener', map: 'orders' }],
    ...changes,
  } as ModuleCommand;
}

export function deploys(changes?: Parameters<typeof moduleOf>[0]): ControlCommand {
  return { kind: 'putModule', module: moduleOf(changes) };
}

export function freshState(gridId = 'grid', expectedMembers = 2, partitionCount = 16, backups = 0): ControlState {
  const settings = { partitionCount, expectedMembers, backups, minInSync: 1 };
  return emptyState({ gridId, ...settings, epochFloor: 0, mapIdFloor: 0 });
}

export function after(state: ControlState, ...commands: readonly ControlCommand[]): ControlState {
  return commands.reduce(step, state);
}

/** Keeps what a file would, as text. */
export class MemoryKeeper implements ControlKeeper {
  #text: string | undefined;
  readonly bundles = new Map<string, string>();
  /** How often it was asked to keep a pair. */
  saved = 0;

  load(): ControlState | undefined {
    return this.#text === undefined ? undefined : (JSON.parse(this.#text) as ControlState);
  }

  save(state: ControlState): void {
    this.saved++;
    this.#text = JSON.stringify(state);
  }

  get text(): string | undefined {
    return this.#text;
  }

  loadBundle(hash: string): string | undefined {
    return this.bundles.get(hash);
  }

  saveBundle(hash: string, text: string): void {
    this.bundles.set(hash, text);
  }

  keepBundles(hashes: ReadonlySet<string>): void {
    for (const hash of this.bundles.keys()) if (!hashes.has(hash)) this.bundles.delete(hash);
  }
}
