/**
 * A statement over several members: staged on all of them, then committed on all of them.
 *
 *   find on all -> stage on all at once -> all staged? --> commit on all -> sum, or PARTIAL_COMMIT
 *                   ^    others hold a partition |   '-> one failed: all are undone, its error
 *                   '- in turn, in order of ids -'
 *
 * staged-statement S1  What fails by the data (types, duplicates, division, memory, limits, logs) fails before anything is
 *                      committed: then nothing is changed anywhere. What is still lost afterwards is a member or a link.
 * staged-statement S2  Only the last staged part in the order of member ids waits for partitions (partition-hold H1).
 * staged-statement S3  What is staged is kept while others stage, and is as new as its lease when the commits leave.
 * staged-statement S4  Up to the moment of commit the statement ends when its caller leaves; from then on it does not.
 */
import { CancelledError, GridError, type Version } from '@ashlar/core';
import { OddTally } from '@ashlar/expressions';
import type { ChangeOutcome } from './change-request.ts';
import type { FoundRows, PartHandle } from './part-handle.ts';
import { type CommitResult, partialCommit } from './partial-commit.ts';

/** A part with rows. */
interface Staged {
  readonly part: PartHandle;
  readonly found: FoundRows;
}

export interface StagedStatementOptions {
  /** Omitted: the rows are known, nothing is looked for. */
  readonly rowsOf?: ((part: PartHandle) => number) | undefined;
  /** Looks at what was found on all members. @throws GridError: nothing is staged then */
  readonly check?: ((found: readonly FoundRows[]) => void) | undefined;
  /** Milliseconds between two messages that keep what is staged. */
  readonly keepMs: number;
  readonly signal: AbortSignal;
}

/** @param parts  all that the statement concerns; closed when it is over @throws GridError */
export async function runStaged(parts: readonly PartHandle[], options: StagedStatementOptions): Promise<ChangeOutcome> {
  const { signal } = options;
  const statement = new StagedStatement(parts, options);
  const leave = (): void => statement.close();
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    await statement.stage();
    signal.removeEventListener('abort', leave);
    return await statement.commit();
  } finally {
    signal.removeEventListener('abort', leave);
    statement.close();
  }
}

class StagedStatement {
  readonly #all: readonly PartHandle[];
  readonly #options: StagedStatementOptions;
  /** Those with rows, in the order of their members' ids. */
  #parts: readonly Staged[] = [];
  readonly #odd = new OddTally();
  readonly #keeper: NodeJS.Timeout;
  /** The error with which keeping a part failed. */
  #lost: unknown;

  constructor(parts: readonly PartHandle[], options: StagedStatementOptions) {
    this.#all = parts;
    this.#options = options;
    this.#keeper = setInterval(() => this.#keep(), options.keepMs).unref();
  }

  close(): void {
    clearInterval(this.#keeper);
    for (const part of this.#all) part.close();
  }

  async stage(): Promise<void> {
    const found = await this.#find();
    this.#options.check?.(found.map((one) => one.found));
    for (const { found: rows } of found) this.#odd.add(rows.odd);
    this.#parts = found.filter(({ found: { rows } }) => rows > 0).sort(byMember);
    while (!(await this.#stageAll()));
    while (this.#parts.some(({ part }) => !part.isKept)) await settled(this.#parts, ({ part }) => part.keep());
    if (this.#options.signal.aborted) throw new CancelledError('the statement');
    if (this.#lost !== undefined) throw this.#lost;
  }

  async #find(): Promise<readonly Staged[]> {
    const { rowsOf } = this.#options;
    if (rowsOf === undefined) return settled(this.#all, async (part) => ({ part, found: await part.find() }));
    return this.#all.map((part) => ({ part, found: { rows: rowsOf(part), odd: [], keysFound: [] } }));
  }

  /** @returns false: a log was full, which there may be room in now; nothing is staged */
  async #stageAll(): Promise<boolean> {
    const parts = this.#parts.map(({ part }) => part);
    const states = await settled(parts, (part) => part.stage(false));
    const first = states.findIndex((state) => state !== 'staged');
    if (first < 0) return true;
    // Whoever is above must not be held while the first one is waited for (staged-statement S2).
    const above = parts.filter((_, index) => index > first && states[index] === 'staged');
    await settled(above, (part) => part.release());
    const isFull = states.includes('noRoom');
    if (!isFull) {
      for (let at = first; at < parts.length; at++) {
        if (this.#lost !== undefined) throw this.#lost;
        if ((await parts[at]!.stage(true)) === 'noRoom') return this.#awaitRoom(parts.slice(0, at), [parts[at]!]);
      }
      return true;
    }
    const full = parts.filter((_, index) => states[index] === 'noRoom');
    return this.#awaitRoom(parts.slice(0, first), full);
  }

  async #awaitRoom(staged: readonly PartHandle[], full: readonly PartHandle[]): Promise<false> {
    await settled(staged, (part) => part.release());
    await settled(full, (part) => part.awaitRoom());
    return false;
  }

  #keep(): void {
    for (const { part } of this.#parts) {
      if (part.isAsking) continue;
      part.keep().catch((error: unknown) => {
        this.#lost ??= error;
      });
    }
  }

  /** @throws GridError PARTIAL_COMMIT, OUTCOME_UNKNOWN; any other: nothing is changed anywhere */
  async commit(): Promise<ChangeOutcome> {
    clearInterval(this.#keeper);
    const ended = await Promise.allSettled(this.#parts.map(({ part }) => part.commit()));
    const results = ended.map((outcome, index): CommitResult => {
      const { part, found } = this.#parts[index]!;
      const { member } = part;
      if (outcome.status === 'fulfilled') return { member, rows: outcome.value.affected, failure: undefined };
      return { member, rows: found.rows, failure: GridError.wrap(outcome.reason) };
    });
    if (results.some(({ failure }) => failure !== undefined)) throw partialCommit(results);
    const version = ended.reduce((max, outcome) => Math.max(max, versionOf(outcome)), 0) as Version;
    const affected = results.reduce((sum, { rows }) => sum + rows, 0);
    return { affected, version, odd: this.#odd.counts() };
  }
}

function versionOf(outcome: PromiseSettledResult<{ readonly version: Version }>): number {
  return outcome.status === 'fulfilled' ? outcome.value.version : 0;
}

function byMember(a: Staged, b: Staged): number {
  return a.part.member < b.part.member ? -1 : 1;
}

/** All results; once all have ended, the worst failure: repeating is safe only if it is safe for each of them. */
async function settled<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const ended = await Promise.allSettled(items.map(run));
  const failures = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const failure = failures.find((error) => !GridError.wrap(error).retryable) ?? failures[0];
  if (failure !== undefined) throw failure;
  return ended.map((one) => (one as PromiseFulfilledResult<R>).value);
}
