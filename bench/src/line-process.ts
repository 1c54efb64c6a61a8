/** A program of ours that takes a line of JSON and answers with a line of JSON, over and over. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { spawnNode, stopChild } from './child-process.ts';

export class LineProcess {
  readonly process: ChildProcess;
  /** Its first line. */
  told: unknown;
  readonly #name: string;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, name: string) {
    this.process = child;
    this.#name = name;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Once it has printed its first line. */
  static async start(name: string, file: string, args: readonly string[], core?: number): Promise<LineProcess> {
    const started = new LineProcess(spawnNode(file, args, core), name);
    started.told = await started.#next();
    return started;
  }

  async ask<Answer>(request: object): Promise<Answer> {
    this.process.stdin!.write(`${JSON.stringify(request)}\n`);
    return (await this.#next()) as Answer;
  }

  stop(): Promise<void> {
    return stopChild(this.process);
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the process of ${this.#name} ended`);
    return JSON.parse(value as string);
  }
}
