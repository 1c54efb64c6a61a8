/** Carries out what the session decided, one effect after the other: asks the grid, writes answers. */
import { type Grid, GridError } from '@ashlar/api';
import { layOutTable } from '@ashlar/terminal';
import type { CliContext } from '../context.ts';
import { type Description, describeMap, describeMaps } from './describe.ts';
import { metaHelp } from './meta-commands.ts';
import { runStatement } from './run-statement.ts';
import type { Effect, Settings } from './session.ts';
import { startWaitingLine } from './waiting-line.ts';

export interface InterpreterOptions {
  readonly params: readonly unknown[];
  readonly timeoutMs: number | undefined;
  readonly strict?: boolean | undefined;
}

export class Interpreter {
  readonly #context: CliContext;
  readonly #grid: Grid;
  readonly #options: InterpreterOptions;

  constructor(context: CliContext, grid: Grid, options: InterpreterOptions) {
    this.#context = context;
    this.#grid = grid;
    this.#options = options;
  }

  /** Rejects with what went wrong; what was written until then stays. */
  async run(
    effect: Exclude<Effect, { kind: 'leave' | 'readFile' }>,
    settings: Settings,
    signal: AbortSignal,
  ): Promise<void> {
    const { out } = this.#context;
    switch (effect.kind) {
      case 'statement':
        return this.#runStatement(effect.statement.text, settings, signal);
      case 'listMaps':
        return this.#tell(await describeMaps(this.#grid, signal), settings);
      case 'describeMap':
        return this.#tell(await describeMap(this.#grid, effect.map, signal), settings);
      case 'help':
        for (const line of metaHelp()) out.line(line);
        return;
      case 'say':
        return out.line(out.colours.dim(effect.text));
      case 'refuse':
        throw effect.error;
    }
  }

  async #runStatement(text: string, settings: Settings, signal: AbortSignal): Promise<void> {
    const waiting = startWaitingLine(this.#context.err, this.#grid);
    try {
      const beforeOutput = (): void => waiting.stop();
      await runStatement(this.#context, this.#grid, text, { ...this.#options, ...settings, signal, beforeOutput });
    } finally {
      waiting.stop();
    }
  }

  #tell({ table, objects, note }: Description, { mode }: Settings): void {
    const { out } = this.#context;
    if (mode === 'json' || mode === 'ndjson') {
      for (const object of objects) out.line(JSON.stringify(object));
      return;
    }
    const fitted = out.isTerminal ? { widthMax: out.width } : {};
    if (table.rows.length > 0) out.line(layOutTable(table, { colours: out.colours, types: false, ...fitted }).text);
    if (note !== undefined) out.line(out.colours.dim(note));
  }
}

/** Where a statement of a file stands, for the one who reads an error. */
export function placeOf(error: unknown, effect: Effect): number | undefined {
  if (effect.kind === 'say') return undefined;
  if (effect.kind !== 'statement') return effect.line;
  const line = GridError.is(error) ? (error.position?.line ?? 1) : 1;
  return effect.statement.line + line - 1;
}
