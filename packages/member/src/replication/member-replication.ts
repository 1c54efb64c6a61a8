/**
 * Replication in this member: the host over its store, links to the other replicas, the coordinator behind both.
 *
 *   table -> links to its replicas, host -> which partitions are served here -> GridView
 *   Replication.Exchange -> host                    stop: leave() -> others serve what this member did
 *
 * Made only where the grid has backups: a member without them serves what the table names, and commits at once.
 */
import { uptime } from 'node:os';
import type { GridView, TableState } from '@ashlar/cluster';
import {
  GridError,
  type HybridClock,
  type MemberId,
  type ReplicaId,
  type ReplicaTable,
  type ReplicaTransaction,
  replicaIdOf,
  systemTime,
} from '@ashlar/core';
import { decodeMessage, encodeMessage, type HostTimers, ReplicaHost } from '@ashlar/partitions';
import { DEFAULT_OPTIONS, DEFAULT_TIMINGS, type Note, type ReplicationFigures } from '@ashlar/replication';
import type { MemberStore } from '@ashlar/storage';
import {
  type ConnectionOptions,
  giveBackMessage,
  ReplicaLinks,
  type ReplicaMessage,
  type ReplicationService,
} from '@ashlar/transport';
import type { Logger } from 'pino';
import { noteLines } from './note-lines.ts';
import { ReplicationCounts } from './replication-counts.ts';

const MS_PER_S = 1000;
/** Of transactions that fail while the member leaves: then nobody is there who could note who takes over. */
const LEAVE_FAILURES_MAX = 2;

const TIME = { ...systemTime, bootMs: () => uptime() * MS_PER_S };
const TIMERS: HostTimers = {
  next: queueMicrotask,
  soon: (run) => void setImmediate(run),
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

export interface ReplicationParts {
  readonly control: GridView;
  readonly store: MemberStore;
  readonly clock: HybridClock;
  readonly log: Logger;
  readonly incarnation: string;
  readonly minInSync: number;
  /** How links show who they are. */
  readonly connection: ConnectionOptions;
  /** Tests: commits some time later. */
  readonly delayCommit?: ((commit: () => void) => void) | undefined;
}

export class MemberReplication {
  readonly host: ReplicaHost;
  readonly service: ReplicationService;
  readonly links: ReplicaLinks;
  readonly counts = new ReplicationCounts();
  /** Messages that links could not take: they are sent again. */
  droppedMessages = 0;
  readonly replica: ReplicaId;
  readonly #parts: ReplicationParts;
  readonly #noCoordinator = Promise.withResolvers<undefined>();
  #leaveFailures = 0;
  #notes: Note[] = [];

  constructor(parts: ReplicationParts) {
    const { control, store, clock, log, incarnation, minInSync, connection } = parts;
    this.#parts = parts;
    this.replica = replicaIdOf(control.self, incarnation);
    const onUp = (replica: ReplicaId): void => this.host.linked(replica);
    this.links = new ReplicaLinks(connection, { self: this.replica, log, onUp });
    const { partitionCount } = control;
    this.host = new ReplicaHost({
      ...{ store, clock, time: TIME, timers: TIMERS, delayCommit: parts.delayCommit },
      replication: { ...DEFAULT_OPTIONS, self: this.replica, partitionCount, minInSync, timings: DEFAULT_TIMINGS },
      ports: {
        send: (to, message) => {
          if (!this.links.send(encodeMessage({ from: this.replica, to, message }))) this.droppedMessages++;
        },
        transact: (transaction) => this.#transact(transaction),
        renew: (replica, lease) => this.#renew(replica, lease),
        servedChanged: () => control.servingChanged(),
        payloadDone: giveBackMessage,
        noted: (note) => this.#noted(note),
        failed: (error) => log.error({ err: error }, 'a step of replication failed'),
      },
    });
    this.service = { onMessage: (message) => this.#received(message) };
  }

  /** Follows the table from now on. To be called before anybody else does. */
  follow(): void {
    const { control } = this.#parts;
    control.serveBy(this.host.served);
    control.onTable((table) => this.#followLinks(table));
  }

  figures(): ReplicationFigures {
    return this.host.figures();
  }

  /** Asks for leases, and acts by time, from now on. */
  begin(): void {
    this.host.begin();
  }

  /** Hands over what this member serves, to members that hold it: resolves when they serve it, or nobody can. */
  async leave(): Promise<void> {
    const { log } = this.#parts;
    const left = await Promise.race([this.host.leave(), this.#noCoordinator.promise]);
    if (left === undefined) log.warn('the coordinator cannot be reached: nothing is handed over');
    else log.info({ handedOver: left.handedOver.length, kept: left.kept.length }, 'partitions handed over');
  }

  async #transact(transaction: ReplicaTransaction): Promise<ReplicaTable | undefined> {
    try {
      return (await this.#parts.control.transact(transaction)).replicas;
    } catch (error) {
      if (this.host.isLeaving && ++this.#leaveFailures === LEAVE_FAILURES_MAX) this.#noCoordinator.resolve(undefined);
      throw error;
    }
  }

  close(): void {
    this.host.close();
    this.links.close();
  }

  #followLinks({ members }: TableState): void {
    this.links.follow(
      members.map(({ id, incarnation, address }) => ({ replica: replicaIdOf(id as MemberId, incarnation), address })),
    );
  }

  /** Asks for the newest table where the coordinator has another one than is here: its watch may hang, or lag. */
  async #renew(...[replica, asked]: Parameters<GridView['renew']>): ReturnType<GridView['renew']> {
    const { control } = this.#parts;
    const grant = await control.renew(replica, asked);
    if (grant === undefined || grant.tableVersion > control.table.tableVersion) {
      void control.refresh().catch(() => undefined);
    }
    return grant;
  }

  #received(message: ReplicaMessage): void {
    try {
      const { from, to, message: read } = decodeMessage(message);
      // Its numbers have been copied; a payload is given back when it has been read.
      if (message.payloads.length === 0) giveBackMessage(message.head);
      this.host.received(from, to, read);
    } catch (error) {
      if (!GridError.is(error, 'INVALID_ARGUMENT')) throw error;
      this.#parts.log.warn({ err: error, from: message.from }, 'a message of a replica was not understood');
    }
  }

  /** What a turn notes is logged together. */
  #noted(note: Note): void {
    this.counts.noted(note);
    if (this.#notes.push(note) > 1) return;
    setImmediate(() => {
      const notes = this.#notes;
      this.#notes = [];
      for (const { level, facts, message } of noteLines(notes)) this.#parts.log[level](facts, message);
    });
  }
}
