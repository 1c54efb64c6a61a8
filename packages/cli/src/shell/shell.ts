/**
 * The interactive shell: a prompt, a line, what follows from it, again.
 *
 * shell T1  One effect runs at a time; lines typed meanwhile wait.
 * shell T2  Ctrl-C cancels what runs, in the grid too; with nothing running it clears the line. The shell goes on in either
 *           case, and after every error.
 */
import type { Grid } from '@ashlar/api';
import { errorJson, renderError } from '@ashlar/terminal';
import type { CliContext } from '../context.ts';
import { Completions } from './completions.ts';
import { highlight } from './highlight.ts';
import { History, historyFile } from './history.ts';
import type { Interpreter } from './interpreter.ts';
import { LineEditor } from './line-editor.ts';
import { openScript, runScript } from './script.ts';
import { type Effect, newSession, onInterrupt, onLine, promptOf, type Session, type Settings } from './session.ts';

export interface ShellOptions {
  readonly settings: Settings;
  /** A notice that is shown before the first prompt. */
  readonly greeting: string;
}

export async function runShell(
  context: CliContext,
  grid: Grid,
  interpreter: Interpreter,
  options: ShellOptions,
): Promise<void> {
  const shell = new Shell(context, grid, interpreter, options);
  await shell.run(options.greeting);
}

class Shell {
  readonly #context: CliContext;
  readonly #interpreter: Interpreter;
  readonly #editor: LineEditor;
  #session: Session;
  /** Lines of the input under way, for the history. */
  #entered = '';
  #running: AbortController | undefined;

  constructor(context: CliContext, grid: Grid, interpreter: Interpreter, { settings }: ShellOptions) {
    this.#context = context;
    this.#interpreter = interpreter;
    this.#session = newSession(settings);
    const completions = new Completions(grid);
    this.#editor = new LineEditor({
      input: context.io.stdin,
      screen: context.out,
      history: new History(historyFile(context.io.env)),
      highlight: (line) => highlight(line, context.out.colours, this.#session.rest.text),
      complete: (line, after) => completions.answer(line, this.#session.rest.text, after),
      onInterrupt: () => this.#interrupt(),
    });
  }

  async run(greeting: string): Promise<void> {
    const { io, out } = this.#context;
    const stopInterrupts = io.onInterrupt(() => this.#interrupt());
    const close = (): void => this.#editor.close();
    io.signal.addEventListener('abort', close, { once: true });
    out.line(out.colours.dim(greeting));
    try {
      while (!io.signal.aborted && (await this.#turn()));
    } finally {
      stopInterrupts();
      io.signal.removeEventListener('abort', close);
      this.#editor.close();
    }
  }

  /** One line. @returns whether there may be another */
  async #turn(): Promise<boolean> {
    const line = await this.#editor.ask(promptOf(this.#session));
    if (line === undefined) {
      this.#context.out.line(); // behind the prompt that Ctrl-D was typed at
      return false;
    }
    this.#entered += `${line}\n`;
    const step = onLine(this.#session, line);
    this.#session = step.session;
    if (this.#session.rest.inside === 'nothing') {
      this.#editor.remember(this.#entered);
      this.#entered = '';
    }
    return this.#perform(step.effects);
  }

  /** @returns false when the user leaves */
  async #perform(effects: readonly Effect[]): Promise<boolean> {
    for (const effect of effects) {
      if (effect.kind === 'leave') return false;
      const running = new AbortController();
      this.#running = running;
      try {
        const signal = AbortSignal.any([running.signal, this.#context.io.signal]);
        if (effect.kind === 'readFile') await this.#readFile(effect.path, signal);
        else await this.#interpreter.run(effect, this.#session.settings, signal);
      } catch (error) {
        this.#tellFailure(error, effect, running.signal.aborted);
        return true;
      } finally {
        this.#running = undefined;
      }
    }
    return true;
  }

  async #readFile(path: string, signal: AbortSignal): Promise<void> {
    const world = { context: this.#context, interpreter: this.#interpreter, signal };
    const { settings } = await runScript(world, await openScript(path), this.#session.settings);
    this.#session = { ...this.#session, settings };
  }

  #interrupt(): void {
    this.#editor.forgetTypedAhead();
    if (this.#running !== undefined) {
      this.#running.abort();
      return;
    }
    const step = onInterrupt(this.#session, this.#editor.line);
    this.#session = step.session;
    this.#entered = '';
    const notices = step.effects.flatMap((effect) => (effect.kind === 'say' ? [effect.text] : []));
    this.#editor.restart(promptOf(this.#session), notices);
  }

  #tellFailure(error: unknown, effect: Effect, isCancelled: boolean): void {
    const { err } = this.#context;
    if (isCancelled) err.line(err.colours.yellow('cancelled'));
    else if (this.#session.settings.mode === 'json') err.line(errorJson(error));
    else err.line(renderError(error, err.colours, effect.kind === 'statement' ? effect.statement.text : undefined));
  }
}
