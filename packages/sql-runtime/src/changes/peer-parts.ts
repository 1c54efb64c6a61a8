/**
 * Parts of statements at other members: what a coordinator asks for and what the member does, over one conversation
 * (`Members/ChangePart`). A conversation that ends, however it ends, closes the part.
 */
import { CancelledError, GridError, type MemberId, type Version } from '@ashlar/core';
import { decodeValue, encodeMessage, encodeValue } from '@ashlar/serialization';
import type { Conversation, PartInput, PartOutput, PartStep } from '@ashlar/transport';
import { changeRequestOf } from '../peer-plans.ts';
import { type ChangePart, PART_LEASE_MS, type StageState } from './change-part.ts';
import type { ChangeOutcome, RowChange } from './change-request.ts';
import type { FoundRows, PartHandle } from './part-handle.ts';

const NO_BYTES = new Uint8Array(0);
/** Time that a commit may still take on its way before the lease is over. */
const LEASE_MARGIN_MS = 500;

/* ---- The member's side --------------------------------------------------------------------------------------------- */

/**
 * Throws INVALID_ARGUMENT for a request that is malformed, else what opening and the steps throw.
 *
 * @param open    the part of a request that was checked; asked once
 * @param signal  fires when the coordinator leaves
 */
export async function* servePart(
  inputs: AsyncIterable<PartInput>,
  open: (change: RowChange, tableVersion: number) => Promise<ChangePart>,
  signal: AbortSignal,
): AsyncGenerator<PartOutput, void, undefined> {
  let part: ChangePart | undefined;
  // The generator may be waiting for something that ends only so.
  signal.addEventListener('abort', () => part?.close(), { once: true });
  try {
    for await (const { body, step, tableVersion } of inputs) {
      part ??= await open(rowChangeOf(body), tableVersion);
      if (signal.aborted) throw new CancelledError('a part of a statement');
      yield await answered(part, step);
      if (step === 'commit') return;
    }
  } finally {
    part?.close();
  }
}

function rowChangeOf(body: Uint8Array): RowChange {
  const request = changeRequestOf(body);
  if (request.kind === 'change' || request.kind === 'insert') return request;
  throw new GridError('INVALID_ARGUMENT', `malformed request of a member: a ${request.kind} has no parts`, {
    hint: 'all members of a grid must run the same release',
  });
}

const OUTPUT = { rows: 0, version: 0, body: NO_BYTES, leaseMs: 0 } as const;

async function answered(part: ChangePart, step: PartStep): Promise<PartOutput> {
  switch (step) {
    case 'find': {
      const { work, odd, keysFound } = await part.find();
      return { ...OUTPUT, state: 'found', rows: work.rowCount, body: encodeValue({ odd, keysFound }) };
    }
    case 'stage':
    case 'stageInTurn':
      return { ...OUTPUT, state: await part.stage(step === 'stageInTurn'), leaseMs: PART_LEASE_MS };
    case 'release':
      part.release();
      return { ...OUTPUT, state: 'released' };
    case 'awaitRoom':
      await part.awaitRoom();
      return { ...OUTPUT, state: 'ready' };
    case 'keep':
      part.keep();
      return { ...OUTPUT, state: 'kept', leaseMs: PART_LEASE_MS };
    case 'commit': {
      const { affected, version } = await part.commit();
      return { ...OUTPUT, state: 'committed', rows: affected, version };
    }
  }
}

/* ---- The coordinator's side ---------------------------------------------------------------------------------------- */

export class PeerPart implements PartHandle {
  readonly member: MemberId;
  readonly #conversation: Conversation<PartInput, PartOutput>;
  readonly #tableVersion: number;
  #body: Uint8Array;
  /** Settles when the question that was asked last is answered: one at a time. */
  #asked: Promise<unknown> | undefined;
  #open = 0;
  /** performance.now() before which a commit arrives within the lease. */
  #goodUntilMs = 0;

  constructor(
    member: MemberId,
    change: RowChange,
    conversation: Conversation<PartInput, PartOutput>,
    tableVersion: number,
  ) {
    this.member = member;
    this.#conversation = conversation;
    this.#tableVersion = tableVersion;
    this.#body = encodeMessage(change);
  }

  async find(): Promise<FoundRows> {
    const { rows, body } = await this.#ask('find');
    return { rows, ...(decodeValue(body) as Omit<FoundRows, 'rows'>) };
  }

  async stage(isInTurn: boolean): Promise<StageState> {
    const askedMs = performance.now();
    const { state, leaseMs } = await this.#ask(isInTurn ? 'stageInTurn' : 'stage');
    // Its answer may have lain here: the lease is counted from before it was asked for.
    if (state === 'staged') this.#goodUntilMs = askedMs + leaseMs - LEASE_MARGIN_MS;
    return state as StageState;
  }

  async release(): Promise<void> {
    await this.#ask('release');
  }

  async awaitRoom(): Promise<void> {
    await this.#ask('awaitRoom');
  }

  async keep(): Promise<void> {
    const askedMs = performance.now();
    const { leaseMs } = await this.#ask('keep');
    this.#goodUntilMs = askedMs + leaseMs - LEASE_MARGIN_MS;
  }

  get isKept(): boolean {
    return performance.now() < this.#goodUntilMs;
  }

  async commit(): Promise<Pick<ChangeOutcome, 'affected' | 'version'>> {
    const { rows, version } = await this.#ask('commit');
    return { affected: rows, version: version as Version };
  }

  close(): void {
    this.#conversation.close();
  }

  get isAsking(): boolean {
    return this.#open > 0;
  }

  async #ask(step: PartStep): Promise<PartOutput> {
    const body = this.#body;
    this.#body = NO_BYTES;
    const input = { body, step, tableVersion: this.#tableVersion };
    const before = this.#asked;
    this.#open++;
    const answer = this.#after(before, input);
    this.#asked = answer.catch(() => undefined);
    try {
      return await answer;
    } finally {
      this.#open--;
    }
  }

  async #after(before: Promise<unknown> | undefined, input: PartInput): Promise<PartOutput> {
    if (this.#open > 1) await before;
    return this.#conversation.ask(input, input.step === 'commit' ? 'write' : 'none');
  }
}
