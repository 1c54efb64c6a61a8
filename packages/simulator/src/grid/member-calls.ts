/**
 * Calls of clients at a simulated member: looked at, staged, read, answered when what they hang on is committed.
 *
 * member-calls A1  A write is sealed only where `mayWrite` says yes, at a version at most the ceiling; it is answered when its
 *                  record is committed.
 * member-calls A2  A read is answered only where `mayRead` says yes before the value is taken and again before it leaves, in the
 *                  same epoch.
 * member-calls A3  A request that the log knows is answered as it was then; one that it may have forgotten is not done again.
 * member-calls A4  A snapshot's version lies below the ceiling when it is opened; what was sealed at or below it is committed
 *                  first; lease and epoch are looked at again then.
 */
import type { Epoch, Random, Version } from '@ashlar/core';
import type { ServeAnswer } from '@ashlar/replication';
import { ABSENT, type KeyValue } from '../history/operation.ts';
import type { HostRules } from './host-rules.ts';
import type { Answer, KeyRequest, OpenRequest, PinRequest, RefusalCode } from './messages.ts';
import type { SimMember } from './sim-member.ts';
import type { SimCopy } from './sim-store.ts';
import type { ToyRecord } from './toy-copy.ts';
import type { World } from './world.ts';

/** A version that clients bring may be so far ahead. */
const CLOCK_AHEAD_MAX_US = 500_000;
/** A read takes a moment; some take longer, in which everything may change. */
const READ_MAX_MS = 0.5;
const SLOW_READ_MAX_MS = 80;
/** One read of so many is slow. */
const SLOW_READ_EVERY = 5;
const OPENING_MAX_MS = 2000;
/** Numbers that a request has for the records beside its own. */
const BESIDE_MAX = 16;

interface Opening {
  readonly request: OpenRequest;
  readonly epoch: number;
  /** What was sealed at or below the version when it was asked for. */
  readonly upTo: number;
  readonly untilMs: number;
}

export class MemberCalls {
  readonly #member: SimMember;
  readonly #world: World;
  readonly #random: Random;
  readonly #rules: HostRules;
  /** Records that a write has beside its own, at most. */
  readonly #batchMax: number;
  /** By partition and sequence: whom its commit answers. */
  readonly #waiting = new Map<number, Map<number, KeyRequest[]>>();
  readonly #openings = new Map<number, Opening[]>();

  constructor(member: SimMember, world: World, random: Random, rules: HostRules, batchMax: number) {
    this.#batchMax = batchMax;
    this.#member = member;
    this.#world = world;
    this.#random = random;
    this.#rules = rules;
  }

  take(request: KeyRequest | PinRequest | OpenRequest): void {
    if (request.kind === 'pin') {
      this.#pin(request);
      return;
    }
    if (request.kind === 'open') {
      this.#open(request);
      return;
    }
    request.verb === 'get' ? this.#get(request) : this.#write(request);
    return;
  }

  /* ---- Writes --------------------------------------------------------------------------------------------------------- */

