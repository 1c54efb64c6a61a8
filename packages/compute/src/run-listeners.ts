/**
 * The worker's half of listeners: events in, a write-set out, for one or more partitions of one listener at a time.
 *
 * Groups (partitions) run concurrently, so that their calls into the grid travel together; within a group the listener
 * sees its events in the order of the log, in one call.
 */
import {
  type AfterListener,
  type EntryEvent,
  type EventType,
  type GridKey,
  Refusal,
  type WriteSetItem,
} from '@ashlar/api';
import { EVENT_TYPES, GridError, ttlNumber } from '@ashlar/core';
import { decodeKey, decodeValue, encodeKey, encodeValue, type Key, refusedBy } from '@ashlar/serialization';
import { type CodePlace, transferring, userErrorToWire, type WorkerContext } from '@ashlar/workers';
import { crossing } from './crossing-errors.ts';
import { GridCalls } from './listener-grid.ts';
import type { GroupAnswer, GroupColumns, ListenerTask, WriteColumns } from './listener-messages.ts';
import { buffersOf, packBytes, unpackAll, unpackBytes } from './packed-bytes.ts';
import { inTrace } from './user-trace.ts';
import { definition, exportsOf } from './worker-modules.ts';

/** Items of one group's write-set, at most. */
export const WRITES_MAX = 65_536;

/** Handler of tasks of kind "listener": an answer for each group. */
export async function runListener(
  task: ListenerTask,
  context: WorkerContext<unknown>,
): Promise<readonly GroupAnswer[]> {
  const listener = await definition(task.source, task.exportName, 'listener');
  const place = { module: task.source.name, exportName: task.exportName };
  const grid = new GridCalls(context, task.source.name, exportsOf(task.source));
  const answers = await Promise.all(
    task.groups.map(async (group): Promise<GroupAnswer> => {
      try {
        const events = eventsOf(group, task.map);
        return { writes: await inTrace(task.trace, () => runGroup(listener, events, grid)) };
      } catch (error) {
        return { error: crossing(errorOf(error, place)), isRefusal: Refusal.is(error) };
      } finally {
        context.beat();
      }
    }),
  );
  const buffers = answers.flatMap((answer) =>
    'writes' in answer ? buffersOf(answer.writes.keys, answer.writes.values) : [],
  );
  return transferring(answers, buffers);
}

async function runGroup(
  listener: AfterListener,
  events: readonly EntryEvent<GridKey, unknown>[],
  grid: GridCalls,
): Promise<WriteColumns> {
  const { run } = listener;
  return writeColumns(await run(events, grid));
}

/** Ours (a call into the grid that failed) passes through user code as it is, so that its code is kept. */
function errorOf(error: unknown, place: CodePlace): GridError {
  try {
    if (Refusal.is(error)) return refusedBy(error, place);
  } catch (unsendable) {
    return GridError.wrap(unsendable);
  }
  if (!(error instanceof GridError)) return GridError.from(userErrorToWire(error, place));
  return GridError.from({ ...error.toWire(), details: { ...error.details, ...place } });
}

function eventsOf(columns: GroupColumns, map: string): EntryEvent<GridKey, unknown>[] {
  const keys = unpackAll(columns.keys);
  const values = unpackBytes(columns.values);
  const oldValues = unpackBytes(columns.oldValues);
  return keys.map((key, index) =>
    lazyEvent(
      map,
      EVENT_TYPES[columns.types[index]!]!,
      columns.versions[index]!,
      columns.tokens[index]!,
      key,
      values[index],
      oldValues[index],
    ),
  );
}

/** Values are decoded when they are first looked at; all fields are the event's own, so it spreads and prints. */
function lazyEvent(
  map: string,
  type: EventType,
  version: number,
  token: string,
  keyBytes: Uint8Array,
  valueBytes: Uint8Array | undefined,
  oldValueBytes: Uint8Array | undefined,
): EntryEvent<GridKey, unknown> {
  let value: unknown;
  let oldValue: unknown;
  let isValueWaiting = valueBytes !== undefined;
  let isOldValueWaiting = oldValueBytes !== undefined;
  const event = {
    map,
    type,
    key: decodeKey(keyBytes) as GridKey,
    version,
    token,
    get value() {
      if (isValueWaiting) value = decodeValue(valueBytes!);
      isValueWaiting = false;
      return value;
    },
    get oldValue() {
      if (isOldValueWaiting) oldValue = decodeValue(oldValueBytes!);
      isOldValueWaiting = false;
      return oldValue;
    },
  };
  return event as EntryEvent<GridKey, unknown>;
}

function writeColumns(items: readonly WriteSetItem[] | undefined): WriteColumns {
  const list = items ?? [];
  if (!Array.isArray(list) || list.length > WRITES_MAX) {
    throw new GridError('INVALID_VALUE', `a listener answers nothing or an array of at most ${WRITES_MAX} writes`);
  }
  const maps = new Map<string, number>();
  const mapOf: number[] = [];
  const keys: Uint8Array[] = [];
  const values: (Uint8Array | undefined)[] = [];
  const ttlMs = new Float64Array(list.length);
  for (const [index, item] of (list as readonly WriteSetItem[]).entries()) {
    checkItem(item, index);
    if (!maps.has(item.map)) maps.set(item.map, maps.size);
    mapOf.push(maps.get(item.map)!);
    keys.push(encodeKey(item.key as Key));
    values.push(item.kind === 'put' ? encodeValue(item.value) : undefined);
    ttlMs[index] =
      item.kind === 'put' && item.ttlMs !== undefined ? ttlNumber(item.ttlMs, `ttlMs of item ${index}`) : Number.NaN;
  }
  return { maps: [...maps.keys()], mapOf, keys: packBytes(keys), values: packBytes(values), ttlMs };
}

function checkItem(item: unknown, index: number): asserts item is WriteSetItem {
  const { kind, map } = (typeof item === 'object' && item !== null ? item : {}) as { kind?: unknown; map?: unknown };
  const isWrite = (kind === 'put' || kind === 'remove') && typeof map === 'string';
  if (isWrite) return;
  throw new GridError('INVALID_VALUE', `item ${index} of the write-set is neither a put nor a remove`, {
    hint: "answer { kind: 'put', map, key, value } or { kind: 'remove', map, key }",
  });
}
