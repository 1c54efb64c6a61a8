/**
 * Members' parts of statements as they come, checked against the counts at their ends: a merge over a part that lacks
 * something would be a wrong answer that looks right, so it fails instead.
 */
import type { MemberId } from '@ashlar/core';
import { decodeValue } from '@ashlar/serialization';
import { type FragmentOutput, PartCount } from '@ashlar/transport';
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
