/** For the model of replicas: what was done to a partition, as a list, and what a store shows of it. */
import type { MapId, Version } from '@ashlar/core';
import { enterChunk } from '../chunk-walk.ts';
import type { RecordKind } from '../log/log-record.ts';
import { visibleSlots } from '../slots/slot-chunk.ts';
import { type Bench, PARTITION, textOf } from './store-bench.ts';

/** What was done once: a record that is told. */
export interface Done {
  readonly sequence: number;
  readonly map: MapId;
  readonly kind: RecordKind;
  readonly key: string;
  readonly value: string | undefined;
  readonly old: string | undefined;
  readonly deadline: number;
  readonly version: number;
  /** 0: nobody's request. */
  readonly request: number;
  readonly result: string | undefined;
}
export type Staged = Omit<Done, 'sequence' | 'version'>;

export interface Row {
  readonly value: string;
  readonly version: number;
  readonly deadline: number;
}
/** By map and key. */
export type State = Map<string, Row>;

export function nameOf(map: MapId, key: string): string {
  return `${map}/${key}`;
}

/** What lies in the maps when everything up to a sequence is done. */
export function stateOf(done: readonly Done[], maps: readonly MapId[], upTo: number): State {
  const state: State = new Map();
  for (const { sequence, map, key, value, version, deadline } of done) {
    if (sequence > upTo) break;
    if (!maps.includes(map)) continue;
    if (value === undefined) state.delete(nameOf(map, key));
    else state.set(nameOf(map, key), { value, version, deadline });
  }
  return state;
}

/** All that is committed. A key seen twice is an error. */
export function shownBy({ reader }: Bench, maps: readonly MapId[]): State {
  const rows: State = new Map();
  const slots = new Int32Array(4096);
  for (const mapId of maps) {
    for (let index = 0; ; index++) {
      const chunk = enterChunk(reader, { mapId, partitionId: PARTITION }, index);
      if (chunk === undefined) break;
      const count = visibleSlots(chunk, Number.MAX_SAFE_INTEGER as Version, slots);
      for (let at = 0; at < count; at++) {
        const slot = slots[at]!;
        chunk.positionKey(slot);
        const name = nameOf(mapId, textOf(chunk.bytes, chunk.start, chunk.stop));
        chunk.positionValue(slot);
        const value = textOf(chunk.bytes, chunk.start, chunk.stop);
        if (rows.has(name)) throw new Error(`${name} is visible twice`);
        rows.set(name, { value, version: chunk.versionOf(slot), deadline: chunk.f64[chunk.expiresAt + slot]! });
      }
    }
    reader.leave();
  }
  return rows;
}

/** Long values in a few signs. */
export function brief(of: State | string | undefined, withDeadlines = true): unknown {
  if (of === undefined) return 'none';
  if (typeof of === 'string') return `${of.length} x ${of[0]}`;
  return [...of]
    .map(
      ([name, { value, version, deadline }]) => `${name} ${brief(value)} ${version} ${withDeadlines ? deadline : ''}`,
    )
    .sort();
}

export function recordText({ sequence, map, kind, key, value, old, deadline, version, request }: Done): {
  readonly sequence: number;
  readonly text: string;
} {
  return { sequence, text: `${map} ${kind} ${key} ${brief(value)} ${brief(old)} ${deadline} ${version} ${request}` };
}
