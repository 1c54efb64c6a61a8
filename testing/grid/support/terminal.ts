/**
 * A terminal for a test: a tmux server of its own, with one program in it.
 *
 * terminal X1  end() ends the server and all that runs in it.
 * terminal X2  Nothing waits without a bound: what does not come within WAIT_MS rejects with what the screen shows.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const WAIT_MS = 15_000;
const LOOK_EVERY_MS = 40;
const TRY_MS = 1000;

export class Terminal {
  /** Where the server's socket lies. */
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param command  a line for the shell of the system */
  static async start(command: string, size: { readonly columns: number; readonly rows: number }): Promise<Terminal> {
    const terminal = new Terminal(await mkdtemp(join(tmpdir(), 'ashlar-tmux-')));
    const { columns, rows } = size;
    await terminal.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', `${columns}`, '-y', `${rows}`, command);
    await terminal.#tmux('set-option', '-g', 'remain-on-exit', 'on');
    return terminal;
  }

  async type(text: string): Promise<void> {
    // As bytes: tmux would take a semicolon at the end for its own.
    const bytes = [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, '0'));
    await this.#tmux('send-keys', '-H', ...bytes);
  }

  /** Enter, Tab, Up, C-c ... */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#tmux('send-keys', key);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`);
  }

  /** What can be seen, blank lines at the end as one line end. @param withColours  with the escapes that colour it */
  async screen(withColours = false): Promise<string> {
    const { stdout } = await this.#tmux('capture-pane', '-p', ...(withColours ? ['-e'] : []));
    return `${stdout.trimEnd()}\n`;
  }

  /** Waits until the screen shows it; answers the screen. */
  async shows(pattern: RegExp | string, waitMs = WAIT_MS): Promise<string> {
    const deadlineMs = performance.now() + waitMs;
    for (;;) {
      const screen = await this.screen();
      if (typeof pattern === 'string' ? screen.includes(pattern) : pattern.test(screen)) return screen;
      if (performance.now() > deadlineMs) throw new Error(`${pattern} did not come; the screen shows:\n${screen}`);
      await pause(LOOK_EVERY_MS);
    }
  }

  /** The same, doing something again and again: a new size reaches the program some time after it was given. */
  async showsAfter(act: () => Promise<void>, pattern: RegExp | string): Promise<string> {
    const deadlineMs = performance.now() + WAIT_MS;
    for (;;) {
      await act();
      try {
        return await this.shows(pattern, TRY_MS);
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
      }
    }
  }

  async end(): Promise<void> {
    await this.#tmux('kill-server').catch(() => {});
    await rm(this.#folder, { recursive: true, force: true });
  }

  #tmux(...args: readonly string[]): Promise<{ stdout: string }> {
    return run('tmux', ['-S', join(this.#folder, 'socket'), ...args]);
  }
}
