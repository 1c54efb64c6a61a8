/**
 * The statements that were entered, newest first, kept in a file across sessions.
 *
 * In the file the oldest stands first, an entry a line; line ends within a statement are U+0001 there, as psql keeps them.
 * Entries are appended as they come, so that shells side by side lose nothing; a file that has grown is cut at the start of a session. Where the file
 * cannot be written, the history lives as long as the shell.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export const HISTORY_ENTRIES_MAX = 1000;
const LINE_END = '\u0001';

/** ASHLAR_HISTORY (empty: none), else the state folder of the user (XDG_STATE_HOME, ~/.local/state). */
export function historyFile(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { ASHLAR_HISTORY: asked, XDG_STATE_HOME: state } = env;
  if (asked !== undefined) return asked === '' ? undefined : asked;
  const folder = state !== undefined && state !== '' ? state : join(homedir(), '.local', 'state');
  return join(folder, 'ashlar', 'sql_history');
}

export class History {
  /** Newest first. */
  readonly entries: string[];
  readonly #file: string | undefined;

  constructor(file: string | undefined) {
    this.#file = file;
    const lines = file === undefined ? [] : readLines(file);
    this.entries = lines.slice(-HISTORY_ENTRIES_MAX).reverse();
    if (lines.length > 2 * HISTORY_ENTRIES_MAX) this.#write(this.entries.toReversed(), 'w');
  }

  /** An entry that repeats the newest one, or is blank, is not kept. */
  add(entry: string): void {
    const text = entry.trimEnd();
    if (text.trim() === '' || text === this.entries[0]) return;
    this.entries.unshift(text);
    if (this.entries.length > HISTORY_ENTRIES_MAX) this.entries.pop();
    this.#write([text], 'a');
  }

  #write(entries: readonly string[], flag: 'a' | 'w'): void {
    if (this.#file === undefined) return;
    const text = entries.map((entry) => `${entry.replaceAll('\n', LINE_END)}\n`).join('');
    try {
      makeFolder(dirname(this.#file));
      if (flag === 'a') appendFileSync(this.#file, text, { mode: 0o600 });
      else writeFileSync(this.#file, text, { mode: 0o600 });
    } catch {
      // A history that cannot be kept is no reason to stop working.
    }
  }
}

/** One by one: Node's own recursive mkdir does not end where the file system denies the folder (/proc). */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function readLines(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line.trim() !== '').map((line) => line.replaceAll(LINE_END, '\n'));
  } catch {
    return [];
  }
}
