/** Messages whose shape on the wire differs from that of services.ts: unions, the flattened partition table, defaults. */
import type { Epoch, MemberAddress, MemberId, PartitionTable } from '@ashlar/core';
import type { StatementOutput } from '@ashlar/serialization';
import type {
  DeployRequest,
  FragmentOutput,
  GetReplicasResponse,
  HelloResponse,
  JobOutput,
  JobPartOutput,
  PartInput,
  PartitionInfo,
  PartOutput,
  SubscribeRequest,
  WireOnSlow,
} from './services.ts';
import { PART_STATES, PART_STEPS, PARTITION_PHASES } from './services.ts';
import { malformed } from './wire.ts';

/** Plain data of services.ts to the object protobufjs encodes, and back. */
export interface Conversion<T> {
  out(value: T): object;
  in(message: object): T;
}

interface TableMessage {
  readonly tableVersion: number;
  readonly gridId: string;
  readonly members: readonly MemberAddress[];
  readonly expectedMembers: number;
  readonly awaited: readonly number[];
  readonly ownerCounts: readonly number[];
  readonly owners: readonly number[];
  readonly epochs: readonly number[];
  readonly lost: readonly number[];
  readonly silent: readonly number[];
}

export const table: Conversion<PartitionTable> = {
  out: (value) => ({
    tableVersion: value.tableVersion,
    gridId: value.gridId,
    members: value.members,
    expectedMembers: value.expectedMembers,
    awaited: indexesOf(value.awaited, value.members),
    silent: indexesOf(value.silent ?? [], value.members),
    ownerCounts: value.owners.map((owners) => owners.length),
    owners: value.owners.flat(),
    epochs: value.epochs,
    lost: value.lost,
  }),
  in: (message) => {
    const wire = message as TableMessage;
    const owners: number[][] = [];
    let at = 0;
    for (const count of wire.ownerCounts) {
      owners.push(wire.owners.slice(at, at + count));
      at += count;
    }
    const { length } = wire.members;
    const indexes = [...wire.owners, ...wire.awaited, ...wire.silent];
    const agrees =
      at === wire.owners.length &&
      wire.epochs.length === owners.length &&
      indexes.every((index) => index < length) &&
      wire.lost.every((partition) => partition < owners.length);
    if (!agrees) throw malformed('a partition table whose columns disagree');
    const { tableVersion, gridId, members, expectedMembers, lost } = wire;
    const awaited = wire.awaited.map((index) => members[index]!.id);
    const silent = wire.silent.length === 0 ? undefined : wire.silent.map((index) => members[index]!.id);
    const epochs = wire.epochs as readonly Epoch[];
    return { ...{ tableVersion, gridId, members, expectedMembers, awaited, owners, epochs, lost, silent } };
  },
};

function indexesOf(ids: readonly MemberId[], members: readonly MemberAddress[]): number[] {
  return ids.map((id) => members.findIndex((member) => member.id === id));
}

type WirePhases = Omit<GetReplicasResponse, 'partitions'> & {
  readonly partitions: readonly (Omit<PartitionInfo, 'phase'> & { readonly phase: number })[];
};

export const replicas: Conversion<GetReplicasResponse> = {
  out: (value): WirePhases => ({
    ...value,
    partitions: value.partitions.map((row) => ({ ...row, phase: PARTITION_PHASES.indexOf(row.phase) })),
  }),
  in: (message) => {
    const wire = message as WirePhases;
    const partitions = wire.partitions.map((row) => {
      const phase = PARTITION_PHASES[row.phase];
      if (phase === undefined) throw malformed('a partition in no phase that is known');
      return { ...row, phase };
    });
    return { ...wire, partitions };
  },
};

function requiredTable(message: object | null): PartitionTable {
  if (message === null) throw malformed('no partition table');
  return table.in(message);
}

type WithTable<T> = Omit<T, 'table'> & { readonly table: object | null };

export const helloResponse: Conversion<HelloResponse> = {
  out: (value) => ({ ...value, table: table.out(value.table) }),
  in: (message) => {
    const wire = message as WithTable<HelloResponse>;
    if ((wire.limits as object | null) === null) throw malformed('a hello without limits');
    return { ...wire, table: requiredTable(wire.table) };
  },
};

export const deployRequest: Conversion<DeployRequest> = {
  out: (value) => value,
  in: (message) => {
    const wire = message as DeployRequest & { readonly limits: DeployRequest['limits'] | null };
    return { ...wire, limits: wire.limits ?? { wallMs: 0, heapBytes: 0 } };
  },
};

