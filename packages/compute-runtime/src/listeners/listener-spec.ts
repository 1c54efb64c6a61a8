/** Which listener, and what it needs of the member it runs on. */
import type { Grid } from '@ashlar/api';
import type { ListenerRunner } from '@ashlar/compute';
import type { CallScope, MapId } from '@ashlar/core';
import type { EntryLimits, KeyGate, LogPressure } from '@ashlar/partitions';
import type { ProcessorCalls } from '../processor-calls.ts';
import type { ForgetTimes } from './forgotten-listeners.ts';
import type { ListenerParts } from './listener-parts.ts';
import type { OutboxRelay } from './outbox-relay.ts';

export interface ListenerDependencies {
  readonly parts: ListenerParts;
  /** Runs their code in user workers. */
  readonly runner: Pick<ListenerRunner, 'run'>;
  /** The grid for calls that its code makes, within the run that it makes them in. */
  readonly grid: (scope: CallScope) => Promise<Grid>;
  readonly processors: ProcessorCalls;
  readonly gate: KeyGate;
  readonly limits: EntryLimits;
  readonly pressure: LogPressure;
  readonly relay: OutboxRelay;
  /** When records of undeployed listeners go; omitted: minutes after them. */
  readonly forgetTimes?: ForgetTimes | undefined;
}

export interface ListenerSpec {
  readonly module: string;
  readonly exportName: string;
  readonly map: string;
  /** Id of the map it belongs to, whichever map has the name by now; 0: none yet. */
  readonly mapId: MapId;
  /** The generation of the module's deployment. */
  readonly generation: number;
}
