/**
 * Where each epoch's records begin in a log. Since an epoch has one primary, which gives each sequence once, two logs that name
 * the same beginnings up to a sequence hold the same records up to it: so prefixes are compared without looking at records.
 *
 * lineage L1  Epochs and first sequences rise.
 * lineage L2  An epoch stands here only with a record that carries it: it comes with the first record that is appended, never
 *             with a promotion. One whose records the store did not take goes with them.
 *
 * @see KIP-101, "Alter Replication Protocol to use Leader Epoch rather than High Watermark for Truncation"
 */
import { assert, type Epoch, type Sequence } from '@ashlar/core';
import type { LineageEntry } from './messages.ts';

export class Lineage {
  #entries: LineageEntry[];

  constructor(entries: readonly LineageEntry[] = []) {
    this.#entries = [...entries];
  }

  get entries(): readonly LineageEntry[] {
    return this.#entries;
  }

  /** Records of an epoch, from a sequence on, are behind all that there are. */
  append(epoch: Epoch, firstSequence: Sequence): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && last[0] === epoch) return;
    assert(last === undefined || last[0] < epoch, 'lineage L1: epochs rise with sequences');
    assert(last === undefined || last[1] < firstSequence, 'lineage L1: an epoch begins where another did');
    this.#entries.push([epoch, firstSequence]);
  }

  /** Forgets what began behind the end of the log: records that were handed to the store, and not taken. */
  endAt(lastSequence: Sequence): void {
    while ((this.#entries.at(-1)?.[1] ?? 0) > lastSequence) this.#entries.pop();
  }

  /** Forgets beginnings of which nothing is kept: the log starts there. */
  trim(firstSequence: Sequence): void {
    let gone = 0;
    while (gone + 1 < this.#entries.length && this.#entries[gone + 1]![1] <= firstSequence) gone++;
    if (gone > 0) this.#entries = this.#entries.slice(gone);
  }

  /** Whether two logs that are `length` records long (at least) are the same that far, as far as both still know. */
  agreesWith(other: readonly LineageEntry[], length: number): boolean {
    const [one, two] = [within(this.#entries, length), within(other, length)];
    if (one.length === 0 || two.length === 0) return true;
    const from = Math.max(one[0]![1], two[0]![1]);
    const epochs = (entries: readonly LineageEntry[]): string =>
      entries
        .filter(([, first], index) => first >= from || (entries[index + 1]?.[1] ?? Number.POSITIVE_INFINITY) > from)
        .map(([epoch, first]) => `${epoch}@${Math.max(first, from)}`)
        .join(' ');
    return epochs(one) === epochs(two);
  }
}

function within(entries: readonly LineageEntry[], length: number): readonly LineageEntry[] {
  return entries.filter(([, first]) => first <= length);
}
