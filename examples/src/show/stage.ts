/** The surroundings of every act of the show. */

import type { Grid } from '@ashlar/api';
import type { Screen } from '@ashlar/terminal';
import type { ShowOptions } from './options.ts';

export interface Stage {
  readonly options: ShowOptions;
  /** For people: stdout, or stderr with `--json`. */
  readonly screen: Screen;
  readonly grid: Grid;
  /** Fires when the show is stopped. */
  readonly signal: AbortSignal;
}

/** An act begins: its name and what it shows. */
export function headline(screen: Screen, title: string, subtitle: string): void {
  screen.line();
  screen.line(`${screen.colours.bold(screen.colours.magenta(title))}  ${screen.colours.dim(subtitle)}`);
}
