/**
 * What goes wrong in a chaos run, one fault at a time, drawn from the seed.
 *
 *   kill     kill -9 of a member, and its start again, at once or later; the coordinator's member is spared. Every other one has been cut
 *            off from the other members for a moment before, but not from its clients: what it acknowledges then without them is lost
 *   restart  an orderly stop of any member, and its start again
 *   pause    SIGSTOP for longer than leases and graces last
 *   cut      a member from others, both ways; from its clients too, or not
 *   oneway   what one member sends to others is held, or what others send to it
 *   slow     links, between members and to clients, that take their time
 *
 * What holds nothing back for a grid that replicates is harmless to one that does not, but for kill and restart.
 */
import type { Random } from '@ashlar/core';
import { type ChaosGrid, COORDINATOR, MEMBERS, type MemberName } from '../cluster/chaos-grid.ts';
import { CLIENT, type LinkRule, type Party } from '../cluster/links.ts';
import { pause } from '../load/pace.ts';

export const FAULT_KINDS = ['kill', 'restart', 'pause', 'cut', 'oneway', 'slow'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly text: string;
  /** How long it lasts. */
  readonly forMs: number;
  /** Whose partitions are without a primary by it; undefined: perhaps nobody's. */
  readonly victim: MemberName | undefined;
  /** Whether partitions that the victim was primary of must have changed it when all is well again. */
  readonly changesEpochs: boolean;
  /**
   * Whether the coordinator is away with the copies of its member, which then cannot leave their sets. An orderly stop takes them out
   * before, and whoever is left alone in one has a lease that outlasts a restart.
   */
  readonly isCoordinatorAway: boolean;
  /** Whether the coordinator hears nobody, and is heard: it takes all others for dead, and they stop by its word. */
  readonly isCoordinatorDeaf?: boolean;
  /** Whether it is a plain one, which tells how long writes wait. */
  readonly isMeasured: boolean;
  begin(): Promise<void>;
  /** Heals it. */
  end(): Promise<void>;
}

/** Longer than detection, lease and grace together. */
const PAUSE_LEAST_MS = 2500;
const FAULT_LEAST_MS = 1500;
/** Less than a lease lasts: the member still takes what its clients send. */
const CUT_BEFORE_MS = 500;
const FAULT_MORE_MS = 3500;
const DELAYS_MS = [2, 10, 40, 120];

/** @param primaries  partitions that each member is primary of now */
export function drawFault(
  kind: FaultKind,
  grid: ChaosGrid,
  random: Random,
  primaries: ReadonlyMap<MemberName, number>,
): Fault {
  switch (kind) {
    case 'kill':
      return killOf(grid, random, victimOf(random, primaries, [COORDINATOR]));
    case 'restart':
      return restartOf(grid, random, busiest(primaries));
    case 'pause':
      return pauseOf(grid, random, random.below(4) === 0 ? COORDINATOR : victimOf(random, primaries, [COORDINATOR]));
    case 'cut':
      return cutOf(grid, random);
    case 'oneway':
      return onewayOf(grid, random);
    case 'slow':
      return slowOf(grid, random);
  }
}

/** One that is primary of something, where there is one. */
function victimOf(
  random: Random,
  primaries: ReadonlyMap<MemberName, number>,
  spared: readonly MemberName[],
): MemberName {
  const others = MEMBERS.filter((name) => !spared.includes(name));
  const serving = others.filter((name) => (primaries.get(name) ?? 0) > 0);
  return pick(random, serving.length > 0 ? serving : others);
}

function busiest(primaries: ReadonlyMap<MemberName, number>): MemberName {
  return [...MEMBERS].sort((a, b) => (primaries.get(b) ?? 0) - (primaries.get(a) ?? 0))[0]!;
}

function killOf(grid: ChaosGrid, random: Random, victim: MemberName): Fault {
  const restartAfterMs = random.below(3) === 0 ? 0 : 200 + random.below(2500);
  const kill = async (): Promise<void> => void (await grid.member(victim).end('SIGKILL'));
  if (random.below(2) === 0) return killOfOneCutOff(grid, random, victim, kill);
  return {
    ...{ kind: 'kill', forMs: restartAfterMs, victim, changesEpochs: true, isCoordinatorAway: false, isMeasured: true },
    text: `kill -9 of ${victim}, started again after ${restartAfterMs} ms`,
    begin: kill,
    end: () => grid.startMember(victim),
  };
}

