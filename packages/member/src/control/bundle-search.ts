/** Looks for the bundle of a module among members: each answers only with what it has at hand, so nobody asks in a circle. */
import { bundleHash, missingBundle } from '@ashlar/cluster';
import { GridError } from '@ashlar/core';
import type { MemberConnection } from '@ashlar/transport';

/** Time that one member is given: 8 MiB take a fraction of it. */
const ASK_MS = 2000;

export type BundleHolder = { readonly members: Pick<MemberConnection['members'], 'fetchBundle'> };

/**
 * Asks one after the other; one that is away, or whose bundle has another hash, is passed over.
 *
 * @param signal  ends the search
 * @throws GridError BUNDLE_MISSING when none has it
 */
export async function bundleFrom(holders: Iterable<BundleHolder>, hash: string, signal?: AbortSignal): Promise<string> {
  let cause: unknown;
  for (const { members } of holders) {
    if (signal?.aborted === true) break;
    try {
      const { text: bytes } = await members.fetchBundle({ hash }, { timeoutMs: ASK_MS, signal });
      const text = Buffer.from(bytes).toString('utf8');
      if (bundleHash(text) === hash) return text;
      cause = new GridError('CORRUPT_DATA', `a member sent another bundle than ${hash}`);
    } catch (error) {
      cause = error;
    }
  }
  throw missingBundle(hash, cause);
}
