/**
 * Members' parts of statements and jobs as they come, held against what their ends say: a merge over a part that lacks
 * something would be a wrong answer that looks right, so it fails instead.
 */
import type { MemberId } from '@ashlar/core';
import { decodeValue } from '@ashlar/serialization';
import { type FragmentOutput, type JobPartOutput, PartCount } from '@ashlar/transport';
import type { FragmentStats } from './fragment-runner.ts';

/**
 * The batches of one member's fragment; its statistics go into `stats`.
 *
 * @param onScanned  called when nothing more is read there; batches may still be on their way
 * @throws GridError CONNECTION_LOST when the stream breaks off, INTERNAL when a batch is missing
 */
export async function* wholeFragment(
  member: MemberId,
  outputs: AsyncIterable<FragmentOutput>,
  stats: FragmentStats,
  onScanned: () => void = () => undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const count = new PartCount(`the rows of member '${member}'`);
  for await (const output of outputs) {
    if (output.kind === 'batch') {
      count.add();
      yield output.bytes;
    } else if (output.kind === 'scanned') onScanned();
    else {
      count.end(output.batches);
      Object.assign(stats, decodeValue(output.body));
    }
  }
  count.checkEnded();
}

/**
 * Progress and partial results of one member's part of a job.
 *
 * @param onEnd  called when all are there
 * @throws GridError CONNECTION_LOST when the stream breaks off, INTERNAL when a partial result is missing
 */
export async function* wholeJobPart(
  member: MemberId,
  outputs: AsyncIterable<JobPartOutput>,
  onEnd: () => void = () => undefined,
): AsyncGenerator<{ readonly member: MemberId; readonly output: JobPartOutput }, void, undefined> {
  const count = new PartCount(`the partial results of member '${member}'`);
  for await (const output of outputs) {
    if (output.kind === 'partial') count.add();
    else if (output.kind === 'end') count.end(output.partials);
    yield { member, output };
  }
  count.checkEnded();
  onEnd();
}
