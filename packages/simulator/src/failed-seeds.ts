/**
 * Seeds that have failed, and what they found: they are run for ever. A seed means the same run only as long as profiles and
 * faults are drawn as they were: where that changed, the fault was put back and the first seed taken that finds it now. What is
 * drawn since by chance of its own (rare-faults Y1) was not there then: they are run with it and without it.
 */
export interface FailedSeed {
  readonly seed: number;
  readonly found: string;
}

export const FAILED_SEEDS: readonly FailedSeed[] = [
  { seed: 22, found: 'a joiner was asked into the set while it lacked what had been committed a moment before' },
  {
    seed: 11,
    found: 'a set of which no living member had a copy stayed in promotion for ever, and was never told as lost',
  },
  { seed: 32, found: 'the loss of a partition whose named primary lives could never be accepted' },
  { seed: 256, found: 'a question for a page that came twice took a copy away that was in the set by then' },
  { seed: 553, found: 'a question for a page that came twice took a copy away that was in the set by then' },
  { seed: 569, found: 'reads and writes were let in before the host was told to serve, and above which version' },
  { seed: 551, found: 'reads and writes were let in before the host was told to serve, and above which version' },
  { seed: 700, found: 'a copy in the set was dropped by a table from before it was begun' },
  { seed: 1031, found: 'a copy in the set was dropped by a table from before it was begun' },
  { seed: 1020, found: 'a partition that was lost began anew below versions that had been handed out' },
  { seed: 1228, found: 'the refusal of a transfer that came late ended the copy that a second question had got' },
  {
    seed: 510_014,
    found:
      'a member that had been fenced emptied its copy by news of the table from before the fence, which had named it',
  },
  {
    seed: 9621,
    found: 'a joiner that had been in the set, unheard of, and had left it by its own word was asked in again',
  },
  {
    seed: 20_464,
    found:
      'a request that came late was applied again in a log that had begun behind a lost one (by maps and arrays alone)',
  },
  {
    seed: 11_275,
    found: 'what a store said of a copy was taken for the fresh one that had come in its place in the same turn',
  },
  {
    seed: 26_973,
    found: 'a write that was under way since before everything healed came between a read at the end and its judge',
  },
  { seed: 41_302, found: 'writers of long batches outran a link that carries two records at a time, for ever' },
  {
    seed: 33_597,
    found: 'a coordinator whose clock leapt forgot up to which version a lost partition had been served',
  },
  { seed: 8864, found: 'clocks lay further apart than the grace of a coordinator that was started again allows' },
  { seed: 6047, found: 'a joiner gave up its copy while the change that took it into the set was still on its way' },
  {
    seed: 75_030,
    found:
      'a primary about to leave cut a copy for a late ask, while the change that takes it into the set was still on its way',
  },
];
