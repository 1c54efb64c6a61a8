/**
 * Control state: members, the partition table and the catalog of one grid, as one value and one pure step.
 *
 *   command -> step(state, command) -> { state', outcome }        or a GridError, and the state stays
 *
 * Whoever keeps the state (the embedded coordinator, later a consensus engine) applies the same steps in one order, so
 * that two coordinators cannot differ. No I/O, no clock, no chance.
 *
 * S1  tableVersion and catalogVersion never fall; a change raises one of them by exactly 1.
 * S2  The epoch of a partition rises whenever its primary (a member in one incarnation) changes, and never falls.
 * S3  A map id is never given twice.
 * S4  Once complete, the table keeps its partitions' owners: a member that comes back under its name takes its own.
 */
import { type Epoch, GridError, type MapId, type MemberAddress, type PartitionTable } from '@ashlar/core';
import { assignPartitions } from './placement.ts';

export interface CatalogedMap {
  readonly id: MapId;
  readonly name: string;
  /** 0: all elements of the key. */
  readonly affinityParts: number;
  /** 0: none. */
  readonly ttlMs: number;
  /** 0: none. */
  readonly maxIdleMs: number;
}

export interface CatalogedModule {
  readonly name: string;
  /** SHA-256 of the bundle, hex. */
  readonly hash: string;
  /** One ES module as text. */
  readonly bundle: string;
  readonly exports: readonly { readonly name: string; readonly kind: string; readonly map: string }[];
  readonly wallMs: number;
  readonly heapBytes: number;
  /** Grows with every deployment under the name. */
  readonly generation: number;
}

/** A member process: a restarted one has another incarnation and nothing of what the old one held. */
export interface JoinedMember extends MemberAddress {
  readonly incarnation: string;
}

export interface ControlState {
  readonly gridId: string;
  readonly partitionCount: number;
  /** Members the table waits for. */
  readonly expectedMembers: number;
  readonly tableVersion: number;
  readonly members: readonly JoinedMember[];
  /** Empty until the expected members have joined. */
  readonly owners: readonly (readonly number[])[];
  readonly epochs: readonly Epoch[];
  /** Epochs of this grid start above it: the highest ever given, kept on disk by the coordinator. */
  readonly epochFloor: number;
  readonly catalogVersion: number;
  readonly maps: readonly CatalogedMap[];
  readonly modules: readonly CatalogedModule[];
}

export type ControlCommand =
  | { readonly kind: 'join'; readonly member: JoinedMember }
  | { readonly kind: 'createMap'; readonly name: string; readonly options: MapSettings }
  | { readonly kind: 'dropMap'; readonly name: string }
  | { readonly kind: 'putModule'; readonly module: Omit<CatalogedModule, 'generation'> }
  | { readonly kind: 'removeModule'; readonly name: string };

export interface MapSettings {
  readonly affinityParts: number;
  readonly ttlMs: number;
  readonly maxIdleMs: number;
}

export const DEFAULT_MAP_SETTINGS: MapSettings = { affinityParts: 0, ttlMs: 0, maxIdleMs: 0 };

const MAPS_MAX = 4096;
const MODULES_MAX = 256;
/** All bundles together: the state must fit into one message. */
const BUNDLE_CHARACTERS_MAX = 8 << 20;
const NAME_LENGTH_MAX = 128;

export function emptyState(options: {
  gridId: string;
  partitionCount: number;
  expectedMembers: number;
  epochFloor: number;
}): ControlState {
  return { ...options, tableVersion: 0, members: [], owners: [], epochs: [], catalogVersion: 0, maps: [], modules: [] };
}

/**
 * Applies one command. Creating what is there already, with the same settings, changes nothing and is no error.
 *
 * @throws GridError MAP_CONFLICT, INVALID_NAME, INVALID_ARGUMENT, OVERLOADED (too many maps or modules)
 */
export function step(state: ControlState, command: ControlCommand): ControlState {
  switch (command.kind) {
    case 'join':
      return join(state, command.member);
    case 'createMap':
      return createMap(state, command.name, command.options);
    case 'dropMap':
      return dropMap(state, command.name);
    case 'putModule':
      return putModule(state, command.module);
    case 'removeModule':
      return removeModule(state, command.name);
  }
}

/** The table as clients and members route by it. */
export function tableOf(state: ControlState): PartitionTable {
  const { tableVersion, gridId, members, owners, epochs } = state;
  return { tableVersion, gridId, members, owners, epochs };
}

