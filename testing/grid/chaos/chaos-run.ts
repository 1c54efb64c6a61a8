/**
 * One chaos run: a grid, its load, faults one after the other, and the judgement when all has healed.
 *
 *   start -> load at a pace -> [calm, fault begins, heals, all copies are back] ... -> load ends -> final state -> findings
 *
 * chaos-run R1  A fault begins only when every partition has all of its copies: a grid with one backup survives one fault, not
 *               two at once.
 * chaos-run R2  The final state is read when nothing is under way, the listener has read its log, and subscriptions are level with
 *               what the maps hold.
 */
import type { EntryEvent, Grid, GridKey } from '@ashlar/client';
import { type PartitionTable, type Random, seededRandom } from '@ashlar/core';
import { Counters } from '../fixtures/processors.ts';
import { judge } from '../linearizability/checker.ts';
import type { Operation } from '../linearizability/history.ts';
import { ChaosGrid, COORDINATOR, MEMBERS, type MemberName } from './cluster/chaos-grid.ts';
import { TableWatch } from './cluster/table-watch.ts';
import { drawFault, type Fault, type FaultKind } from './faults/faults.ts';
import { outages, partitionsOf, probeKeys } from './faults/outage.ts';
import { budgetOf, percentile, type Takeover } from './faults/takeover.ts';
import { Follower, stateOf } from './judges/event-chain.ts';
import { contentsOf, judgeFinalState } from './judges/final-state.ts';
import { ClosedSums } from './load/closed-sums.ts';
import { Load, ONCE } from './load/load.ts';
import { Outcomes } from './load/outcomes.ts';
import { atPace, pause } from './load/pace.ts';
import { Causes, Effects } from './load/user-code.ts';
import { ANSWERED_LEAST, type FaultRecord, type Findings, shortcomings } from './verdict.ts';

export interface ChaosRunOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly faults: readonly FaultKind[];
  readonly backups: number;
  readonly callsASecond: number;
  /** How long the end waits, without a change, for what is missing. */
  readonly stillMs?: number;
  /** How long it is calm before each fault. */
  readonly calmMs?: number;
  /** Told of what goes on. */
  readonly tell?: (line: string) => void;
}

const PARTITIONS = 32;
/** Where the coordinator's member leads more than that it is stopped in order: others, which may be killed, take over then. */
const LOPSIDED_SHARE = 0.6;
const CLIENTS = 3;
const CALM_MS = 2500;
const CALLS_A_SECOND_MIN = 100;
const SUMS_EVERY_MS = 300;
const BREAK_EVERY_EVENTS = 400;
/** What a shorter fault did is looked at for as long. */
const FAULT_LEAST_MS = 1500;
const FAULT_MOST_MS = 8000;
const SETTLE_TIMEOUT_MS = 60_000;
/** Nothing has changed for as long, and something is still missing: it will not come. */
const STILL_MS = 15_000;
const LOOK_MS = 100;
/** A set that lost its other copy so shortly before a fault has nobody to take over. */
const ALONE_BEFORE_MS = 1000;
const EFFECTS_SHOWN = 10;
const FILES = ['./load/user-code.ts', '../fixtures/processors.ts'];
const JUDGED = [Counters.name, ONCE, Causes.name, Effects.name];

export class ChaosRun {
  readonly outcomes = new Outcomes();
  readonly #options: ChaosRunOptions;
  readonly #random: Random;
  readonly #records: FaultRecord[] = [];
  readonly #complaints: string[] = [];
  #grid!: ChaosGrid;
  #watch!: TableWatch;
  #clients: readonly Grid[] = [];
  #sums!: ClosedSums;
  #load!: Load;
  #followers: readonly Follower[] = [];
  #drawn: FaultKind[] = [];
  #doubledEffects = 0;

