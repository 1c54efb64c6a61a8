/**
 * node:readline with colours, history and completion: lines come out, prompts go in.
 *
 *   keys -> readline edits and draws -> we draw the same line again, coloured
 *
 * Only readline's public parts are used: it draws without colours, and we draw where its cursor is.
 *
 * line-editor E1  Readline holds as history what our History has: statements as a whole, not their lines.
 * line-editor E2  On a dumb terminal nothing is redrawn: prompts are written, lines are read.
 */
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline';
import type { Screen } from '@ashlar/terminal';
import type { InputStream } from '../io.ts';
import { HISTORY_ENTRIES_MAX, type History } from './history.ts';
import { PromptOutput } from './prompt-output.ts';

export interface LineEditorOptions {
  readonly input: InputStream;
  readonly screen: Screen;
  readonly history: History;
  /** Colours the line that is being typed. */
  readonly highlight: (line: string) => string;
  /** Answers for the text up to the cursor, and the part of it that they replace. */
  readonly complete: (line: string, after: string) => Promise<[string[], string]>;
  readonly onInterrupt: () => void;
}

interface TypedLine {
  readonly text: string;
  /** Whether the one who typed saw it. */
  readonly isShown: boolean;
}

export class LineEditor {
  readonly #options: LineEditorOptions;
  readonly #output: PromptOutput;
  readonly #readline: Interface;
  /** Readline's own list. */
  readonly #shownHistory: string[];
  #typed: TypedLine[] = [];
  #isClosed = false;
  #wake: () => void = () => {};
  #recolouring: NodeJS.Immediate | undefined;

  constructor(options: LineEditorOptions) {
    this.#options = options;
    const { input, screen, history } = options;
    this.#output = new PromptOutput(screen.stream);
    this.#shownHistory = [...history.entries];
    this.#readline = createInterface({
      input,
      output: this.#output,
      terminal: screen.isTerminal,
      history: this.#shownHistory,
      historySize: HISTORY_ENTRIES_MAX,
      completer: (line: string, done: (error: null, answers: [string[], string]) => void) => this.#complete(line, done),
    });
    this.#readline.on('line', (text) => this.#take(text));
    this.#readline.on('close', () => this.#close());
    this.#readline.on('SIGINT', options.onInterrupt);
    this.#readline.on('history', () => this.#showHistory());
    if (screen.isTerminal && screen.colours.isColorSupported) {
      input.on('keypress', this.#recolourSoon);
      this.#output.on('resize', this.#recolourSoon);
    }
  }

  /** The text typed so far. */
  get line(): string {
    return this.#readline.line;
  }

  /** Asks for a line. @returns undefined when the input has ended */
  async ask(prompt: string): Promise<string | undefined> {
    for (let isFirst = true; ; isFirst = false) {
      const line = this.#typed.shift();
      if (line !== undefined) {
        if (!line.isShown && this.#options.screen.isTerminal) this.#show(prompt, line.text);
        return line.text;
      }
      if (this.#isClosed) return undefined;
      // Later on, a restart has written the prompt.
      if (isFirst) this.#prompt(prompt);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** Gives up what is typed and asks again, below some notices. */
  restart(prompt: string, notices: readonly string[]): void {
    if (this.#options.screen.isTerminal) {
      this.#readline.write(null, { ctrl: true, name: 'e' });
      this.#output.isMuted = true;
      this.#readline.write(null, { ctrl: true, name: 'u' });
      this.#output.isMuted = false;
      this.#output.write('^C');
    }
    this.#output.write('\n');
    for (const notice of notices) this.#options.screen.line(this.#options.screen.colours.dim(notice));
    this.#prompt(prompt);
  }

  /** Lines typed ahead are forgotten. */
  forgetTypedAhead(): void {
    this.#typed = [];
  }

  remember(entry: string): void {
    this.#options.history.add(entry);
    this.#showHistory();
  }

  close(): void {
    this.#readline.close();
  }

  #prompt(prompt: string): void {
    this.#output.isMuted = false;
    this.#readline.setPrompt(this.#coloured(prompt));
    this.#readline.prompt(true);
    this.#recolourSoon();
  }

  #show(prompt: string, text: string): void {
    this.#options.screen.line(`${this.#coloured(prompt)}${this.#options.highlight(text)}`);
  }

  #coloured(prompt: string): string {
    return this.#options.screen.colours.bold(prompt);
  }

  #take(text: string): void {
    this.#typed.push({ text, isShown: !this.#output.isMuted });
    this.#output.isMuted = true;
    this.#wake();
  }

  #close(): void {
    this.#isClosed = true;
    clearImmediate(this.#recolouring);
    this.#options.input.removeListener('keypress', this.#recolourSoon);
    this.#wake();
  }

  #showHistory(): void {
    this.#shownHistory.splice(0, this.#shownHistory.length, ...this.#options.history.entries);
  }

  #complete(line: string, done: (error: null, answers: [string[], string]) => void): void {
    const after = this.#readline.line.slice(this.#readline.cursor);
    const answer = (answers: [string[], string]): void => {
      done(null, answers);
      this.#recolourSoon();
    };
    this.#options.complete(line, after).then(answer, () => answer([[], '']));
  }

  /** Once for all keys that came together, as in a paste. */
  readonly #recolourSoon = (): void => {
    this.#recolouring ??= setImmediate(() => {
      this.#recolouring = undefined;
      this.#recolour();
    });
  };

  #recolour(): void {
    const { screen, highlight } = this.#options;
    if (this.#output.isMuted || this.#isClosed || !screen.colours.isColorSupported || !screen.isTerminal) return;
    const editor = this.#readline as { -readonly [Name in keyof Interface]: Interface[Name] };
    if (editor.line === '') return;
    const here = editor.getCursorPos();
    const { cursor } = editor;
    editor.cursor = editor.line.length;
    const end = editor.getCursorPos();
    editor.cursor = cursor;
    moveCursor(this.#output, 0, -here.rows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#output.write(`${editor.getPrompt()}${highlight(editor.line)}`);
    // A line that fills its row: as readline does, take the next row too.
    if (end.cols === 0) this.#output.write(' ');
    moveCursor(this.#output, 0, here.rows - end.rows);
    cursorTo(this.#output, here.cols);
  }
}
