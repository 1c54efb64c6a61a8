/**
 * Table and catalog as members send them to each other: MessagePack, written once a value however many read it, and looked
 * at field by field where it arrives.
 */
import {
  type CatalogState,
  type ControlState,
  checkedCatalog,
  checkedState,
  checkedTable,
  type TableState,
} from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import { decodeValue, encodeValue } from '@ashlar/serialization';
import type { ControlUpdate, ReadControlRequest } from '@ashlar/transport';

export const NOTHING = new Uint8Array(0);

/** A value never changes: another one takes its place. */
const written = new WeakMap<TableState | CatalogState, Uint8Array>();

function bytesOf(value: TableState | CatalogState): Uint8Array {
  let bytes = written.get(value);
  if (bytes === undefined) written.set(value, (bytes = encodeValue(value)));
  return bytes;
}

export function tableBytes(table: TableState): Uint8Array {
  return bytesOf(table);
}

/** The parts of a state that `known` does not have; undefined: nothing is known, all of it is sent. */
export function updateOf({ table, catalog }: ControlState, known: ControlState | undefined): ControlUpdate {
  return {
    table: table === known?.table ? NOTHING : bytesOf(table),
    catalog: catalog === known?.catalog ? NOTHING : bytesOf(catalog),
  };
}

/** The parts of a state that are newer than what a reader has. */
export function newerThan({ table, catalog }: ControlState, has: ReadControlRequest): ControlUpdate {
  const isSame = has.gridId === table.gridId;
  return {
    table: isSame && table.tableVersion <= has.tableVersion ? NOTHING : bytesOf(table),
    catalog: isSame && catalog.catalogVersion <= has.catalogVersion ? NOTHING : bytesOf(catalog),
  };
}

/** The parts of every newer state that the reader of this feed was not sent yet. */
export async function* updatesOf(states: AsyncIterable<ControlState>): AsyncGenerator<ControlUpdate, void, undefined> {
  let sent: ControlState | undefined;
  for await (const state of states) {
    yield updateOf(state, sent);
    sent = state;
  }
}

/** What an update brings; undefined: nothing. @throws GridError CORRUPT_DATA */
export function valuesOf(update: ControlUpdate): {
  readonly table: TableState | undefined;
  readonly catalog: CatalogState | undefined;
} {
  return {
    table: update.table.length === 0 ? undefined : checkedTable(decoded(update.table)),
    catalog: update.catalog.length === 0 ? undefined : checkedCatalog(decoded(update.catalog)),
  };
}

/** What a member holds, as it joins again. */
export function heldBytes(state: ControlState): Uint8Array {
  return encodeValue(state);
}

/** @returns undefined: it holds nothing @throws GridError CORRUPT_DATA */
export function heldOf(bytes: Uint8Array | undefined): ControlState | undefined {
  return bytes === undefined || bytes.length === 0 ? undefined : checkedState(decoded(bytes));
}

function decoded(bytes: Uint8Array): unknown {
  try {
    return decodeValue(bytes);
  } catch (error) {
    throw new GridError('CORRUPT_DATA', 'a table or a catalog could not be read', { cause: error });
  }
}