  constructor(options: ChaosRunOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** What clients asked and saw, every key a register. */
  get history(): readonly Operation[] {
    return this.#load.recorder.history;
  }

  /** @param signal  ends it early: what was found by then is judged */
  async run(signal: AbortSignal): Promise<Findings> {
    const { backups } = this.#options;
    this.#grid = await ChaosGrid.start({ backups, partitions: PARTITIONS });
    this.#watch = new TableWatch(this.#grid.member(COORDINATOR).address);
    const ended = new AbortController();
    try {
      await this.#prepare();
      // With copies nothing is ever lost here: a loss stays, and is judged.
      if (backups === 0) void this.#acceptLosses(ended.signal);
      await this.#breakThings(AbortSignal.any([signal, AbortSignal.timeout(this.#options.forMs)]), signal);
      const findings = await this.#judge();
      if (shortcomings(findings).length > 0) this.#tell(this.#grid.logs());
      return findings;
    } catch (error) {
      this.#tell(this.#grid.logs());
      throw error;
    } finally {
      ended.abort();
      await Promise.all(this.#followers.map((follower) => follower.stop()));
      await this.#watch.stop();
      await this.#grid.stop();
    }
  }

  #tell(line: string): void {
    this.#options.tell?.(line);
  }

  /* ---- The load ------------------------------------------------------------------------------------------------------- */

  async #prepare(): Promise<void> {
    const clients: Grid[] = [];
    for (let count = 0; count < CLIENTS; count++) clients.push(await this.#grid.connect());
    this.#clients = clients;
    const [first] = clients as [Grid];
    for (const map of JUDGED) await first.map(map).putIfAbsent('opening', 0);
    for (const map of JUDGED) await first.map(map).remove('opening');
    // Each client learns the names of what it calls by deploying it.
    for (const client of clients) for (const file of FILES) await client.deploy(new URL(file, import.meta.url));
    this.#sums = new ClosedSums(this.outcomes, seededRandom(this.#options.seed + 1));
    await this.#sums.open(first);
    this.#load = new Load(clients, this.outcomes, this.#sums, this.#options.seed + 2);
    this.#followers = JUDGED.flatMap((name) => [
      new Follower(clients, name, Infinity, name === Effects.name ? (event) => this.#effect(event) : undefined),
      ...(name === Effects.name ? [] : [new Follower(clients, name, BREAK_EVERY_EVENTS)]),
    ]);
    await Promise.all(this.#followers.map(({ ready }) => ready));
  }

  /** Effects are written once: an update is one that came twice. */
  #effect({ type, key, version }: EntryEvent<GridKey, unknown>): void {
    if (type !== 'update') return;
    this.#doubledEffects++;
    if (this.#doubledEffects > EFFECTS_SHOWN) return;
    const text = `effect ${JSON.stringify(key)} came again at ${version}`;
    this.#tell(text);
    this.#complaints.push(text);
  }

  /**
   * @param signal  its time is over; there is one fault of each kind in any case
   * @param stop    ends it before
   */
  async #breakThings(signal: AbortSignal, stop: AbortSignal): Promise<void> {
    const { callsASecond, faults, calmMs = CALM_MS } = this.#options;
    const loading = new AbortController();
    const pace = { callsASecond, callsASecondMin: Math.min(callsASecond, CALLS_A_SECOND_MIN) };
    const work = [atPace(pace, () => this.#load.begin(), loading.signal), this.#askSums(loading.signal)];
    try {
      await pause(calmMs, signal);
      const isWhole = (await this.#settled()) !== undefined;
      if (!isWhole) this.outcomes.fault('the grid began without all copies of every partition');
      while (isWhole && (!signal.aborted || this.#isShortOfKinds)) {
        if (stop.aborted) break;
        if (faults.length > 0 && !(await this.#oneFault())) break;
        await pause(calmMs, signal);
      }
    } finally {
      loading.abort();
      await Promise.all(work);
      await this.#load.drained();
    }
  }

  /** Whether a kind of fault that was asked for has not come yet. */
  get #isShortOfKinds(): boolean {
    return this.#options.faults.some((kind) => !this.#records.some((record) => record.kind === kind));
  }

  async #askSums(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) {
      await this.#sums.ask(this.#clients[turn % CLIENTS]!);
      await pause(SUMS_EVERY_MS, signal);
    }
  }

  /* ---- Faults --------------------------------------------------------------------------------------------------------- */

  /** @returns whether the grid has come back to full service */
  async #oneFault(): Promise<boolean> {
    const table = await this.#grid.table();
    const fault = this.#draw(table);
    this.#tell(fault.text);
    const concerned = fault.victim === undefined ? [] : partitionsOf(table, fault.victim);
    const before = this.outcomes.answered;
    const beganMs = performance.now();
    await fault.begin();
    const waiting = this.#probe(concerned, beganMs);
    await pause(fault.forMs);
    await this.#hasAnswered(before + ANSWERED_LEAST, beganMs + FAULT_MOST_MS);
    const answered = this.outcomes.answered - before;
    await fault.end();
    await pause(FAULT_LEAST_MS - (performance.now() - beganMs));
    const settled = await this.#settled();
    const answeredMs = await Promise.all(waiting);
    const outagesMs = fault.isMeasured ? answeredMs : [];
    const { kind, text } = fault;
    const record: FaultRecord = {
      ...{ kind, text, answered, outagesMs },
      isAllHeldUp: fault.isCoordinatorDeaf === true || (fault.isCoordinatorAway && isOnAll(table, COORDINATOR)),
      mustChangeEpoch: this.#options.backups > 0 && fault.changesEpochs,
      sameEpochs: concerned.filter((partition) => this.#isAsBefore(partition, table, settled?.table, beganMs)).length,
      takeovers: fault.isMeasured ? this.#takeovers(concerned, beganMs, answeredMs) : [],
      settledMs: settled?.afterMs,
    };
    this.#records.push(record);
    this.#tell(`  ${toldOf(record, concerned.length)}`);
    return settled !== undefined;
  }

  /** Whether it has its epoch still, though another copy could have taken over. */
  #isAsBefore(partition: number, before: PartitionTable, after: PartitionTable | undefined, beganMs: number): boolean {
    const wasAlone = (this.#watch.aloneMs.get(partition) ?? 0) >= beganMs - ALONE_BEFORE_MS;
    return !wasAlone && after?.epochs[partition] === before.epochs[partition];
  }

  /** Of partitions that were served again, by whomever, before a write was answered. */
  #takeovers(partitions: readonly number[], beganMs: number, answeredMs: readonly number[]): readonly Takeover[] {
    return partitions.flatMap((partition, at) => {
      const times = this.#watch.epochs.get(partition);
      if (times?.servedMs === undefined) return [];
      const takeover: Takeover = {
        ...{ namedMs: times.namedMs - beganMs, servedMs: times.servedMs - beganMs, answeredMs: answeredMs[at]! },
      };
      return 0 < takeover.namedMs && takeover.servedMs <= takeover.answeredMs ? [takeover] : [];
    });
  }

  /** Every kind as often as the others, in an order by chance; a grid that the coordinator's member leads alone is put right first. */
  #draw(table: PartitionTable): Fault {
    const primaries = new Map<MemberName, number>(MEMBERS.map((name) => [name, partitionsOf(table, name).length]));
    const { faults } = this.#options;
    const isLopsided = (primaries.get(COORDINATOR) ?? 0) > PARTITIONS * LOPSIDED_SHARE;
    const isAgain = this.#records.at(-1)?.kind === 'restart';
    if (isLopsided && !isAgain && faults.includes('restart'))
      return drawFault('restart', this.#grid, this.#random, primaries);
    if (this.#drawn.length === 0) this.#drawn = shuffled(faults, this.#random);
    return drawFault(this.#drawn.pop()!, this.#grid, this.#random, primaries);
  }

  #probe(partitions: readonly number[], beganMs: number): Promise<number>[] {
    const keys = probeKeys(PARTITIONS);
    return outages(
      this.#clients[0]!,
      partitions.map((partition) => keys[partition]!),
      beganMs,
      this.outcomes,
    );
  }

  /** A fault lasts until enough calls have been answered meanwhile to say something about it, but not for ever. */
  async #hasAnswered(count: number, untilMs: number): Promise<void> {
    while (this.outcomes.answered < count && performance.now() < untilMs) await pause(LOOK_MS);
  }

  /** chaos-run R1. @returns after how long, and the table then; undefined: it never did */
  async #settled(): Promise<{ readonly afterMs: number; readonly table: PartitionTable } | undefined> {
    const beganMs = performance.now();
    while (performance.now() - beganMs < SETTLE_TIMEOUT_MS) {
      const table = await this.#grid.table().catch(() => undefined);
      if (table !== undefined && this.#isWhole(table))
        return { afterMs: Math.round(performance.now() - beganMs), table };
      await pause(LOOK_MS);
    }
    return undefined;
  }

  /** As an operator would: what a killed member held begins anew when it is back. */
  async #acceptLosses(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const table = await this.#grid.table().catch(() => undefined);
      if (table !== undefined && table.lost.length > 0) await this.#clients[0]!.recover('all').catch(() => []);
      await pause(LOOK_MS);
    }
  }