/** What it sent last arrives when others have taken over. */
function killOfOneCutOff(grid: ChaosGrid, random: Random, victim: MemberName, kill: () => Promise<void>): Fault {
  const cutMs = 50 + random.below(CUT_BEFORE_MS);
  const others = MEMBERS.filter((name) => name !== victim);
  return {
    ...{
      kind: 'kill',
      forMs: PAUSE_LEAST_MS,
      victim,
      changesEpochs: true,
      isCoordinatorAway: false,
      isMeasured: false,
    },
    text: `${victim} is cut off from ${others.join(', ')} for ${cutMs} ms, then kill -9 of it, started again after ${PAUSE_LEAST_MS} ms`,
    begin: async () => {
      await grid.setLinks(others.flatMap((other) => [cut(victim, other), cut(other, victim)]));
      await pause(cutMs);
      await kill();
    },
    end: async () => {
      await grid.setLinks([]);
      await grid.startMember(victim);
    },
  };
}

function restartOf(grid: ChaosGrid, random: Random, victim: MemberName): Fault {
  const restartAfterMs = random.below(2) === 0 ? 0 : 1000 + random.below(2000);
  return {
    ...{
      kind: 'restart',
      forMs: restartAfterMs,
      victim,
      changesEpochs: true,
      isCoordinatorAway: false,
      isMeasured: true,
    },
    text: `orderly stop of ${victim}, started again after ${restartAfterMs} ms`,
    begin: async () => void (await grid.member(victim).end('SIGTERM')),
    end: () => grid.startMember(victim),
  };
}

function pauseOf(grid: ChaosGrid, random: Random, victim: MemberName): Fault {
  const forMs = PAUSE_LEAST_MS + random.below(FAULT_MORE_MS);
  return {
    // Nobody changes the table while the coordinator stands still.
    ...{ kind: 'pause', forMs, victim, changesEpochs: victim !== COORDINATOR, isMeasured: true },
    isCoordinatorAway: victim === COORDINATOR,
    text: `SIGSTOP of ${victim} for ${forMs} ms`,
    begin: async () => void grid.member(victim).child.kill('SIGSTOP'),
    end: async () => void grid.member(victim).child.kill('SIGCONT'),
  };
}

function cutOf(grid: ChaosGrid, random: Random): Fault {
  const [victim, others, hasClients] = partiesOf(random);
  const far = hasClients ? [...others, CLIENT] : others;
  const rules = far.flatMap((other) => [cut(victim, other), cut(other, victim)]);
  return linkFault(grid, random, 'cut', victim, `${victim} is cut off from ${far.join(', ')}`, rules);
}

function onewayOf(grid: ChaosGrid, random: Random): Fault {
  const [victim, others, hasClients] = partiesOf(random);
  const far = hasClients ? [...others, CLIENT] : others;
  const isHeard = random.below(2) === 0;
  const rules = far.map((other) => (isHeard ? cut(other, victim) : cut(victim, other)));
  const text = isHeard ? `${victim} hears nothing of ${far.join(', ')}` : `${far.join(', ')} hear nothing of ${victim}`;
  const isCoordinatorDeaf = isHeard && victim === COORDINATOR && others.length === MEMBERS.length - 1;
  return { ...linkFault(grid, random, 'oneway', victim, text, rules), isCoordinatorDeaf };
}

/** A member, and some or all of the others; whether clients are concerned too. */
function partiesOf(random: Random): [MemberName, MemberName[], boolean] {
  const victim = pick(random, MEMBERS);
  const others = MEMBERS.filter((name) => name !== victim);
  return [victim, random.below(3) === 0 ? [pick(random, others)] : others, random.below(2) === 0];
}

function slowOf(grid: ChaosGrid, random: Random): Fault {
  const parties: readonly Party[] = [...MEMBERS, CLIENT];
  const rules = parties.flatMap((from) =>
    parties
      .filter((to) => to !== from && random.below(2) === 0)
      .map((to) => ({ from, to, isCut: false, delayMs: pick(random, DELAYS_MS) })),
  );
  const text = rules.map(({ from, to, delayMs }) => `${from} to ${to} ${delayMs} ms`).join(', ');
  return linkFault(grid, random, 'slow', undefined, `slow links: ${text}`, rules);
}

function linkFault(
  grid: ChaosGrid,
  random: Random,
  kind: FaultKind,
  victim: MemberName | undefined,
  what: string,
  rules: readonly LinkRule[],
): Fault {
  const forMs = FAULT_LEAST_MS + random.below(FAULT_MORE_MS);
  return {
    ...{ kind, forMs, victim, changesEpochs: false, isMeasured: true },
    isCoordinatorAway: victim === COORDINATOR && rules.some(({ isCut }) => isCut),
    text: `${what} for ${forMs} ms`,
    begin: () => grid.setLinks(rules),
    end: () => grid.setLinks([]),
  };
}

function cut(from: Party, to: Party): LinkRule {
  return { from, to, isCut: true, delayMs: 0 };
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)]!;
}