  #write(request: KeyRequest): void {
    const { core, clock, replica } = this.#member;
    const { partition, key } = request;
    const may = core.mayWrite(partition, this.#member.nowMs());
    if (!this.#admits(request, may, request.sessionVersion)) return;
    const copy = this.#member.copyOf(partition)!;
    const { knowsAnswers, keepsWindow } = this.#rules;
    const known = knowsAnswers ? copy.answerOf(request.session, request.request) : undefined;
    if (known !== undefined && (keepsWindow || known.epoch === core.epochOf(partition))) {
      this.#answerWhenCommitted(request, known);
      return;
    }
    if (knowsAnswers && keepsWindow && copy.mayHaveForgotten(request.sentVersion)) {
      this.#forgot(request);
      return;
    }
    const beside = Array.from({ length: this.#besides(request) }, () => clock.tick());
    const version = clock.tick();
    const ceiling = core.ceilingOf(partition, this.#member.nowMs());
    if (this.#rules.keepsCeiling && version > ceiling) {
      this.#refuse(request, 'NO_CEILING');
      return;
    }
    for (const [at, one] of beside.entries()) this.#appendBeside(request, copy, at, one, ceiling);
    const before = copy.newest(key) ?? ABSENT;
    const value = request.verb === 'put' ? request.given : Math.max(before, 0) + request.given;
    const record = copy.append({
      ...{ partition, sequence: copy.last + 1, epoch: core.epochOf(partition), version, key, before, value },
      ...{ session: request.session, request: request.request },
    });
    this.#world.truth.sealed(replica, record, ceiling);
    this.#world.watch.appended(this.#member, partition, record.sequence);
    core.sealed(partition, record.sequence as never);
    this.#answerWhenCommitted(request, record);
    if (!this.#rules.keepsVersions) this.#member.later(0, () => copy.renumber(record.sequence, clock.tick()));
    this.#member.askTurn();
  }

  /** Records in the batch of a write before its own: some, as its numbers say. */
  #besides({ session, request }: KeyRequest): number {
    return (session * 5 + request) % (this.#batchMax + 1);
  }

  #appendBeside(write: KeyRequest, copy: SimCopy, at: number, version: number, ceiling: number): void {
    const { core, replica } = this.#member;
    const { partition, session, request } = write;
    const key = `${partition}:beside${at}`;
    const record = copy.append({
      ...{ partition, sequence: copy.last + 1, epoch: core.epochOf(partition), version, key },
      ...{ before: copy.newest(key) ?? ABSENT, value: write.given, isOpen: true },
      ...{ session: -session, request: request * BESIDE_MAX + at },
    });
    this.#world.truth.sealed(replica, record, ceiling);
    this.#world.watch.appended(this.#member, partition, record.sequence);
  }

  /** The version from which on the log knows everything goes along (member-calls A3). */
  #forgot(request: KeyRequest): void {
    const { core, clock, replica } = this.#member;
    const { partition } = request;
    const ceiling = core.ceilingOf(partition, this.#member.nowMs());
    const version = Math.min(clock.now(), ceiling);
    this.#world.truth.handedOut(replica, partition, version, ceiling);
    this.#answer(request, { refusal: 'FORGOTTEN', version });
  }

  #answerWhenCommitted(request: KeyRequest, record: ToyRecord): void {
    const copy = this.#member.copyOf(request.partition)!;
    if (!this.#rules.answersCommitted || record.sequence <= copy.committed) {
      this.#answerRecord(request, record);
      return;
    }
    let bySequence = this.#waiting.get(request.partition);
    if (bySequence === undefined) this.#waiting.set(request.partition, (bySequence = new Map()));
    const waiting = bySequence.get(record.sequence);
    if (waiting === undefined) bySequence.set(record.sequence, [request]);
    else waiting.push(request);
  }

  #answerRecord(request: KeyRequest, record: ToyRecord): void {
    this.#answer(request, { value: record.value, version: record.version });
  }

  /** The set has everything up to there. */
  committed(partition: number, sequence: number): void {
    const copy = this.#member.copyOf(partition)!;
    const waiting = this.#waiting.get(partition);
    for (const record of copy.commit(sequence)) {
      if (this.#world.truth.committed(this.#member.replica, record)) this.#world.watch.committed(record);
      const requests = waiting?.get(record.sequence);
      if (requests === undefined) continue;
      waiting!.delete(record.sequence);
      for (const request of requests) this.#answerRecord(request, record);
    }
    this.#openReady(partition);
  }

  /* ---- Reads ---------------------------------------------------------------------------------------------------------- */

  #get(request: KeyRequest): void {
    const { core, clock, replica } = this.#member;
    const { partition, key } = request;
    const may = this.#mayRead(partition);
    if (!this.#admits(request, may, request.sessionVersion)) return;
    const epoch = core.epochOf(partition);
    const copy = this.#member.copyOf(partition)!;
    const value = (this.#rules.readsCommitted ? copy.shown(key) : copy.newest(key)) ?? ABSENT;
    const since = this.#world.truth.lastOf(partition);
    const version = clock.now();
    const ceiling = core.ceilingOf(partition, this.#member.nowMs());
    if (this.#rules.keepsCeiling && this.#rules.looksAtEveryRead && version > ceiling) {
      this.#refuse(request, 'NO_CEILING');
      return;
    }
    this.#world.truth.handedOut(replica, partition, version, ceiling);
    this.#member.later(this.#readMs(), () => {
      if (this.#rules.looksAtEveryRead && !this.#mayStillRead(partition, epoch))
        return this.#refuse(request, 'NOT_SERVING');
      this.#world.truth.read(replica, partition, key, value, since);
      this.#answer(request, { value, version });
    });
  }

  /** For a mutant: what was seen at the last tick. */
  readonly #seen = new Map<number, ServeAnswer>();

  #mayRead(partition: number): ServeAnswer {
    const seen = this.#rules.looksAtEveryRead ? undefined : this.#seen.get(partition);
    if (seen === 'yes' && this.#member.copyOf(partition) !== undefined) return seen;
    return this.#member.core.mayRead(partition, this.#member.nowMs());
  }

  /** Once a tick. */
  look(): void {
    if (this.#rules.looksAtEveryRead) return;
    const nowMs = this.#member.nowMs();
    for (const partition of this.#member.store.partitions())
      this.#seen.set(partition, this.#member.core.mayRead(partition, nowMs));
  }

  #readMs(): number {
    const isSlow = this.#random.below(SLOW_READ_EVERY) === 0;
    return this.#random.next() * (isSlow ? SLOW_READ_MAX_MS : READ_MAX_MS);
  }

  #mayStillRead(partition: number, epoch: number): boolean {
    const { core } = this.#member;
    return core.mayRead(partition, this.#member.nowMs()) === 'yes' && core.epochOf(partition) === epoch;
  }

  /* ---- Snapshots ------------------------------------------------------------------------------------------------------ */

  #pin(request: PinRequest): void {
    const { core, clock } = this.#member;
    const { partition } = request;
    const may = core.mayRead(partition, this.#member.nowMs());
    if (!this.#admits(request, may, request.sessionVersion)) return;
    const version = clock.now();
    if (this.#rules.keepsCeiling && version > core.ceilingOf(partition, this.#member.nowMs())) {
      this.#refuse(request, 'NO_CEILING');
      return;
    }
    this.#answer(request, { version });
  }

  #open(request: OpenRequest): void {
    const { core } = this.#member;
    const { partition, version } = request;
    const copy = this.#member.copyOf(partition);
    const may = core.mayRead(partition, this.#member.nowMs());
    // A mutant takes the look at the pin for one at the opening.
    if (copy === undefined || (may !== 'yes' && this.#rules.looksAgainAtOpening)) {
      this.#refuseFor(request, may);
      return;
    }
    if (!this.#admits(request, 'yes', version)) return;
    const opening: Opening = {
      ...{ request, epoch: core.epochOf(partition), upTo: copy.sequenceAt(version) },
      untilMs: this.#member.nowMs() + OPENING_MAX_MS,
    };
    if (!this.#rules.opensCommitted || opening.upTo <= copy.committed) {
      this.#openNow(opening);
      return;
    }
    this.#openings.set(partition, [...(this.#openings.get(partition) ?? []), opening]);
  }

  #openReady(partition: number): void {
    const openings = this.#openings.get(partition);
    if (openings === undefined) return;
    const { committed } = this.#member.copyOf(partition)!;
    const nowMs = this.#member.nowMs();
    const rest = openings.filter(({ upTo, untilMs }) => upTo > committed && untilMs > nowMs);
    if (rest.length === 0) this.#openings.delete(partition);
    else this.#openings.set(partition, rest);
    for (const opening of openings) if (opening.upTo <= committed) this.#openNow(opening);
  }

  /** member-calls A4 */
  #openNow({ request, epoch }: Opening): void {
    const { core, replica } = this.#member;
    const { partition, version } = request;
    this.#member.later(this.#readMs(), () => {
      const values = this.#member.copyOf(partition)?.valuesAt(version);
      const ceiling = core.ceilingOf(partition, this.#member.nowMs());
      if (values === undefined) return this.#refuse(request, 'SNAPSHOT_EXPIRED');
      if (this.#rules.looksAgainAtOpening && !this.#mayStillRead(partition, epoch))
        return this.#refuse(request, 'SNAPSHOT_EXPIRED');
      if (this.#rules.keepsCeiling && this.#rules.looksAgainAtOpening && version > ceiling)
        return this.#refuse(request, 'NO_CEILING');
      this.#world.truth.resolved(replica, partition, version, ceiling);
      this.#world.truth.sees(replica, partition, version, values);
      this.#answer(request, { version, values });
    });
  }

  /** Where everything sealed is committed, nothing at or below the present follows. */
  markResolved(): void {
    const { core, clock, replica, store } = this.#member;
    const nowMs = this.#member.nowMs();
    for (const partition of store.partitions()) {
      const copy = store.copyOf(partition)!;
      if (copy.committed !== copy.last || core.mayRead(partition, nowMs) !== 'yes') continue;
      const ceiling = core.ceilingOf(partition, nowMs);
      const version = Math.min(clock.now(), this.#rules.keepsCeiling ? ceiling : Infinity);
      this.#world.truth.resolved(replica, partition, version, ceiling);
    }
  }

  /* ---- Roles ---------------------------------------------------------------------------------------------------------- */

  serves(partition: number, epoch: Epoch, lastSequence: number, above: Version): void {
    const { replica, clock } = this.#member;
    this.#world.watch.serves(this.#member, partition, epoch);
    if (this.#rules.beginsAbove) clock.observe(above);
    const copy = this.#member.copyOf(partition);
    this.#world.trace(
      () => `${replica}: serves ${partition} at epoch ${epoch} behind ${lastSequence} of ${copy?.last}`,
    );
    this.committed(partition, lastSequence);
    this.#member.store.serve(partition, epoch, clock.now());
  }

  /** Who waits asks again, elsewhere. */
  stopsServing(partition: number): void {
    this.#waiting.delete(partition);
    for (const { request } of this.#openings.get(partition) ?? []) this.#refuse(request, 'SNAPSHOT_EXPIRED');
    this.#openings.delete(partition);
    this.#member.store.stopServing(partition);
  }

  /** Takes note of a version from outside, unless it is too far ahead. */
  #observes(version: number): boolean {
    const { clock } = this.#member;
    if (version > clock.now() + CLOCK_AHEAD_MAX_US) return false;
    clock.observe(version as Version);
    return true;
  }

  /* ---- Answers -------------------------------------------------------------------------------------------------------- */

  /** Refuses who is not served here, and who brings a version that lies too far ahead. @returns whether it goes on */
  #admits(request: KeyRequest | PinRequest | OpenRequest, may: ServeAnswer, version: number): boolean {
    if (may !== 'yes') this.#refuseFor(request, may);
    else if (this.#observes(version)) return true;
    else this.#refuse(request, 'CLOCK_AHEAD');
    return false;
  }

  #refuseFor(request: KeyRequest | PinRequest | OpenRequest, may: ServeAnswer): void {
    this.#refuse(request, may === 'notPrimary' ? 'NOT_PRIMARY' : 'NOT_SERVING');
  }

  #refuse(request: KeyRequest | PinRequest | OpenRequest, refusal: RefusalCode): void {
    this.#answer(request, { refusal, table: this.#member.table });
  }

  #answer(
    request: KeyRequest | PinRequest | OpenRequest,
    given: Partial<Answer> & { readonly value?: KeyValue },
  ): void {
    const { host } = this.#member;
    const attempt = request.kind === 'request' ? request.attempt : 1;
    this.#world.send(host, request.client, {
      ...{ kind: 'answer', client: request.client, request: request.request, attempt, partition: request.partition },
      ...{ refusal: undefined, value: ABSENT, version: 0, values: undefined, table: undefined, ...given },
    });
  }
}
