/**
 * A toy grid on one thread for scenarios: members, links, a coordinator, and time that passes only when told.
 *
 * toy-grid T1  A message is delivered within the step in which it was sent, in order, unless its link is cut (it is lost) or
 *              held (it waits).
 * toy-grid T2  Time passes in ticks of TICK_MS for everybody; who is paused does not notice until it is resumed.
 */
import {
  memberOfReplica,
  type ReplicaChange,
  type ReplicaId,
  type ReplicaTable,
  type ReplicaTransaction,
  type Version,
} from '@ashlar/core';
import type { Envelope, Message, ReplicationOptions, Rules } from '../src/index.ts';
import { messageText } from './message-text.ts';
import { ToyMember } from './toy-member.ts';

export const TICK_MS = 10;
/** So that no time is 0. */
const BEGIN_MS = 1000;

/** `stepReplicas` and `emptyReplicaTable` of cluster, which this room must not import: the scenario's runner hands them in. */
export interface TableSteps {
  empty(partitionCount: number): ReplicaTable;
  step(
    table: ReplicaTable,
    changes: readonly ReplicaChange[],
  ): { table: ReplicaTable; refused: readonly { index: number; why: string }[] };
}

export class ToyGrid {
  readonly members = new Map<string, ToyMember>();
  table: ReplicaTable;
  /** Every version of the table that there was. */
  readonly tables = new Map<number, ReplicaTable>();
  nowMs = BEGIN_MS;
  /** Lines since they were taken last. */
  #lines: string[] = [];
  readonly #options: Partial<ReplicationOptions>;
  readonly #rules: Rules | undefined;
  readonly #steps: TableSteps;
  readonly #cut = new Set<string>();
  readonly #held = new Map<string, Envelope[]>();
  /** All that was delivered, by link. */
  readonly #delivered = new Map<string, Envelope[]>();
  #queue: Envelope[] = [];
  #isDelivering = false;
  #incarnations = 0;
  /** Whether transactions reach the coordinator, and answers come back. */
  coordinator: 'up' | 'away' | 'answersLost' = 'up';
  /** Members whose leases the coordinator does not renew, for it does not hear them. */
  readonly unheard = new Set<string>();

  constructor(steps: TableSteps, options: Partial<ReplicationOptions>, rules?: Rules) {
    this.#steps = steps;
    this.#options = options;
    this.#rules = rules;
    this.table = steps.empty(options.partitionCount ?? 4);
  }

  tell(line: string): void {
    this.#lines.push(line);
  }

  /** What has happened, repetitions counted. */
  takeLines(): string[] {
    const counts = new Map<string, number>();
    for (const line of this.#lines) counts.set(line, (counts.get(line) ?? 0) + 1);
    this.#lines = [];
    return [...counts].map(([line, count]) => (count === 1 ? line : `${line}  (${count} times)`));
  }

  /* ---- Members ------------------------------------------------------------------------------------------------------- */

  start(name: string): void {
    const member = new ToyMember(name, ++this.#incarnations, this.#options, this.#rules, () => this.nowMs, {
      send: (from, to, message) => this.#send(from, to, message),
      transact: (from, transaction) => this.#transact(from, transaction),
      renew: (from, number, ceiling) => this.#renew(from, number, ceiling),
      tell: (line) => this.tell(line),
    });
    this.members.set(name, member);
    member.run(() => member.core.onTable(this.table, member.moment));
    member.run(() => member.core.tick(member.moment));
  }

  member(name: string): ToyMember {
    const member = this.members.get(name);
    if (member === undefined) throw new Error(`no member '${name}'`);
    return member;
  }

  replica(name: string): ReplicaId {
    return this.member(name).self;
  }

  /* ---- Time ------------------------------------------------------------------------------------------------------------ */