  #isWhole({ owners }: PartitionTable): boolean {
    return owners.length === PARTITIONS && owners.every((copies) => copies.length === 1 + this.#grid.backups);
  }

  /* ---- Judgement ------------------------------------------------------------------------------------------------------ */

  async #judge(): Promise<Findings> {
    const contents = await this.#finalContents();
    for (const key of new Set(this.history.map((operation) => operation.key))) {
      await this.#load.recorder.read(-1, this.#clients[0]!, key);
    }
    const state = judgeFinalState(this.#load, contents);
    const unlinear = this.#judgeHistory();
    const { wrong } = this.#sums;
    const violations = unlinear + wrong.length + this.outcomes.faultCount + state.violations;
    for (const [{ chain }, behind] of this.#behind(contents)) chain.missed(behind);
    const events = this.#events();
    this.#complaints.push(...state.complaints, ...wrong.slice(0, 10), ...this.outcomes.faults);
    const { seed, forMs, faults: wanted } = this.#options;
    const { acknowledged, unknown } = this.outcomes;
    const { failovers, shrinks, transfers } = this.#watch;
    return {
      ...{ seed, minutes: forMs / 60_000, acknowledged, unknown, wanted, faults: this.#records },
      ...{ failovers, shrinks, transfers, lost: state.lost + this.#watch.lost, violations, events },
      effects: { lost: state.effects.lost, doubled: state.effects.doubled + this.#doubledEffects },
      complaints: this.#complaints,
    };
  }

  /** chaos-run R2 */
  async #finalContents(): Promise<Map<string, Map<string, unknown>>> {
    const { stillMs = STILL_MS } = this.#options;
    let [changedMs, entries] = [performance.now(), -1];
    for (;;) {
      const contents = new Map<string, Map<string, unknown>>();
      for (const map of JUDGED) contents.set(map, await contentsOf(this.#clients[0]!, map));
      const count = [...contents.values()].reduce((sum, { size }) => sum + size, 0) + this.#taken();
      if (count !== entries) [changedMs, entries] = [performance.now(), count];
      if (this.#isLevel(contents) || performance.now() - changedMs > stillMs) return contents;
      await pause(LOOK_MS * 5);
    }
  }

  /** Events that subscriptions were told of. */
  #taken(): number {
    return this.#followers.reduce((sum, { chain }) => sum + chain.taken, 0);
  }

  #isLevel(contents: ReadonlyMap<string, ReadonlyMap<string, unknown>>): boolean {
    const { effects } = judgeFinalState(this.#load, contents);
    return effects.lost === 0 && [...this.#behind(contents)].every(([, behind]) => behind.length === 0);
  }

  /** What each subscription was not told of. */
  *#behind(contents: ReadonlyMap<string, ReadonlyMap<string, unknown>>): Iterable<readonly [Follower, string[]]> {
    for (const follower of this.#followers) {
      const states = [...contents.get(follower.map)!].map(([key, value]) => [key, stateOf(value)] as const);
      yield [follower, follower.chain.behind(new Map(states))];
    }
  }

  #events(): Findings['events'] {
    const sum = { lost: 0, doubled: 0, disordered: 0 };
    for (const { chain } of this.#followers) {
      for (const kind of ['lost', 'doubled', 'disordered'] as const) sum[kind] += chain.counts[kind];
      this.#complaints.push(...chain.complaints);
    }
    return sum;
  }

  #judgeHistory(): number {
    let violations = 0;
    for (const [key, operations] of Map.groupBy(this.history, (operation) => operation.key)) {
      const verdict = judge(operations);
      if (verdict.kind === 'linearizable') continue;
      violations++;
      const shown =
        verdict.kind === 'violation' ? verdict.operations.map((one) => JSON.stringify(one)).join('\n  ') : '';
      this.#complaints.push(`${key}: ${verdict.kind}, ${operations.length} operations\n  ${shown}`);
    }
    return violations;
  }
}

/** Whether the member has a copy of every partition. */
function isOnAll({ members, owners }: PartitionTable, member: MemberName): boolean {
  const index = members.findIndex(({ id }) => id === member);
  return owners.every((copies) => copies.includes(index));
}

function toldOf(record: FaultRecord, concerned: number): string {
  const { answered, outagesMs, settledMs, mustChangeEpoch, sameEpochs, takeovers } = record;
  const waited = [0, 0.5, 1].map((share) => percentile(outagesMs, share)).join('/');
  const outage = outagesMs.length === 0 ? '' : `, writes waited ${waited} ms (least, median, most)`;
  const { detection, promotion, caller } = budgetOf(takeovers);
  const parts = takeovers.length === 0 ? '' : `: detection ${detection}, promotion ${promotion}, caller ${caller} ms`;
  const settled = settledMs === undefined ? 'never all copies again' : `all copies again after ${settledMs} ms`;
  const epochs = mustChangeEpoch ? `, ${concerned - sameEpochs} epochs changed` : '';
  return `${answered} calls answered meanwhile, ${concerned} partitions concerned${outage}${parts}${epochs}; ${settled}`;
}

function shuffled<T>(from: readonly T[], random: Random): T[] {
  const list = [...from];
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [list[at], list[other]] = [list[other]!, list[at]!];
  }
  return list;
}
