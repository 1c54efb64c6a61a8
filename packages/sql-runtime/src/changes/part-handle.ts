/** Parts of a statement as its coordinator sees them: at other members (peer-parts.ts) or at its own. */
import type { MemberId } from '@ashlar/core';
import type { ChangePart, FoundChange, StageState } from './change-part.ts';
import type { ChangeOutcome } from './change-request.ts';

export interface FoundRows {
  readonly rows: number;
  readonly odd: ChangeOutcome['odd'];
  readonly keysFound: readonly unknown[];
}

/** Steps as of ChangePart. One at a time, but for keep() and close(). */
export interface PartHandle {
  readonly member: MemberId;
  find(): Promise<FoundRows>;
  stage(isInTurn: boolean): Promise<StageState>;
  release(): Promise<void>;
  awaitRoom(): Promise<void>;
  /** @throws GridError: it is undone, or its member is lost */
  keep(): Promise<void>;
  /** Whether a step is under way. */
  readonly isAsking: boolean;
  /** Whether a commit that is asked for now finds it staged, unless the link or the member is lost. */
  readonly isKept: boolean;
  /** @throws GridError OUTCOME_UNKNOWN; any other: nothing is changed there */
  commit(): Promise<Pick<ChangeOutcome, 'affected' | 'version'>>;
  close(): void;
}

/** The part of the coordinator's own member: it needs no lease. */
export class OwnPart implements PartHandle {
  readonly member: MemberId;
  readonly isKept = true;
  readonly isAsking = false;
  readonly #part: ChangePart;

  constructor(member: MemberId, part: ChangePart) {
    this.member = member;
    this.#part = part;
  }

  async find(): Promise<FoundRows> {
    const { work, odd, keysFound }: FoundChange = await this.#part.find();
    return { rows: work.rowCount, odd, keysFound };
  }

  stage(isInTurn: boolean): Promise<StageState> {
    return this.#part.stage(isInTurn);
  }

  async release(): Promise<void> {
    this.#part.release();
  }

  awaitRoom(): Promise<void> {
    return this.#part.awaitRoom();
  }

  async keep(): Promise<void> {
    this.#part.keep();
  }

  commit(): Promise<ChangeOutcome> {
    return this.#part.commit();
  }

  close(): void {
    this.#part.close();
  }
}