  wait(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += TICK_MS;
      for (const member of this.members.values()) member.run(() => member.core.tick(member.moment));
    }
  }

  resume(name: string): void {
    const member = this.member(name);
    member.isPaused = false;
    // What lies in its socket comes before its timers.
    for (const [link, envelopes] of this.#held) if (link.endsWith(`>${name}`)) this.#release(link, envelopes);
    member.run(() => member.core.tick(member.moment));
  }

  /* ---- Links ----------------------------------------------------------------------------------------------------------- */

  /** @param link  `a>b` for one way, `a b` for both */
  cut(link: string): void {
    for (const one of waysOf(link)) this.#cut.add(one);
  }

  heal(): void {
    this.#cut.clear();
  }

  hold(link: string): void {
    for (const one of waysOf(link)) this.#held.set(one, []);
  }

  release(link: string, order: string): void {
    for (const one of waysOf(link)) {
      const envelopes = this.#held.get(one) ?? [];
      this.#held.delete(one);
      if (order === 'reversed') envelopes.reverse();
      this.#release(one, order === 'twice' ? [...envelopes, ...envelopes] : envelopes);
    }
  }

  /** Everything that was ever delivered comes once more. */
  replay(link: string): void {
    for (const one of waysOf(link)) this.#release(one, this.#delivered.get(one) ?? []);
  }

  #release(link: string, envelopes: readonly Envelope[]): void {
    this.#held.delete(link);
    for (const envelope of envelopes) this.#queue.push(envelope);
    this.#deliver();
  }

  #send(from: ToyMember, to: ReplicaId, message: Message): void {
    const target = memberOfReplica(to);
    const link = `${from.name}>${target}`;
    const text = messageText(message);
    const isCut = this.#cut.has(link);
    const isHeld = this.#held.has(link) || this.members.get(target)?.isPaused === true;
    if (text !== undefined) this.tell(`${link} ${text}${isCut ? ' -- lost' : isHeld ? ' -- held' : ''}`);
    if (isCut) return;
    const envelope: Envelope = { from: from.self, to, message };
    if (isHeld) {
      if (!this.#held.has(link)) this.#held.set(link, []);
      this.#held.get(link)!.push(envelope);
      return;
    }
    this.#queue.push(envelope);
    this.#deliver();
  }

  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let envelope = this.#queue.shift(); envelope !== undefined; envelope = this.#queue.shift()) {
      const target = memberOfReplica(envelope.to);
      const link = `${memberOfReplica(envelope.from)}>${target}`;
      this.#delivered.set(link, [...(this.#delivered.get(link) ?? []), envelope]);
      this.members.get(target)?.take(envelope);
    }
    this.#isDelivering = false;
  }

  /* ---- Coordinator -------------------------------------------------------------------------------------------------------- */

  /** The controller, or an operator, changes the table. */
  change(changes: readonly ReplicaChange[]): void {
    this.#step('coordinator', changes);
    this.announce();
  }

  /** All that listen hear of the table. */
  announce(): void {
    for (const member of this.members.values()) {
      if (!member.isDeaf) member.run(() => member.core.onTable(this.table, member.moment));
    }
  }

  #transact(from: ToyMember, { id, changes }: ReplicaTransaction): void {
    if (this.coordinator === 'away') {
      for (const change of changes) this.tell(`${from.name} asks for ${changeText(change)} -- lost`);
      return;
    }
    this.#step(from.name, changes);
    const isLost = this.coordinator === 'answersLost';
    if (isLost) this.tell(`the answer to ${from.name} is lost`);
    else if (!from.isDeaf) from.run(() => from.core.onTransaction({ id, table: this.table }, from.moment));
    for (const member of this.members.values()) {
      if (member.isDeaf || (isLost && member === from)) continue;
      member.run(() => member.core.onTable(this.table, member.moment));
    }
  }

  #step(by: string, changes: readonly ReplicaChange[]): void {
    const { table, refused } = this.#steps.step(this.table, changes);
    this.table = table;
    this.tables.set(table.version, table);
    const whys = new Map(refused.map(({ index, why }) => [index, why]));
    for (const [index, change] of changes.entries()) {
      if (change.kind === 'register' && !whys.has(index)) continue;
      const why = whys.get(index);
      this.tell(
        `${by}: ${changeText(change)}${why === undefined ? ` -> table ${table.version}` : ` -- refused: ${why}`}`,
      );
    }
  }

  #renew(from: ToyMember, number: number, _ceiling: Version): void {
    if (this.coordinator !== 'up' || this.unheard.has(from.name)) return;
    const isAlive = this.table.members.some(({ replica, isAlive }) => replica === from.self && isAlive);
    if (isAlive) from.core.onRenewed({ number, tableVersion: this.table.version }, from.moment);
  }
}

function waysOf(link: string): string[] {
  if (link.includes('>')) return [link];
  const [one, other] = link.split(' ');
  return [`${one}>${other}`, `${other}>${one}`];
}

function changeText(change: ReplicaChange): string {
  switch (change.kind) {
    case 'register':
    case 'expire':
      return `${change.kind} ${change.replica}`;
    case 'want':
      return `want ${change.partition} on ${change.wanted.join(' ')}`;
    case 'nominate':
      return `nominate ${change.primary} for ${change.partition}`;
    case 'renounce':
      return `renounce ${change.partition}@${change.epoch} at ${change.lastSequence} for ${change.successor}`;
    case 'declareLost':
      return `${change.partition} is lost`;
    case 'leaveSet':
      return `${change.by} leaves the set of ${change.partition}`;
    case 'setInSync':
      return `set of ${change.partition}@${change.epoch} is ${change.inSync.join(' ')}`;
    case 'complete':
      return `promotion of ${change.partition}@${change.epoch} is complete with ${change.inSync.join(' ')}`;
    case 'create':
    case 'recover':
      return `${change.kind} ${change.partition} on ${change.inSync.join(' ')}`;
  }
}