function join(state: ControlState, member: JoinedMember): ControlState {
  const index = state.members.findIndex((known) => known.id === member.id);
  if (index >= 0) return rejoin(state, index, member);
  if (state.owners.length > 0) {
    throw new GridError(
      'INVALID_ARGUMENT',
      `the grid is complete: its table is fixed over ${state.members.length} members`,
      {
        hint: `start '${member.id}' under the name of a member that left, or start the grid with more expected members`,
      },
    );
  }
  const members = [...state.members, member];
  const joined = { ...state, members, tableVersion: state.tableVersion + 1 };
  if (members.length < state.expectedMembers) return joined;
  const owners = assignPartitions(
    members.map(({ id }) => id),
    state.partitionCount,
    1,
  );
  const epoch = (state.epochFloor + 1) as Epoch;
  return { ...joined, owners, epochs: owners.map(() => epoch), epochFloor: epoch };
}

/** The same member again changes nothing; a new incarnation takes its partitions at new epochs, empty. */
function rejoin(state: ControlState, index: number, member: JoinedMember): ControlState {
  const known = state.members[index]!;
  if (known.incarnation === member.incarnation) return state;
  const epoch = (state.epochFloor + 1) as Epoch;
  return {
    ...state,
    members: state.members.with(index, member),
    epochs: state.epochs.map((old, partition) => (state.owners[partition]?.[0] === index ? epoch : old)),
    epochFloor: state.owners.length > 0 ? epoch : state.epochFloor,
    tableVersion: state.tableVersion + 1,
  };
}

function createMap(state: ControlState, name: string, options: MapSettings): ControlState {
  checkName('map', name);
  const known = state.maps.find((map) => map.name === name);
  if (known !== undefined) {
    checkSameSettings(known, options);
    return state;
  }
  if (state.maps.length >= MAPS_MAX) throw new GridError('OVERLOADED', `a grid holds at most ${MAPS_MAX} maps`);
  const catalogVersion = state.catalogVersion + 1;
  return { ...state, catalogVersion, maps: [...state.maps, { id: catalogVersion as MapId, name, ...options }] };
}

function checkSameSettings(known: CatalogedMap, wanted: MapSettings): void {
  for (const option of ['affinityParts', 'ttlMs', 'maxIdleMs'] as const) {
    if (wanted[option] === known[option]) continue;
    throw new GridError('MAP_CONFLICT', `map '${known.name}' has ${option} ${known[option]}, not ${wanted[option]}`, {
      hint: 'options are fixed when a map is created: define it with the same ones everywhere',
      details: { map: known.name, option, has: known[option], wanted: wanted[option] },
    });
  }
}

function dropMap(state: ControlState, name: string): ControlState {
  if (!state.maps.some((map) => map.name === name)) return state;
  return {
    ...state,
    catalogVersion: state.catalogVersion + 1,
    maps: state.maps.filter((map) => map.name !== name),
  };
}

function putModule(state: ControlState, module: Omit<CatalogedModule, 'generation'>): ControlState {
  checkName('module', module.name);
  const known = state.modules.find(({ name }) => name === module.name);
  if (known !== undefined && isSameModule(known, module)) return state;
  if (known === undefined && state.modules.length >= MODULES_MAX) {
    throw new GridError('OVERLOADED', `a grid holds at most ${MODULES_MAX} modules`);
  }
  const others = state.modules.filter(({ name }) => name !== module.name);
  const characters = others.reduce((sum, { bundle }) => sum + bundle.length, module.bundle.length);
  if (characters > BUNDLE_CHARACTERS_MAX) {
    throw new GridError(
      'OVERLOADED',
      `the modules of a grid may have ${BUNDLE_CHARACTERS_MAX} characters, not ${characters}`,
      {
        hint: 'undeploy what is not used, and keep big libraries out of user code',
        details: { characters, limit: BUNDLE_CHARACTERS_MAX },
      },
    );
  }
  const catalogVersion = state.catalogVersion + 1;
  return { ...state, catalogVersion, modules: [...others, { ...module, generation: catalogVersion }] };
}

function isSameModule(known: CatalogedModule, module: Omit<CatalogedModule, 'generation'>): boolean {
  return known.hash === module.hash && known.wallMs === module.wallMs && known.heapBytes === module.heapBytes;
}

function removeModule(state: ControlState, name: string): ControlState {
  if (!state.modules.some((module) => module.name === name)) return state;
  return {
    ...state,
    catalogVersion: state.catalogVersion + 1,
    modules: state.modules.filter((module) => module.name !== name),
  };
}

/** Names are text of letters, digits and `_ - . $`, so that they stand in paths, metrics and SQL without surprises. */
function checkName(what: string, name: string): void {
  const valid = name.length <= NAME_LENGTH_MAX && /^[\p{L}\p{N}_$][\p{L}\p{N}_$.-]*$/u.test(name);
  if (valid) return;
  throw new GridError('INVALID_NAME', `${what} name ${JSON.stringify(name.slice(0, NAME_LENGTH_MAX))} cannot be used`, {
    hint: `letters, digits, _ - . $ and at most ${NAME_LENGTH_MAX} characters`,
  });
}
