/** A member of a toy grid: the core, a toy store, and a host that performs its effects. */
import {
  type MemberId,
  type ReplicaId,
  type ReplicaTransaction,
  replicaIdOf,
  type Sequence,
  type Version,
} from '@ashlar/core';
import {
  DEFAULT_OPTIONS,
  DEFAULT_TIMINGS,
  type Effect,
  type Envelope,
  MemberCore,
  type Message,
  type Moment,
  type Note,
  type ReplicationOptions,
  type Rules,
  type TransferRef,
} from '../src/index.ts';
import { ToyCopy, type ToyPage, type ToyRecord, ToyStore } from './toy-store.ts';

/** What a member does that others see. */
export interface Outside {
  send(from: ToyMember, to: ReplicaId, message: Message): void;
  transact(from: ToyMember, transaction: ReplicaTransaction): void;
  renew(from: ToyMember, number: number, ceiling: Version): void;
  /** A line for the scenario. */
  tell(line: string): void;
}

export class ToyMember {
  readonly name: string;
  readonly self: ReplicaId;
  readonly store = new ToyStore();
  readonly core: MemberCore;
  isDead = false;
  isPaused = false;
  /** It hears no news of the table. */
  isDeaf = false;
  /** Versions that it gave, opened or handed out. */
  version: number;
  readonly #outside: Outside;
  readonly #now: () => number;
  readonly #installing = new Map<number, ToyCopy>();
  readonly #captured = new Map<string, { readonly pages: readonly ToyPage[] }>();

  constructor(
    name: string,
    incarnation: number,
    options: Partial<ReplicationOptions>,
    rules: Rules | undefined,
    now: () => number,
    outside: Outside,
  ) {
    this.name = name;
    this.self = replicaIdOf(name as MemberId, String(incarnation));
    this.#outside = outside;
    this.#now = now;
    this.version = now() * 1000;
    const all = { ...DEFAULT_OPTIONS, partitionCount: 4, timings: DEFAULT_TIMINGS, ...options, self: this.self };
    this.core = new MemberCore(all, this.store, rules);
  }

