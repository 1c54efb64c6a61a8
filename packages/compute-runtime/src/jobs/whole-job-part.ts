/** A member's part of a job as it comes, checked against the count at its end: a missing piece is an error, never left out. */
import type { MemberId } from '@ashlar/core';
import { type JobPartOutput, PartCount } from '@ashlar/transport';

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
