/**
 * One member's part of a job: its partitions against the snapshot that was opened for the job, progress, then a partial result of
 * each.
 *
 * job-part-runner J1  While the part waits for threads its snapshot does not age: that is no fault of its own.
 * job-part-runner J2  A partition that was lost since the snapshot was opened fails the part.
 */
import type { GridView } from '@ashlar/cluster';
import { CALL_DEPTH, type JobActivity, type JobRunner } from '@ashlar/compute';
import type { CallScope, MapId, PartitionId, Version } from '@ashlar/core';
import { type TracedWork, type Tracing, tracedStream } from '@ashlar/observe';
import type { LocalSnapshots, NeedMap } from '@ashlar/partitions';
import type { JobPartOutput, RunJobPartRequest } from '@ashlar/transport';
import { nonEmpty } from './job-bytes.ts';
import type { JobHolding } from './job-coordinator.ts';
import { PieceStream } from './piece-stream.ts';

/** How often, within a snapshot's maximal age, a job that waits for a thread renews it. */
const LOOKS_AN_AGE = 4;

export interface JobPartDependencies {
  readonly control: Pick<GridView, 'moduleNamed'>;
  readonly needMap: NeedMap;
  readonly snapshots: Pick<LocalSnapshots, 'touch' | 'checkHeld'>;
  readonly held: { open(): JobHolding };
  readonly runner: Pick<JobRunner, 'map'>;
  readonly tracing: Tracing;
  readonly snapshotMaxAgeMs: number;
}

export class JobPartRunner {
  readonly #deps: JobPartDependencies;

  constructor(deps: JobPartDependencies) {
    this.#deps = deps;
  }

  /** @throws GridError as JobRunner.map(); STALE_EPOCH where a partition was lost */
  run(request: RunJobPartRequest, { signal, trace }: CallScope): AsyncGenerator<JobPartOutput, void, undefined> {
    const { module, exportName, map } = request;
    const attributes = { 'ashlar.job': `${module}.${exportName}`, 'ashlar.map': map };
    const begin = (): TracedWork => this.#deps.tracing.begin('ashlar.job.part', trace, attributes);
    return tracedStream(begin, (own) => runJobPart(request, { signal, trace: own }, this.#deps));
  }
}

async function* runJobPart(
  request: RunJobPartRequest,
  { signal, trace }: CallScope,
  { control, needMap, snapshots, held, runner, snapshotMaxAgeMs }: JobPartDependencies,
): AsyncGenerator<JobPartOutput, void, undefined> {
  await control.moduleNamed(request.module);
  const map = await needMap(request.mapId as MapId, request.map);
  const progress = new PieceStream<JobPartOutput>();
  const job = {
    module: request.module,
    exportName: request.exportName,
    args: nonEmpty(request.arguments),
    mapId: map.id,
    map: map.name,
    partitionIds: request.partitions as readonly PartitionId[],
    snapshotId: request.snapshotId,
    version: request.version as Version,
  };
  const checkHeld = (): void => snapshots.checkHeld(request.snapshotId, job.partitionIds);
  checkHeld();
  const activity: JobActivity = { tasksRunning: 0 };
  const touch = (): void => snapshots.touch(request.snapshotId);
  const options = {
    depth: CALL_DEPTH.job,
    signal,
    trace,
    activity,
    onProgress: (share: number) => {
      touch();
      progress.replace({ kind: 'progress', share });
    },
  };
  const waiting = setInterval(() => {
    if (activity.tasksRunning === 0) touch();
  }, snapshotMaxAgeMs / LOOKS_AN_AGE);
  const holding = held.open();
  let count = 0;
  try {
    const hold = (bytes: number): Promise<void> | undefined => holding.take(bytes, signal);
    const mapped = runner.map(job, { ...options, hold }).finally(() => progress.end());
    mapped.catch(() => undefined);
    yield* progress;
    const partials = await mapped;
    // What was lost while it was read is not in them.
    checkHeld();
    for (const partial of partials) {
      yield { kind: 'partial', bytes: partial ?? new Uint8Array(0) };
      holding.giveBack(partial?.length ?? 0);
      count += 1;
    }
  } finally {
    clearInterval(waiting);
    holding.close();
  }
  yield { kind: 'end', partials: count };
}