  get moment(): Moment {
    this.version = Math.max(this.version, this.#now() * 1000);
    return { ms: this.#now(), version: this.version as Version };
  }

  /** Inputs, then turns until there is nothing left to do. */
  run(inputs: () => void): void {
    if (this.isDead || this.isPaused) return;
    inputs();
    for (let effects = this.core.turn(this.moment); effects.length > 0; effects = this.core.turn(this.moment)) {
      for (const effect of effects) this.#perform(effect);
    }
  }

  take(envelope: Envelope): void {
    this.run(() => this.core.onMessage(envelope, this.moment));
  }

  /** @returns what became of it at once */
  put(partition: number, key: string, value: string): string {
    const may = this.core.mayWrite(partition, this.#now());
    if (may !== 'yes') return may;
    const ceiling = this.core.ceilingOf(partition, this.#now());
    const version = this.moment.version + 1;
    if (version > ceiling) return `version ${version} above ceiling ${ceiling}`;
    this.version = version;
    const copy = this.store.copies.get(partition)!;
    const sequence = (copy.last + 1) as Sequence;
    copy.append([{ sequence, epoch: this.core.epochOf(partition) as ToyRecord['epoch'], key, value }]);
    this.#outside.tell(`${this.name} sealed ${partition}:${sequence} ${key}=${value}`);
    this.run(() => this.core.sealed(partition, sequence));
    return '';
  }

  get(partition: number, key: string): string {
    const may = this.core.mayRead(partition, this.#now());
    return may === 'yes' ? `${key}=${this.store.copies.get(partition)!.get(key) ?? '(none)'}` : may;
  }

  /* ---- Effects ------------------------------------------------------------------------------------------------------ */

  #perform(effect: Effect): void {
    const { copies } = this.store;
    switch (effect.kind) {
      case 'send':
        this.#outside.send(this, effect.to, effect.message);
        return;
      case 'transact':
        this.#outside.transact(this, effect.transaction);
        return;
      case 'renew':
        this.#outside.renew(this, effect.lease.number, effect.lease.ceiling);
        return;
      case 'apply': {
        const runs = effect.payload as readonly (readonly ToyRecord[])[];
        for (const [row, partition] of effect.partition.entries()) {
          const copy = copies.get(partition)!;
          copy.append(runs[effect.run[row]!]!);
          this.core.applied(partition, copy.last);
        }
        return;
      }
      case 'endBatch':
        return; // A record is a batch here.
      case 'openCopy':
        copies.set(effect.partition, new ToyCopy());
        this.#tell(`opens an empty copy of ${effect.partition}`);
        return;
      case 'dropCopy':
        copies.delete(effect.partition);
        this.#installing.delete(effect.partition);
        this.#tell(`drops its copy of ${effect.partition}`);
        return;
      case 'commitBackup':
        for (const [row, partition] of effect.partition.entries()) copies.get(partition)!.commit = effect.commit[row]!;
        return;
      case 'commit':
        for (const [row, partition] of effect.partition.entries()) {
          copies.get(partition)!.commit = effect.commit[row]!;
          this.#tell(`commits ${partition} up to ${effect.commit[row]}`);
        }
        return;
      case 'serve': {
        const copy = copies.get(effect.partition)!;
        copy.commit = effect.lastSequence;
        this.version = Math.max(this.version, effect.above + 1);
        const above = Math.round(effect.above / 1000);
        this.#tell(`serves ${effect.partition}@${effect.epoch} behind ${effect.lastSequence}, above ${above} ms`);
        return;
      }
      case 'stopServing':
        this.#tell(`stops serving ${effect.partition}@${effect.epoch}`);
        return;
      case 'left':
        this.#tell(`has left: handed over [${effect.handedOver}], kept [${effect.kept}]`);
        return;
      case 'note':
        this.#note(effect.note);
        return;
      default:
        this.#transfer(effect);
        return;
    }
  }

  #transfer(
    effect: Extract<Effect, { kind: `${string}Transfer` | `${string}Page` | 'holdLog' | 'finishInstall' }>,
  ): void {
    const { partition } = effect;
    switch (effect.kind) {
      case 'openTransfer': {
        const copy = this.store.copies.get(partition)!;
        this.#captured.set(keyOf(effect), { pages: copy.pages() });
        const logFrom = copy.commit < copy.trimFloor ? copy.commit + 1 : copy.trimFloor;
        this.core.transferOpened(effect, {
          ...{
            sequence: copy.commit as Sequence,
            version: this.moment.version,
            logFrom: logFrom as Sequence,
            lineage: [],
            revision: 0,
          },
        });
        return;
      }
      case 'readPage': {
        const { pages } = this.#captured.get(keyOf(effect))!;
        const { page } = effect;
        const payload = pages[page]!;
        this.core.pageRead(effect, { page, isLast: page === pages.length - 1, bytes: RECORD_BYTES_OF_PAGE, payload });
        return;
      }
      case 'closeTransfer':
        this.#captured.delete(keyOf(effect));
        return;
      case 'holdLog':
        return;
      case 'installPage': {
        if (effect.page === 0) this.#installing.set(partition, new ToyCopy());
        const copy = this.#installing.get(partition)!;
        const { entries, records } = effect.payload as ToyPage;
        for (const [key, value] of entries) copy.entries.set(key, value);
        copy.base = effect.start.logFrom - 1;
        copy.append(records.filter(({ sequence }) => sequence >= effect.start.logFrom));
        return;
      }
      case 'finishInstall': {
        const copy = this.#installing.get(partition)!;
        copy.commit = effect.start.sequence;
        this.#installing.delete(partition);
        this.store.copies.set(partition, copy);
        this.#tell(`has a copy of ${partition}, up to ${effect.start.sequence}`);
        this.core.installed(partition, effect.copy);
        return;
      }
    }
  }

  #note(note: Note): void {
    switch (note.kind) {
      case 'shrinking':
        this.#tell(`wants ${note.without} out of ${note.partition}: ${note.why}`);
        return;
      case 'grown':
        this.#tell(`has ${note.by} in sync in ${note.partition}`);
        return;
      case 'refusedEpoch':
        this.#tell(`refuses ${note.partition}@${note.epoch} of ${note.from}`);
        return;
      case 'transferCut':
        this.#tell(`cuts the transfer of ${note.partition} to ${note.to}: ${note.reason}`);
        return;
      case 'fault':
        this.#tell(`takes ${note.partition} of ${note.by} for wrong: ${String(note.error)}`);
        return;
      case 'clockGap':
        this.#tell(`missed ${note.gapMs} ms`);
        return;
      case 'suspended':
        this.#tell(note.isSuspended ? 'is taken for dead' : 'is a member');
        return;
      default:
        return;
    }
  }

  #tell(line: string): void {
    this.#outside.tell(`${this.name} ${line}`);
  }
}

const RECORD_BYTES_OF_PAGE = 20;

function keyOf({ partition, to, copy }: TransferRef): string {
  return `${partition} ${to} ${copy}`;
}