export const sqlOutput: Conversion<StatementOutput> = {
  out: (value) => {
    if (value.kind === 'batch') return { batch: value.bytes };
    return value.kind === 'header' ? { header: value } : { end: value };
  },
  in: (message) => {
    const wire = message as { readonly header?: object; readonly batch?: Uint8Array; readonly end?: object };
    if (wire.batch !== undefined) return { kind: 'batch', bytes: wire.batch };
    if (wire.header !== undefined) return { ...wire.header, kind: 'header' } as StatementOutput;
    if (wire.end !== undefined) return { ...wire.end, kind: 'end' } as StatementOutput;
    throw malformed('an answer of a statement of no known kind');
  },
};

export const fragmentOutput: Conversion<FragmentOutput> = {
  out: (value) => {
    if (value.kind === 'batch') return { batch: value.bytes };
    return value.kind === 'scanned' ? { scanned: true } : { end: value };
  },
  in: (message) => {
    const wire = message as { readonly batch?: Uint8Array; readonly scanned?: boolean; readonly end?: object };
    if (wire.batch !== undefined) return { kind: 'batch', bytes: wire.batch };
    if (wire.scanned !== undefined) return { kind: 'scanned' };
    if (wire.end !== undefined) return { ...wire.end, kind: 'end' } as FragmentOutput;
    throw malformed('an answer of a fragment of no known kind');
  },
};

export const jobOutput: Conversion<JobOutput> = {
  out: (value) => (value.kind === 'progress' ? { progress: value.share } : { result: value.bytes }),
  in: (message) => {
    const wire = message as { readonly progress?: number; readonly result?: Uint8Array };
    if (wire.progress !== undefined) return { kind: 'progress', share: wire.progress };
    if (wire.result !== undefined) return { kind: 'result', bytes: wire.result };
    throw malformed('an answer of a job of no known kind');
  },
};

export const jobPartOutput: Conversion<JobPartOutput> = {
  out: (value) => {
    if (value.kind === 'progress') return { progress: value.share };
    return value.kind === 'partial' ? { partial: value.bytes } : { end: value };
  },
  in: (message) => {
    const wire = message as { readonly progress?: number; readonly partial?: Uint8Array; readonly end?: object };
    if (wire.progress !== undefined) return { kind: 'progress', share: wire.progress };
    if (wire.partial !== undefined) return { kind: 'partial', bytes: wire.partial };
    if (wire.end !== undefined) return { ...wire.end, kind: 'end' } as JobPartOutput;
    throw malformed('an answer of a part of a job of no known kind');
  },
};

export const partInput: Conversion<PartInput> = {
  out: (value) => ({ ...value, step: PART_STEPS.indexOf(value.step) }),
  in: (message) => {
    const wire = message as Omit<PartInput, 'step'> & { readonly step: number };
    const step = PART_STEPS[wire.step];
    if (step === undefined) throw malformed('a step of a part of a statement of no known kind');
    return { ...wire, step };
  },
};

export const partOutput: Conversion<PartOutput> = {
  out: (value) => ({ ...value, state: PART_STATES.indexOf(value.state) }),
  in: (message) => {
    const wire = message as Omit<PartOutput, 'state'> & { readonly state: number };
    const state = PART_STATES[wire.state];
    if (state === undefined) throw malformed('a state of a part of a statement of no known kind');
    return { ...wire, state };
  },
};

const ON_SLOW: readonly WireOnSlow[] = ['lag', 'conflate', 'cut'];

export const subscribeRequest: Conversion<SubscribeRequest> = {
  out: (value) => ({ ...value, onSlow: ON_SLOW.indexOf(value.onSlow) }),
  in: (message) => {
    const wire = message as Omit<SubscribeRequest, 'onSlow'> & { readonly onSlow: number };
    const onSlow = ON_SLOW[wire.onSlow];
    if (onSlow === undefined) throw malformed('a subscription with a way to be slow of no known kind');
    return { ...wire, onSlow };
  },
};

type Input<Request> =
  | { readonly request: Request; readonly creditBytes: number }
  | { readonly request?: undefined; readonly creditBytes: number };

/** The first message carries the request (with credit for a start), later ones credit only. */
export function creditInput<Request extends object>(request?: Conversion<Request>): Conversion<Input<Request>> {
  return {
    out: (value) => {
      if (value.request === undefined) return { creditBytes: value.creditBytes };
      const message = request === undefined ? value.request : request.out(value.request);
      return { request: { ...message, creditBytes: value.creditBytes } };
    },
    in: (message) => {
      const wire = message as { readonly request?: { readonly creditBytes: number }; readonly creditBytes?: number };
      if (wire.request === undefined) return { creditBytes: wire.creditBytes ?? 0 };
      const plain = request === undefined ? (wire.request as unknown as Request) : request.in(wire.request);
      return { request: plain, creditBytes: wire.request.creditBytes };
    },
  };
}
