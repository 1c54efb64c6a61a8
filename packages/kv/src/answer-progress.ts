/**
 * Which operations of a batch are answered, and when their answers are sent.
 *
 * answer-progress A1  Every answer is sent once, and only when all that its operation waits for is over: a processor, room
 *                     in a log, a commit.
 * answer-progress A2  Answers are sent in the order of the operations as soon as those before them are there, if they are
 *                     worth a message; but not once later ones were sent ahead (answer-progress A3), which would be sent
 *                     twice.
 * answer-progress A3  An answer does not wait for one that may take long: behind an operation that waits for room, or a statement that
 *                     waits for its plan, it is sent in the same turn; behind one whose commit is late, after some times what commits
 *                     take at the moment (SCATTER_MS at least), so that answers whose commits come together travel together: answers
 *                     between held ones are messages of an operation or two.
 * answer-progress A4  An unforeseen exception fails what is not answered yet, and touches neither the stream nor the
 *                     process, also where it comes out of somebody else's loop.
 * answer-progress A5  Whoever waits for one operation, which was sent again meanwhile, is told as soon as that is answered,
 *                     whatever becomes of the rest of its batch.
 */
import type { Answers } from './answers.ts';
import { LateAnswers } from './late-answers.ts';

/** Answers from which on a message of their own is worth it. */
const PIECE_OPERATIONS = 64;
/** As long as the rest is worked on, and little else is under way. */
const PART_OPERATIONS = 16;
const SCATTER_MS = 5;
const SCATTER_MS_MAX = 25;
const SCATTER_COMMITS = 4;

/** Who sends the answers, and gives up what is staged. */
export interface AnswerSender {
  /** Operations [first, end) are answered; others may take long. @returns false: not sent, they go with later ones */
  tell(first: number, end: number): boolean;
  /** All operations are answered; the answers of untold() are not sent yet. */
  tellDone(): void;
  /** How long commits take at the moment. */
  readonly commitMs: number;
  /** The run ends by an exception (answer-progress A4). */
  giveUp(): void;
}

export class AnswerProgress {
  readonly #answers: Answers;
  readonly #count: number;
  readonly #sender: AnswerSender;
  /** Operations without an answer, and one for the run over them itself. */
  #open = 1;
  #isOver = false;
  #isStarted = false;
  /** Made for the first operation that is answered late. */
  #late: LateAnswers | undefined;
  #told = 0;
  #isScattered = false;
  #isTellingSoon = false;
  #timer: NodeJS.Timeout | undefined;
  /** Who waits for single operations (answer-progress A5). */
  #watchers: Map<number, (() => void)[]> | undefined;
  /** An operation has waited for room in a log (answer-progress A3). */
  hasWaited = false;
  /** A statement waits for its plan, or its key (answer-progress A3). */
  tellsSoon = false;

  constructor(answers: Answers, count: number, sender: AnswerSender) {
    this.#answers = answers;
    this.#count = count;
    this.#sender = sender;
  }

  /** Every operation is, or was, answered in its first turn: none came later. */
  get isPrompt(): boolean {
    return this.#late === undefined;
  }

