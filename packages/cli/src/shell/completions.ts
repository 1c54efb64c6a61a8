/** Brings the names that completion needs: from the grid, for a moment remembered, and from the disk. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Grid } from '@ashlar/api';
import { answersTo, questionOf } from './completer.ts';
import { columnsOf } from './describe.ts';

/** Nobody waits longer for a Tab. */
const LOOKUP_TIMEOUT_MS = 1500;
const REMEMBER_MS = 10_000;

export class Completions {
  readonly #grid: Grid;
  readonly #known = new Map<string, { readonly untilMs: number; readonly names: Promise<readonly string[]> }>();

  constructor(grid: Grid) {
    this.#grid = grid;
  }

  /** @param before  lines of the statement entered before @param after  the line behind the cursor */
  async answer(line: string, before: string, after: string): Promise<[string[], string]> {
    const question = questionOf(line, before, after);
    const wantsMaps = question.kind === 'map' || question.kind === 'sql';
    const [maps, columns, files] = await Promise.all([
      wantsMaps ? this.#names('maps', (signal) => this.#mapNames(signal)) : [],
      Promise.all(
        question.columnsOf.map((map) => this.#names(`columns ${map}`, (signal) => columnsOf(this.#grid, map, signal))),
      ),
      question.kind === 'file' ? filesLike(question.word) : [],
    ]);
    return answersTo(question, { maps, columns: columns.flat(), files });
  }

  async #mapNames(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#grid.maps({ signal })).map(({ name }) => name);
  }

  /** The names that `ask` finds, kept for a while; none where it fails. */
  #names(key: string, ask: (signal: AbortSignal) => Promise<readonly string[]>): Promise<readonly string[]> {
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > performance.now()) return known.names;
    const names = ask(AbortSignal.timeout(LOOKUP_TIMEOUT_MS)).catch(() => {
      this.#known.delete(key);
      return [];
    });
    this.#known.set(key, { untilMs: performance.now() + REMEMBER_MS, names });
    return names;
  }
}

async function filesLike(path: string): Promise<readonly string[]> {
  const folder = path.endsWith('/') ? path : dirname(path);
  const prefix = path.includes('/') ? folder : '';
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.map(
    (entry) => `${prefix === '' ? entry.name : join(prefix, entry.name)}${entry.isDirectory() ? '/' : ''}`,
  );
}