  /** All operations are answered, or the run was broken off. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Every operation had its first turn. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /**
   * Sends the answers of [told, next), where all of them are there: their values are long, and need not be held until the
   * end. Before started(); the answer of the last operation goes with tellDone().
   *
   * @returns whether they were sent
   */
  tellFirst(next: number): boolean {
    const first = this.#told;
    if (this.#isScattered || next === this.#count) return false;
    if (this.#late !== undefined && !this.#late.areAnswered(first, next)) return false;
    if (!this.#sender.tell(first, next)) return false;
    this.#told = next;
    return true;
  }

  /** The answers of operations [0, told) are sent. */
  get told(): number {
    return this.#told;
  }

  /** Every operation had its first turn: from here on those that are not open are answered. */
  started(): void {
    this.#isStarted = true;
    if (this.hasWaited || this.tellsSoon) this.#tellSoon();
    else if (this.#late !== undefined && this.#late.fresh > 0) this.tellWithin();
    this.#tellWatchers();
    this.#settle(1);
  }

  /** Whether what the operation is answered is final. */
  isAnswered(operation: number): boolean {
    return this.#isOver || (this.#isStarted && this.#late?.isOpen(operation) !== true);
  }

  /** Calls `tell` once the operation is answered, which it is not yet (answer-progress A5). It does not throw. */
  whenAnswered(operation: number, tell: () => void): void {
    this.#watchers ??= new Map();
    const watchers = this.#watchers.get(operation);
    if (watchers === undefined) this.#watchers.set(operation, [tell]);
    else watchers.push(tell);
  }

  #tellWatchers(): void {
    for (const operation of this.#watchers?.keys() ?? []) this.#tellWatchersOf(operation);
  }

  #tellWatchersOf(operation: number): void {
    const watchers = this.isAnswered(operation) ? this.#watchers!.get(operation) : undefined;
    if (watchers === undefined) return;
    this.#watchers!.delete(operation);
    for (const tell of watchers) tell();
  }

  /** The operation is answered later: settleLate() follows. */
  openLate(operation: number): void {
    this.#open++;
    this.#late ??= new LateAnswers(this.#count);
    this.#late.begin(operation);
  }

  /** As openLate() for each. */
  openAllLate(operations: readonly number[]): void {
    this.#open += operations.length;
    this.#late ??= new LateAnswers(this.#count);
    for (const operation of operations) this.#late.begin(operation);
  }

  /** Many answers have come in this turn, and the next ones come in a later one: their caller can go on meanwhile (answer-progress A2). */
  tellPart(): void {
    const late = this.#late;
    if (late === undefined || !this.#isStarted || this.#isOver) return;
    if (!this.hasWaited && !this.tellsSoon && !this.#isScattered) this.#tellPiece(late, PART_OPERATIONS);
  }

  /** One thing less that the operation waits for. */
  settleLate(operation: number): void {
    this.#late!.end(operation);
    if (this.#watchers !== undefined) this.#tellWatchersOf(operation);
    this.#settled(1);
  }

  /** One thing less that each of them waits for: a commit that they share. */
  settleAllLate(operations: readonly number[]): void {
    const late = this.#late!;
    for (const operation of operations) late.end(operation);
    if (this.#watchers !== undefined) for (const operation of operations) this.#tellWatchersOf(operation);
    this.#settled(operations.length);
  }

  /** So many things less are open: their answers may be worth a message. */
  #settled(count: number): void {
    const late = this.#late!;
    if (this.hasWaited || this.tellsSoon) this.#tellSoon();
    else if (this.#isScattered) this.tellWithin();
    else if (this.#open > count && late.fresh >= PIECE_OPERATIONS && this.#isStarted)
      this.#tellPiece(late, PIECE_OPERATIONS);
    this.#settle(count);
  }

  /** The operation goes on waiting for what it began to wait for before. */
  settleUnanswered(operation: number): void {
    this.#open--;
    this.#late!.endUnanswered(operation);
  }

  /** Commits have settled operations: the others may be much later (answer-progress A3). */
  tellWithin(): void {
    if (this.#isOver || this.hasWaited || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#tellScattered();
      },
      Math.min(Math.max(SCATTER_MS, this.#sender.commitMs * SCATTER_COMMITS), SCATTER_MS_MAX),
    );
  }

  /** Runs of operations [first, end) whose answers are not sent yet, when all are answered. */
  untold(): Iterable<readonly [first: number, end: number]> {
    return this.#isScattered ? this.#late!.untold(this.#told, false) : [[this.#told, this.#count]];
  }

  /** A step that is taken out of somebody else's loop (answer-progress A4). */
  later(step: () => void): () => void {
    return () => this.guard(step);
  }

  /** Takes a step of a run that is not over (answer-progress A4). */
  guard(step: () => void): void {
    if (this.#isOver) return;
    try {
      step();
    } catch (error) {
      this.breakOff(error);
    }
  }

  /** answer-progress A4: what is not answered yet fails, whatever became of it. */
  breakOff(error: unknown): void {
    if (this.#isOver) return;
    this.#sender.giveUp();
    for (let operation = this.#told; operation < this.#count; operation++) {
      if (this.#late?.isTold(operation) !== true) this.#answers.fail(operation, error);
    }
    this.#end();
  }

  #tellPiece(late: LateAnswers, leastOperations: number): void {
    late.fresh = 0;
    const end = late.endOfAnswered(this.#told);
    if (end - this.#told < leastOperations || end === this.#count) return;
    if (this.#sender.tell(this.#told, end)) this.#told = end;
  }

  #tellSoon(): void {
    if (this.#isTellingSoon) return;
    this.#isTellingSoon = true;
    setImmediate(() => {
      this.#isTellingSoon = false;
      this.#tellScattered();
    });
  }

  #tellScattered(): void {
    if (!this.#isStarted) return;
    this.guard(() => {
      for (const [first, end] of this.#late!.untold(this.#told, true)) {
        if (!this.#sender.tell(first, end)) continue;
        this.#isScattered = true;
        this.#late!.noteTold(first, end);
      }
    });
  }

  /** So many things less are open; the last one ends the run. */
  #settle(count: number): void {
    this.#open -= count;
    if (this.#open === 0 && !this.#isOver) this.#end();
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#tellWatchers();
    this.#sender.tellDone();
  }
}
